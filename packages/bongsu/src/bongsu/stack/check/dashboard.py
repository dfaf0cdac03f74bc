"""Dashboards: what Grafana draws wrongly or not at all, though it takes the file.

The rules are those of Grafana's dashboard-linter, and those by which links of alerts keep working.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import promql_parser

from bongsu.stack.check import promql
from bongsu.stack.check.model import Finding
from bongsu.stack.check.shapes import entries, words

FOLDER = "grafana/dashboards/"
_UID = re.compile(r"[A-Za-z0-9_-]{1,40}")
_LINK = re.compile(r"^/d/([A-Za-z0-9_-]+)")
_VARIABLE = re.compile(r"\$\{(?P<braced>\w+)(?::\w+)?\}|\$(?P<plain>[A-Za-z_]\w*)|\[\[(?P<old>\w+)\]\]")
_DRAWN = frozenset({"timeseries", "stat", "gauge", "bargauge", "table", "state-timeline", "logs"})
_WITHOUT_QUERIES = frozenset({"row", "text", "alertlist", "dashlist"})
_WITH_UNIT = frozenset({"timeseries", "stat", "gauge", "bargauge"})
_UNITS = words(
    "none short percent percentunit bool bytes decbytes bits kbytes mbytes binBps Bps bps pps ops reqps "
    "rps wps iops cps s ms µs ns m h d dateTimeFromNow dateTimeAsIso celsius hertz string sishort"
)
_RATES = frozenset({"rate", "irate", "increase"})
_OF_COUNTERS = _RATES | {"resets", "changes", "absent", "absent_over_time", "count_over_time"}
_COUNTERS = ("_total", "_bucket")
_SHORTEST_SECONDS = 60
_VALUES = {
    "__rate_interval": "5m",
    "__interval": "1m",
    "__interval_ms": "60000",
    "__range": "3h",
    "__range_s": "10800",
    "__range_ms": "10800000",
    "__auto": "5m",
    "__from": "0",
    "__to": "0",
}
_GLOBAL = frozenset(_VALUES) | {"__data", "__field", "__value", "__series", "__dashboard", "__user", "__org"}


def check(files: Mapping[str, str]) -> Iterator[Finding]:
    """What is wrong with the dashboards among ``files`` (path → text), each alone and all together."""
    boards = {}
    for file, text in files.items():
        if not file.startswith(FOLDER) or not file.endswith(".json"):
            continue
        try:
            board = json.loads(text)
        except ValueError as error:
            yield Finding(file, "", f"this is not JSON: {error}")
            continue
        if not isinstance(board, dict):
            yield Finding(file, "", "a dashboard is one object")
            continue
        boards[file] = board
        yield from lint(file, board)
    yield from _together(boards)


def lint(file: str, board: Mapping[str, Any]) -> Iterator[Finding]:
    """What is wrong with one dashboard."""
    if not _UID.fullmatch(str(board.get("uid", ""))):
        message = f"the uid {board.get('uid')!r} is not one"
        yield Finding(file, "uid", message, "write 1 to 40 letters, digits, - and _")
    if not board.get("title"):
        yield Finding(file, "title", "the dashboard has no title")
    variables = entries((board.get("templating") or {}).get("list"))
    if not any(v.get("type") == "datasource" and v.get("query") == "prometheus" for v in variables):
        yield Finding(
            file,
            "templating",
            "no variable chooses the Prometheus: imported elsewhere, the dashboard finds no data",
            "add a variable of type datasource",
        )
    known = {str(variable.get("name")) for variable in variables} | _GLOBAL
    for variable in variables:
        where = f"templating.{variable.get('name')}"
        yield from _defined(file, where, str(variable.get("query", "")), known)
    for mark in entries((board.get("annotations") or {}).get("list")):
        if "expr" in mark:
            yield from _parsed(file, f"annotations.{mark.get('name')}", str(mark["expr"]), known)
    panels = list(_panels(board))
    yield from _ids(file, panels)
    yield from _positions(file, entries(board.get("panels")))
    for panel in panels:
        yield from _panel(file, panel, known)


def _together(boards: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    known = {board.get("uid"): file for file, board in boards.items()}
    for file, board in boards.items():
        if known[board.get("uid")] != file:
            message = f"the uid {board.get('uid')!r} is also that of {known[board.get('uid')]}"
            yield Finding(file, "uid", message, "Grafana keeps only one of them")
        for url in _urls(board):
            found = _LINK.match(url)
            if found and found[1] not in known:
                yield Finding(file, "links", f"{url} leads to no dashboard")


def _urls(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "url" and isinstance(inner, str):
                yield inner
            else:
                yield from _urls(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _urls(inner)


def _panels(board: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for panel in entries(board.get("panels")):
        yield panel
        yield from entries(panel.get("panels"))


def _ids(file: str, panels: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    seen: dict[Any, str] = {}
    for panel in panels:
        identifier, title = panel.get("id"), str(panel.get("title", ""))
        if not isinstance(identifier, int) or not 0 < identifier < 2**31:
            yield Finding(file, _where(panel), f"the id {identifier!r} is not one", "links need a stable id")
        elif identifier in seen:
            yield Finding(file, _where(panel), f"the id {identifier} is also that of {seen[identifier]!r}")
        seen.setdefault(identifier, title)


def _positions(file: str, panels: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    taken: dict[tuple[int, int], str] = {}
    for panel in panels:
        at = panel.get("gridPos") or {}
        x, y, width, height = (int(at.get(key, 0)) for key in ("x", "y", "w", "h"))
        if width < 1 or height < 1 or x < 0 or x + width > 24:
            yield Finding(file, _where(panel), f"gridPos {dict(at)} is not within 24 columns")
            continue
        cells = [(i, j) for i in range(x, x + width) for j in range(y, y + height)]
        over = next((taken[cell] for cell in cells if cell in taken), None)
        if over is not None:
            yield Finding(file, _where(panel), f"it lies over {over!r}")
        taken |= dict.fromkeys(cells, str(panel.get("title", "")))
        yield from _positions(file, entries(panel.get("panels")))


def _panel(file: str, panel: Mapping[str, Any], known: set[str]) -> Iterator[Finding]:
    where, kind = _where(panel), str(panel.get("type", ""))
    if kind not in _DRAWN | _WITHOUT_QUERIES:
        yield Finding(file, where, f"the panel type {kind!r} is not known here")
        return
    if not panel.get("title"):
        yield Finding(file, where, "the panel has no title")
    if kind == "row":
        return
    if not panel.get("description"):
        yield Finding(file, where, "the panel has no description", "say what it shows, and what is bad")
    if kind in _WITHOUT_QUERIES:
        return
    yield from _source(file, where, panel)
    defaults = (panel.get("fieldConfig") or {}).get("defaults") or {}
    unit = defaults.get("unit", "")
    if kind in _WITH_UNIT and not unit:
        yield Finding(file, where, "the panel has no unit")
    if unit and unit not in _UNITS:
        yield Finding(file, where, f"the unit {unit!r} is not known here")
    bounds = [step.get("value") for step in entries((defaults.get("thresholds") or {}).get("steps"))]
    if bounds and not (bounds[0] is None and _rise(bounds[1:])):
        yield Finding(file, where, f"the thresholds {bounds} do not begin with null and rise")
    targets = entries(panel.get("targets"))
    if not targets:
        yield Finding(file, where, "the panel asks for nothing", "give it a target")
    names = [target.get("refId") for target in targets]
    if len(set(names)) < len(names) or not all(names):
        yield Finding(file, where, f"its targets {names} are not told apart by refId")
    for target in targets:
        yield from _target(file, f"{where} {target.get('refId')}", target, known)


def _rise(bounds: Sequence[Any]) -> bool:
    numbers = all(isinstance(bound, int | float) for bound in bounds)
    return numbers and all(one < other for one, other in pairwise(bounds))


def _source(file: str, where: str, panel: Mapping[str, Any]) -> Iterator[Finding]:
    for holder in (panel, *entries(panel.get("targets"))):
        uid = str((holder.get("datasource") or {}).get("uid", ""))
        if not uid.startswith("$"):
            message = f"it asks the data source {uid!r}" if uid else "it names no data source"
            yield Finding(file, where, message, "name the variable that chooses one: ${datasource}")
            return


def _target(file: str, where: str, target: Mapping[str, Any], known: set[str]) -> Iterator[Finding]:
    expr = str(target.get("expr", ""))
    if not expr.strip():
        yield Finding(file, where, "the target has no query")
        return
    if (target.get("datasource") or {}).get("type") != "prometheus":
        yield from _defined(file, where, expr, known)
        if "{" not in expr or expr.count("(") != expr.count(")"):
            yield Finding(file, where, f"{expr} is not LogQL", "it begins with {label=…} in braces")
        return
    yield from _parsed(file, where, expr, known)
    try:
        tree = promql_parser.parse(substituted(expr))
    except ValueError:
        return
    yield from _counters(file, where, tree)
    yield from _windows(file, where, expr)


def _parsed(file: str, where: str, expr: str, known: set[str]) -> Iterator[Finding]:
    yield from _defined(file, where, expr, known)
    problem = promql.problem(substituted(expr))
    if problem:
        yield Finding(file, where, f"{expr} is not PromQL: {problem}")


def _defined(file: str, where: str, text: str, known: set[str]) -> Iterator[Finding]:
    for found in _VARIABLE.finditer(text):
        name = found["braced"] or found["plain"] or found["old"]
        if name not in known:
            yield Finding(file, where, f"no variable is called {name!r}", "add it to templating")


def substituted(expr: str) -> str:
    """``expr`` as Grafana would send it, with some value in place of each variable."""

    def value(found: re.Match[str]) -> str:
        return _VALUES.get(found["braced"] or found["plain"] or found["old"], "x")

    return _VARIABLE.sub(value, expr)


def _counters(file: str, where: str, tree: Any) -> Iterator[Finding]:
    """A counter by itself only ever rises: what people look at is its rate."""
    bare: list[str] = []

    def visit(node: Any, within: bool) -> None:
        if isinstance(node, promql_parser.Call):
            for argument in node.args:
                visit(argument, within or node.func.name in _OF_COUNTERS)
            return
        vector = getattr(node, "vector_selector", node)
        if isinstance(vector, promql_parser.VectorSelector):
            if not within and (vector.name or "").endswith(_COUNTERS):
                bare.append(str(vector.name))
            return
        for name in ("expr", "lhs", "rhs", "param"):
            inner = getattr(node, name, None)
            if inner is not None and not isinstance(inner, str):
                counts = name == "expr" and str(getattr(node, "op", "")) in ("count", "group")
                visit(inner, within or counts)

    visit(tree, False)
    for name in dict.fromkeys(bare):
        yield Finding(file, where, f"the counter {name} is shown as it is", "take its rate or increase")


def _windows(file: str, where: str, expr: str) -> Iterator[Finding]:
    if re.search(r"\b(?:i?rate|increase)\([^\[]*\[\$__interval\]", expr):
        message = "at $__interval a rate is empty when people zoom in"
        yield Finding(file, where, message, "write $__rate_interval")
    fixed = re.findall(r"\b(?:i?rate|increase)\((?:[^\[()]|\{[^}]*\})*\[(\d+)s\]", expr)
    if any(int(seconds) < _SHORTEST_SECONDS for seconds in fixed):
        yield Finding(file, where, "a rate over less than a minute has too few samples", "$__rate_interval")


def _where(panel: Mapping[str, Any]) -> str:
    return f"panel {panel.get('title') or panel.get('id')!r}"
