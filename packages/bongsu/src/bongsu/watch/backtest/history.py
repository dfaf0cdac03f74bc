"""What a source keeps of the past, as one table a question: a row a time, a column a service."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bongsu.signals.query import FleetQuery
from bongsu.sources.answers import answered
from bongsu.sources.base import Series, Source, SourceError

POINTS = 40_000
"""Values that one question asks for at most."""
SPAN = 2 * 86_400.0
"""Seconds that one question looks over at most: what a backend has to read for it is bounded as well."""
CONCURRENT = 4
HALVINGS = 4
"""How often a part that a source cannot answer is halved before the source's reason is believed."""

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Grid:
    """``count`` times, ``step`` seconds apart, the first at ``start``, Unix seconds."""

    start: float
    step: float
    count: int


@dataclass(frozen=True, slots=True)
class Table:
    """The worst value of each service of ``query`` at each time of ``grid``.

    ``values`` (times, services) is NaN where nothing was answered and where the answer was no number;
    ``known`` tells which.
    """

    query: FleetQuery
    grid: Grid
    values: Floats
    known: Bools


class History:
    """Reads tables, each but once: two catalogs that ask the same share what was read.

    ``progress`` is called with the parts that are read and all parts so far.
    """

    def __init__(self, source: Source, progress: Callable[[int, int], None] | None = None) -> None:
        self._source = source
        self._progress = progress
        self._asking = asyncio.Semaphore(CONCURRENT)
        self._failed: dict[int, SourceError] = {}
        self._tables: dict[tuple[object, ...], Table] = {}
        self._done = self._all = 0

    async def tables(self, wanted: Sequence[tuple[FleetQuery, Grid]]) -> "list[Table | SourceError]":
        """A table for each question, or why there is none."""

        async def one(query: FleetQuery, grid: Grid) -> "Table | SourceError":
            try:
                return await self.table(query, grid)
            except SourceError as error:
                return error

        return list(await asyncio.gather(*(one(query, grid) for query, grid in wanted)))

    async def table(self, query: FleetQuery, grid: Grid) -> Table:
        """SourceError where the source has no answer."""
        name = _data_key(query, grid)
        if name not in self._tables:
            parts = _parts(grid, len(query.services))
            self._all += len(parts)
            read = await asyncio.gather(*(self._part(query, part) for part in parts))
            values = np.concatenate([part[0] for part in read])
            known = np.concatenate([part[1] for part in read])
            self._tables[name] = Table(query, grid, values, known)
        return replace(self._tables[name], query=query)

    async def _part(self, query: FleetQuery, grid: Grid) -> tuple[Floats, Bools]:
        async with self._asking:
            if id(query) in self._failed:
                raise self._failed[id(query)]
            try:
                found = await self._patiently(query, grid, HALVINGS)
            except SourceError as error:
                self._failed[id(query)] = error
                raise
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._all)
        return found

    async def _patiently(self, query: FleetQuery, grid: Grid, halvings: int) -> tuple[Floats, Bools]:
        try:
            end = grid.start + (grid.count - 1) * grid.step
            series = await self._source.range(query, grid.start, end, grid.step)
        except SourceError:
            if not halvings or grid.count < 2:
                raise
            if halvings == HALVINGS:
                # Where even one time cannot be read, smaller parts cannot either.
                await self._source.range(query, grid.start, grid.start, grid.step)
            half = grid.count // 2
            rest = Grid(grid.start + half * grid.step, grid.step, grid.count - half)
            first = await self._patiently(query, replace(grid, count=half), halvings - 1)
            second = await self._patiently(query, rest, halvings - 1)
            return np.concatenate([first[0], second[0]]), np.concatenate([first[1], second[1]])
        return worst(query, series, grid.count)


def worst(query: FleetQuery, series: Sequence[Series], count: int) -> tuple[Floats, Bools]:
    """Values and ``known`` (count, services): of a service's series the worst number at each time."""
    columns = {service: i for i, service in enumerate(query.services)}
    values = np.full((count, len(columns)), np.nan)
    known = np.zeros(values.shape, dtype=bool)
    pick = np.fmax if query.signal.worse == "up" else np.fmin
    for one in series:
        column = columns.get(one.service)
        if column is None:
            continue
        numbers = np.asarray(one.values, dtype=np.float64)
        known[:, column] |= answered(numbers)
        values[:, column] = pick(values[:, column], numbers)
    return values, known


def _parts(grid: Grid, services: int) -> list[Grid]:
    size = max(1, min(POINTS // max(1, services), int(SPAN / grid.step)))
    return [
        Grid(grid.start + first * grid.step, grid.step, min(size, grid.count - first))
        for first in range(0, grid.count, size)
    ]


def _data_key(query: FleetQuery, grid: Grid) -> tuple[object, ...]:
    """What the answer depends on: not how it is judged, nor what it is called to people."""
    judged = {"help", "problem", "thresholds", "active", "every", "absent", "unit"}
    services = tuple((name, *sorted(labels.items())) for name, labels in query.services.items())
    return query.source, query.name, query.signal.model_dump_json(exclude=judged), services, grid
