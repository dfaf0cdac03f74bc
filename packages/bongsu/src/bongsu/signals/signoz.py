"""A signal of a whole fleet as one SigNoz v5 ``query_range`` request over SigNoz's metrics.

SigNoz cuts time into steps aligned to the epoch, and knows no look-back and no extrapolation. Hence:

- An *instant* is answered as of the last whole step before it. Steps are the shortest of at least
  ``resolution`` seconds (60 at least) that divide the window, so the answer is up to one step old.
- *rate*, *increase* and *ratio* add up the increases of the window's steps: for each series the largest
  value of a step less that of the step before. Nothing is extrapolated, so both ends are exact where every
  step holds a sample. A counter that starts over is undone for each series, as in PromQL, but where it does
  so within a step, what it grows after that counts in the next step; and not at all when by then it has
  passed the step's largest value. A series' first step in view counts for nothing; what it grew by while its
  samples were missing counts in the step after the gap. ``resolution`` must not be shorter than the interval
  of the samples.
- A *ratio* is 0 where no failure was ever counted, and empty where there is no traffic, as in PromQL.
- *quantile* reads one step as long as the window, so an instant is up to a window old, and an increase that
  falls between two of its steps is kept. Only p50, p75, p90, p95 and p99 exist. Interpolation is Prometheus'.
- *gauge*, *presence*: the last value of each series in the newest step that has one, at most five minutes
  back. A series that is silent in that step while others of its group speak is left out. Over a range, a
  step without a sample has no point.
- *gauge* with ``over``: one step as long as the window (``min`` of ``min``, ``max`` of ``max``: finer). The
  divisor is the last value of that step.
- *age*: the newest timestamp since the look-back (``over``: the window) before the instant; with ``left`` and
  ``over`` the earliest of all in the window, so one that was renewed counts for a window longer.
- ``floor`` and ``unless`` are asked as queries of their own, which ``answer`` applies.

Over a *range*, a point at t tells of the window before t, as in PromQL: counters by adding up to twelve
queries, each shifted by one step more (after a gap at the very start of the range, the first points may
miss what one step grew by). Points lie at whole multiples of the step that ``points`` gives: the one asked
for, or its first multiple that SigNoz keeps and that is at least a twelfth of the window; for *quantile* and
``over``, at least the window. A window that is no multiple of it is rounded up to one, and an increase then
scaled down.

Labels that are missing count as empty. Regular expressions are RE2 on both sides; they are anchored here.
SigNoz refuses a filter on a key that it has never seen on the metric.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from bongsu.signals import signoz_frame as frames
from bongsu.signals.matchers import group_labels
from bongsu.signals.model import Age, Expr, Gauge, Quantile, Ratio
from bongsu.signals.query import FleetQuery
from bongsu.signals.rows import Row
from bongsu.signals.signoz_answer import EVENTS, EXCLUDED, RESULT, answer
from bongsu.signals.signoz_filter import fleet_filter, key
from bongsu.signals.signoz_frame import LOOKBACK, MINIMUM_STEP, Frame
from bongsu.signals.signoz_traces import Red, red_answer, red_from_traces
from bongsu.signals.sql import Steps
from bongsu.signals.unsupported import UnsupportedError, refuse_expr, refuse_unknown

__all__ = ["Red", "Row", "answer", "compile", "points", "red_answer", "red_from_traces"]

LIMIT = 10_000
"""Most groups that SigNoz gives; without it, it may give fewer."""
_BACKEND = "SigNoz"
_PERCENTILES = {0.5: "p50", 0.75: "p75", 0.9: "p90", 0.95: "p95", 0.99: "p99"}
_UNDERSTOOD = {
    "rate": frozenset[str](),
    "increase": frozenset[str](),
    "ratio": frozenset({"of", "of_match", "floor"}),
    "quantile": frozenset({"q", "floor"}),
    "gauge": frozenset({"agg", "over", "divisor", "divisor_match", "complement", "unless"}),
    "age": frozenset({"left", "over"}),
    "presence": frozenset[str](),
}
_OVER = {"min": "min", "max": "max", "avg": "avg", "last": "latest"}
Separator = Literal[".", "_"]


def compile(  # noqa: A001
    query: FleetQuery,
    start: float,
    end: float,
    step: float | None = None,
    *,
    resolution: float = MINIMUM_STEP,
    separator: Separator | None = None,
) -> dict[str, object]:
    """The body of ``POST /api/v5/query_range`` that answers ``query`` for all its services at once.

    Without ``step`` the question is about the instant ``end``, and ``start`` does not matter. ``separator``
    stands before a histogram's ``bucket`` and ``count``: a dot where the metric's own name has one.
    UnsupportedError for what SigNoz cannot express; ValueError for a query that names no service, and for a
    range in which no whole step lies.
    """
    _check(query)
    frame = _frame(query, start, end, step, _seconds(resolution))
    return _Request(query, frame, separator).build(end)


def points(
    query: FleetQuery, start: float, end: float, step: float, *, resolution: float = MINIMUM_STEP
) -> Steps:
    """The times that an answer over a range can have."""
    _check(query)
    return frames.times(_frame(query, start, end, step, _seconds(resolution)))


def _check(query: FleetQuery) -> None:
    signal = query.signal
    if isinstance(signal, Expr):
        raise refuse_expr(_BACKEND, query)
    if not query.services:
        raise ValueError(f"query {query.name!r} names no service")
    refuse_unknown(_BACKEND, query, _UNDERSTOOD[signal.form])
    windowed = signal.form in ("rate", "increase", "ratio", "quantile") or getattr(signal, "over", None)
    if windowed and (signal.window < MINIMUM_STEP or signal.window % 1):
        raise UnsupportedError(
            _BACKEND,
            query,
            f"a window of {signal.window:g} s is not made of whole seconds, {MINIMUM_STEP} at least",
            "widen the window to a whole number of minutes",
        )
    if isinstance(signal, Quantile) and signal.q not in _PERCENTILES:
        raise UnsupportedError(
            _BACKEND,
            query,
            f"of a histogram it has {', '.join(_PERCENTILES.values())}, and not q = {signal.q:g}",
            f"ask for q: {min(_PERCENTILES, key=lambda q: abs(q - signal.q)):g}",
        )


def _frame(query: FleetQuery, start: float, end: float, step: float | None, resolution: int) -> Frame:
    signal = query.signal
    over = getattr(signal, "over", None)
    counter = signal.form in ("rate", "increase", "ratio")
    window = int(signal.window) if counter or over or signal.form == "quantile" else LOOKBACK
    whole = signal.form == "quantile" or (isinstance(signal, Gauge) and over and not _commutes(signal))
    if step is None:
        return frames.instant(end, window, window if whole else resolution)
    least = max(window if signal.form == "quantile" or over else resolution, frames.minimum_step(end - start))
    return frames.span(start, end, step, least, window if counter else 0)


def _commutes(signal: Gauge) -> bool:
    """Whether steps shorter than the window give the same value."""
    return signal.over in ("min", "max") and signal.over == signal.agg and signal.divisor is None


def _seconds(resolution: float) -> int:
    return max(MINIMUM_STEP, math.ceil(resolution))


@dataclass(slots=True)
class _Request:
    query: FleetQuery
    frame: Frame
    separator: Separator | None
    queries: list[dict[str, object]] = field(default_factory=list)

    def build(self, at: float) -> dict[str, object]:
        self._signal(at)
        return {
            "schemaVersion": "v1",
            "start": self.frame.start * 1000,
            "end": self.frame.end * 1000,
            "requestType": "scalar" if self.frame.scalar else "time_series",
            "compositeQuery": {"queries": self.queries},
        }

    def _signal(self, at: float) -> None:
        signal = self.query.signal
        match signal:
            case Ratio():
                part = self._increase("A", signal.metric, signal.match)
                whole = self._increase("B", signal.of or signal.metric, signal.of_match)
                self._formula(RESULT, f"{part} / {whole}")
                if signal.floor:
                    self._formula(EVENTS, f"{whole} / {self._reach()}")
            case Quantile():
                self._quantile(signal)
            case Gauge():
                self._gauge(signal)
            case Age():
                self._age(signal, at)
            case Expr():
                raise AssertionError("refused by compile")
            case _ if signal.form == "presence":
                self._value(RESULT, signal.metric, signal.match, "latest", "max", "last")
            case _:
                grown = self._increase("A", signal.metric, signal.match)
                if signal.form == "rate":
                    self._formula(RESULT, f"{grown} / {self._reach()}")
                else:
                    scaled = f" * {int(signal.window)} / {self._reach()}"
                    self._formula(RESULT, grown + (scaled if self._reach() != signal.window else ""))

    def _increase(self, name: str, metric: str, match: dict[str, str]) -> str:
        """What the counter grew by over the window: an expression over queries that are added here."""
        names = [f"{name}{i}" for i in range(1, self.frame.shifts + 1)] or [name]
        for i, each in enumerate(names, start=1):
            self._value(each, metric, match, "increase", "sum", "sum", shift=i, disabled=True)
        return names[0] if len(names) == 1 else f"({' + '.join(names)})"

    def _reach(self) -> int:
        """Seconds that an increase covers."""
        frame = self.frame
        return frame.end - frame.start if frame.scalar else frame.shifts * frame.step

    def _quantile(self, signal: Quantile) -> None:
        dot = self.separator or ("." if "." in signal.metric else "_")
        percentile = _PERCENTILES[signal.q]
        # "rate" is what SigNoz takes for a percentile anyway; said aloud, it reads the step before, too.
        self._value(RESULT, f"{signal.metric}{dot}bucket", signal.match, "rate", percentile, "last")
        if signal.floor:
            self._value(EVENTS, f"{signal.metric}{dot}count", signal.match, "rate", "sum", "last")

    def _gauge(self, signal: Gauge) -> None:
        time = _OVER[signal.over] if signal.over else "latest"
        reduce = signal.over if signal.over and _commutes(signal) else "last"
        derived = signal.divisor is not None or signal.complement
        name = "A" if derived else RESULT
        self._value(name, signal.metric, signal.match, time, signal.agg, reduce, disabled=derived)
        if signal.divisor is not None:
            divisor, chosen = signal.divisor, signal.divisor_match
            self._value("B", divisor, chosen, "latest", signal.agg, "last", disabled=True, positive=True)
        if derived:
            quotient = "A / B" if signal.divisor is not None else "A"
            self._formula(RESULT, f"1 - {quotient}" if signal.complement else quotient)
        if signal.unless is not None:
            self._value(EXCLUDED, signal.unless.metric, signal.unless.match, "latest", "max", "last")

    def _age(self, signal: Age, at: float) -> None:
        space = "min" if signal.left else "max"
        reduce = space if signal.over else "last"
        name = "A" if self.frame.scalar else RESULT
        self._value(name, signal.metric, signal.match, "latest", space, reduce, disabled=self.frame.scalar)
        if self.frame.scalar:
            now = f"{at:.3f}"
            self._formula(RESULT, f"A - {now}" if signal.left else f"{now} - A")

    def _value(
        self,
        name: str,
        metric: str,
        match: dict[str, str],
        time: str,
        space: str,
        reduce: str,
        *,
        shift: int = 1,
        disabled: bool = False,
        positive: bool = False,
    ) -> None:
        """One builder query: ``time`` for each series and step, ``space``, then ``reduce`` over steps."""
        aggregation = {"metricName": metric, "timeAggregation": time, "spaceAggregation": space}
        spec: dict[str, object] = {
            "name": name,
            "signal": "metrics",
            "stepInterval": self.frame.step,
            "aggregations": [aggregation | ({"reduceTo": reduce} if self.frame.scalar else {})],
            **self._selection(match),
            "limit": LIMIT,
        }
        functions = self._functions(shift, positive)
        if functions:
            spec["functions"] = functions
        if disabled:
            spec["disabled"] = True
        self.queries.append({"type": "builder_query", "spec": spec})

    def _selection(self, match: dict[str, str]) -> dict[str, object]:
        try:
            return {
                "filter": {"expression": fleet_filter(self.query, match)},
                "groupBy": [{"name": key(label)} for label in group_labels(self.query)],
            }
        except ValueError as error:
            raise UnsupportedError(_BACKEND, self.query, str(error), "name it as SigNoz stores it") from error

    def _functions(self, shift: int, positive: bool) -> Sequence[dict[str, object]]:
        """``cutoffmin`` turns what is below zero into NaN; a quotient by zero SigNoz drops by itself."""
        functions: list[dict[str, object]] = []
        if positive:
            functions.append({"name": "cutoffmin", "args": [{"value": 0}]})
        if not self.frame.scalar:
            functions.append({"name": "timeshift", "args": [{"value": shift * self.frame.step}]})
        return functions

    def _formula(self, name: str, expression: str) -> None:
        spec = {"name": name, "expression": expression, "limit": LIMIT}
        self.queries.append({"type": "builder_formula", "spec": spec})
