"""Prometheus: what it scrapes, which rules it judges, where its alerts go, and the tests of its rules."""

from bongsu.catalog import fleet_queries
from bongsu.signals.quantities import format_duration
from bongsu.stack import discovery, scrape
from bongsu.stack.files import HEADER, to_yaml
from bongsu.stack.model import Stack
from bongsu.stack.panels import slug
from bongsu.stack.rule_tests import RuleTests, rule_tests
from bongsu.stack.rules import About, Rule, alert_rules, document

CONFIGURATION = "prometheus/prometheus.yml"
_LATE = "10m"
_SHARE_OF_DISK = 0.4
"""What Prometheus may fill of a machine's disk, beside the other systems."""
_THINNED = {
    "en": "# Prometheus keeps every series equally long: container metrics stay as long as the others, but\n"
    "# only those that signals read are kept.\n",
    "ko": "# Prometheus의 보관 기간은 모든 시계열에 똑같습니다. 컨테이너 메트릭도 같은 기간 보관하되,\n"
    "# 신호가 읽는 것만 남깁니다.\n",
}


def render(stack: Stack) -> dict[str, str]:
    """``prometheus.yml``, a file of rules for each signal, and the tests of those rules.

    The operator writes the configuration itself, from its own resources.
    """
    files = {} if stack.place == "operator" else {CONFIGURATION: configuration(stack)}
    return files | stack.once("rules", lambda: _rules(stack))


def _rules(stack: Stack) -> dict[str, str]:
    rules, files = rules_of(stack), {}
    for group in dict.fromkeys(rule.group for rule in rules):
        members = [rule for rule in rules if rule.group == group]
        body = document(members, interval=scrape.interval_of(stack))
        files[f"prometheus/rules/{slug(group)}.yml"] = to_yaml(body)
    for group, test in tests_of(rules).files.items():
        files[f"prometheus/rule_tests/{slug(group)}.yml"] = to_yaml(test)
    return files


def rules_of(stack: Stack) -> list[Rule]:
    """Every rule that Prometheus judges."""
    about = About.of(stack.catalog, stack.services)
    return alert_rules(fleet_queries(stack.services), language=stack.catalog.language, about=about)


def tests_of(rules: list[Rule]) -> RuleTests:
    """The tests of the rules, and the rules without any."""
    return rule_tests(rules)


def flags(stack: Stack) -> list[str]:
    """Arguments besides those that name files and addresses."""
    found = [
        f"--storage.tsdb.retention.time={format_duration(retention(stack))}",
        "--web.enable-lifecycle",
    ]
    if stack.place == "terraform":
        size = int(stack.catalog.host.disk * _SHARE_OF_DISK / 2**20)
        found.append(f"--storage.tsdb.retention.size={size}MB")
    if takes_writes(stack):
        found.append("--web.enable-remote-write-receiver")
    if stack.has("tempo") or stack.has("jaeger"):
        found.append("--enable-feature=exemplar-storage")
    return found


def retention(stack: Stack) -> float:
    """Seconds. Prometheus keeps every series equally long: what is asked for longest counts for all."""
    asked = stack.catalog.retention
    return max(asked.metrics, asked.containers or 0.0)


def takes_writes(stack: Stack) -> bool:
    """Whether other systems of the stack write to Prometheus."""
    return stack.has("alloy") or stack.has("tempo")


def configuration(stack: Stack) -> str:
    """The text of ``prometheus.yml``."""
    thinned = stack.place == "kubernetes" and discovery.thinned(stack)
    note = _THINNED[stack.catalog.language] if thinned else ""
    return HEADER + note + to_yaml(_document(stack)).removeprefix(HEADER)


def _document(stack: Stack) -> dict[str, object]:
    interval = format_duration(scrape.interval_of(stack))
    found = scrape.jobs(stack)
    if stack.place == "kubernetes":
        found += discovery.jobs(stack)
    config: dict[str, object] = {
        "global": {
            "scrape_interval": interval,
            "scrape_timeout": format_duration(scrape.timeout_of(stack)),
            "evaluation_interval": interval,
            "external_labels": {"monitor": stack.catalog.name},
        },
        "rule_files": ["rules/*.yml"],
        "scrape_configs": found,
    }
    if stack.has("alertmanager"):
        targets = [stack.address("alertmanager")]
        config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": targets}]}]}
    if takes_writes(stack):
        # Who writes may repeat what it could not deliver for a while.
        config["storage"] = {"tsdb": {"out_of_order_time_window": _LATE}}
    return config
