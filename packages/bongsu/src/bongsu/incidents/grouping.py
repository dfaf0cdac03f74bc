"""Which incident an alert belongs to, and in whose name the incident stands. Pure functions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bongsu.incidents.model import Alert, Incident

Graph = Mapping[str, Sequence[str]]
"""Service → the services it calls."""
Why = Literal["same_service", "depends_on", "dependent"]
"""The alert's service is part of the incident already, depends on one that is, or has one that is depend
on it."""


@dataclass(frozen=True, slots=True)
class OpenIncident:
    """An incident that alerts may still join, with the services and time of its alerts so far."""

    incident: Incident
    services: frozenset[str]
    last_alert_at: float


@dataclass(frozen=True, slots=True)
class Joined:
    incident: Incident
    why: Why
    other: str
    """The service of the incident that the alert's own service has to do with."""


def choose(alert: Alert, candidates: Sequence[OpenIncident], graph: Graph, window: float) -> Joined | None:
    """The incident that ``alert`` joins, or None when it opens its own.

    An alert joins the incident of its own service, else one whose services it calls or is called by
    (directly or through others), if that incident's last alert is at most ``window`` seconds older.
    """
    if not alert.service:
        return None
    fresh = [c for c in candidates if alert.starts_at - c.last_alert_at <= window]
    for candidate in fresh:
        if alert.service in candidate.services:
            return Joined(candidate.incident, "same_service", alert.service)
    for candidate in fresh:
        for other in sorted(candidate.services):
            if other in reachable(alert.service, graph):
                return Joined(candidate.incident, "depends_on", other)
            if alert.service in reachable(other, graph):
                return Joined(candidate.incident, "dependent", other)
    return None


def reachable(service: str, graph: Graph) -> set[str]:
    """Every service that ``service`` calls, directly or through others."""
    seen: set[str] = set()
    waiting = list(graph.get(service, ()))
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(graph.get(name, ()))
    return seen


def lead(alerts: Sequence[Alert], graph: Graph) -> Alert:
    """In whose name the incident stands: the most severe alert, then the deepest callee, then the first."""
    return min(
        alerts,
        key=lambda a: (a.severity.rank, len(reachable(a.service, graph)), a.starts_at, a.fingerprint),
    )
