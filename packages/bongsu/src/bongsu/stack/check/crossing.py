"""What no single file shows: whether the files of a stack agree with each other and with the catalog."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from bongsu.catalog.errors import nearest
from bongsu.catalog.secrets import Secret
from bongsu.signals.quantities import format_duration, parse_duration
from bongsu.stack.bongsu_server import ADMIN_TOKEN, INGEST_TOKEN, secrets
from bongsu.stack.check import alertmanager, prometheus, promql
from bongsu.stack.check.model import Finding
from bongsu.stack.check.shapes import documents, entries
from bongsu.stack.kubernetes.workloads import GRAFANA_PASSWORD
from bongsu.stack.model import Stack, secret_name
from bongsu.stack.rules import WATCHDOG
from bongsu.stack.systems import SYSTEMS

_EXTRA_PORTS = {
    "alertmanager": {9094},
    "loki": {9095},
    "tempo": {4317, 4318, 9095},
    "jaeger": {4317, 4318, 8888, 13133},
    "alloy": {4317, 4318},
}
_BUILT_IN = frozenset({"-- Grafana --", "-- Mixed --", "-- Dashboard --", "grafana", "__expr__", "-100"})
_MONITORS = frozenset({"ServiceMonitor", "PodMonitor", "Probe", "ScrapeConfig"})


@dataclass(frozen=True)
class Generated:
    """The files of a stack, read once."""

    stack: Stack
    files: Mapping[str, str]

    @cached_property
    def yaml(self) -> Mapping[str, list[Any]]:
        """The documents of each YAML file that is one; rule tests are not looked into."""
        wanted = (f for f in self.files if f.endswith((".yml", ".yaml")) and "/rule_tests/" not in f)
        return {file: documents(file, self.files[file])[0] for file in wanted}

    @cached_property
    def jobs(self) -> list[dict[str, Any]]:
        return entries(_first(self.yaml.get(prometheus.CONFIGURATION)).get("scrape_configs"))

    @cached_property
    def rules(self) -> list[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
        """``(file, group, rule)`` of every rule that Prometheus reads."""
        return [
            (file, group, rule)
            for file, found in self.yaml.items()
            if file.startswith(prometheus.RULES)
            for group in entries(_first(found).get("groups"))
            for rule in entries(group.get("rules"))
        ]

    @cached_property
    def dashboards(self) -> Mapping[str, Mapping[str, Any]]:
        """File → dashboard."""
        found = {}
        for file, text in self.files.items():
            if file.endswith(".json"):
                try:
                    document = json.loads(text)
                except ValueError:
                    continue
                if isinstance(document, dict) and "panels" in document and "uid" in document:
                    found[file] = document
        return found

    @cached_property
    def datasources(self) -> dict[str, str]:
        """Uid → type of every data source that Grafana is provisioned with."""
        return {
            str(source.get("uid", "")): str(source.get("type", ""))
            for file, found in self.yaml.items()
            if "/datasources/" in file
            for source in entries(_first(found).get("datasources"))
        }

    @cached_property
    def manifests(self) -> list[Mapping[str, Any]]:
        """Every Kubernetes object."""
        found = (d for documents_ in self.yaml.values() for d in documents_ if isinstance(d, dict))
        return [document for document in found if "kind" in document and "apiVersion" in document]


def errors(generated: Generated) -> Iterator[Finding]:
    """Disagreements with which the stack would not do what the catalog says."""
    yield from _scraped(generated)
    yield from _panels_exist(generated)
    yield from _datasources_exist(generated)
    yield from _uids_differ(generated)
    yield from _modules_exist(generated)
    yield from _ports_agree(generated)
    yield from _secrets_provided(generated)


def warnings(generated: Generated) -> Iterator[Finding]:
    """What a person should know of, and what may be meant so."""
    yield from _alerts_reach_someone(generated)
    yield from _pace(generated)
    yield from _people_know_what_to_do(generated)
    yield from _watched_without_targets(generated)


def _scraped(generated: Generated) -> Iterator[Finding]:
    """A service that declares targets and has rules must be in some scrape."""
    stack = generated.stack
    if not stack.has("prometheus") or not (generated.jobs or generated.manifests):
        return
    for service in stack.services:
        judged = any(signal.thresholds for signal in service.signals.values())
        if service.spec.targets and judged and not _collected(generated, service.labels, service.name):
            yield Finding(
                prometheus.CONFIGURATION,
                "scrape_configs",
                f"{service.name} has alert rules, but nothing collects its metrics",
                f"no job, monitor or agent gives series the labels {dict(service.labels)}",
            )


def _collected(generated: Generated, labels: Mapping[str, str], service: str) -> bool:
    job = labels.get("job", service)
    for config in generated.jobs:
        given = {"job": config.get("job_name")}
        statics = [{**given, **(s.get("labels") or {})} for s in entries(config.get("static_configs"))]
        if any(all(static.get(k) == v for k, v in labels.items()) for static in statics):
            return True
        if any(key.endswith("_sd_configs") for key in config):
            return True
    for manifest in generated.manifests:
        if manifest.get("kind") in _MONITORS and job in json.dumps(manifest):
            return True
    agents = (text for file, text in generated.files.items() if file.endswith(".alloy"))
    return any(f'"{job}"' in text for text in agents)


def panels_of(dashboard: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The panels of a dashboard, those within rows too."""
    for panel in entries(dashboard.get("panels")):
        yield panel
        yield from entries(panel.get("panels"))


def _panels_exist(generated: Generated) -> Iterator[Finding]:
    if not generated.dashboards:
        return
    shown = {d["uid"]: {str(p.get("id")) for p in panels_of(d)} for d in generated.dashboards.values()}
    for file, _, rule in generated.rules:
        annotations = rule.get("annotations") or {}
        uid, panel = annotations.get("dashboard_uid"), str(annotations.get("panel_id", ""))
        if uid and uid not in shown:
            yield Finding(file, f"{rule.get('alert')}", f"there is no dashboard with the uid {uid!r}")
        elif uid and panel and panel not in shown[uid]:
            message = f"the dashboard {uid!r} has no panel {panel}"
            yield Finding(file, f"{rule.get('alert')}", message, "links of its messages would show nothing")


def _datasources_exist(generated: Generated) -> Iterator[Finding]:
    known = generated.datasources
    if not known:
        return
    used = [(file, where, uid) for file, d in generated.dashboards.items() for where, uid in _references(d)]
    for file, found in generated.yaml.items():
        if "/alerting/" in file:
            used += [(file, where, uid) for where, uid in _references(_first(found))]
    for file, where, uid in dict.fromkeys(used):
        if uid not in known and uid not in _BUILT_IN and not uid.startswith("$"):
            yield Finding(file, where, f"there is no data source with the uid {uid!r}", nearest(uid, known))


def _references(value: Any, where: str = "") -> Iterator[tuple[str, str]]:
    """``(place, uid)`` of each data source that a document names."""
    if isinstance(value, Mapping):
        title = value.get("title")
        here = f"{where}/{title}" if where and isinstance(title, str) else str(title or where)
        for key, part in value.items():
            if key == "datasource" and isinstance(part, Mapping) and isinstance(part.get("uid"), str):
                yield here, part["uid"]
            elif key == "datasourceUid" and isinstance(part, str):
                yield here, part
            else:
                yield from _references(part, here)
    elif isinstance(value, list):
        for part in value:
            yield from _references(part, where)


def _uids_differ(generated: Generated) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for file, dashboard in generated.dashboards.items():
        if "/dashboards/" not in file:
            continue
        first = seen.setdefault(str(dashboard["uid"]), file)
        if first != file:
            yield Finding(file, "uid", f"{dashboard['uid']!r} is the uid of {first} too", "Grafana keeps one")


def _modules_exist(generated: Generated) -> Iterator[Finding]:
    known = {
        name
        for file, found in generated.yaml.items()
        if PurePosixPath(file).parts[0] == "blackbox-exporter"
        for name in (_first(found).get("modules") or {})
    }
    if not known:
        return
    used = [
        (prometheus.CONFIGURATION, f"scrape_configs[{job.get('job_name')}].params.module", str(name))
        for job in generated.jobs
        for name in (job.get("params") or {}).get("module", ())
    ]
    for manifest in generated.manifests:
        module = (manifest.get("spec") or {}).get("module") if manifest.get("kind") == "Probe" else None
        if module:
            used.append(("Probe", str(manifest.get("metadata", {}).get("name")), str(module)))
    for file, where, name in used:
        if name not in known:
            yield Finding(file, where, f"the blackbox exporter has no module {name!r}", nearest(name, known))


def _ports_agree(generated: Generated) -> Iterator[Finding]:
    """Wherever a file names a system by its host, it must be with a port of that system."""
    names = "|".join(sorted(SYSTEMS, key=len, reverse=True))
    pattern = re.compile(rf"(?<![\w/.-])({names})(?:\.[a-z0-9-]+\.svc[a-z.]*)?:(\d{{2,5}})(?![\w.:-])")
    stack = generated.stack
    for file, text in generated.files.items():
        if "/rule_tests/" in file:
            continue
        for match in pattern.finditer(text):
            system, port = match[1], int(match[2])
            usual = {SYSTEMS[system].port, int(stack.address(system).rpartition(":")[2])}
            if port not in usual | _EXTRA_PORTS.get(system, set()):
                line = text.count("\n", 0, match.start()) + 1
                message = f"{system} is named with port {port}; elsewhere it is {stack.address(system)}"
                yield Finding(file, f"line {line}", message)


def _secrets_provided(generated: Generated) -> Iterator[Finding]:
    """Every secret file that a configuration names is one that the catalog knows how to fill."""
    stack = generated.stack
    known = {secret_name(secret) for secret in (*secrets(stack.catalog), INGEST_TOKEN, ADMIN_TOKEN)}
    known.add(GRAFANA_PASSWORD)
    folder = PurePosixPath(stack.secret_file(Secret(env="x"))).parent
    pattern = re.compile(rf"(?<![\w./-]){re.escape(str(folder))}/([\w.-]+)")
    for file, text in generated.files.items():
        for name in dict.fromkeys(pattern.findall(text)):
            if name.rstrip(".") not in known:
                yield Finding(file, "", f"nothing provides the secret {name!r}", nearest(name, known))


def _alerts_reach_someone(generated: Generated) -> Iterator[Finding]:
    document = _first(generated.yaml.get(alertmanager.CONFIGURATION))
    receivers = {
        r.get("name"): [k for k in r if k.endswith("_configs")] for r in entries(document.get("receivers"))
    }
    told: set[str] = set()
    for _, _, rule in generated.rules:
        labels = {str(k): str(v) for k, v in (rule.get("labels") or {}).items()}
        severity = labels.get("severity", "")
        if "alert" not in rule or severity in told or not document.get("route"):
            continue
        ends = list(destinations(document["route"], {"alertname": str(rule["alert"]), **labels}))
        if severity and rule["alert"] != WATCHDOG and ends and not any(receivers.get(end) for end in ends):
            told.add(severity)
            message = f"alerts of severity {severity!r} end at {', '.join(ends)}, which tells nobody"
            yield Finding(
                alertmanager.CONFIGURATION, "route", message, "route it to a channel, if it is to be told"
            )


def destinations(route: Mapping[str, Any], labels: Mapping[str, str], inherited: str = "") -> Iterator[str]:
    """The receivers that an alert with ``labels`` comes to, as Alertmanager walks its routes."""
    receiver = str(route.get("receiver") or inherited)
    matched = False
    for child in entries(route.get("routes")):
        if all(matches(text, labels) for text in child.get("matchers") or ()):
            matched = True
            yield from destinations(child, labels, receiver)
            if not child.get("continue"):
                return
    if not matched:
        yield receiver


_MATCHER = re.compile(r'\s*"?(?P<name>[^\s=!~"]+)"?\s*(?P<op>=~|!~|!=|=)\s*"?(?P<value>.*?)"?\s*', re.DOTALL)


def matches(matcher: str, labels: Mapping[str, str]) -> bool:
    """Whether ``severity=~"a|b"`` takes these labels; a missing label is empty."""
    found = _MATCHER.fullmatch(matcher)
    if found is None:
        return False
    value, op = labels.get(found["name"], ""), found["op"]
    if op in ("=", "!="):
        return (value == found["value"]) == (op == "=")
    return (re.fullmatch(found["value"], value) is not None) == (op == "=~")


def _pace(generated: Generated) -> Iterator[Finding]:
    """A ``for`` below the evaluation interval, and windows that hold fewer than two scrapes."""
    shared = _first(generated.yaml.get(prometheus.CONFIGURATION)).get("global") or {}
    scrape = _seconds(shared.get("scrape_interval") or "1m")
    told: set[float] = set()
    for file, group, rule in generated.rules:
        name = str(rule.get("alert") or rule.get("record"))
        every = _seconds(group.get("interval") or shared.get("evaluation_interval") or "1m")
        hold = _seconds(rule.get("for") or 0)
        if 0 < hold < every:
            message = f"for {rule['for']} is shorter than the {format_duration(every)} between judgements"
            yield Finding(
                file, name, message, "it holds for one interval at least; say so, or judge more often"
            )
        for window in sorted(promql.rated_windows(str(rule.get("expr", ""))) - told):
            if window < 2 * scrape:
                told.add(window)
                span, pace = format_duration(window), format_duration(scrape)
                message = f"a window of {span} holds fewer than two scrapes of {pace}"
                yield Finding(
                    file, name, message, "it can never fire: widen the window, or scrape more often"
                )


def _seconds(text: object) -> float:
    """0 for what is no duration: that is told elsewhere."""
    try:
        return parse_duration(text)
    except ValueError:
        return 0.0


def _people_know_what_to_do(generated: Generated) -> Iterator[Finding]:
    for service in generated.stack.services:
        judged = [name for name, signal in service.signals.items() if signal.thresholds]
        bare = [name for name in judged if not (service.spec.runbook or service.spec.runbooks.get(name))]
        if bare:
            message = f"no runbook is set, so {len(bare)} of its alerts say nothing of what to do"
            fix = "services." + service.name + ".runbook: https://…"
            yield Finding("bongsu.yaml", f"services.{service.name}", message, fix)


def _watched_without_targets(generated: Generated) -> Iterator[Finding]:
    stack = generated.stack
    if not stack.has("prometheus") or stack.place not in ("local", "compose", "terraform"):
        return
    for service in stack.services:
        judged = any(signal.thresholds for signal in service.signals.values())
        if not service.spec.targets and judged and not _collected(generated, service.labels, service.name):
            message = "it has alert rules but no targets: unless something else collects it, they see nothing"
            fix = f"services.{service.name}.targets: host:port"
            yield Finding("bongsu.yaml", f"services.{service.name}", message, fix)


def expected_metrics(expression: str) -> set[str]:
    """The metrics that an expression asks for; empty when it is not PromQL."""
    try:
        return {selector.metric for selector in promql.selectors(expression)}
    except ValueError:
        return set()


def _first(found: list[Any] | None) -> Mapping[str, Any]:
    return found[0] if found and isinstance(found[0], dict) else {}
