"""SigNoz as a source, whichever way it is asked."""

import asyncio
import math
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bongsu.signals import signoz
from bongsu.signals.query import FleetQuery
from bongsu.signals.signoz_filter import conjunction, one_of
from bongsu.signals.signoz_frame import MINIMUM_STEP
from bongsu.signals.sql import Steps
from bongsu.sources.answers import Answer, instant_samples, range_series
from bongsu.sources.base import (
    Capability,
    Edge,
    LogRecord,
    Sample,
    Series,
    Source,
    SourceError,
    Span,
)
from bongsu.sources.grid import held, renamed
from bongsu.sources.levels import telling
from bongsu.sources.signoz import red, rows
from bongsu.sources.signoz.interface import Interface
from bongsu.sources.signoz.shared import Shared
from bongsu.sources.traces import within

PAGE = 1000
"""Rows of one answer."""
MOST = 10_000
"""Log records or spans of one question, in pages."""
TRACES = 200
"""Most traces that are read for one question."""
SPANS_A_TRACE = 8
"""What a trace is taken to have, when a limit of spans is made one of traces."""
MARGIN = 300.0
"""Seconds around a window in which the rest of a trace is looked for."""
LONGEST_AGO = 7 * 86_400.0
"""How far back a trace is looked for by its id alone."""
NAMES = {"job": "service.name"}
"""OpenTelemetry's Prometheus receivers make the attribute of the label."""
_UNKNOWN_FOR = 600.0
_NO_ANSWER = (ValueError, KeyError, TypeError, AttributeError, IndexError)


class SignozSource(Source):
    """One question a signal for a whole fleet, and one for all signals of a window that spans answer.

    A range is given on the times that were asked; SigNoz' own steps are longer, a minute at least for
    metrics, and a value stands until the next one.
    """

    def __init__(self, name: str, interface: Interface) -> None:
        self._name = name
        self._interface = interface
        self._shared = Shared(interface.query_range)
        self._unknown: dict[str, float] = {}
        able: set[Capability] = {"metrics", "logs", "spans"}
        self.capabilities = frozenset(able | ({"topology"} if interface.topology else set()))

    @property
    def name(self) -> str:
        return self._name

    async def aclose(self) -> None:
        await self._shared.aclose()
        await self._interface.aclose()

    async def instant(self, query: FleetQuery, at: float) -> list[Sample]:
        if not query.services:
            return []
        query = renamed(query, NAMES)
        spans = red.of_spans(query)
        if spans is not None:
            _, document = await self._red(query, spans, at - query.signal.window, at, None)
            answers = self._read(query.name, red.instant(document, spans, query.signal, at))
        else:
            body = self._compiled(query, at, at, None)
            document = await self._interface.query_range(body, query.name)
            answers = self._read(query.name, _rows(document, query, at))
        return instant_samples(query, answers)

    async def range(self, query: FleetQuery, start: float, end: float, step: float) -> list[Series]:
        if not query.services:
            return []
        try:
            times = [ms / 1000 for ms in Steps(start, end, step).millis]
        except ValueError as error:
            raise SourceError(f"{self._name}: {query.name}: {error}") from None
        query = renamed(query, NAMES)
        spans = red.of_spans(query)
        answers = await (
            self._metrics_range(query, times, step)
            if spans is None
            else self._spans_range(query, spans, times, step)
        )
        return range_series(query, times, answers)

    async def logs(
        self, services: Sequence[str], start: float, end: float, *, errors_only: bool, limit: int
    ) -> list[LogRecord]:
        expression = rows.logs_filter(services, errors_only)
        order = rows.newest_first()
        found: dict[tuple[int, str, str, str], LogRecord] = {}
        async for page in self._pages("logs", start, end, expression, min(limit, MOST), order=order):
            for at, data in page:
                record = rows.log_record(at, data)
                if start <= record.time < end and (not errors_only or telling(record.severity)):
                    found.setdefault((at, rows.text(data.get("id", "")), record.service, record.body), record)
        return [record for _, record in sorted(found.items(), key=lambda one: one[0])][-limit:]

    async def spans(
        self, start: float, end: float, *, services: Sequence[str] = (), limit: int
    ) -> list[Span]:
        traces = max(1, min(TRACES, limit // SPANS_A_TRACE))
        of = [one_of(rows.SERVICE, services)] if services else []
        failed, every = await asyncio.gather(
            self._trace_ids(start, end, conjunction([*of, "has_error = true"]), max(1, traces // 4)),
            self._trace_ids(start, end, conjunction(of), traces),
        )
        wanted = list(dict.fromkeys([*failed, *every]))[:traces]
        if not wanted:
            return []
        found = await self._spans_of(wanted, start - MARGIN, end + MARGIN, min(limit * 2, MOST))
        return within(found, start, end, services, limit)

    async def trace(self, trace_id: str) -> list[Span]:
        if not re.fullmatch("[0-9A-Fa-f]{1,32}", trace_id):
            raise SourceError(f"{self._name}: {trace_id[:40]!r} is no trace id")
        trace_id = trace_id.lower().zfill(32)
        found = await self._interface.trace(trace_id)
        if found is None:
            now = time.time()
            found = await self._spans_of([trace_id], now - LONGEST_AGO, now + MARGIN, MOST)
        return [span for span in found if span.trace_id == trace_id]

    async def topology(self, start: float, end: float) -> list[Edge]:
        return await self._interface.dependencies(start, end) if self._interface.topology else []

    async def _metrics_range(self, query: FleetQuery, times: Sequence[float], step: float) -> list[Answer]:
        asked = _whole_minutes(step)
        first = times[0] - max(asked, query.signal.window)
        body = self._compiled(query, first, times[-1], asked)
        reach = signoz.points(query, first, times[-1], asked).step
        document = await self._interface.query_range(body, query.name)
        answers = self._read(query.name, _rows(document, query, math.nan))
        return [answer for group in _grouped(answers) for answer in _on(times, group, reach)]

    async def _spans_range(
        self, query: FleetQuery, spans: red.Spans, times: Sequence[float], step: float
    ) -> list[Answer]:
        longer = red.range_step(query.signal, _whole_minutes(step))
        before = query.signal.window + longer
        body, document = await self._red(query, spans, times[0] - before, times[-1], longer)
        found = red.over(document, spans, query.signal, times, red.step_of(body))
        return self._read(query.name, found)

    async def _red(
        self, query: FleetQuery, spans: red.Spans, start: float, end: float, step: float | None
    ) -> tuple[dict[str, Any], Mapping[str, Any]]:
        """The request and its answer, by which every signal of these spans can be told."""
        now = time.monotonic()
        unknown = frozenset(name for name, until in self._unknown.items() if until > now)
        body = red.request(spans, start, end, step, unknown & spans.excluded())
        try:
            return body, await self._shared(body, query.name)
        except SourceError as error:
            fresh = {n for n in spans.excluded() - unknown if _says_unknown(str(error), n)}
            if not fresh:
                raise
            self._unknown |= dict.fromkeys(fresh, now + _UNKNOWN_FOR)
        body = red.request(spans, start, end, step, (unknown | fresh) & spans.excluded())
        return body, await self._shared(body, query.name)

    def _compiled(self, query: FleetQuery, start: float, end: float, step: float | None) -> dict[str, Any]:
        try:
            return signoz.compile(query, start, end, step)
        except ValueError as error:
            raise SourceError(f"{self._name}: {query.name}: {error}") from None

    def _read(self, what: str, answers: Iterable[Answer]) -> list[Answer]:
        try:
            return list(answers)
        except _NO_ANSWER:
            raise self._interface.error(f"{what}: an answer that is none of query_range") from None

    async def _trace_ids(self, start: float, end: float, expression: str, limit: int) -> list[str]:
        """Of the newest spans that match."""
        fields = [{"name": rows.SERVICE, "fieldContext": "resource"}]
        most = min(MOST, limit * SPANS_A_TRACE)
        order = rows.in_order("desc")
        found: dict[str, None] = {}
        async for page in self._pages(
            "traces", start, end, expression, most, order=order, selectFields=fields
        ):
            found |= dict.fromkeys(trace_id for _, data in page if (trace_id := _trace_id(data)))
        return list(found)[:limit]

    async def _spans_of(self, traces: Sequence[str], start: float, end: float, most: int) -> list[Span]:
        expression = one_of("trace_id", traces)
        order = rows.in_order("asc")
        fields = rows.span_fields()
        found: list[tuple[int, dict[str, Any]]] = []
        async for page in self._pages(
            "traces", start, end, expression, most, order=order, selectFields=fields
        ):
            found += page
        try:
            spans = rows.spans(found)
        except _NO_ANSWER:
            raise self._interface.error("spans: an answer whose rows are no spans") from None
        return list({(span.trace_id, span.span_id): span for span in spans}.values())

    async def _pages(
        self, signal: str, start: float, end: float, expression: str, most: int, **spec: Any
    ) -> Any:
        """The rows of a raw query, page by page, up to ``most``."""
        what = "logs" if signal == "logs" else "spans"
        for offset in range(0, most, PAGE):
            size = min(PAGE, most - offset)
            body = rows.request(signal, start, end, expression, limit=size, offset=offset, **spec)
            document = await self._interface.query_range(body, what)
            try:
                page = rows.rows_of(document)
            except _NO_ANSWER:
                raise self._interface.error(f"{what}: an answer that is no list of rows") from None
            yield page
            if len(page) < size:
                return


def _whole_minutes(step: float) -> float:
    """The step to ask with, that of SigNoz' metrics at least: one that divides into it needs no rounding."""
    return max(1.0, step // MINIMUM_STEP) * MINIMUM_STEP


def _rows(document: Mapping[str, Any], query: FleetQuery, at: float) -> Iterable[Answer]:
    for row in signoz.answer(document, query, at):
        for when, value in zip(row.times, row.values, strict=True):
            yield Answer(when, row.labels, value)


def _grouped(answers: Iterable[Answer]) -> list[tuple[dict[str, str], dict[float, float]]]:
    groups: dict[tuple[tuple[str, str], ...], dict[float, float]] = {}
    for answer in answers:
        groups.setdefault(tuple(sorted(answer.labels.items())), {})[answer.time] = answer.value
    return [(dict(group), points) for group, points in groups.items()]


def _on(
    times: Sequence[float], group: tuple[dict[str, str], dict[float, float]], reach: float
) -> Iterable[Answer]:
    labels, points = group
    return (Answer(at, labels, value) for at, value in held(times, points, reach))


def _trace_id(data: Mapping[str, Any]) -> str:
    found = rows.text(data.get("trace_id", "")).lower()
    return found if re.fullmatch("[0-9a-f]{32}", found) else ""


def _says_unknown(error: str, key: str) -> bool:
    """SigNoz refuses a filter on a key that no telemetry has: ``key `http.route` not found``."""
    return re.search(rf"key\W+{re.escape(key)}\W+not found", error) is not None
