"""Grafana Tempo: traces, by TraceQL search and then trace by trace."""

import asyncio
import json
import re
from collections.abc import Sequence

from bongsu.sources.base import Capability, SourceError, Span
from bongsu.sources.http import HttpSource, excerpt
from bongsu.sources.traces import read_all, spans_of, within

TRACES = 100
"""Most traces that are read for one question: each is a request of its own."""
SPANS_A_TRACE = 8
"""What a trace is taken to have, when a limit of spans is made one of traces."""


class TempoSource(HttpSource):
    """Searches traces by service and time, failed ones first, and reads those that it finds."""

    capabilities = frozenset[Capability]({"spans"})

    async def spans(
        self, start: float, end: float, *, services: Sequence[str] = (), limit: int
    ) -> list[Span]:
        traces = max(1, min(TRACES, limit // SPANS_A_TRACE))
        where = " || ".join(f"resource.service.name = {json.dumps(name)}" for name in services)
        every = f"{{ {where} }}"
        failed = f"{{ ({where}) && status = error }}" if where else "{ status = error }"
        found = await asyncio.gather(
            self._search(failed, start, end, max(1, traces // 4)), self._search(every, start, end, traces)
        )
        wanted = list(dict.fromkeys(trace_id for ids in found for trace_id in ids))[:traces]
        read = await asyncio.gather(*(self.trace(trace_id) for trace_id in wanted), return_exceptions=True)
        return within(read_all(read), start, end, services, limit)

    async def trace(self, trace_id: str) -> list[Span]:
        path, what = f"api/v2/traces/{trace_id}", "trace"
        if not re.fullmatch("[0-9A-Fa-f]{1,32}", trace_id):
            raise SourceError(f"{self.name}: {trace_id[:40]!r} is no trace id")
        status, document = await self._backend.ask("GET", path, what)
        if status == 404:
            return []
        if status != 200:
            raise self._backend.refusal(path, what, status, document)
        if not isinstance(document, dict):
            raise self._backend.error(path, f"{what}: not a JSON answer: {excerpt(document)}")
        own = trace_id.lower().zfill(32)
        try:
            return [s for s in spans_of(document.get("trace") or document) if s.trace_id == own]
        except ValueError as error:
            raise self._backend.error(path, f"{what}: {error}") from None

    async def _search(self, query: str, start: float, end: float, limit: int) -> list[str]:
        # Seconds, of which the last does not belong to the window any more.
        params = {"q": query, "start": int(start), "end": max(int(end), int(start) + 1), "limit": limit}
        document = await self._backend.json("GET", "api/search", "traces", params=params)
        try:
            found = [str(row["traceID"]) for row in document.get("traces") or ()]
        except (AttributeError, KeyError, TypeError):
            raise self._backend.error("api/search", "traces: an answer that is no list of traces") from None
        return [trace_id for trace_id in found if re.fullmatch("[0-9A-Fa-f]{1,32}", trace_id)]
