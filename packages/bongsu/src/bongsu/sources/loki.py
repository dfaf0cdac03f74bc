"""Loki: logs, by LogQL over ``/loki/api/v1/query_range``."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any, Unpack

from bongsu.signals.matchers import escape_regex
from bongsu.sources.base import Capability, LogRecord
from bongsu.sources.http import Access, HttpSource
from bongsu.sources.levels import level_of, telling

PAGE = 5000
"""Lines an answer; Loki refuses more by default (``max_entries_limit_per_query``)."""
_LEVELS = ("detected_level", "level", "severity", "severity_text")
_FAILING = "(?i)(error|exception|fatal|panic|critical|traceback)"


class LokiSource(HttpSource):
    """Asks for the lines of services by the stream label that names them.

    ``errors_only`` asks for lines that Loki or their sender called errors, and for lines that read like one;
    a line whose own level says otherwise is left out.
    """

    capabilities = frozenset[Capability]({"logs"})

    def __init__(
        self, name: str, url: str, *, service_label: str = "service_name", **access: Unpack[Access]
    ) -> None:
        super().__init__(name, url, **access)
        self._label = service_label

    async def logs(
        self, services: Sequence[str], start: float, end: float, *, errors_only: bool, limit: int
    ) -> list[LogRecord]:
        stream = self._stream(services)
        asked = [stream]
        if errors_only:
            asked = [f'{stream} | detected_level=~"error|fatal|critical"', f"{stream} |~ `{_FAILING}`"]
        answers = await asyncio.gather(*(self._pages(query, start, end, limit) for query in asked))
        found = {
            (at, r.service, r.body): r
            for records in answers
            for at, r in records
            if not errors_only or telling(r.severity)
        }
        return [record for _, record in sorted(found.items(), key=lambda one: one[0])][-limit:]

    def _stream(self, services: Sequence[str]) -> str:
        if not services:
            return f'{{{self._label}=~".+"}}'
        names = "|".join(escape_regex(name) for name in services)
        return f"{{{self._label}=~{json.dumps(names, ensure_ascii=False)}}}"

    async def _pages(self, query: str, start: float, end: float, limit: int) -> list[tuple[int, LogRecord]]:
        """The newest ``limit`` lines and their nanoseconds, page by page."""
        first, until = round(start * 1e9), round(end * 1e9)
        found: dict[tuple[int, str, tuple[tuple[str, str], ...]], LogRecord] = {}
        again = 0
        while len(found) < limit:
            size = min(PAGE, limit - len(found) + again)
            page = await self._page(query, first, until, size)
            before = len(found)
            for at, labels, line in page:
                if first <= at < until:
                    found.setdefault(
                        (at, line, tuple(sorted(labels.items()))), self._record(at, labels, line)
                    )
            if len(page) < size or len(found) == before:
                break
            # The end of a range is exclusive: lines of the same nanosecond are asked for again.
            oldest = min(at for at, _, _ in found)
            again = sum(at == oldest for at, _, _ in found)
            until = oldest + 1
        return [(at, record) for (at, _, _), record in found.items()]

    async def _page(
        self, query: str, start: int, end: int, limit: int
    ) -> list[tuple[int, dict[str, str], str]]:
        path, what = "loki/api/v1/query_range", "logs"
        params = {
            "query": query,
            "start": str(start),
            "end": str(end),
            "limit": str(limit),
            "direction": "backward",
        }
        document = await self._backend.json("GET", path, what, params=params)
        try:
            data = document["data"]
            if data["resultType"] != "streams":
                raise TypeError(data["resultType"])
            rows = [
                (int(value[0]), {str(k): str(v) for k, v in _labels(stream, value).items()}, str(value[1]))
                for stream in data["result"]
                for value in stream["values"]
            ]
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            raise self._backend.error(path, f"{what}: an answer that is no list of streams") from None
        return sorted(rows, key=lambda row: -row[0])

    def _record(self, at: int, labels: dict[str, str], line: str) -> LogRecord:
        level = next((labels[name] for name in _LEVELS if labels.get(name)), "")
        return LogRecord(
            time=at / 1e9,
            service=labels.get(self._label, ""),
            severity=level_of(level, line),
            body=line,
            trace_id=labels.get("trace_id", ""),
            span_id=labels.get("span_id", ""),
            attributes={k: v for k, v in labels.items() if k not in (self._label, "trace_id", "span_id")},
        )


def _labels(stream: dict[str, Any], value: Sequence[Any]) -> dict[str, Any]:
    """The labels of a line: its stream's, and its own structured metadata, which newer versions add."""
    own = value[2] if len(value) > 2 else {}
    metadata = own.get("structuredMetadata", own) if isinstance(own, dict) else {}
    return {**stream["stream"], **(metadata if isinstance(metadata, dict) else {})}
