"""Alert rules for Prometheus: one rule a signal and severity, for the whole fleet."""

from collections.abc import Iterable, Sequence
from typing import Any

from bongsu.signals import promql
from bongsu.signals.model import Presence, Severity, Threshold
from bongsu.signals.quantities import format_duration
from bongsu.signals.query import FleetQuery

ABSENT_SECONDS = 15.0
"""A target is absent while Prometheus starts: its discovery takes 5 s, and the first scrape an interval."""

_WORDS = {Severity.P1: "critical", Severity.P2: "high", Severity.P3: "warning", Severity.P4: "info"}


def rule_groups(queries: Sequence[FleetQuery], *, interval: float, language: str) -> dict[str, Any]:
    """The content of a rule file. Each rule says its service (by job), signal, value and threshold."""
    rules = [rule for query in queries for rule in _rules(query, language)]
    return {"groups": [{"name": "bongsu", "interval": format_duration(interval), "rules": rules}]}


def _rules(query: FleetQuery, language: str) -> Iterable[dict[str, Any]]:
    expression = promql.compile(query)
    for severity, threshold in sorted(query.signal.thresholds.items()):
        yield _rule(
            query, f"({expression}) {threshold.op} {threshold.value!r}", severity, threshold, language
        )
        if isinstance(query.signal, Presence):
            yield from _absent(query, severity, threshold, language)


def _absent(
    query: FleetQuery, severity: Severity, threshold: Threshold, language: str
) -> Iterable[dict[str, Any]]:
    """A target that discovery dropped has no ``up`` at all: each expected service is looked for by name."""
    for service, labels in query.services.items():
        matchers = ",".join(f'{name}="{value}"' for name, value in sorted(labels.items()))
        rule = _rule(query, f"absent(up{{{matchers}}})", severity, threshold, language)
        rule["labels"]["service"] = service
        rule["for"] = rule["annotations"]["for"] = format_duration(max(threshold.for_, ABSENT_SECONDS))
        yield rule


def _rule(
    query: FleetQuery, expression: str, severity: Severity, threshold: Threshold, language: str
) -> dict[str, Any]:
    signal = query.signal
    what = signal.trouble.in_(language) or query.name
    named = "{{ $labels.job }}" if query.identity == ("job",) else "{{ $labels }}"
    annotations = {
        "summary": f"{named}: {what}",
        "value": "{{ $value }}",
        "threshold": f"{threshold.value!r}",
        "unit": signal.unit,
        "for": format_duration(threshold.for_),
    }
    return {
        "alert": "".join(part.capitalize() for part in query.name.split("_")),
        "expr": expression,
        "for": format_duration(threshold.for_),
        "labels": {"severity": _WORDS[severity], "signal": query.name},
        "annotations": annotations,
    }
