"""Alert rules for Prometheus: one rule a signal and severity, for the whole fleet."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bongsu.catalog import Catalog, ResolvedService
from bongsu.signals import promql
from bongsu.signals.model import Age, AnySignal, Expr, Gauge, Presence, Quantile, Ratio, Severity, Threshold
from bongsu.signals.quantities import format_duration
from bongsu.signals.query import FleetQuery
from bongsu.stack.dashboards import uid
from bongsu.stack.panels import condition, keyed, panel_id

ABSENT_SECONDS = 15.0
"""A target is absent while Prometheus starts: its discovery takes 5 s, and the first scrape an interval."""

WORDS = {Severity.P1: "critical", Severity.P2: "high", Severity.P3: "warning", Severity.P4: "info"}
_NO_DATA = {"en": "no data: {what}", "ko": "데이터 없음: {what}"}
_VALUES = {
    "ratio": "{{ $value | humanizePercentage }}",
    "s": "{{ $value | humanizeDuration }}",
    "bytes": "{{ $value | humanize1024 }}B",
    "bytes_per_second": "{{ $value | humanize1024 }}B/s",
    "per_second": "{{ $value | humanize }}/s",
}


@dataclass(frozen=True, slots=True)
class About:
    """What a catalog knows of the services that rules speak of."""

    catalog: str = ""
    grafana: str = ""
    services: Mapping[str, ResolvedService] = field(default_factory=dict)

    @classmethod
    def of(cls, catalog: Catalog, services: Iterable[ResolvedService]) -> "About":
        return cls(catalog.name, catalog.grafana or "", {service.name: service for service in services})


@dataclass(frozen=True, slots=True)
class Rule:
    """One alert rule and what it was made from."""

    group: str
    query: FleetQuery
    severity: Severity
    threshold: Threshold
    absent: str
    """The service whose lack of data it tells of; empty for a rule that judges values."""
    body: dict[str, Any]


def rule_groups(
    queries: Sequence[FleetQuery], *, interval: float, language: str, about: About | None = None
) -> dict[str, Any]:
    """The content of a rule file: a group a signal. Each rule says its service, signal and value."""
    return document(alert_rules(queries, language=language, about=about), interval=interval)


def document(rules: Iterable[Rule], *, interval: float) -> dict[str, Any]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for rule in rules:
        groups.setdefault(rule.group, []).append(rule.body)
    every = format_duration(interval)
    return {"groups": [{"name": name, "interval": every, "rules": r} for name, r in groups.items()]}


def alert_rules(queries: Sequence[FleetQuery], *, language: str, about: About | None = None) -> list[Rule]:
    """All rules, each under a name of its own, in the order of their signals' names."""
    known = about or About()
    judged = [(key, query) for key, query in keyed(queries) if query.signal.thresholds]
    rules = [
        rule
        for key, query in judged
        for part in _parts(key, query, known)
        for rule in _rules(part, known, language)
    ]
    _tell_apart(rules)
    return rules


@dataclass(frozen=True, slots=True)
class _Part:
    """The services of a query that share a rule."""

    panel: str
    """The key of the overview's panel that shows them."""
    suffix: str
    """What tells this rule from others of the same signal."""
    query: FleetQuery


def _parts(key: str, query: FleetQuery, about: About) -> Iterator[_Part]:
    """The fleet at once where its rows tell the service; else each alone, under the service's name."""
    apart = {
        name: labels
        for name, labels in query.services.items()
        if name in about.services and about.services[name].labels != labels
    }
    together = {name: labels for name, labels in query.services.items() if name not in apart}
    if together:
        suffix = min(together) if key != query.name else ""
        yield _Part(key, suffix, FleetQuery(query.name, query.signal, together))
    for name, labels in sorted(apart.items()):
        yield _Part(key, name, FleetQuery(query.name, query.signal, {name: labels}))


def _rules(part: _Part, about: About, language: str) -> Iterator[Rule]:
    query = part.query
    expression = promql.compile(query)
    group = f"{query.name}/{part.suffix}" if part.suffix else query.name
    for severity, given in sorted(query.signal.thresholds.items()):
        # 95 * 0.01 is 0.9500000000000001.
        threshold = given.model_copy(update={"value": float(f"{given.value:.12g}")})
        body = {
            "alert": _name(query.name, WORDS[severity], part.suffix),
            "expr": f"({expression}) {threshold.op} {threshold.value!r}",
            "for": format_duration(threshold.for_),
            "labels": _labels(query, severity, about),
            "annotations": _annotations(part, threshold, about, language),
        }
        yield Rule(group, query, severity, threshold, "", body)
        if query.signal.absent == "alert":
            for service in query.services:
                body = _absence(part, service, severity, threshold, about, language)
                yield Rule(group, query, severity, threshold, service, body)


def _absence(
    part: _Part, service: str, severity: Severity, threshold: Threshold, about: About, language: str
) -> dict[str, Any]:
    """A target that discovery dropped has no series at all: each expected service is looked for by name."""
    query = part.query
    alone = FleetQuery(query.name, query.signal, {service: query.services[service]})
    hold = format_duration(max(threshold.for_, ABSENT_SECONDS))
    annotations = _annotations(_Part(part.panel, part.suffix, alone), threshold, about, language)
    what = query.signal.trouble.in_(language) or query.name
    # An alert's value is the number 1 that absent() gives, which is nothing of the signal's.
    annotations |= {"summary": f"{service}: {what}", "for": hold}
    annotations["value"] = "0" if isinstance(query.signal, Presence) else ""
    help_ = query.signal.help.in_(language) or query.name
    annotations["description"] = _NO_DATA.get(language, _NO_DATA["en"]).format(what=help_)
    labels = _labels(alone, severity, about)
    labels["service"] = service
    return {
        "alert": _name(query.name, "absent", WORDS[severity], service),
        "expr": absent(alone),
        "for": hold,
        "labels": labels,
        "annotations": {name: text for name, text in annotations.items() if text},
    }


def absent(query: FleetQuery) -> str:
    """What is true while the one service of ``query`` has no series of the signal."""
    signal = query.signal
    if isinstance(signal, Expr):
        return f"absent({promql.compile(query)})"
    metric, match = counted(signal)
    at = promql.fleet_selector(query)
    series = promql.expression(
        Gauge(form="gauge", metric=metric, match=match), at, query.identity, "5m"
    ).removeprefix(f"max by ({', '.join(query.identity)}) ")
    if isinstance(signal, Gauge | Age) and signal.over:
        return f"absent_over_time{series[:-1]}[{format_duration(signal.window)}])"
    return f"absent{series}"


def counted(signal: AnySignal) -> tuple[str, Mapping[str, str]]:
    """The series without which there is no value."""
    match signal:
        case Ratio():
            return signal.of or signal.metric, signal.of_match
        case Quantile():
            return f"{signal.metric}_count", signal.match
        case Expr():
            raise ValueError("raw PromQL names no series")
        case _:
            return signal.metric, signal.match


def _labels(query: FleetQuery, severity: Severity, about: About) -> dict[str, str]:
    labels = {"severity": WORDS[severity], "signal": query.name}
    if len(query.services) == 1:
        labels["service"] = next(iter(query.services))
    elif all(dict(at) == {"job": name} for name, at in query.services.items()):
        labels["service"] = "{{ $labels.job }}"
    owners = {about.services[name].owner if name in about.services else "" for name in query.services}
    if len(owners) == 1 and "" not in owners:
        labels["owner"] = owners.pop()
    return labels


def _annotations(part: _Part, threshold: Threshold, about: About, language: str) -> dict[str, str]:
    query, signal = part.query, part.query.signal
    what = signal.trouble.in_(language) or query.name
    value = _VALUES.get(signal.unit, "{{ $value | humanize }}")
    annotations = {
        "summary": f"{_named(query)}: {_plain(what)}",
        "description": f"{_plain(signal.help.in_(language) or query.name)}: {value}, "
        f"{condition(threshold, signal.unit)}",
        "value": "{{ $value }}",
        "threshold": f"{threshold.value!r}",
        "unit": signal.unit,
        "for": format_duration(threshold.for_),
    }
    return annotations | _links(part, about)


def _links(part: _Part, about: About) -> dict[str, str]:
    """The runbook that all services of the rule share, and the panel that shows the signal."""
    query = part.query
    known = [about.services[name] for name in query.services if name in about.services]
    links = {}
    runbooks = {s.spec.runbooks.get(query.name) or s.spec.runbook for s in known}
    if len(runbooks) == 1 and "" not in runbooks:
        links["runbook_url"] = runbooks.pop()
    if about.catalog:
        alone = known[0].name if len(query.services) == 1 else ""
        dashboard = uid(about.catalog, alone)
        panel = panel_id(query.name if alone else part.panel, alone)
        links |= {"dashboard_uid": dashboard, "panel_id": str(panel)}
        if about.grafana:
            links["dashboard"] = f"{about.grafana.rstrip('/')}/d/{dashboard}?viewPanel={panel}"
    return links


def _named(query: FleetQuery) -> str:
    """The service and the group that a row is about."""
    inner = "".join(f" {{{{ $labels.{label} }}}}" for label in query.signal.by if label not in query.identity)
    if query.identity == ("job",):
        return "{{ $labels.job }}" + inner
    if len(query.services) == 1:
        return next(iter(query.services)) + inner
    return "/".join(f"{{{{ $labels.{label} }}}}" for label in query.identity) + inner


def _plain(text: str) -> str:
    """Text in which braces do not begin a template."""
    return text.replace("{{", "{ {")


def _name(signal: str, *parts: str) -> str:
    """``error_ratio``, ``critical``, ``orders-eu`` → ``ErrorRatioCriticalOrdersEu``."""
    words = [word for part in (signal, *parts) for word in re.split(r"[\W_]+", part) if word]
    return "".join(word[:1].upper() + word[1:] for word in words) or "Alert"


def _tell_apart(rules: Sequence[Rule]) -> None:
    """Names that come to the same text get what they were made from."""
    seen: dict[str, Rule] = {}
    for rule in rules:
        first = seen.setdefault(rule.body["alert"], rule)
        if first is not rule:
            made_from = "\0".join((rule.group, rule.severity, rule.absent))
            rule.body["alert"] += "_" + hashlib.sha256(made_from.encode()).hexdigest()[:6]
            seen[rule.body["alert"]] = rule
