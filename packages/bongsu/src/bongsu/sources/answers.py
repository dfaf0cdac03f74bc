"""From rows with labels to samples and series of services; shared by the sources that group by label."""

import math
import struct
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bongsu.signals.model import Presence
from bongsu.signals.query import FleetQuery
from bongsu.sources.base import Sample, Series

_BITS = 0x7FF8_0000_0000_0001
NOT_A_NUMBER: float = struct.unpack("<d", struct.pack("<Q", _BITS))[0]
"""NaN as an answer, by a payload of its own, as Prometheus marks what ended: other NaN mean no answer."""


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
    apart = bool(query.signal.by)
    samples = [
        Sample(service, value, by_labels(query, labels) if apart else {})
        for _, labels, value in answers
        if (service := service_of(labels)) is not None
    ]
    if isinstance(query.signal, Presence) and query.signal.absent == "alert":
        known = {sample.service for sample in samples}
        samples += [Sample(service, 0.0) for service in query.services if service not in known]
    return samples


def range_series(query: FleetQuery, times: Sequence[float], answers: Iterable[Answer]) -> list[Series]:
    """A series for each service and combination of ``by`` labels; NaN at times that have no answer.

    *presence* is NaN where nothing is known, as a time before the source saw anything is not an outage.
    An answer that is NaN itself is ``NOT_A_NUMBER``, which ``answered`` tells from none. Answers that share
    one dict of labels are the quicker to sort in.
    """
    table = Table(query, times)
    table.add(answers)
    return table.series()


class Table:
    """``range_series`` of answers that come in parts."""

    def __init__(self, query: FleetQuery, times: Sequence[float]) -> None:
        self._query, self._times = query, times
        self._position = {round(time * 1000): i for i, time in enumerate(times)}
        self._found: dict[tuple[str, tuple[tuple[str, str], ...]], list[float]] = {}
        self._service_of = _resolver(query)

    def add(self, answers: Iterable[Answer]) -> None:
        """Sort a part in."""
        labels: dict[str, str] | None = None
        row: list[float] | None = None
        for answer in answers:
            if answer.labels is not labels:
                labels = answer.labels
                service = self._service_of(labels)
                row = None
                if service is not None:
                    key = service, tuple(by_labels(self._query, labels).items())
                    row = self._found.get(key)
            i = self._position.get(round(answer.time * 1000))
            if service is None or i is None:
                continue
            if row is None:
                row = self._found.setdefault(key, [math.nan] * len(self._times))
            row[i] = answer.value if answer.value == answer.value else NOT_A_NUMBER

    def series(self) -> list[Series]:
        """All that was sorted in."""
        return [
            Series(service, list(self._times), values, dict(labels))
            for (service, labels), values in self._found.items()
        ]


def answered(values: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Where a series has an answer, be it no number."""
    numbers = np.asarray(values, dtype=np.float64)
    found: npt.NDArray[np.bool_] = ~np.isnan(numbers) | (numbers.view(np.uint64) == _BITS)
    return found


def _resolver(query: FleetQuery) -> Callable[[dict[str, str]], str | None]:
    """``query.service_of`` for many rows, with its index built once."""
    names = query.identity
    if len(names) == 1:
        [name] = names
        only = {labels[name]: service for service, labels in query.services.items()}
        return lambda labels: only.get(labels.get(name, ""))
    index = {tuple(labels[n] for n in names): service for service, labels in query.services.items()}
    return lambda labels: index.get(tuple(labels.get(n, "") for n in names))


def by_labels(query: FleetQuery, labels: dict[str, str]) -> dict[str, str]:
    """The labels that the signal keeps apart beneath the service, without those that are empty."""
    return {name: labels[name] for name in query.signal.by if labels.get(name)}
