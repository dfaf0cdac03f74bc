"""Judgement by what is usual: the anomaly detector over every signal that it may learn."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from bongsu.catalog.models import Learned as Spec
from bongsu.incidents.model import Condition
from bongsu.signals.model import Quantile, Rate, Ratio
from bongsu.signals.query import FleetQuery
from bongsu.sources.base import Source, SourceError
from bongsu.watch.anomaly import BUDGET, Detector
from bongsu.watch.anomaly.explain import Explanation
from bongsu.watch.reading import Reading, steps

DAY = 86400.0
HISTORY = 28 * DAY
"""How far back it learns when it is new."""
MOST_POINTS = 20_000_000
"""Values that are read to learn from; with more series fewer days."""


class Saved(msgspec.Struct, kw_only=True):
    """What survives a restart: the detector of each pace, by its step in seconds."""

    detectors: dict[str, bytes] = {}


@dataclass(slots=True)
class Learned:
    """One detector for each pace of reading; a series is the worst value of a signal of a service."""

    spec: Spec
    queries: Sequence[FleetQuery]
    """Of all signals of the catalog; those that can be learned are chosen here."""
    interval: float
    _detectors: dict[float, Detector] = field(default_factory=dict)
    _fresh: set[float] = field(default_factory=set)
    _found: dict[tuple[str, str], Condition] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.queries = [query for query in self.queries if self._learnable(query)]
        names = {pace: list(_names(queries)) for pace, queries in self._by_pace().items()}
        series = sum(len(found) for found in names.values())
        budget = min(BUDGET, self.spec.pages_a_week / max(series, 1))
        for pace, found in names.items():
            self._detectors[pace] = Detector(pace, found, budget=budget)
            self._fresh.add(pace)

    def step(
        self,
        asked: Sequence[FleetQuery],
        answers: Sequence[Reading],
        troubled: Mapping[tuple[str, str], object],
        now: float,
    ) -> None:
        """Learn and judge what was read. What is ``troubled`` is judged, but not learned as usual."""
        values: dict[str, float | None] = {}
        for query, reading in zip(asked, answers, strict=True):
            if not reading.error:
                values |= {f"{s}/{query.name}": value for s, value in reading.values.items()}
        for detector in self._detectors.values():
            if not any(name in values for name in detector.names):
                continue
            row = np.array([_number(values.get(name)) for name in detector.names])
            trust = np.array([_split(name) not in troubled for name in detector.names])
            scores = detector.tick(now, row, trust=trust)
            for index, name in enumerate(detector.names):
                if scores.page[index]:
                    self._found[_split(name)] = self._condition(detector, name, row[index])
                elif name in values:
                    self._found.pop(_split(name), None)

    def found(self) -> Mapping[tuple[str, str], Condition]:
        """(service, signal) → why it is unlike what is usual, while it is."""
        return self._found

    def verdict(self, service: str, signal: str, *, real: bool) -> bool:
        """What a person says of a page; whether there is such a series."""
        name = f"{service}/{signal}"
        for detector in self._detectors.values():
            if name in detector.names:
                detector.verdict(name, real)
                return True
        return False

    async def backfill(self, source: Source, now: float) -> int:
        """Live through what the source still knows, where nothing was learned before; how many days."""
        days = 0
        for pace, queries in self._by_pace().items():
            if pace not in self._fresh:
                continue
            detector = self._detectors[pace]
            room = MOST_POINTS * pace / DAY / max(len(detector.names), 1)
            span = min(HISTORY, max(1, int(room)) * DAY)
            for start in np.arange(now - span, now - pace, DAY):
                days += await self._day(source, detector, queries, float(start), min(start + DAY, now) - pace)
            self._fresh.discard(pace)
        return days

    async def _day(
        self, source: Source, detector: Detector, queries: Sequence[FleetQuery], start: float, end: float
    ) -> int:
        times = np.arange(start, end, detector.step)
        if not times.size:
            return 0
        block = np.full((len(times), len(detector.names)), np.nan)
        column = {name: index for index, name in enumerate(detector.names)}
        for query in queries:
            try:
                series = await source.range(query, float(times[0]), float(times[-1]), detector.step)
            except SourceError:
                continue
            for row, values in enumerate(steps(query, series, len(times))):
                for service, value in values.items():
                    block[row, column[f"{service}/{query.name}"]] = _number(value)
        if np.isnan(block).all():
            return 0
        detector.feed(times, block)
        return 1

    def save(self) -> Saved:
        return Saved(detectors={f"{pace:g}": d.save() for pace, d in self._detectors.items()})

    def restore(self, saved: Saved) -> None:
        """Take up what was learned; series that the catalog has no more go, new ones begin."""
        for pace, detector in list(self._detectors.items()):
            body = saved.detectors.get(f"{pace:g}")
            if body is None:
                continue
            known = Detector.restore(body)
            known.budget = detector.budget
            known.remove([name for name in known.names if name not in set(detector.names)])
            known.add([name for name in detector.names if name not in set(known.names)])
            self._detectors[pace] = known
            self._fresh.discard(pace)

    def _learnable(self, query: FleetQuery) -> bool:
        if self.spec.signals:
            return query.name in self.spec.signals
        return isinstance(query.signal, Rate | Ratio | Quantile)

    def _by_pace(self) -> dict[float, list[FleetQuery]]:
        found: dict[float, list[FleetQuery]] = {}
        for query in self.queries:
            found.setdefault(query.signal.every or self.interval, []).append(query)
        return found

    def _condition(self, detector: Detector, name: str, value: float) -> Condition:
        before = self._found.get(_split(name))
        if before is not None:
            return before
        why = detector.explain(name)
        return Condition(
            kind="anomaly",
            severity=self.spec.severity,
            value=float(value) if np.isfinite(value) else None,
            limit=float(why.expected) if why is not None else None,
            detail=_told(why) if why is not None else {},
        )


def _told(why: Explanation) -> dict[str, str | float | None]:
    """The figures of an explanation that a person is told."""
    found: dict[str, str | float | None] = {
        "residual": float(why.residual),
        "usual": float(why.usual),
        "largest_in_days": float(why.largest_in_days),
    }
    if why.similar is not None:
        found["similar_hours_ago"] = float(why.similar.hours_ago)
    return found


def _names(queries: Sequence[FleetQuery]) -> Iterator[str]:
    yield from dict.fromkeys(f"{service}/{query.name}" for query in queries for service in query.services)


def _split(name: str) -> tuple[str, str]:
    service, _, signal = name.rpartition("/")
    return service, signal


def _number(value: float | None) -> float:
    return np.nan if value is None else value
