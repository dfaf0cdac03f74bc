"""Alert rules for Prometheus: one rule a signal and severity, for the whole fleet."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bongsu.signals import promql
from bongsu.signals.model import (
    Age,
    AnySignal,
    Expr,
    Gauge,
    Increase,
    Presence,
    Quantile,
    Rate,
    Ratio,
    Severity,
    Text,
    Threshold,
)
from bongsu.signals.quantities import format_duration
from bongsu.signals.query import FleetQuery
from bongsu.stack import active
from bongsu.stack.objective_rules import objective_rules
from bongsu.stack.panels import condition, keyed
from bongsu.stack.rule import (
    VALUES,
    WORDS,
    About,
    Part,
    Rule,
    document,
    labels_of,
    links,
    name_of,
    word,
)
from bongsu.stack.series import selected

__all__ = [
    "WATCHDOG",
    "WORDS",
    "About",
    "Rule",
    "absent",
    "alert_rules",
    "counted",
    "document",
    "rule_groups",
]

_SAMPLES, _MISSED = 4, 2
ABSENT_SECONDS = 15.0
"""A target is absent while Prometheus starts: its discovery takes 5 s, and the first scrape an interval."""

WATCHDOG = "Watchdog"
"""Always fires: what waits for it raises the alarm when the chain of alerts breaks."""

_NO_DATA = {"en": "no data: {what}", "ko": "데이터 없음: {what}"}
_WATCHDOG = {
    "en": "always fires, to show that alerts arrive",
    "ko": "알림 경로가 살아 있음을 알리려고 항상 발생합니다",
}


def rule_groups(
    queries: Sequence[FleetQuery], *, interval: float, language: str, about: About | None = None
) -> dict[str, Any]:
    """The content of a rule file: a group a signal. Each rule says its service, signal and value."""
    return document(alert_rules(queries, language=language, about=about), interval=interval)


def alert_rules(queries: Sequence[FleetQuery], *, language: str, about: About | None = None) -> list[Rule]:
    """All alert rules, each under a name of its own: of signals by name, of objectives, and the watchdog.

    Those of objectives read what ``recording_rules`` of the same services records.
    """
    known = about or About()
    judged = [(key, query) for key, query in keyed(queries) if query.signal.thresholds]
    rules = [
        rule
        for key, query in judged
        for part in _parts(key, _measurable(query, known), known)
        for rule in _rules(part, known, language)
    ]
    rules += objective_rules(known, language)
    if known.catalog:
        rules.append(_watchdog(language))
    _tell_apart(rules)
    return rules


def _measurable(query: FleetQuery, about: About) -> FleetQuery:
    """A rate needs two samples, and still has them when a scrape fails; shorter windows are made longer.

    So is the time for which a target must be down: one missed scrape is no outage.
    """
    signal, interval = query.signal, about.scraped(query.services)
    if isinstance(signal, Rate | Increase | Ratio | Quantile):
        window = max(signal.window, _SAMPLES * interval)
        return replace(query, signal=signal.model_copy(update={"window": window}))
    if isinstance(signal, Presence):
        limits = {
            severity: limit.model_copy(update={"for_": max(limit.for_, _MISSED * interval)})
            for severity, limit in signal.thresholds.items()
        }
        return replace(query, signal=signal.model_copy(update={"thresholds": limits}))
    return query


def _parts(key: str, query: FleetQuery, about: About) -> Iterator[Part]:
    """The fleet at once where its rows tell the service; else each alone, under the service's name."""
    apart = {
        name: labels
        for name, labels in query.services.items()
        if name in about.services and about.services[name].labels != labels
    }
    together = {name: labels for name, labels in query.services.items() if name not in apart}
    if together:
        suffix = min(together) if key != query.name else ""
        yield Part(key, suffix, FleetQuery(query.name, query.signal, together))
    for name, labels in sorted(apart.items()):
        yield Part(key, name, FleetQuery(query.name, query.signal, {name: labels}))


def _rules(part: Part, about: About, language: str) -> Iterator[Rule]:
    query = part.query
    expression = promql.compile(query)
    group = f"{query.name}/{part.suffix}" if part.suffix else query.name
    for severity, given in sorted(query.signal.thresholds.items()):
        # 95 * 0.01 is 0.9500000000000001.
        threshold = given.model_copy(update={"value": float(f"{given.value:.12g}")})
        body = {
            "alert": name_of(query.name, WORDS[severity], part.suffix),
            "expr": _while_active(f"({expression}) {threshold.op} {threshold.value!r}", query, about),
            "for": format_duration(threshold.for_),
            "labels": labels_of(query, severity, about),
            "annotations": _annotations(part, threshold, about, language),
        }
        yield Rule(group, query, severity, threshold, "", body, timezone=about.timezone)
        if query.signal.absent == "alert":
            for service in query.services:
                body = _absence(part, service, severity, threshold, about, language)
                yield Rule(group, query, severity, threshold, service, body, timezone=about.timezone)


def _while_active(expression: str, query: FleetQuery, about: About) -> str:
    hours = query.signal.active
    return f"{expression} and on () ({active.during(hours, about.timezone)})" if hours else expression


def _absence(
    part: Part, service: str, severity: Severity, threshold: Threshold, about: About, language: str
) -> dict[str, Any]:
    """A target that discovery dropped has no series at all: each expected service is looked for by name."""
    query = part.query
    alone = FleetQuery(query.name, query.signal, {service: query.services[service]})
    hold = format_duration(max(threshold.for_, ABSENT_SECONDS))
    annotations = _annotations(Part(part.panel, part.suffix, alone), threshold, about, language)
    what = query.signal.trouble.in_(language) or query.name
    # An alert's value is the number 1 that absent() gives, which is nothing of the signal's.
    annotations |= {"summary": f"{service}: {what}", "for": hold}
    annotations["value"] = "0" if isinstance(query.signal, Presence) else ""
    help_ = query.signal.help.in_(language) or query.name
    annotations["description"] = _NO_DATA.get(language, _NO_DATA["en"]).format(what=help_)
    labels = labels_of(alone, severity, about)
    labels["service"] = service
    return {
        "alert": name_of(query.name, "absent", WORDS[severity], service),
        "expr": _while_active(absent(alone), query, about),
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
    series = selected(metric, match, promql.fleet_selector(query))
    if isinstance(signal, Gauge | Age) and signal.over:
        return f"absent_over_time({series}[{format_duration(signal.window)}])"
    return f"absent({series})"


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


def _watchdog(language: str) -> Rule:
    signal = Expr(form="expr", expr="vector(1)", help=Text(**_WATCHDOG))
    body = {
        "alert": WATCHDOG,
        "expr": signal.expr,
        "for": "0s",
        "labels": {"severity": "none"},
        "annotations": {"summary": word(_WATCHDOG, language), "description": word(_WATCHDOG, language)},
    }
    always = Threshold(op=">", value=0.0)
    return Rule("watchdog", FleetQuery("watchdog", signal, {}), Severity.P4, always, "", body)


def _annotations(part: Part, threshold: Threshold, about: About, language: str) -> dict[str, str]:
    query, signal = part.query, part.query.signal
    what = signal.trouble.in_(language) or query.name
    value = VALUES.get(signal.unit, "{{ $value | humanize }}")
    annotations = {
        "summary": f"{_named(query)}: {_plain(what)}",
        "description": f"{_plain(signal.help.in_(language) or query.name)}: {value}, "
        f"{condition(threshold, signal.unit)}",
        "value": "{{ $value }}",
        "threshold": f"{threshold.value!r}",
        "unit": signal.unit,
        "for": format_duration(threshold.for_),
    }
    return annotations | links(part, about)


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


def _tell_apart(rules: Sequence[Rule]) -> None:
    """Names that come to the same text get what they were made from."""
    seen: dict[str, Rule] = {}
    for rule in rules:
        first = seen.setdefault(rule.body["alert"], rule)
        if first is not rule:
            made_from = "\0".join((rule.group, rule.severity, rule.absent))
            rule.body["alert"] += "_" + hashlib.sha256(made_from.encode()).hexdigest()[:6]
            seen[rule.body["alert"]] = rule
