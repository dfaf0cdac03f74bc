"""The embedded store as a source."""

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import duckdb

from bongsu.signals import sql
from bongsu.signals.matchers import group_labels
from bongsu.signals.model import Expr
from bongsu.signals.query import FleetQuery
from bongsu.sources.answers import Answer, instant_samples, range_series
from bongsu.sources.base import Capability, Change, LogRecord, Sample, Series, Source, SourceError, Span
from bongsu.sources.embedded.changes import read_changes
from bongsu.sources.embedded.records import read_logs, read_spans, read_trace
from bongsu.sources.embedded.store import EmbeddedStore

_T = TypeVar("_T")

MAX_POINTS = 11_000
"""Most steps of a range query, as in Prometheus."""


class EmbeddedSource(Source):
    """Bongsu's own store. Queries run on threads; SourceError names the source and the question."""

    capabilities = frozenset[Capability]({"metrics", "logs", "spans", "changes"})

    def __init__(self, store: EmbeddedStore, name: str = "embedded") -> None:
        self._store = store
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    async def instant(self, query: FleetQuery, at: float) -> list[Sample]:
        """The signal's value for each service that has one; *presence* answers for every service."""
        return instant_samples(query, await self._answers(query, at))

    async def range(self, query: FleetQuery, start: float, end: float, step: float) -> list[Series]:
        """The signal's values at ``start``, ``start + step`` … ``end`` for each service that has any."""
        try:
            steps = sql.Steps(start, end, step)
            millis = steps.millis
        except ValueError as error:
            raise SourceError(f"{self._name}: {query.name}: {error}") from error
        if len(millis) > MAX_POINTS:
            raise SourceError(
                f"{self._name}: {query.name}: {len(millis)} steps are more than {MAX_POINTS}; "
                "ask for a longer step or a shorter range"
            )
        answers = await self._answers(query, steps)
        return range_series(query, [ms / 1000 for ms in millis], answers)

    async def logs(
        self, services: Sequence[str], start: float, end: float, *, errors_only: bool, limit: int
    ) -> list[LogRecord]:
        """The newest ``limit`` records of the window, oldest first; no services means all."""
        return await self._read(
            "logs", lambda: read_logs(self._store, services, start, end, errors_only, limit)
        )

    async def spans(
        self, start: float, end: float, *, services: Sequence[str] = (), limit: int
    ) -> list[Span]:
        """Spans that started in the window, oldest first; beyond ``limit`` a stable choice of traces."""
        return await self._read("spans", lambda: read_spans(self._store, services, start, end, limit))

    async def trace(self, trace_id: str) -> list[Span]:
        return await self._read("trace", lambda: read_trace(self._store, trace_id))

    async def changes(self, start: float, end: float) -> list[Change]:
        """Deploys and restarts that the samples show."""
        return await self._read("changes", lambda: read_changes(self._store, start, end))

    async def _answers(self, query: FleetQuery, when: float | sql.Steps) -> list[Answer]:
        if isinstance(query.signal, Expr):
            raise SourceError(
                f"{self._name}: {query.name} is raw PromQL (form: expr), which needs a Prometheus-compatible "
                "source; write it in another form, or declare a source of type prometheus"
            )
        if not query.services:
            return []
        names = group_labels(query)

        def read() -> list[Answer]:
            rows = self._store.query(*sql.compile(query, when))
            return [
                Answer(ts / 1000, dict(zip(names, labels, strict=True)), _float(value))
                for ts, *labels, value in rows
            ]

        return await self._read(query.name, read)

    async def _read(self, what: str, function: Callable[[], _T]) -> _T:
        try:
            return await asyncio.to_thread(function)
        except (duckdb.Error, ValueError) as error:
            raise SourceError(f"{self._name}: {what}: {error}") from error


def _float(value: float | None) -> float:
    return math.nan if value is None else value
