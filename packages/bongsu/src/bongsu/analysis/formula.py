"""A small closed language in which a claim says how its figure follows from evidence.

    ratio(C2.exclusive_errors, C2.count)        a field of a row, arithmetic on fields
    mean(M1, incident)                          a statistic of a metric over a window
    C2.mean > C1.mean                           a comparison, for what a sentence takes for granted

A formula is one call, field, number or comparison; calls may be nested. It can read evidence, and nothing
else. Times are Unix seconds, durations seconds.
"""

import ast
import math
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from bongsu.analysis.model import Evidence, LinkEvidence, MetricEvidence, Window
from bongsu.analysis.series import Floats, settled, values_in
from bongsu.analysis.symptom import alerting_symptom

Value = float | str
_LONGEST = 2000
_DEEPEST = 6
_WINDOWS = ("incident", "baseline")


class FormulaError(ValueError):
    """The formula is malformed, or reads what the evidence does not hold; the text says which."""


def references(formula: str) -> frozenset[str]:
    """Ids of the evidence that ``formula`` reads."""
    names = {node.id for node in ast.walk(_parsed(formula)) if isinstance(node, ast.Name)}
    return frozenset(names - {*_WINDOWS, *_FUNCTIONS})


class Facts:
    """The evidence, ready to be asked."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.rows: Mapping[str, Any] = {row.id: row for row in _rows(evidence)}

    @cached_property
    def bad(self) -> "Callable[[MetricEvidence], Floats]":
        """A metric's values while the alert's own signal was bad."""
        return alerting_symptom(self.evidence).during

    def value(self, formula: str) -> Value:
        """Raises FormulaError; a number is always finite."""
        found = self._eval(_parsed(formula).body, 0)
        if isinstance(found, str):
            return found
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise FormulaError(f"{formula}: is no number and no text")
        if not math.isfinite(found):
            raise FormulaError(f"{formula}: is not finite")
        return float(found)

    def holds(self, condition: str) -> bool:
        """Whether a comparison is true of the evidence; raises FormulaError."""
        node = _parsed(condition).body
        if not isinstance(node, ast.Compare) or len(node.ops) != 1:
            raise FormulaError(f"{condition}: is no comparison of two figures")
        left, right = (_number(self._eval(side, 0)) for side in (node.left, node.comparators[0]))
        match node.ops[0]:
            case ast.Gt():
                return left > right
            case ast.GtE():
                return left >= right
            case ast.Lt():
                return left < right
            case ast.LtE():
                return left <= right
        raise FormulaError(f"{condition}: compares with neither <, <=, > nor >=")

    def _eval(self, node: ast.expr, depth: int) -> Any:
        if depth > _DEEPEST:
            raise FormulaError("nested too deeply")
        match node:
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                return float(number)
            case ast.Name(id="incident"):
                return self.evidence.window
            case ast.Name(id="baseline"):
                return self.evidence.baseline
            case ast.Name(id=name):
                return self._row(name)
            case ast.Attribute(value=ast.Name(id=name), attr=field):
                return _field(self._row(name), field)
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
                return self._call(name, [self._eval(arg, depth + 1) for arg in args])
        raise FormulaError(f"{ast.unparse(node)}: is no figure")

    def _row(self, name: str) -> Any:
        if name not in self.rows:
            raise FormulaError(f"{name}: no such evidence")
        return self.rows[name]

    def _call(self, name: str, args: list[Any]) -> Any:
        function = _FUNCTIONS.get(name)
        if function is None:
            raise FormulaError(f"{name}: no such function; there are {', '.join(sorted(_FUNCTIONS))}")
        try:
            return function(self, *args)
        except (TypeError, AttributeError) as error:
            raise FormulaError(f"{name}: {error}") from None
        except (ZeroDivisionError, OverflowError):
            raise FormulaError(f"{name}: divides by zero or overflows") from None


def _parsed(formula: str) -> ast.Expression:
    if len(formula) > _LONGEST:
        raise FormulaError("the formula is too long")
    try:
        return ast.parse(formula, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise FormulaError(f"{formula}: is no formula") from None


def _rows(evidence: Evidence) -> Iterator[Any]:
    yield from evidence.metrics
    yield from evidence.logs
    yield from evidence.traces
    yield from evidence.calls
    yield from evidence.edges
    yield from evidence.changes
    yield from evidence.events
    yield from evidence.links


def _field(row: Any, name: str) -> Value:
    found = getattr(row, name, None) if name in row.__struct_fields__ else None
    if isinstance(found, str):
        return found
    if isinstance(found, int | float) and not isinstance(found, bool):
        return float(found)
    raise FormulaError(f"{row.id}.{name}: no such figure")


def _number(value: Any) -> float:
    if isinstance(value, int | float):
        return float(value)
    raise TypeError("is no number")


def _series(row: Any, window: Any) -> Floats:
    if not isinstance(window, Window):
        raise TypeError("asks for a window: incident or baseline")
    if isinstance(row, LinkEvidence):
        found = _gaps(row, window)
    elif isinstance(row, MetricEvidence):
        found = values_in(row, window)
    else:
        raise TypeError("asks for a metric or a link")
    if not found.size:
        raise TypeError(f"{row.id} has no values there")
    return found


def _gaps(link: LinkEvidence, window: Window) -> Floats:
    """By how much the client's time exceeds the server's."""
    both = zip(link.times, link.client, link.server, strict=True)
    pairs = [
        (c, s) for t, c, s in both if c is not None and s is not None and window.start <= t <= window.end
    ]
    return np.array([max(0.0, client - server) for client, server in pairs], dtype=float)


def _while_bad(facts: Facts, row: Any) -> float:
    if not isinstance(row, MetricEvidence):
        raise TypeError("asks for a metric")
    found = facts.bad(row)
    if not found.size:
        raise TypeError(f"{row.id} has no values there")
    return float(found.mean())


def _settled(_: Facts, row: Any, window: Any) -> float:
    return settled(_series(row, window), row.worse)


def _below(_: Facts, row: Any, bound: Any, window: Any) -> float:
    return float((_series(row, window) < _number(bound)).mean())


def _first_above(facts: Facts, row: Any, bound: Any) -> float:
    """When the metric was first beyond the bound in the incident, on its worse side."""
    if not isinstance(row, MetricEvidence):
        raise TypeError("asks for a metric")
    window, sign = facts.evidence.window, -1.0 if row.worse == "down" else 1.0
    for at, value in zip(row.times, row.values, strict=True):
        if value is not None and window.start <= at <= window.end and sign * value > sign * _number(bound):
            return at
    raise TypeError(f"{row.id} never was beyond it")


def _seconds_beyond(facts: Facts, row: Any, bound: Any) -> float:
    """For how long of the incident the metric was beyond the bound, on its worse side."""
    return sum(seconds for _, seconds in _beyond(facts, row, bound))


def _beyond(facts: Facts, row: Any, bound: Any) -> list[tuple[float, float]]:
    """(instant, seconds until the next) of the values beyond the bound."""
    sign = -1.0 if row.worse == "down" else 1.0
    return [
        (at, seconds) for at, value, seconds in _steps(facts, row) if sign * value > sign * _number(bound)
    ]


def _steps(facts: Facts, row: Any) -> list[tuple[float, float, float]]:
    """(instant, value, seconds that it stands for) within the incident: until the next point at most, at most
    the usual step."""
    if not isinstance(row, MetricEvidence):
        raise TypeError("asks for a metric")
    window = facts.evidence.window
    pairs = [
        (t, v)
        for t, v in zip(row.times, row.values, strict=True)
        if v is not None and window.start <= t <= window.end
    ]
    gaps = np.diff(row.times)
    usual = float(np.median(gaps)) if gaps.size else 0.0
    ends = [*(t for t, _ in pairs[1:]), window.end]
    return [(t, v, max(0.0, min(usual, end - t))) for (t, v), end in zip(pairs, ends, strict=True)]


def _weighed(facts: Facts, share: Any, rate: Any) -> float:
    """∫ share × rate dt over the incident: of requests a second those that fail, summed up."""
    rates = {t: (v, seconds) for t, v, seconds in _steps(facts, rate)}
    shares = {t: v for t, v, _ in _steps(facts, share)}
    return sum(shares[t] * v * seconds for t, (v, seconds) in rates.items() if t in shares)


def _served_beyond(facts: Facts, row: Any, bound: Any, rate: Any) -> float:
    """Requests served while the metric was beyond the bound: the rate, summed up over those instants."""
    instants = {at for at, _ in _beyond(facts, row, bound)}
    return sum(v * seconds for t, v, seconds in _steps(facts, rate) if t in instants)


def _before_onset(facts: Facts, at: Any) -> float:
    return facts.evidence.onset - _number(at)


def _distinct(field: str) -> Callable[..., float]:
    def count(_: Facts, *rows: Any) -> float:
        if not rows:
            raise TypeError("asks for evidence")
        return float(len({getattr(row, field) for row in rows}))

    return count


def _names(_: Facts, *rows: Any) -> str:
    return ", ".join(dict.fromkeys(str(row.service) for row in rows))


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "ratio": lambda _, a, b: _number(a) / _number(b),
    "difference": lambda _, a, b: _number(a) - _number(b),
    "sum": lambda _, *terms: math.fsum(map(_number, terms)),
    "mean": lambda _, row, window: float(_series(row, window).mean()),
    "median": lambda _, row, window: float(np.median(_series(row, window))),
    "largest": lambda _, row, window: float(_series(row, window).max()),
    "smallest": lambda _, row, window: float(_series(row, window).min()),
    "first": lambda _, row, window: float(_series(row, window)[0]),
    "last": lambda _, row, window: float(_series(row, window)[-1]),
    "points": lambda _, row, window: float(_series(row, window).size),
    "length": lambda _, window: window.end - window.start,
    "settled": _settled,
    "share_below": _below,
    "while_bad": _while_bad,
    "first_beyond": _first_above,
    "seconds_beyond": _seconds_beyond,
    "weighed": _weighed,
    "served_beyond": _served_beyond,
    "before_onset": _before_onset,
    "services": _distinct("service"),
    "operations": _distinct("operation"),
    "names": _names,
}
