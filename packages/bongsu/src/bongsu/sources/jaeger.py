"""Jaeger 2: traces and who calls whom, by its query service's API v3."""

import asyncio
import re
from collections.abc import Sequence
from datetime import UTC, datetime

from bongsu.sources.base import Capability, Edge, SourceError, Span
from bongsu.sources.http import HttpSource, excerpt
from bongsu.sources.traces import read_all, spans_of, within

TRACES = 200
"""Most traces of a service that are read for one question."""
SERVICES = 100
"""Most services that are asked for one question that names none."""
SPANS_A_TRACE = 8
"""What a trace is taken to have, when a limit of spans is made one of traces."""


class JaegerSource(HttpSource):
    """Reads the traces of each service; Jaeger searches by service only, so that all of them are asked for
    where none is named."""

    capabilities = frozenset[Capability]({"spans", "topology"})

    async def spans(
        self, start: float, end: float, *, services: Sequence[str] = (), limit: int
    ) -> list[Span]:
        names = services or (await self._services())[:SERVICES]
        if not names:
            return []
        traces = max(1, min(TRACES, limit // SPANS_A_TRACE // len(names)))
        read = await asyncio.gather(
            *(self._find(name, start, end, traces) for name in names), return_exceptions=True
        )
        found = {(span.trace_id, span.span_id): span for span in read_all(read)}
        return within(list(found.values()), start, end, services, limit)

    async def trace(self, trace_id: str) -> list[Span]:
        path = f"api/v3/traces/{trace_id}"
        if not re.fullmatch("[0-9A-Fa-f]{1,32}", trace_id):
            raise SourceError(f"{self.name}: {trace_id[:40]!r} is no trace id")
        status, document = await self._backend.ask("GET", path, "trace")
        own = trace_id.lower().zfill(32)
        return [span for span in self._spans(path, "trace", status, document) if span.trace_id == own]

    async def topology(self, start: float, end: float) -> list[Edge]:
        path = "api/v3/dependencies"
        params = {"startTime": _time(start), "endTime": _time(end)}
        document = await self._backend.json("GET", path, "dependencies", params=params)
        try:
            rows = document["dependencies"]
            return [Edge(str(r["parent"]), str(r["child"]), float(r["callCount"])) for r in rows]
        except (KeyError, TypeError, ValueError):
            raise self._backend.error(path, "dependencies: an answer without them") from None

    async def _services(self) -> list[str]:
        document = await self._backend.json("GET", "api/v3/services", "services")
        try:
            return [str(name) for name in document["services"]]
        except (KeyError, TypeError):
            raise self._backend.error("api/v3/services", "services: an answer without them") from None

    async def _find(self, service: str, start: float, end: float, traces: int) -> list[Span]:
        path = "api/v3/traces"
        params = {
            "query.serviceName": service,
            "query.startTimeMin": _time(start),
            "query.startTimeMax": _time(end),
            "query.searchDepth": str(traces),
        }
        status, document = await self._backend.ask("GET", path, "traces", params=params)
        return self._spans(path, "traces", status, document)

    def _spans(self, path: str, what: str, status: int, document: object) -> list[Span]:
        if status == 404 and isinstance(document, dict):
            # Jaeger's own answer for a trace, or a service, of which nothing is stored.
            return []
        if status != 200:
            raise self._backend.refusal(path, what, status, document)
        if not isinstance(document, dict):
            raise self._backend.error(path, f"{what}: not a JSON answer: {excerpt(document)}")
        try:
            return spans_of(document.get("result") or document)
        except ValueError as error:
            raise self._backend.error(path, f"{what}: {error}") from None


def _time(seconds: float) -> str:
    """RFC 3339 with nanoseconds, as the API wants it."""
    whole = datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{round((seconds - int(seconds)) * 1e9):09d}Z"
