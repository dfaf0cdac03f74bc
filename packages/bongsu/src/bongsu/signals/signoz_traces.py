"""Requests, errors and latency of every service from SigNoz's traces, by one query.

Counted are the spans by which work enters a service: roots, and those that another service called. An error
is a span whose status is Error. The percentile is of the spans themselves (ClickHouse's approximate
quantile), not of histogram buckets. Sampled traces make counts too small; ratios and percentiles hold.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bongsu.signals import signoz_frame as frames
from bongsu.signals.signoz_answer import RESULT, decode
from bongsu.signals.signoz_filter import conjunction, key, one_of

_ENTRY = "(isRoot = true OR isEntryPoint = true)"
_PERCENTILES = {0.5: "p50", 0.75: "p75", 0.9: "p90", 0.95: "p95", 0.99: "p99"}
_NANOS = 1e9


@dataclass(slots=True)
class Red:
    """A service's spans over time: each list is as long as ``times`` (Unix seconds)."""

    times: list[float] = field(default_factory=list)
    requests: list[float] = field(default_factory=list)
    """Spans in the window or step that ends then."""
    errors: list[float] = field(default_factory=list)
    latency: list[float] = field(default_factory=list)
    """Seconds."""


def red_from_traces(
    services: Iterable[str],
    start: float,
    end: float,
    step: float | None = None,
    *,
    q: float = 0.95,
    identity: str = "service.name",
) -> dict[str, object]:
    """One request for the spans of ``services`` (all, when none is named) between ``start`` and ``end``.

    With ``step`` a time series, whose points lie at multiples of it and tell of the step before them.
    ValueError for a percentile other than p50, p75, p90, p95 and p99.
    """
    if q not in _PERCENTILES:
        raise ValueError(f"SigNoz has the percentiles {', '.join(_PERCENTILES.values())}, and not q = {q:g}")
    names = sorted(set(services))
    spec: dict[str, object] = {
        "name": RESULT,
        "signal": "traces",
        "filter": {"expression": conjunction([_ENTRY, *([one_of(identity, names)] if names else [])])},
        "groupBy": [{"name": key(identity), "fieldContext": "resource"}],
        "aggregations": [
            {"expression": "count()", "alias": "n"},
            {"expression": "countIf(status_code = 2)", "alias": "err"},
            {"expression": f"{_PERCENTILES[q]}(duration_nano)", "alias": _PERCENTILES[q]},
        ],
        "limit": 10_000,
    }
    first, last = math.floor(start * 1000), math.ceil(end * 1000)
    if step is not None:
        least = frames.minimum_trace_step
        frame = frames.span(start, end, step, least(end - start), kept=least)
        first, last = frame.start * 1000, frame.end * 1000
        spec["stepInterval"] = frame.step
        spec["functions"] = [{"name": "timeshift", "args": [{"value": frame.step}]}]
    return {
        "schemaVersion": "v1",
        "start": first,
        "end": last,
        "requestType": "scalar" if step is None else "time_series",
        "compositeQuery": {"queries": [{"type": "builder_query", "spec": spec}]},
    }


def red_answer(
    body: Mapping[str, Any], at: float = math.nan, *, identity: str = "service.name"
) -> dict[str, Red]:
    """What ``red_from_traces`` was answered: service → its spans. ``at`` is the end of a scalar's window."""
    aggregations = decode(body, at).get(RESULT, {})
    counts, errors, latencies = (aggregations.get(index, {}) for index in range(3))
    found = {}
    for group, points in counts.items():
        times = sorted(points)
        found[dict(group).get(identity, "")] = Red(
            times,
            [points[time] for time in times],
            _at(times, errors.get(group, {}), 0.0),
            [nanos / _NANOS for nanos in _at(times, latencies.get(group, {}), math.nan)],
        )
    return found


def _at(times: Sequence[float], points: Mapping[float, float], missing: float) -> list[float]:
    return [points.get(time, missing) for time in times]
