"""SigNoz's answers to ``query_range``, scalar and time series, as labels, times and values."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from bongsu.signals.model import Age, Quantile, Ratio
from bongsu.signals.query import FleetQuery
from bongsu.signals.rows import Row

RESULT, EVENTS, EXCLUDED = "R", "E", "X"
"""The queries of a request: what is asked, the events a second that ``floor`` judges, and ``unless``."""

Points = dict[float, float]
Group = tuple[tuple[str, str], ...]
Groups = dict[Group, Points]
Cell = tuple[int, Group, float, float]
"""Aggregation index, group, time and value."""


def answer(body: Mapping[str, Any], query: FleetQuery, at: float = math.nan) -> list[Row]:
    """The groups that SigNoz answered for ``query``, without points that are partial or no number.

    ``at`` is the instant that was asked; a scalar does not tell. A point is dropped where the signal's
    ``floor`` is not exceeded, and where an ``unless`` series is above zero. ValueError for no such answer.
    """
    results = decode(body, at)
    rows = results.get(RESULT, {}).get(0, {})
    events = results.get(EVENTS, {}).get(0, {})
    excluded = results.get(EXCLUDED, {}).get(0, {})
    signal = query.signal
    floor = signal.floor if isinstance(signal, Ratio | Quantile) else 0.0
    answered = []
    for group, points in rows.items():
        busy, silenced = events.get(group, {}), excluded.get(group, {})
        kept = {
            time: value
            for time, value in sorted(points.items())
            if (not floor or busy.get(time, 0.0) > floor) and not silenced.get(time, 0.0) > 0
        }
        if isinstance(signal, Age) and any(map(_is_series, _results(body))):
            kept = {time: _age(signal, time, value) for time, value in kept.items()}
        if kept:
            answered.append(Row(dict(group), list(kept), list(kept.values())))
    return answered


def decode(body: Mapping[str, Any], at: float = math.nan) -> dict[str, dict[int, Groups]]:
    """Query name → aggregation index → group → points. NaN, ``n/a`` and partial points are left out."""
    found: dict[str, dict[int, Groups]] = {}
    for result in _results(body):
        aggregations = found.setdefault(str(result.get("queryName", "")), {})
        cells = _series(result) if _is_series(result) else _scalars(result, at)
        for index, group, time, value in cells:
            if not math.isnan(value):
                aggregations.setdefault(index, {}).setdefault(group, {})[time] = value
    return found


def _series(result: Mapping[str, Any]) -> Iterator[Cell]:
    for bucket in result.get("aggregations") or ():
        for series in bucket.get("series") or ():
            labels = series.get("labels") or ()
            group = tuple(sorted((label["key"]["name"], _text(label["value"])) for label in labels))
            for point in series.get("values") or ():
                if not point.get("partial"):
                    time = point["timestamp"] / 1000
                    yield bucket.get("index", 0), group, time, _number(point.get("value"))


def _scalars(result: Mapping[str, Any], at: float) -> Iterator[Cell]:
    columns = list(enumerate(result.get("columns") or ()))
    groups = [(i, column["name"]) for i, column in columns if column.get("columnType") == "group"]
    values = [
        (i, column.get("aggregationIndex", 0))
        for i, column in columns
        if column.get("columnType") == "aggregation"
    ]
    for row in result.get("data") or ():
        group = tuple(sorted((name, _text(row[i])) for i, name in groups))
        for i, index in values:
            yield index, group, at, _number(row[i])


def _results(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The list of results, within the envelope of the HTTP API or without it."""
    payload = body.get("data") if "status" in body else body
    inner = payload.get("data") if isinstance(payload, Mapping) else None
    if not isinstance(inner, Mapping) or not isinstance(inner.get("results") or [], list):
        raise ValueError("this is no answer of SigNoz's query_range")
    return inner.get("results") or []


def _is_series(result: Mapping[str, Any]) -> bool:
    return "aggregations" in result


def _age(signal: Age, time: float, value: float) -> float:
    return value - time if signal.left else time - value


def _text(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(value: object) -> float:
    """A JSON number, or a string such as ``NaN``, ``Inf`` or ``-Inf``; NaN for anything else."""
    if isinstance(value, int | float):
        return float(value)
    try:
        return float(value) if isinstance(value, str) else math.nan
    except ValueError:
        return math.nan
