"""Request rate, failures and latency from SigNoz's spans: which signals they answer, and with what.

OpenTelemetry's instrumentation measures each request that a server answers twice: as a server span and in the
histogram ``http.server.request.duration``. SigNoz turns spans into ``signoz_calls_total`` and
``signoz_latency``. A signal over one of these is answered from the spans themselves: one request tells
requests, failures and percentiles of every service, so that the signals of one window share it. Failures are
spans whose status is Error, which a server span has when it answers 5xx or raises.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bongsu.signals.matchers import parse_matchers
from bongsu.signals.model import AnySignal, Increase, Quantile, Rate, Ratio
from bongsu.signals.query import FleetQuery
from bongsu.signals.signoz import red_from_traces
from bongsu.signals.signoz_answer import RESULT, decode
from bongsu.signals.signoz_filter import fleet_filter
from bongsu.sources.answers import Answer
from bongsu.sources.grid import held

IDENTITY = "service.name"
_METRICS = re.compile(
    r"http[._]server[._](request[._])?duration([._](milli)?seconds)?([._]count)?"
    r"|signoz_calls_total|signoz_latency([._]count)?"
)
_FAILED = {
    ("http.response.status_code", "5.."),
    ("http.status_code", "5.."),
    ("status.code", "STATUS_CODE_ERROR"),
    ("status_code", "STATUS_CODE_ERROR"),
}
_COLUMNS = frozenset({"http.route", "http.request.method", "http.method", "operation"})
_SHARED = (0.5, 0.95, 0.99)
_OTHERS = (0.75, 0.9)
_MOST_STEPS = 12
"""Steps that a window of a range is made of, at most."""
_NANOS = 1e9


@dataclass(frozen=True, slots=True)
class Spans:
    """What a query asks of spans: those that ``match`` (attribute → expression), and their percentiles."""

    match: tuple[tuple[str, str], ...]
    percentiles: tuple[float, ...]

    def expression(self, unknown: frozenset[str] = frozenset()) -> str:
        """As a filter, without attributes that SigNoz has never seen: excluding them excludes nothing."""
        match = {name: value for name, value in self.match if name not in unknown}
        return fleet_filter(FleetQuery("spans", _ANY, {}), match)

    def excluded(self) -> frozenset[str]:
        """The attributes that only say what does not count."""
        return frozenset(m.label for m in parse_matchers(dict(self.match)) if m.op in ("!=", "!~"))


_ANY = Rate(form="rate", metric="spans")


def of_spans(query: FleetQuery) -> Spans | None:
    """What ``query`` asks of spans; None for a signal that they do not answer."""
    signal = query.signal
    if (
        query.identity != (IDENTITY,)
        or signal.by
        or not isinstance(signal, Rate | Increase | Ratio | Quantile)
    ):
        return None
    if not _METRICS.fullmatch(signal.metric):
        return None
    match = signal.match
    percentiles: tuple[float, ...] = _SHARED
    if isinstance(signal, Ratio):
        failed = {_dotted(k): v for k, v in match.items() if signal.of_match.get(k) != v}
        if signal.of not in (None, signal.metric) or len(failed) != 1 or not failed.items() <= _FAILED:
            return None
        match = signal.of_match
    elif isinstance(signal, Quantile) and signal.q not in _SHARED:
        if signal.q not in _OTHERS:
            return None
        percentiles = (signal.q,)
    columns = {_dotted(label): value for label, value in match.items()}
    return Spans(tuple(sorted(columns.items())), percentiles) if columns.keys() <= _COLUMNS else None


def request(
    spans: Spans, start: float, end: float, step: float | None, unknown: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """One v5 query for requests, failures and percentiles of all services between ``start`` and ``end``."""
    body: dict[str, Any] = red_from_traces((), start, end, step, q=spans.percentiles[0])
    spec = body["compositeQuery"]["queries"][0]["spec"]
    more = spans.expression(unknown)
    if more:
        spec["filter"] = {"expression": f"{spec['filter']['expression']} AND {more}"}
    spec["aggregations"] += [
        {"expression": f"p{q * 100:g}(duration_nano)", "alias": f"p{q * 100:g}"}
        for q in spans.percentiles[1:]
    ]
    return body


def step_of(body: Mapping[str, Any]) -> float:
    """The seconds that a point of the answer to a range tells of."""
    return float(body["compositeQuery"]["queries"][0]["spec"]["stepInterval"])


def range_step(signal: AnySignal, step: float) -> float:
    """The step to ask a range with: as asked, yet a twelfth of the window at least; a percentile cannot be
    put together from shorter ones, so that its step is as long as the window."""
    least = signal.window if isinstance(signal, Quantile) else signal.window / _MOST_STEPS
    return math.ceil(max(least, step) / step) * step


def instant(document: Mapping[str, Any], spans: Spans, signal: AnySignal, at: float) -> Iterator[Answer]:
    """The signal of each service at ``at``, of the window that was asked."""
    for service, points in _table(document, at).items():
        value = _value(signal, spans, points.get(at, {}), signal.window)
        if value is not None:
            yield Answer(at, {IDENTITY: service}, value)


def over(
    document: Mapping[str, Any], spans: Spans, signal: AnySignal, times: Sequence[float], step: float
) -> Iterator[Answer]:
    """The signal of each service at ``times``, from points that tell of the ``step`` seconds before them."""
    several = 1 if isinstance(signal, Quantile) else max(1, math.ceil(signal.window / step))
    for service, points in _table(document, math.nan).items():
        labels = {IDENTITY: service}
        values: dict[float, float] = {}
        ends = sorted({at + i * step for at in points for i in range(several)})
        for end in ends:
            parts = [points.get(end - i * step, {}) for i in range(several)]
            value = _value(signal, spans, _sum(parts), several * step)
            if value is not None:
                values[end] = value
        for at, value in held(times, values, step):
            yield Answer(at, labels, value)


_Row = dict[int, float]
"""Aggregation → value: 0 requests, 1 failures, then nanoseconds of each percentile."""


def _table(document: Mapping[str, Any], at: float) -> dict[str, dict[float, _Row]]:
    table: dict[str, dict[float, _Row]] = {}
    for index, groups in decode(document, at).get(RESULT, {}).items():
        for group, points in groups.items():
            rows = table.setdefault(dict(group).get(IDENTITY, ""), {})
            for time, value in points.items():
                rows.setdefault(time, {})[index] = value
    return table


def _sum(parts: Sequence[_Row]) -> _Row:
    if len(parts) == 1:
        return parts[0]
    return {index: sum(part.get(index, 0.0) for part in parts) for index in (0, 1)}


def _value(signal: AnySignal, spans: Spans, row: _Row, seconds: float) -> float | None:
    requests = row.get(0, 0.0)
    if requests <= 0:
        return None
    match signal:
        case Rate():
            return requests / seconds
        case Increase():
            return requests * signal.window / seconds
        case Ratio():
            return row.get(1, 0.0) / requests if requests / seconds > signal.floor else None
        case Quantile():
            nanos = row.get(2 + spans.percentiles.index(signal.q))
            return nanos / _NANOS if nanos is not None and requests / seconds > signal.floor else None
        case _:
            return None


def _dotted(label: str) -> str:
    """A label of Prometheus as the attribute that it was made of."""
    known = {name.replace(".", "_"): name for name in (*_COLUMNS, *(name for name, _ in _FAILED))}
    return label if label in known.values() else known.get(label, label)
