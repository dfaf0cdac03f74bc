"""Whether trouble can have travelled from a suspect to the service that alerts: along calls, each of which
deviates, and in the order of time."""

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from bongsu.analysis.channels.structure import telling
from bongsu.analysis.compare import calls_by_window, edges_by_window, excess
from bongsu.analysis.graph import Graph, call_graph, reachable
from bongsu.analysis.metrics import Role, role_of
from bongsu.analysis.model import CallEvidence, EdgeEvidence, Evidence, MetricEvidence
from bongsu.analysis.series import spread, values_in

DEVIATES, UNKNOWN, HEALTHY = 1.0, 0.85, 0.6
_UPSTREAM, _UNRELATED, _TOO_LATE = 0.5, 0.3, 0.7
_LATE = 60.0
_ENOUGH = 10
_TELLING = 10.0
"""The G statistic of an event that makes its service deviate."""
_SYMPTOMS = {Role.ERRORS: 0.01, Role.LATENCY: 0.01, Role.PRESENCE: 0.1}
"""Role → the least deviation that counts, in the metric's unit."""


@dataclass(frozen=True, slots=True)
class Path:
    """``services`` from the alerting one to the suspect; ``trust`` in 0..1 by its weakest hop."""

    services: tuple[str, ...]
    trust: float


class PathCheck:
    """The deviations of one piece of evidence, read once."""

    def __init__(self, evidence: Evidence) -> None:
        self.graph: Graph = call_graph(evidence)
        self.alerting = sorted({str(a.get("service") or "") for a in evidence.alerts} - {""})
        self.since = _first_deviations(evidence)
        self._hops = _hops(evidence, self.graph, self.since)

    def trust(self, suspect: str) -> float:
        """How well the suspect explains the alerts, averaged over the alerting services."""
        if not self.alerting:
            return 1.0
        return sum(self._trust(alerting, suspect) for alerting in self.alerting) / len(self.alerting)

    def path(self, suspect: str) -> Path | None:
        """The most trusted way from an alerting service down to the suspect; of equals the longest."""
        found = [p for alerting in self.alerting if (p := self.between(alerting, suspect))]
        return max(found, key=lambda p: (p.trust, len(p.services), p.services), default=None)

    def hot_below(self, service: str) -> set[str]:
        """What ``service`` calls, transitively, through deviating hops only."""
        hot = {
            caller: [callee for callee in callees if self._hops[(caller, callee)] == DEVIATES]
            for caller, callees in self.graph.items()
        }
        return reachable(hot, [service]) - {service}

    def between(self, alerting: str, suspect: str) -> Path | None:
        """The path whose weakest hop is strongest; then the shortest, then the first by name."""
        queue: list[tuple[float, int, tuple[str, ...]]] = [(-1.0, 1, (alerting,))]
        done: set[str] = set()
        while queue:
            cost, length, way = heapq.heappop(queue)
            if way[-1] == suspect:
                return Path(way, -cost)
            if way[-1] in done:
                continue
            done.add(way[-1])
            for callee in self.graph.get(way[-1], ()):
                if callee not in done:
                    hop = max(cost, -self._hops[(way[-1], callee)])
                    heapq.heappush(queue, (hop, length + 1, (*way, callee)))
        return None

    def _trust(self, alerting: str, suspect: str) -> float:
        if alerting == suspect:
            return 1.0
        late = self.since.get(suspect, 0.0) > self.since.get(alerting, float("inf")) + _LATE
        timely = _TOO_LATE if late else 1.0
        path = self.between(alerting, suspect)
        if path is not None:
            return path.trust * timely
        return (_UPSTREAM if self.between(suspect, alerting) else _UNRELATED) * timely


def _hops(evidence: Evidence, graph: Graph, since: Mapping[str, float]) -> dict[tuple[str, str], float]:
    before, during = edges_by_window(evidence, "baseline"), edges_by_window(evidence, "incident")
    slow_or_failing = _deviating_services(evidence) | set(since)
    found = {}
    for caller, callees in graph.items():
        for callee in callees:
            now, then = during.get((caller, callee)), before.get((caller, callee))
            if callee in slow_or_failing or _edge_deviates(now, then):
                found[(caller, callee)] = DEVIATES
            else:
                seen = now is not None and now.calls >= _ENOUGH and then is not None
                found[(caller, callee)] = HEALTHY if seen else UNKNOWN
    return found


def _edge_deviates(now: EdgeEvidence | None, then: EdgeEvidence | None) -> bool:
    if now is None:
        return False
    if then is None:
        return now.client_errors >= 3
    more = excess(now.client_errors, now.calls, then.client_errors, then.calls)
    return more.stands_out or _slower(now.client_mean, then.client_mean)


def _slower(now: float, then: float) -> bool:
    return now - then >= max(0.005, 0.2 * then)


def deviating_calls(evidence: Evidence) -> list[CallEvidence]:
    """The incident's operations that fail or are slow beyond what they were before."""
    before, found = calls_by_window(evidence, "baseline"), []
    for key, now in calls_by_window(evidence, "incident").items():
        then = before.get(key)
        if then is not None and now.count >= _ENOUGH:
            failing = excess(now.errors, now.count, then.errors, then.count).stands_out
            if failing or _slower(now.mean, then.mean):
                found.append(now)
    return found


def deviating_metrics(evidence: Evidence) -> list[tuple[MetricEvidence, float]]:
    """Symptom metrics that left their usual range for two samples, and when first, Unix seconds."""
    found = []
    for metric in evidence.metrics:
        floor = _SYMPTOMS.get(role_of(metric))
        at = _first_deviation(metric, evidence, floor) if floor is not None else None
        if at is not None:
            found.append((metric, at))
    return found


def _deviating_services(evidence: Evidence) -> set[str]:
    found = {call.service for call in deviating_calls(evidence)}
    return found | {row.service for row in evidence.events if telling(row) >= _TELLING}


def _first_deviations(evidence: Evidence) -> dict[str, float]:
    found: dict[str, float] = {}
    for metric, at in deviating_metrics(evidence):
        found[metric.service] = min(at, found.get(metric.service, at))
    return found


def _first_deviation(metric: MetricEvidence, evidence: Evidence, floor: float) -> float | None:
    before = values_in(metric, evidence.baseline)
    if before.size < 3:
        return None
    usual = float(np.median(before))
    bound = max(4 * spread(before), floor, 0.25 * abs(usual))
    sign = -1.0 if metric.worse == "down" else 1.0
    pairs: Iterable[tuple[float, float | None]] = zip(metric.times, metric.values, strict=True)
    previous: float | None = None
    for at, value in pairs:
        if value is None or not evidence.onset - _LATE <= at <= evidence.window.end:
            continue
        if sign * (value - usual) <= bound:
            previous = None
        elif previous is not None:
            return previous
        else:
            previous = at
    return None
