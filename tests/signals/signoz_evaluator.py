"""A small SigNoz: it reads a v5 ``query_range`` body as data and answers it over given series.

Written from SigNoz's statement builders and post-processing, and from nothing of Bongsu's. What it keeps of
SigNoz's ways, and where they differ from Prometheus':

- Time is cut into steps at multiples since the epoch; ``[step, next step)`` is half-open the other way round
  than a PromQL window, and labelled by its beginning.
- A step too short for the range is silently replaced (a minute, or a 300th of the range).
- ``rate`` and ``increase`` of a cumulative counter take each series' *largest* value of a step less that of
  the step before that has one; below zero, the value itself is the increase. A series' first step is NaN. To
  have that first step outside the range, one step more is read – which depends on what the request says:
  a percentile without ``timeAggregation: rate`` does not get it.
- Nothing is extrapolated. Prometheus stretches what it saw between the first and last sample of a window to
  the window's ends. Both agree where the counter climbs evenly: by the same amount between any two samples.
  Where the amounts lie between a and b, they differ by at most b - a for each series.
- ``latest`` is the last sample in a step, and no older one.
- Functions apply to each step before ``reduceTo``; formulas after it. A formula takes a missing increase for
  0 and drops what is not a finite number. Temporality is cumulative; tables are the unaggregated ones.
"""

import ast
import math
import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass
class Series:
    """What was recorded: times in milliseconds."""

    metric: str
    labels: dict[str, str]
    times: np.ndarray
    values: np.ndarray


Key = tuple[tuple[str, str], ...]
Table = dict[Key, dict[int, float]]
"""Group → time in ms → value."""

_TIME: dict[str, Callable[[np.ndarray], float]] = {
    "latest": lambda v: v[-1],
    "min": np.min,
    "max": np.max,
    "avg": np.mean,
    "sum": np.sum,
    "rate": np.max,
    "increase": np.max,
}
_SPACE: dict[str, Callable[[list[float]], float]] = {
    "sum": sum,
    "min": min,
    "max": max,
    "avg": lambda v: sum(v) / len(v),
    "count": len,
}
_REDUCE: dict[str, Callable[[list[float]], float]] = {
    "last": lambda v: v[-1],
    "sum": lambda v: sum(x for x in v if not math.isnan(x)),
    "min": min,
    "max": max,
    "avg": lambda v: float(np.nanmean(v)),
}


def evaluate(body: dict[str, Any], series: list[Series]) -> dict[str, Any]:
    """The answer of ``POST /api/v5/query_range``, within the envelope of the HTTP API."""
    specs = [query["spec"] | {"type": query["type"]} for query in body["compositeQuery"]["queries"]]
    assert len({spec["name"] for spec in specs}) == len(specs), "names must differ"
    builders = [spec for spec in specs if spec["type"] == "builder_query"]
    scalar = body["requestType"] == "scalar"
    tables: dict[str, Table] = {}
    partial: dict[str, set[int]] = {}
    for spec in builders:
        table, partial[spec["name"]] = _builder(body, spec, series)
        tables[spec["name"]] = _reduced(table, spec["aggregations"][0]["reduceTo"]) if scalar else table
    zero = {s["name"] for s in builders if s["aggregations"][0]["timeAggregation"] in ("rate", "increase")}
    for spec in specs:
        if spec["type"] == "builder_formula":
            tables[spec["name"]] = _formula(spec["expression"], tables, zero)
    shown = [spec["name"] for spec in specs if not spec.get("disabled")]
    assert shown, "all queries are disabled"
    shape = _scalar if scalar else _time_series
    results = [shape(name, tables[name], partial.get(name, set())) for name in reversed(shown)]
    return {"status": "success", "data": {"type": body["requestType"], "data": {"results": results}}}


def _builder(body: dict[str, Any], spec: dict[str, Any], series: list[Series]) -> tuple[Table, set[int]]:
    (aggregation,) = spec["aggregations"]
    time, space = aggregation["timeAggregation"], aggregation["spaceAggregation"]
    step = max(spec["stepInterval"], _least_step((body["end"] - body["start"]) / 1000)) * 1000
    shift = sum(f["args"][0]["value"] for f in spec.get("functions", ()) if f["name"] == "timeshift") * 1000
    begin, end = body["start"] - shift, body["end"] - shift
    first = begin - begin % step - (step if time in ("rate", "increase") else 0)
    last = end - end % min(step, 60_000)
    groups = [key["name"] for key in spec["groupBy"]]
    percentile = space.startswith("p")
    table: dict[Key, dict[int, list[float]]] = {}
    for each in series:
        if each.metric != aggregation["metricName"] or not matches(spec["filter"]["expression"], each.labels):
            continue
        labels = [*groups, "le"] if percentile else groups
        group = tuple((name, each.labels.get(name, "")) for name in labels)
        for at, value in _per_series(each, first, last, step, "rate" if percentile else time):
            if not math.isnan(value):
                table.setdefault(group, {}).setdefault(at, []).append(value)
    how = _SPACE["sum" if percentile else space]
    found = {group: {at: float(how(v)) for at, v in row.items()} for group, row in table.items()}
    found = _quantiles(found, int(space[1:]) / 100) if percentile else found
    found = {g: {at: v for at, v in sorted(row.items()) if math.isfinite(v)} for g, row in found.items()}
    parts = {
        at + shift for row in found.values() for at in row if at < begin or (at + step > end and end % step)
    }
    return _functions(spec.get("functions", ()), found), parts


def _per_series(each: Series, first: int, last: int, step: int, time: str) -> Iterator[tuple[int, float]]:
    inside = (each.times >= first) & (each.times < last)
    times, values = each.times[inside], each.values[inside]
    before: tuple[int, float] | None = None
    for at in np.unique(times // step * step):
        value = float(_TIME[time](values[times // step * step == at]))
        if time not in ("rate", "increase"):
            yield int(at), value
            continue
        if before is None:
            yield int(at), math.nan
        else:
            grown = value if value < before[1] else value - before[1]
            yield int(at), grown / ((at - before[0]) / 1000) if time == "rate" else grown
        before = int(at), value


def _quantiles(table: Table, q: float) -> Table:
    buckets: dict[Key, dict[int, list[tuple[float, float]]]] = {}
    for group, row in table.items():
        for at, value in row.items():
            bound = float(dict(group)["le"])
            buckets.setdefault(group[:-1], {}).setdefault(at, []).append((bound, value))
    return {g: {at: _quantile(sorted(b), q) for at, b in row.items()} for g, row in buckets.items()}


def _quantile(buckets: list[tuple[float, float]], q: float) -> float:
    bounds = [bound for bound, _ in buckets]
    counts = list(np.maximum.accumulate([count for _, count in buckets]))
    if len(buckets) < 2 or bounds[-1] != math.inf or counts[-1] == 0:
        return math.nan
    i = next(i for i, count in enumerate(counts) if count >= q * counts[-1] or i == len(counts) - 1)
    if i == len(counts) - 1:
        return bounds[-2]
    if i == 0 and bounds[0] <= 0:
        return bounds[0]
    low, below = (bounds[i - 1], counts[i - 1]) if i else (0.0, 0.0)
    return low + (bounds[i] - low) * (q * counts[-1] - below) / (counts[i] - below)


def _functions(functions: Any, table: Table) -> Table:
    for function in functions:
        argument = function["args"][0]["value"]
        for group, row in table.items():
            if function["name"] == "cutoffmin":
                table[group] = {at: v if v >= argument else math.nan for at, v in row.items()}
            elif function["name"] == "timeshift":
                table[group] = {at + argument * 1000: v for at, v in row.items()}
            else:
                raise ValueError(function["name"])
    return table


def _reduced(table: Table, how: str) -> Table:
    return {group: {0: _REDUCE[how](list(row.values()))} for group, row in table.items() if row}


_ARITHMETIC: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def _formula(expression: str, tables: dict[str, Table], zero: set[str]) -> Table:
    tree = ast.parse(expression, mode="eval").body
    names = sorted({node.id for node in ast.walk(tree) if isinstance(node, ast.Name)})
    found: Table = {}
    for group in {group for name in names for group in tables[name]}:
        rows = {name: tables[name].get(group, {}) for name in names}
        for at in sorted({at for row in rows.values() for at in row}):
            known = {n: r.get(at, 0.0 if n in zero else math.nan) for n, r in rows.items()}
            value = _value(tree, known)
            if math.isfinite(value):
                found.setdefault(group, {})[at] = value
    return found


def _value(node: ast.expr, known: dict[str, float]) -> float:
    match node:
        case ast.Constant():
            return float(node.value)  # type: ignore[arg-type]
        case ast.Name():
            return known[node.id]
        case ast.BinOp():
            with np.errstate(all="ignore"):
                left, right = np.float64(_value(node.left, known)), np.float64(_value(node.right, known))
                return float(_ARITHMETIC[type(node.op)](left, right))
    raise ValueError(ast.dump(node))


def _scalar(name: str, table: Table, partial: set[int]) -> dict[str, Any]:
    """Columns in an order of their own, as the order is not promised; NaN as text."""
    groups = sorted({label for group in table for label, _ in group}, reverse=True)
    columns: list[dict[str, Any]] = [
        {"name": "__result_0", "queryName": name, "aggregationIndex": 0, "columnType": "aggregation"},
        *({"name": label, "queryName": name, "columnType": "group"} for label in groups),
    ]
    data = [
        ["NaN" if math.isnan(row[0]) else row[0], *(dict(group)[label] for label in groups)]
        for group, row in table.items()
    ]
    return {"queryName": name, "columns": columns, "data": data}


def _time_series(name: str, table: Table, partial: set[int]) -> dict[str, Any]:
    series = [
        {
            "labels": [{"key": {"name": label}, "value": value} for label, value in group],
            "values": [
                {"timestamp": at, "value": value} | ({"partial": True} if at in partial else {})
                for at, value in row.items()
                if not math.isnan(value)
            ],
        }
        for group, row in table.items()
    ]
    return {"queryName": name, "aggregations": [{"index": 0, "alias": "__result_0", "series": series}]}


def _least_step(length: float) -> int:
    step = max(60, int(length / 300) // 60 * 60)
    if length >= 7 * 86_400:
        return math.floor(step / 1800 + 0.5) * 1800
    return math.floor(step / 300 + 0.5) * 300 if length >= 86_400 else step


_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\.)*')|(?P<mark>!=|=|[(),])|(?P<word>[A-Za-z_][\w./-]*))", re.DOTALL
)


def matches(expression: str, labels: dict[str, str]) -> bool:
    """Whether ``labels`` fulfil a filter expression; AssertionError for one that it cannot read."""
    tokens, at = [], 0
    while at < len(expression.rstrip()):
        found = _TOKEN.match(expression, at)
        assert found, f"unreadable at {at}: {expression!r}"
        tokens.append((str(found.lastgroup), found.group(str(found.lastgroup))))
        at = found.end()
    result = _either(tokens, labels)
    assert not tokens, f"more than an expression: {expression!r}"
    return result


Tokens = list[tuple[str, str]]


def _either(tokens: Tokens, labels: dict[str, str]) -> bool:
    result = _both(tokens, labels)
    while tokens and tokens[0] == ("word", "OR"):
        tokens.pop(0)
        result = _both(tokens, labels) or result
    return result


def _both(tokens: Tokens, labels: dict[str, str]) -> bool:
    result = _comparison(tokens, labels)
    while tokens and tokens[0] == ("word", "AND"):
        tokens.pop(0)
        result = _comparison(tokens, labels) and result
    return result


def _comparison(tokens: Tokens, labels: dict[str, str]) -> bool:
    kind, name = tokens.pop(0)
    if (kind, name) == ("mark", "("):
        result = _either(tokens, labels)
        assert tokens.pop(0) == ("mark", ")")
        return result
    assert kind == "word", f"{name!r} is no key"
    value, negated = labels.get(name, ""), False
    _, sign = tokens.pop(0)
    if sign == "NOT":
        negated, (_, sign) = True, tokens.pop(0)
    if sign == "IN":
        assert tokens.pop(0) == ("mark", "(")
        listed = [_text(tokens)]
        while tokens[0] == ("mark", ","):
            tokens.pop(0)
            listed.append(_text(tokens))
        assert tokens.pop(0) == ("mark", ")")
        return (value in listed) != negated
    wanted = _text(tokens)
    if sign == "REGEXP":
        # ``$`` of RE2 is the end of the text, and not also a line break before it.
        return bool(re.search(re.sub(r"\$$", r"\\Z", wanted), value)) != negated
    assert sign in ("=", "!=")
    assert not negated
    return (value == wanted) == (sign == "=")


def _text(tokens: Tokens) -> str:
    kind, quoted = tokens.pop(0)
    assert kind == "text", f"{quoted!r} is no string"
    return quoted[1:-1].replace("\\\\", "\\").replace("\\'", "'")
