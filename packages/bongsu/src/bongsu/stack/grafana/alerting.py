"""Grafana's unified alerting from files, where no Alertmanager takes what Prometheus finds.

The rules are those of ``bongsu.stack.rules``; Grafana evaluates them on Prometheus and tells Bongsu. In these
files ``$x`` is a variable of the environment wherever it is not within a rule's queries: ``$$`` stands for a
dollar sign, but for annotations, in which only ``${x}`` is one and nothing stands for it.
"""

import hashlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

import promql_parser

from bongsu.signals.model import Text
from bongsu.signals.quantities import format_duration
from bongsu.stack.dashboards import folder, grafana_judges
from bongsu.stack.files import to_yaml
from bongsu.stack.grafana import notifying
from bongsu.stack.model import Stack
from bongsu.stack.panels import slug
from bongsu.stack.prometheus import rules_of
from bongsu.stack.rule import Rule
from bongsu.stack.rules import WATCHDOG
from bongsu.stack.systems import Version

FOLDER = "grafana/provisioning/alerting"
UNANSWERED = "PrometheusUnanswered"
"""The one alert about a Prometheus that does not answer, in place of one from each rule."""
_SCHEDULER_SECONDS = 10
"""Grafana evaluates groups at multiples of this only."""
_RANGE_SECONDS = 600
_EVALUATORS = {">": "gt", "<": "lt"}
_LATER_EVALUATORS = {">=": "gte", "<=": "lte", "==": "eq", "!=": "ne"}
_SINCE = Version(12)
_HOLDS = "is_number($A) || is_inf($A)"
"""True for whatever value a query answers with: its comparison has already left out what is well."""
_OF_ALERTMANAGERS = frozenset(
    {"prometheus_notifications_alertmanagers_discovered", "prometheus_notifications_dropped_total"}
)
"""Of a Prometheus that tells no Alertmanager these speak of nothing, and the first would always fire."""
_UNANSWERED = Text(en="Prometheus does not answer Grafana", ko="Prometheus가 Grafana의 질의에 응답하지 않음")
_BLIND = Text(
    en="No alert rule can be evaluated until it answers again; alerts that fired before are kept.",
    ko="다시 응답할 때까지 어떤 알림 규칙도 평가할 수 없습니다. 그 전에 발생한 알림은 유지됩니다.",
)


def render(stack: Stack) -> dict[str, str]:
    """Rules, contact points, policies, mute timings and templates; nothing where Alertmanager does it."""
    if not grafana_judges(stack) or not stack.services:
        return {}
    documents = {"rules": {"groups": list(_groups(stack))}, **notifying.documents(stack)}
    return {
        f"{FOLDER}/{name}.yml": to_yaml({"apiVersion": 1, **document}) for name, document in documents.items()
    }


def _groups(stack: Stack) -> Iterator[dict[str, Any]]:
    groups: dict[str, list[Rule]] = {}
    for rule in rules_of(stack):
        if _judged(rule, stack):
            groups.setdefault(rule.group, []).append(rule)
    interval = stack.catalog.scrape.interval or 15.0
    yield _group(stack, "prometheus-answers", interval, [_unanswered(stack)])
    for name, members in groups.items():
        every = max(interval, *(rule.every for rule in members))
        yield _group(stack, slug(name), every, [_converted(rule, stack) for rule in members])


def _judged(rule: Rule, stack: Stack) -> bool:
    """All rules but those of what is not there: a heartbeat that nobody waits for, an Alertmanager."""
    if rule.body["alert"] == WATCHDOG:
        return stack.catalog.heartbeat is not None
    return getattr(rule.query.signal, "metric", "") not in _OF_ALERTMANAGERS


def _group(stack: Stack, name: str, seconds: float, rules: Sequence[dict[str, Any]]) -> dict[str, Any]:
    every = max(1, math.ceil(seconds / _SCHEDULER_SECONDS)) * _SCHEDULER_SECONDS
    return {
        "orgId": 1,
        "name": notifying.escaped(name),
        "folder": notifying.escaped(folder(stack.catalog.name)),
        "interval": format_duration(every),
        "rules": list(rules),
    }


def rule_uid(catalog: str, alert: str) -> str:
    """The same for the same alert for ever; at most 40 of the characters that a uid may have."""
    digest = hashlib.sha256(f"{catalog}\0{alert}".encode()).hexdigest()
    return f"bongsu-{digest[:24]}"


def _converted(rule: Rule, stack: Stack) -> dict[str, Any]:
    body = rule.body
    query, op, value = split(body["expr"])
    notes = {name: _annotation(text) for name, text in body.get("annotations", {}).items()}
    found: dict[str, Any] = {
        "uid": rule_uid(stack.catalog.name, body["alert"]),
        "title": body["alert"],
        "condition": "C",
        "data": [_query(query), _condition(op, value, stack.version("grafana"))],
        "for": body["for"],
        "noDataState": "OK",
        "execErrState": "KeepLast",
        "labels": {name: _label(text) for name, text in body.get("labels", {}).items()},
        "annotations": notes,
    }
    if notes.get("dashboard_uid") and notes.get("panel_id"):
        found |= {"dashboardUid": notes["dashboard_uid"], "panelId": int(notes["panel_id"])}
    return found | {"isPaused": False}


def split(expr: str) -> tuple[str, str, float | None]:
    """The value, the comparison and the bound of ``expr``; no comparison where it has no single one.

    Grafana needs the value itself: a query that answers only with what is bad would show nothing of what is
    well, and its alert would resolve as "no data". A comparison that only holds within some hours is split
    before them: what lies outside has no value.
    """
    tree = promql_parser.parse(expr)
    hours = ""
    if isinstance(tree, promql_parser.BinaryExpr) and str(tree.op) == "and":
        # The comparison stands left of ``and on () (…)``, which only says when it counts.
        whole, left = str(tree), str(tree.lhs)
        hours = whole.removeprefix(left)
        if not hours.startswith(" and on"):
            return expr, "", None
        tree = tree.lhs
    if not isinstance(tree, promql_parser.BinaryExpr) or str(tree.op) not in _OPERATORS:
        return expr, "", None
    bound = _number(tree.rhs)
    if bound is None or (tree.modifier is not None and tree.modifier.return_bool):
        return expr, "", None
    value = str(tree.lhs)
    return (f"{value}{hours}" if hours else _bare(value)), str(tree.op), bound


_OPERATORS = frozenset(_EVALUATORS) | frozenset(_LATER_EVALUATORS)


def _number(tree: Any) -> float | None:
    if isinstance(tree, promql_parser.NumberLiteral):
        return float(tree.val)
    if isinstance(tree, promql_parser.UnaryExpr) and isinstance(tree.expr, promql_parser.NumberLiteral):
        return -float(tree.expr.val)
    return None


def _bare(text: str) -> str:
    """Without the parentheses around all of it, which the comparison needed."""
    tree = promql_parser.parse(text)
    return str(tree.expr) if isinstance(tree, promql_parser.ParenExpr) else text


def _query(expr: str, seconds: int = _RANGE_SECONDS) -> dict[str, Any]:
    return {
        "refId": "A",
        "relativeTimeRange": {"from": seconds, "to": 0},
        "datasourceUid": "prometheus",
        "model": {
            "refId": "A",
            "datasource": {"type": "prometheus", "uid": "prometheus"},
            "editorMode": "code",
            "expr": expr,
            "instant": True,
            "range": False,
            "intervalMs": 1000,
            "maxDataPoints": 43200,
        },
    }


def _condition(op: str, value: float | None, version: Version) -> dict[str, Any]:
    evaluators = _EVALUATORS | (_LATER_EVALUATORS if version >= _SINCE else {})
    model: dict[str, Any] = {"refId": "C", "datasource": {"type": "__expr__", "uid": "__expr__"}}
    if value is None:
        model |= {"type": "math", "expression": _HOLDS}
    elif op in evaluators:
        evaluator = {"type": evaluators[op], "params": [value]}
        model |= {"type": "threshold", "expression": "A", "conditions": [{"evaluator": evaluator}]}
    else:
        model |= {"type": "math", "expression": f"$A {op} {value!r}"}
    return {
        "refId": "C",
        "relativeTimeRange": {"from": 0, "to": 0},
        "datasourceUid": "__expr__",
        "model": model,
    }


def _unanswered(stack: Stack) -> dict[str, Any]:
    """Fires when Prometheus cannot be asked; the others then keep the state that they had."""
    language = stack.catalog.language
    labels = {"severity": "critical", "signal": "prometheus_answers"}
    known = next((s for s in stack.services if "prometheus" in s.spec.kind), None)
    if known is not None:
        labels |= {"service": known.name} | ({"owner": known.owner} if known.owner else {})
    return {
        "uid": rule_uid(stack.catalog.name, UNANSWERED),
        "title": UNANSWERED,
        "condition": "C",
        "data": [_query("vector(1)"), _condition("<", 1.0, stack.version("grafana"))],
        "for": "2m",
        "noDataState": "Alerting",
        "execErrState": "Alerting",
        "labels": {name: _label(text) for name, text in labels.items()},
        "annotations": {"summary": _UNANSWERED.in_(language), "description": _BLIND.in_(language)},
        "isPaused": False,
    }


def _label(text: str) -> str:
    return notifying.escaped(_grafana_template(text))


def _annotation(text: str) -> str:
    """``${x}`` and ``$__file{x}`` would be taken for variables: their dollar comes from the template."""
    text = _grafana_template(text)
    for opening in ("${", "$__"):
        text = text.replace(opening, '{{ "$" }}' + opening[1:])
    return text


def _grafana_template(text: str) -> str:
    """Prometheus' ``$value`` is a number; Grafana's is a text, and ``$values.A`` has the number."""
    return text.replace("{{ $value ", "{{ $values.A.Value ")
