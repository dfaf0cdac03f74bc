"""A signal of a whole fleet as the text of one Datadog query (v1 ``/api/v1/query``).

Datadog cuts time into intervals aligned to the epoch, of which a query says the length (``rollup``). A point
tells of one interval; there is no look-back, no extrapolation and no sliding window. Hence:

- *rate*, *increase*: counts added up over intervals as long as the window (``as_rate``, ``as_count``). The
  metric must be of Datadog's type *count* (or *rate*): the Agent has undone counter resets already.
- *ratio*: 0 where a group's failures are sparse (``default_zero``); a group that never failed in the time
  asked has no series to fill, and is empty. ``floor`` keeps the intervals of at least that many events a
  second, where PromQL asks for more.
- *quantile*: only of distribution metrics with percentiles enabled; p50, p75, p90, p95 and p99. They come
  from sketches, to within 1 % of the value, and not from buckets. ``floor`` is judged by the distribution's
  own count: the percentile is multiplied by a quotient that is 1 or missing.
- *gauge*: the last value of each series in an interval of a minute (``over``: least, largest, mean or last
  of an interval as long as the window), then ``agg`` over the series.
  ``unless`` is refused.
- *presence*: as a gauge of ``metric``; *age*: the timestamp itself is asked for, ``answer`` takes the
  difference to the end of its interval.

Tags that are missing match what excludes a value, as in PromQL. ``5..`` and the like are read as HTTP status
codes, which have three digits. What the filters cannot say is refused, not widened.
"""

import math
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from bongsu.signals.datadog_filter import condition, filter_text, one_of, tag
from bongsu.signals.matchers import group_labels, identity_values, parse_matchers
from bongsu.signals.model import Age, Expr, Gauge, Quantile, Ratio
from bongsu.signals.query import FleetQuery
from bongsu.signals.rows import Row
from bongsu.signals.unsupported import UnsupportedError, refuse_expr, refuse_unknown

_BACKEND = "Datadog"
_METRIC = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,199}")
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
MINUTE = 60


def compile(query: FleetQuery) -> str:  # noqa: A001
    """The query text that answers ``query`` for all its services at once, grouped by identity and ``by``.

    UnsupportedError for what Datadog cannot express; ValueError for a query that names no service.
    """
    signal = query.signal
    if isinstance(signal, Expr):
        raise refuse_expr(_BACKEND, query)
    if not query.services:
        raise ValueError(f"query {query.name!r} names no service")
    refuse_unknown(_BACKEND, query, _UNDERSTOOD[signal.form])
    window = interval(query)
    match signal:
        case Ratio():
            part = _count(query, signal.metric, signal.match, window)
            whole = _count(query, signal.of or signal.metric, signal.of_match, window)
            return f"default_zero({part}) / {_busy(whole, signal.floor, window)}"
        case Quantile():
            return _quantile(query, signal, window)
        case Gauge():
            return _gauge(query, signal, window)
        case Age():
            how = "min" if signal.left else "max"
            return f"{_series(query, how, signal.metric, signal.match)}.rollup(last, {window})"
    match signal.form:
        case "rate":
            series = _series(query, "sum", signal.metric, signal.match)
            return f"{series}.as_rate().rollup(sum, {window})"
        case "increase":
            return _count(query, signal.metric, signal.match, window)
        case _:
            return f"{_series(query, 'max', signal.metric, signal.match)}.rollup(last, {window})"


def interval(query: FleetQuery) -> int:
    """Seconds that one point of the answer tells of; the points lie at the intervals' beginnings."""
    signal = query.signal
    if signal.form in ("age", "gauge", "presence") and not getattr(signal, "over", None):
        return MINUTE
    if signal.window < 1 or signal.window % 1:
        _refuse(query, f"a window of {signal.window:g} s is no whole number of seconds", "round the window")
    return int(signal.window)


def answer(body: Mapping[str, Any], query: FleetQuery) -> list[Row]:
    """Datadog's series for ``query``: labels, and values at the ends of their intervals (Unix seconds).

    ValueError when Datadog says that the query failed.
    """
    if body.get("status") == "error" or body.get("error"):
        raise ValueError(f"Datadog: {body.get('error') or 'no reason given'}")
    seconds, rows = interval(query), []
    for series in body.get("series") or ():
        labels = dict(text.partition(":")[::2] for text in series.get("tag_set") or ())
        named = {name: labels.get(name, "").removeprefix("N/A") for name in group_labels(query)}
        points = [
            (at / 1000 + seconds, value)
            for at, value in series.get("pointlist") or ()
            if value is not None and not math.isnan(value)
        ]
        values = [_value(query, at, value) for at, value in points]
        if points:
            rows.append(Row(named, [at for at, _ in points], values))
    return rows


def _value(query: FleetQuery, at: float, value: float) -> float:
    signal = query.signal
    if not isinstance(signal, Age):
        return float(value)
    return value - at if signal.left else at - value


def _quantile(query: FleetQuery, signal: Quantile, window: int) -> str:
    if signal.q not in _PERCENTILES:
        nearest = min(_PERCENTILES, key=lambda q: abs(q - signal.q))
        reason = f"of a distribution it has {', '.join(_PERCENTILES.values())}, and not q = {signal.q:g}"
        _refuse(query, reason, f"ask for q: {nearest:g}")
    quantile = _series(query, _PERCENTILES[signal.q], signal.metric, signal.match) + f".rollup({window})"
    if not signal.floor:
        return quantile
    count = _series(query, "count", signal.metric, signal.match) + f".as_count().rollup(sum, {window})"
    return f"{quantile} * ({_busy(count, signal.floor, window)} / {count})"


def _gauge(query: FleetQuery, signal: Gauge, window: int) -> str:
    if signal.unless is not None:
        _refuse(query, "one metric cannot leave out groups of another", "leave 'unless' out")
    value = _series(query, signal.agg, signal.metric, signal.match)
    value += f".rollup({signal.over or 'last'}, {window})"
    if signal.divisor is not None:
        whole = _series(query, signal.agg, signal.divisor, signal.divisor_match)
        value += f" / {whole}.rollup(last, {window})"
    return f"1 - {value}" if signal.complement else value


def _count(query: FleetQuery, metric: str, match: Mapping[str, str], window: int) -> str:
    return f"{_series(query, 'sum', metric, match)}.as_count().rollup(sum, {window})"


def _busy(count: str, floor: float, window: int) -> str:
    return f"cutoff_min({count}, {floor * window:.12g})" if floor else count


def _series(query: FleetQuery, how: str, metric: str, match: Mapping[str, str]) -> str:
    if not _METRIC.fullmatch(metric):
        _refuse(
            query, f"{metric!r} is no name of a metric", "write letters, digits, '_' and '.', 200 at most"
        )
    try:
        services = [one_of(name, values) for name, values in identity_values(query).items()]
        conditions = [condition(matcher) for matcher in parse_matchers(match)]
        by = ",".join(tag(label) for label in group_labels(query))
    except ValueError as error:
        _refuse(query, str(error), "name the values, or prefixes like 'web-.*', one by one", error)
    inside = filter_text([*services, *(text for text in conditions if text is not None)])
    return f"{how}:{metric}{{{inside}}}" + (f" by {{{by}}}" if by else "")


def _refuse(query: FleetQuery, reason: str, remedy: str, cause: Exception | None = None) -> NoReturn:
    raise UnsupportedError(_BACKEND, query, reason, remedy) from cause
