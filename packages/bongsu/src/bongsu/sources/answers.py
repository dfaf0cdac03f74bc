"""From rows with labels to samples and series of services; shared by the sources that group by label."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from bongsu.signals.model import Presence
from bongsu.signals.query import FleetQuery
from bongsu.sources.base import Sample, Series


class Answer(NamedTuple):
    """One value: when (Unix seconds), of whom (label → value), how much."""

    time: float
    labels: dict[str, str]
    value: float


def instant_samples(query: FleetQuery, answers: Iterable[Answer]) -> list[Sample]:
    """A sample for each answer that belongs to a service of the query.

    *presence* says 0 for a service that nothing is known of: it has no target, so none is up. Where the
    signal says ``absent: ignore``, nothing is said of it.
    """
    service_of = _resolver(query)
    samples = [
        Sample(service, answer.value, by_labels(query, answer.labels))
        for answer in answers
        if (service := service_of(answer.labels)) is not None
    ]
    if isinstance(query.signal, Presence) and query.signal.absent == "alert":
        known = {sample.service for sample in samples}
        samples += [Sample(service, 0.0) for service in query.services if service not in known]
    return samples


def range_series(query: FleetQuery, times: Sequence[float], answers: Iterable[Answer]) -> list[Series]:
    """A series for each service and combination of ``by`` labels; NaN at times that have no answer.

    *presence* is NaN where nothing is known, as a time before the source saw anything is not an outage.
    """
    position = {round(time * 1000): i for i, time in enumerate(times)}
    found: dict[tuple[str, tuple[tuple[str, str], ...]], list[float]] = {}
    service_of = _resolver(query)
    for answer in answers:
        service = service_of(answer.labels)
        i = position.get(round(answer.time * 1000))
        if service is None or i is None:
            continue
        key = service, tuple(by_labels(query, answer.labels).items())
        found.setdefault(key, [math.nan] * len(times))[i] = answer.value
    return [Series(service, list(times), values, dict(labels)) for (service, labels), values in found.items()]


def _resolver(query: FleetQuery) -> Callable[[dict[str, str]], str | None]:
    """``query.service_of`` for many rows, with its index built once."""
    names = query.identity
    index = {tuple(labels[n] for n in names): service for service, labels in query.services.items()}
    return lambda labels: index.get(tuple(labels.get(n, "") for n in names))


def by_labels(query: FleetQuery, labels: dict[str, str]) -> dict[str, str]:
    """The labels that the signal keeps apart beneath the service, without those that are empty."""
    return {name: labels[name] for name in query.signal.by if labels.get(name)}
