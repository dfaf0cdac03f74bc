"""What sources share that name services, and cut time, in ways of their own."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from bongsu.signals.query import FleetQuery


def renamed(query: FleetQuery, names: Mapping[str, str]) -> FleetQuery:
    """``query`` with its services selected by the labels that the backend has in place of ``names``."""
    if not any(label in names for label in query.identity):
        return query
    services = {
        service: {names.get(label, label): value for label, value in labels.items()}
        for service, labels in query.services.items()
    }
    return replace(query, services=services)


def held(
    times: Sequence[float], points: Mapping[float, float], reach: float
) -> Iterator[tuple[float, float]]:
    """``(time, value)`` for each of ``times`` that has a point at it or less than ``reach`` seconds before.

    A point tells of the time before it, so none is ever moved into the past.
    """
    known = sorted(points)
    for time in times:
        i = bisect_right(known, time + 0.0005) - 1
        if i >= 0 and time - known[i] < reach - 0.0005:
            yield time, points[known[i]]
