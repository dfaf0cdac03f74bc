"""All sources of a catalog as one: each question goes to the backends that can answer it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from bongsu.signals.query import FleetQuery
from bongsu.sources.base import (
    Capability,
    Change,
    Edge,
    LogRecord,
    Sample,
    Series,
    Source,
    SourceError,
    Span,
)

T = TypeVar("T")


class Sources(Source):
    """A question about metrics goes to the source that the query names; one about logs, spans, topology or
    changes to every source that has them.

    An answer of several sources is what those gave that could answer; SourceError when none could. Who has
    to know which ones failed asks each of ``able`` by itself.
    """

    def __init__(self, members: Mapping[str, Source], default: str) -> None:
        self.members = members
        self._default = default

    @property
    def name(self) -> str:
        return ", ".join(self.members)

    def able(self, capability: Capability) -> Sequence[Source]:
        return [part for member in self.members.values() for part in member.able(capability)]

    def of(self, query: FleetQuery) -> Source:
        """The source that is asked for the query's metrics."""
        return self.members[query.source if query.source in self.members else self._default]

    async def instant(self, query: FleetQuery, at: float) -> list[Sample]:
        return await self.of(query).instant(query, at)

    async def range(self, query: FleetQuery, start: float, end: float, step: float) -> list[Series]:
        return await self.of(query).range(query, start, end, step)

    async def logs(
        self, services: Sequence[str], start: float, end: float, *, errors_only: bool, limit: int
    ) -> list[LogRecord]:
        def ask(source: Source) -> Awaitable[list[LogRecord]]:
            return source.logs(services, start, end, errors_only=errors_only, limit=limit)

        found = await self._all("logs", ask)
        return sorted(found, key=lambda record: record.time)[-limit:]

    async def spans(
        self, start: float, end: float, *, services: Sequence[str] = (), limit: int
    ) -> list[Span]:
        def ask(source: Source) -> Awaitable[list[Span]]:
            return source.spans(start, end, services=services, limit=limit)

        return sorted(await self._all("spans", ask), key=lambda span: span.start)

    async def trace(self, trace_id: str) -> list[Span]:
        return await self._all("spans", lambda source: source.trace(trace_id))

    async def topology(self, start: float, end: float) -> list[Edge]:
        return await self._all("topology", lambda source: source.topology(start, end))

    async def changes(self, start: float, end: float) -> list[Change]:
        found = await self._all("changes", lambda source: source.changes(start, end))
        return sorted(found, key=lambda change: change.time)

    async def aclose(self) -> None:
        await asyncio.gather(*(member.aclose() for member in self.members.values()))

    async def _all(self, capability: Capability, ask: Callable[[Source], Awaitable[list[T]]]) -> list[T]:
        async def one(source: Source) -> list[T] | SourceError:
            try:
                return await ask(source)
            except SourceError as error:
                return error

        answers = await asyncio.gather(*(one(source) for source in self.able(capability)))
        failed = [answer for answer in answers if isinstance(answer, SourceError)]
        if failed and len(failed) == len(answers):
            raise SourceError("; ".join(map(str, failed)))
        return [row for answer in answers if not isinstance(answer, SourceError) for row in answer]
