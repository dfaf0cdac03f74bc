"""Metrics as evidence, and what a metric says about its service."""

import math
from collections.abc import Iterable, Sequence
from enum import StrEnum

from bongsu.analysis.model import MetricEvidence, Window
from bongsu.analysis.series import values_in
from bongsu.incidents.model import Alert
from bongsu.signals.query import FleetQuery
from bongsu.sources.base import Series


class Role(StrEnum):
    """What a metric tells: symptoms (presence to traffic) are judged apart from resources."""

    PRESENCE = "presence"
    ERRORS = "errors"
    LATENCY = "latency"
    TRAFFIC = "traffic"
    CPU = "cpu"
    MEMORY = "memory"
    USAGE = "usage"
    OTHER = "other"


_ERROR_WORDS = ("error", "fail", "5xx", "4xx", "fault", "availability", "success")
_LATENCY_WORDS = ("latency", "duration", "response", "p50", "p90", "p95", "p99")
_MEMORY_WORDS = ("memory", "rss", "heap", "working_set")
_TRAFFIC_WORDS = ("request", "traffic", "rate", "throughput", "rps", "calls")
_USAGE_WORDS = ("pool", "connection", "queue", "thread", "fds", "disk", "lag", "pending", "goroutine")


def role_of(metric: MetricEvidence) -> Role:
    return role(metric.signal, metric.unit, metric.worse)


def role(signal: str, unit: str, worse: str) -> Role:
    """The role by unit first and by the signal's name where the unit leaves it open."""
    name = signal.lower()
    if unit == "bool":
        return Role.PRESENCE if worse == "down" else Role.OTHER
    if "cpu" in name:
        return Role.CPU
    if unit == "s":
        return Role.LATENCY if _has(name, _LATENCY_WORDS) else Role.OTHER
    if _has(name, _ERROR_WORDS):
        return Role.ERRORS if unit == "ratio" else Role.OTHER
    if unit == "bytes":
        return Role.MEMORY if _has(name, _MEMORY_WORDS) else Role.OTHER
    if unit == "per_second":
        return Role.TRAFFIC if _has(name, _TRAFFIC_WORDS) else Role.OTHER
    if unit == "ratio" or _has(name, _USAGE_WORDS):
        return Role.USAGE
    return Role.OTHER


def _has(name: str, words: Iterable[str]) -> bool:
    return any(word in name for word in words)


def metric_evidence(
    query: FleetQuery,
    series: Sequence[Series],
    services: set[str],
    window: Window,
    baseline: Window,
    alerts: Sequence[Alert],
) -> list[MetricEvidence]:
    """One row a service: of several series (a signal's ``by``) the one that moved most. Without ids."""
    best: dict[str, tuple[float, MetricEvidence]] = {}
    for one in series:
        if one.service not in services or not len(one.times):
            continue
        row = MetricEvidence(
            id="",
            service=one.service,
            signal=query.name,
            unit=query.signal.unit,
            worse=query.signal.worse,
            times=[float(t) for t in one.times],
            values=[float(v) if math.isfinite(v) else None for v in one.values],
            threshold=_threshold(query, one.service, alerts),
        )
        moved = _movement(row, window, baseline)
        if one.service not in best or moved > best[one.service][0]:
            best[one.service] = (moved, row)
    return [row for _, (_, row) in sorted(best.items())]


def _movement(row: MetricEvidence, window: Window, baseline: Window) -> float:
    before, during = values_in(row, baseline), values_in(row, window)
    if not during.size:
        return -math.inf
    sign = -1.0 if row.worse == "down" else 1.0
    usual = float(before.mean()) if before.size else 0.0
    return sign * (float(during.mean()) - usual)


def _threshold(query: FleetQuery, service: str, alerts: Sequence[Alert]) -> float | None:
    for alert in alerts:
        if alert.service == service and alert.signal == query.name and alert.threshold is not None:
            return alert.threshold
    mildest = max(query.signal.thresholds.items(), key=lambda item: item[0].rank, default=None)
    return mildest[1].value if mildest else None


def first_time(metrics: Sequence[MetricEvidence]) -> float | None:
    """The earliest instant with a value in any metric, Unix seconds."""
    times = [t for m in metrics for t, v in zip(m.times, m.values, strict=True) if v is not None]
    return min(times, default=None)
