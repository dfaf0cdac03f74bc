"""Datadog: metrics, by its v1 query API."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from bongsu.signals import datadog
from bongsu.signals.query import FleetQuery
from bongsu.signals.rows import Row
from bongsu.signals.sql import LOOKBACK_MS, Steps
from bongsu.sources.answers import Answer, instant_samples, range_series
from bongsu.sources.base import Capability, Sample, Series, SourceError
from bongsu.sources.grid import held, renamed
from bongsu.sources.http import Access, HttpSource

POINTS = 1000
"""Intervals of one question: for more than about 1500 points Datadog makes them longer by itself."""
NAMES = {"job": "service"}
"""Datadog's own tag for what Prometheus calls a job."""
_PATH = "api/v1/query"
_NO_ANSWER = (ValueError, KeyError, TypeError, AttributeError, IndexError)


class DatadogSource(HttpSource):
    """Answers a fleet query with one metrics query. Logs and spans are not asked for.

    A point tells of one whole interval (a minute, or the signal's window), cut at multiples since the epoch:
    an instant is that of the last interval that has ended, so it is up to one interval old. The interval
    that lasts is left out.
    """

    capabilities = frozenset[Capability]({"metrics"})

    def __init__(
        self,
        name: str,
        url: str,
        *,
        api_key: str,
        application_key: str,
        **access: Unpack[Access],
    ) -> None:
        access["headers"] = {"DD-API-KEY": api_key, "DD-APPLICATION-KEY": application_key}
        super().__init__(name, url, **access)

    async def instant(self, query: FleetQuery, at: float) -> list[Sample]:
        if not query.services:
            return []
        query = renamed(query, NAMES)
        text, interval = self._compiled(query)
        last = at // interval * interval
        reach = interval if interval > datadog.MINUTE else LOOKBACK_MS / 1000
        answers = []
        for row in await self._rows(query, text, last - max(reach, interval), last):
            points = {t: v for t, v in zip(row.times, row.values, strict=True) if last - reach < t <= last}
            if points:
                answers.append(Answer(at, row.labels, points[max(points)]))
        return instant_samples(query, answers)

    async def range(self, query: FleetQuery, start: float, end: float, step: float) -> list[Series]:
        if not query.services:
            return []
        try:
            times = [ms / 1000 for ms in Steps(start, end, step).millis]
        except ValueError as error:
            raise SourceError(f"{self.name}: {query.name}: {error}") from None
        query = renamed(query, NAMES)
        text, interval = self._compiled(query)
        first, last = (times[0] // interval - 1) * interval, times[-1] // interval * interval
        points: dict[tuple[tuple[str, str], ...], dict[float, float]] = {}
        for begin in _parts(first, last, POINTS * interval):
            rows = await self._rows(query, text, begin, min(begin + POINTS * interval, last))
            for row in rows:
                known = zip(row.times, row.values, strict=True)
                group = points.setdefault(tuple(sorted(row.labels.items())), {})
                group |= {t: v for t, v in known if first < t <= last}
        answers = (
            Answer(at, labels, value)
            for group, known in points.items()
            for labels in (dict(group),)
            for at, value in held(times, known, interval)
        )
        return range_series(query, times, answers)

    def _compiled(self, query: FleetQuery) -> tuple[str, int]:
        try:
            return datadog.compile(query), datadog.interval(query)
        except ValueError as error:
            raise SourceError(f"{self.name}: {query.name}: {error}") from None

    async def _rows(self, query: FleetQuery, text: str, start: float, end: float) -> list[Row]:
        """What Datadog answers about the intervals of ``[start, end)``."""
        params = {"from": str(int(start)), "to": str(int(end)), "query": text}
        document = await self._backend.json("GET", _PATH, query.name, params=params)
        try:
            return self._read(document, query)
        except _NO_ANSWER as error:
            said = str(error) if str(error).startswith("Datadog: ") else "an answer that holds no series"
            raise self._backend.error(_PATH, f"{query.name}: {said}") from None

    def _read(self, document: Mapping[str, Any], query: FleetQuery) -> list[Row]:
        if not isinstance(document.get("series", []), list):
            raise TypeError
        return [
            Row(row.labels, row.times, [_finite(value) for value in row.values])
            for row in datadog.answer(document, query)
        ]


def _finite(value: float) -> float:
    if isinstance(value, bool) or not math.isfinite(value):
        raise TypeError
    return float(value)


def _parts(first: float, last: float, length: float) -> Sequence[float]:
    count = max(1, math.ceil((last - first) / length))
    return [first + i * length for i in range(count)]
