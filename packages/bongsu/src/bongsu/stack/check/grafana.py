"""Grafana's provisioning files: what it refuses as it starts, or takes and does wrong.

Sources: ``pkg/services/provisioning/{alerting,datasources,values}`` and ``pkg/expr/threshold.go`` of Grafana.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bongsu.catalog.errors import nearest
from bongsu.signals.quantities import parse_duration
from bongsu.stack.check import dashboard, promql
from bongsu.stack.check.model import Finding
from bongsu.stack.check.shapes import braces, duration, entries, mapping, unknown_keys, words
from bongsu.stack.systems import Version

_PROVISIONING = "grafana/provisioning/"
_ALERTING = f"{_PROVISIONING}alerting/"
_UID = re.compile(r"[A-Za-z0-9_-]{1,40}")
_SCHEDULER_SECONDS = 10
_KEYS = words(
    "apiVersion groups deleteRules contactPoints deleteContactPoints policies resetPolicies muteTimes "
    "deleteMuteTimes templates deleteTemplates"
)
_RULE_KEYS = words(
    "uid title condition data dashboardUid panelId noDataState execErrState for keepFiringFor annotations "
    "labels isPaused notification_settings record missing_series_evals_to_resolve"
)
_NO_DATA = words("Alerting NoData OK KeepLast")
_ERRORS = words("Alerting Error OK KeepLast")
_EXPRESSIONS = words("math reduce resample classic_conditions threshold sql")
_EVALUATORS = words("gt lt within_range outside_range")
_LATER_EVALUATORS = words("eq ne gte lte within_range_included outside_range_included")
_DOLLAR = re.compile(r"\$\$|\$(?:__(?:file|env|vault)\{[^}]*\}|\{?\w+\}?)?")
_BRACED = re.compile(r"\$\{\w+\}")
_MATCHES = ("=", "!=", "=~", "!~")


@dataclass(slots=True)
class _Known:
    """What the files name, gathered before it is looked for."""

    receivers: set[str] = field(default_factory=set)
    timings: set[str] = field(default_factory=set)
    panels: dict[str, set[int]] = field(default_factory=dict)
    sources: set[str] = field(default_factory=set)
    now: dict[str, set[str]] = field(default_factory=dict)
    """Sort of thing → the names of those that are provisioned."""


def check(files: Mapping[str, str], version: Version) -> Iterator[Finding]:
    """What is wrong with Grafana's files among ``files`` (path → text), its dashboards among them."""
    read: dict[str, dict[str, Any]] = {}
    for file, text in files.items():
        if file.startswith(_PROVISIONING) and file.endswith((".yml", ".yaml")):
            read[file], findings = mapping(file, text)
            yield from findings
    alerting = {file: found for file, found in read.items() if file.startswith(_ALERTING)}
    known = _known(read, files)
    yield from _data_sources(read)
    for file, document in alerting.items():
        yield from unknown_keys(file, "", document, _KEYS)
        yield from _groups(file, document, known, version)
        yield from _contact_points(file, document)
        for policy in entries(document.get("policies")):
            yield from _policy(file, "policies", policy, known)
        yield from _templates(file, document)
        yield from _deletions(file, document, known)
    yield from _once(alerting)
    yield from dashboard.check(files)


def _known(read: Mapping[str, Mapping[str, Any]], files: Mapping[str, str]) -> _Known:
    known = _Known()
    for document in read.values():
        points = entries(document.get("contactPoints"))
        known.receivers |= {str(point.get("name")) for point in points}
        known.timings |= {str(timing.get("name")) for timing in entries(document.get("muteTimes"))}
        known.sources |= {str(source.get("uid")) for source in entries(document.get("datasources"))}
        for sort, names in _named(document):
            known.now.setdefault(sort, set()).update(names)
    for file, text in files.items():
        if file.startswith(dashboard.FOLDER) and file.endswith(".json"):
            try:
                board = json.loads(text)
            except ValueError:
                continue
            panels = [p for row in entries(board.get("panels")) for p in (row, *entries(row.get("panels")))]
            known.panels[str(board.get("uid"))] = {p["id"] for p in panels if isinstance(p.get("id"), int)}
    return known


def _named(document: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    rules = [rule for group in entries(document.get("groups")) for rule in entries(group.get("rules"))]
    points = [r for point in entries(document.get("contactPoints")) for r in entries(point.get("receivers"))]
    yield "deleteRules", [str(rule.get("uid")) for rule in rules]
    yield "deleteContactPoints", [str(point.get("uid")) for point in points]
    yield "deleteMuteTimes", [str(timing.get("name")) for timing in entries(document.get("muteTimes"))]
    yield "deleteTemplates", [str(template.get("name")) for template in entries(document.get("templates"))]


def _data_sources(read: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    defaults: list[str] = []
    seen: set[str] = set()
    for file, document in read.items():
        for source in entries(document.get("datasources")):
            where = f"datasources.{source.get('name')}"
            for key in ("name", "type", "url", "uid"):
                if not source.get(key):
                    yield Finding(file, where, f"the data source has no {key}")
            if str(source.get("uid")) in seen:
                yield Finding(file, where, f"the uid {source.get('uid')!r} is used twice")
            seen.add(str(source.get("uid")))
            if source.get("isDefault"):
                defaults.append(where)
            yield from _expanded(file, where, source)
        if document.get("prune"):
            message = "prune removes what other files provision, and keeps Grafana 13 from starting"
            yield Finding(file, "prune", message, "list what goes below deleteDatasources")
    if len(defaults) > 1:
        yield Finding(
            file, "datasources", f"{', '.join(defaults)} are all the default", "Grafana does not start"
        )


def _expanded(file: str, where: str, value: Any) -> Iterator[Finding]:
    """A finding for each dollar sign that Grafana would take for a variable of the environment."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _expanded(file, f"{where}.{key}", inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _expanded(file, where, inner)
    elif isinstance(value, str):
        for found in _DOLLAR.findall(value):
            if found != "$$" and not found.startswith(("$__file{", "$__env{", "$__vault{")):
                message = f"{found} is replaced by a variable of the environment"
                yield Finding(file, where, message, f"write ${found}, or $__env{{NAME}} where it is meant")


def _groups(file: str, document: Mapping[str, Any], known: _Known, version: Version) -> Iterator[Finding]:
    for group in entries(document.get("groups")):
        name = str(group.get("name", ""))
        where = f"groups.{name}"
        for key in ("name", "folder", "interval"):
            if not str(group.get(key, "")).strip():
                yield Finding(file, where, f"the group has no {key}")
        if "/" in name:
            yield Finding(file, where, "a group's name may hold no /")
        yield from duration(file, f"{where}.interval", group.get("interval", "0s"), zero=False)
        try:
            seconds = parse_duration(group.get("interval", "0s"))
        except ValueError:
            continue
        if seconds % _SCHEDULER_SECONDS:
            message = f"{group.get('interval')} is no multiple of {_SCHEDULER_SECONDS}s, Grafana's own pace"
            yield Finding(file, f"{where}.interval", message)
        for rule in entries(group.get("rules")):
            yield from _rule(file, f"{where}.{rule.get('title')}", rule, known, version)


def _rule(
    file: str, where: str, rule: Mapping[str, Any], known: _Known, version: Version
) -> Iterator[Finding]:
    yield from unknown_keys(file, where, rule, _RULE_KEYS)
    if not _UID.fullmatch(str(rule.get("uid", ""))):
        yield Finding(file, where, f"the uid {rule.get('uid')!r} is not one: 1 to 40 of A-Z a-z 0-9 - _")
    if not str(rule.get("title", "")).strip():
        yield Finding(file, where, "the rule has no title")
    yield from duration(file, f"{where}.for", rule.get("for", "0s"))
    for key, states in (("noDataState", _NO_DATA), ("execErrState", _ERRORS)):
        if rule.get(key) not in states:
            message = f"{key} is {rule.get(key)!r}"
            yield Finding(file, where, message, nearest(str(rule.get(key)), sorted(states)))
    yield from _nodes(file, where, rule, known, version)
    for name, text in (rule.get("labels") or {}).items():
        yield from _expanded(file, f"{where}.labels.{name}", str(text))
        yield from braces(file, f"{where}.labels.{name}", str(text))
    for name, text in (rule.get("annotations") or {}).items():
        yield from braces(file, f"{where}.annotations.{name}", str(text))
        for found in _BRACED.findall(str(text)):
            message = f"{found} is replaced by a variable of the environment"
            yield Finding(file, f"{where}.annotations.{name}", message, 'write {{ "$" }}{')
    yield from _panel(file, where, rule, known)


def _panel(file: str, where: str, rule: Mapping[str, Any], known: _Known) -> Iterator[Finding]:
    board, panel = rule.get("dashboardUid"), rule.get("panelId")
    if (board is None) != (panel is None):
        yield Finding(file, where, "dashboardUid and panelId go together: Grafana takes both or none")
    elif board is not None and known.panels:
        if board not in known.panels:
            yield Finding(file, where, f"there is no dashboard with the uid {board!r}")
        elif panel not in known.panels[board]:
            yield Finding(file, where, f"the dashboard {board!r} has no panel {panel}")


def _nodes(
    file: str, where: str, rule: Mapping[str, Any], known: _Known, version: Version
) -> Iterator[Finding]:
    nodes = {str(node.get("refId")): node for node in entries(rule.get("data"))}
    if not nodes:
        yield Finding(file, where, "the rule asks for nothing: data is empty")
    if rule.get("condition") not in nodes:
        message = f"the condition {rule.get('condition')!r} is none of {', '.join(nodes) or 'nothing'}"
        yield Finding(file, f"{where}.condition", message)
    for name, node in nodes.items():
        place, model = f"{where}.{name}", node.get("model") or {}
        if model.get("refId") != name:
            yield Finding(file, place, f"the refId of its model is {model.get('refId')!r}")
        source = str(node.get("datasourceUid", ""))
        if source == "__expr__":
            yield from _expression(file, place, model, set(nodes) - {name}, version)
            continue
        if known.sources and source not in known.sources:
            yield Finding(file, place, f"there is no data source with the uid {source!r}")
        span = node.get("relativeTimeRange") or {}
        if not span.get("from", 0) > span.get("to", 0):
            yield Finding(file, place, "relativeTimeRange asks for no time at all: from must be above to")
        problem = promql.problem(str(model.get("expr", "")))
        if problem:
            yield Finding(file, place, f"{model.get('expr')} is not PromQL: {problem}")


def _expression(
    file: str, where: str, model: Mapping[str, Any], others: set[str], version: Version
) -> Iterator[Finding]:
    kind = str(model.get("type", ""))
    if kind not in _EXPRESSIONS:
        yield Finding(file, where, f"the expression type {kind!r} is not known", nearest(kind, _EXPRESSIONS))
        return
    text = str(model.get("expression", ""))
    if kind == "math":
        used = set(re.findall(r"\$\{?(\w+)\}?", text))
    else:
        used = {text} if kind in ("threshold", "reduce", "resample") else set()
    for name in sorted(used - others):
        yield Finding(file, where, f"it reads {name!r}, which is none of {', '.join(sorted(others))}")
    if kind == "threshold":
        yield from _threshold(file, where, entries(model.get("conditions")), version)


def _threshold(
    file: str, where: str, conditions: Sequence[Mapping[str, Any]], version: Version
) -> Iterator[Finding]:
    if len(conditions) != 1:
        yield Finding(file, where, f"a threshold has one condition, not {len(conditions)}")
        return
    evaluator = conditions[0].get("evaluator") or {}
    name, params = str(evaluator.get("type")), evaluator.get("params") or []
    known = _EVALUATORS | (_LATER_EVALUATORS if version >= Version(12) else frozenset())
    if name not in known:
        message = f"Grafana {version} has no threshold {name!r}"
        yield Finding(file, where, message, "compare in a math expression instead")
    if len(params) < (2 if "range" in name else 1):
        yield Finding(file, where, f"the threshold {name!r} needs a bound in params")


def _contact_points(file: str, document: Mapping[str, Any]) -> Iterator[Finding]:
    for point in entries(document.get("contactPoints")):
        where = f"contactPoints.{point.get('name')}"
        if not str(point.get("name", "")).strip():
            yield Finding(file, where, "the contact point has no name")
        for receiver in entries(point.get("receivers")):
            if not _UID.fullmatch(str(receiver.get("uid", ""))):
                yield Finding(file, where, f"the uid {receiver.get('uid')!r} is not one")
            if not receiver.get("type") or not receiver.get("settings"):
                yield Finding(file, where, "a receiver needs a type and settings")
            yield from _expanded(file, f"{where}.settings", receiver.get("settings"))
            for key, value in (receiver.get("settings") or {}).items():
                secret = key in ("authorization_credentials", "password", "token", "botToken")
                if secret and not str(value).startswith(("$__file{", "$__env{", "$__vault{")):
                    yield Finding(file, f"{where}.{key}", "a secret is written into the file", "$__file{…}")


def _policy(file: str, where: str, policy: Mapping[str, Any], known: _Known) -> Iterator[Finding]:
    receiver = policy.get("receiver")
    if receiver is not None and receiver not in known.receivers:
        yield Finding(
            file,
            where,
            f"there is no contact point {receiver!r}",
            nearest(str(receiver), sorted(known.receivers)),
        )
    for key in ("mute_time_intervals", "active_time_intervals"):
        for name in policy.get(key) or ():
            if name not in known.timings:
                yield Finding(file, where, f"there is no mute timing {name!r}")
    for key in ("group_wait", "group_interval", "repeat_interval"):
        if key in policy:
            yield from duration(file, f"{where}.{key}", policy[key], zero=key == "group_wait")
    for matcher in policy.get("object_matchers") or ():
        if not isinstance(matcher, list) or len(matcher) != 3 or matcher[1] not in _MATCHES:
            yield Finding(file, where, f"{matcher} is no matcher", 'write [label, "=", value]')
        else:
            yield from _expanded(file, where, str(matcher[2]))
    for index, inner in enumerate(entries(policy.get("routes"))):
        yield from _policy(file, f"{where}.routes[{index}]", inner, known)


def _templates(file: str, document: Mapping[str, Any]) -> Iterator[Finding]:
    for template in entries(document.get("templates")):
        where, text = f"templates.{template.get('name')}", str(template.get("template", ""))
        yield from braces(file, where, text)
        yield from _expanded(file, where, text)
        defined = set(re.findall(r'\{\{-?\s*define\s+"([^"]+)"', text))
        for name in re.findall(r'\{\{-?\s*template\s+"([^"]+)"', text):
            if name not in defined and not name.startswith("default."):
                yield Finding(file, where, f"it calls the template {name!r}, which is not defined")


def _deletions(file: str, document: Mapping[str, Any], known: _Known) -> Iterator[Finding]:
    for key, name in (
        ("deleteRules", "uid"),
        ("deleteContactPoints", "uid"),
        ("deleteMuteTimes", "name"),
        ("deleteTemplates", "name"),
    ):
        for entry in entries(document.get(key)):
            if str(entry.get(name)) in known.now.get(key, set()):
                yield Finding(file, key, f"{entry.get(name)!r} is provisioned and deleted at once")


def _once(alerting: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    """Uids and titles that are taken twice; more than one tree of policies."""
    rules = [
        (file, str(group.get("folder")), rule)
        for file, document in alerting.items()
        for group in entries(document.get("groups"))
        for rule in entries(group.get("rules"))
    ]
    yield from _twice(((f, "uid", str(r.get("uid"))) for f, _, r in rules), "Grafana keeps the last one")
    titles = ((f, f"title in the folder {folder}", str(r.get("title"))) for f, folder, r in rules)
    yield from _twice(titles, "Grafana refuses the second one")
    trees = [file for file, document in alerting.items() for _ in entries(document.get("policies"))]
    if len(trees) > 1:
        message = "an organisation has one tree of policies: the last one overwrites the others"
        yield Finding(trees[-1], "policies", message)


def _twice(given: Iterable[tuple[str, str, str]], fix: str) -> Iterator[Finding]:
    seen: set[tuple[str, str]] = set()
    for file, what, value in given:
        if (what, value) in seen:
            yield Finding(file, "groups", f"the {what} {value!r} is used twice", fix)
        seen.add((what, value))
