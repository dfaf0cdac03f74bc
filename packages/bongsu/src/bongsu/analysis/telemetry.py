"""Spans and log lines of the two windows: what is asked of which source, and the answers put together."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from bongsu.analysis.digest import Seen
from bongsu.analysis.model import Gap, Say, Window
from bongsu.analysis.reading import Question
from bongsu.analysis.request import CollectRequest
from bongsu.analysis.spans import untruncated, whole_traces
from bongsu.sources.base import Capability, LogRecord, Source, Span

PERIODS = {"baseline": "장애 이전", "incident": "장애 중"}


@dataclass(frozen=True, slots=True)
class Read:
    """``thinned``: whether a limit kept some of the spans out."""

    seen: Seen
    thinned: bool


def questions(request: CollectRequest, source: Source, baseline: Window) -> dict[str, Question]:
    found: dict[str, Question] = {}
    for period, window in (("baseline", baseline), ("incident", request.window)):
        found |= dict(_error_questions(request, source, period, window))
        found |= dict(_line_questions(request, source, period, window))
        found |= dict(_span_questions(request, source, period, window))
    return found


def read(
    request: CollectRequest, source: Source, answers: Mapping[str, Any], period: str, window: Window
) -> Read:
    """``period`` is baseline or incident. Only traces that had ended in time are kept: in the incident's
    newest part spans are still arriving."""
    settled = window.end
    if period == "incident":
        settled = max(min(window.end, request.now - request.limits.settle), request.onset)
    spans, thinned = _spans(request, answers, period)
    lines, covered = _lines(request, source, answers, period, window)
    errors: Sequence[LogRecord] = gathered(answers, f"errors of the {period}")
    seen = Seen(whole_traces(spans, settled), lines, errors[: request.limits.log_lines], covered)
    return Read(seen, thinned)


def thinned_gap(period: str, limit: int) -> Gap:
    return Gap(
        f"Spans of the {period}: only a part was read (limit {limit} spans).",
        f"{PERIODS[period]} 스팬: 일부만 읽었습니다 (한도 {limit}개).",
    )


def of_source(one: Source, of: Source, capability: Capability, what: Say) -> Say:
    """What is asked for, and of whom where there are several who have it."""
    if len(of.able(capability)) < 2:
        return what
    return Say(f"{what.en} in {one.name}", f"{one.name}의 {what.ko}")


def gathered(answers: Mapping[str, Any], question: str) -> list[Any]:
    """The answers of all sources to one question."""
    return [row for key, rows in answers.items() if key.split("@", 1)[0] == question for row in rows]


def _about(one: Source, source: Source, capability: Capability, period: str) -> Say:
    korean = {"logs": "로그", "spans": "스팬"}[capability]
    what = Say(f"{capability} of the {period}", f"{PERIODS[period]} {korean}")
    return of_source(one, source, capability, what)


def _error_questions(
    request: CollectRequest, source: Source, period: str, window: Window
) -> Iterator[tuple[str, Question]]:
    for one in source.able("logs"):
        ask = partial(
            one.logs,
            request.services,
            window.start,
            window.end,
            errors_only=True,
            limit=request.limits.log_lines,
        )
        yield f"errors of the {period}@{one.name}", Question(_about(one, source, "logs", period), ask)


def _line_questions(
    request: CollectRequest, source: Source, period: str, window: Window
) -> Iterator[tuple[str, Question]]:
    """Lines of every level, which matter beside spans alone: they say what requests no longer do."""
    if not source.able("spans"):
        return
    limit = _each(request, request.limits.all_lines)
    for one in source.able("logs"):
        about = _about(one, source, "logs", period)
        for index, part in enumerate(_parts(request, window)):
            ask = partial(one.logs, request.services, part.start, part.end, errors_only=False, limit=limit)
            yield f"lines of the {period}#{index}@{one.name}", Question(about, ask)


def _span_questions(
    request: CollectRequest, source: Source, period: str, window: Window
) -> Iterator[tuple[str, Question]]:
    services, limit = _asked_services(request), _each(request, request.limits.spans)
    for one in source.able("spans"):
        about = _about(one, source, "spans", period)
        for index, part in enumerate(_parts(request, window)):
            ask = partial(one.spans, part.start, part.end, services=services, limit=limit)
            yield f"spans of the {period}#{index}@{one.name}", Question(about, ask)


def _asked_services(request: CollectRequest) -> list[str]:
    """Empty, meaning all, in a small fleet: calls that nobody declared are then seen too."""
    return request.services if len(request.known) > request.limits.services_by_name else []


def _parts(request: CollectRequest, window: Window) -> list[Window]:
    count = max(1, request.limits.slices)
    length = (window.end - window.start) / count
    edges = [*(window.start + n * length for n in range(count)), window.end]
    return [Window(edges[n], edges[n + 1]) for n in range(count)]


def _each(request: CollectRequest, limit: int) -> int:
    return max(1, limit // max(1, request.limits.slices))


def _spans(request: CollectRequest, answers: Mapping[str, Any], period: str) -> tuple[list[Span], bool]:
    """The spans of a window, each once, and whether a limit was hit."""
    limit = _each(request, request.limits.spans)
    found: dict[tuple[str, str], Span] = {}
    thinned = False
    for index in range(max(1, request.limits.slices)):
        spans: Sequence[Span] = gathered(answers, f"spans of the {period}#{index}")
        if len(spans) >= limit:
            thinned, spans = True, untruncated(spans[:limit])
        found |= {(span.trace_id, span.span_id): span for span in spans}
    return sorted(found.values(), key=lambda s: (s.start, s.trace_id, s.span_id)), thinned


def _lines(
    request: CollectRequest, source: Source, answers: Mapping[str, Any], period: str, window: Window
) -> tuple[list[LogRecord], list[Window]]:
    """Lines of every level, and where no source kept any back: sources give the newest of each part."""
    limit = _each(request, request.limits.all_lines)
    found: list[LogRecord] = []
    covered: list[Window] = []
    for index, part in enumerate(_parts(request, window)):
        since = part.start
        for one in source.able("logs"):
            rows: Sequence[LogRecord] | None = answers.get(f"lines of the {period}#{index}@{one.name}")
            if rows is None:
                since = part.end
            elif len(rows) >= limit:
                since = max(since, min(row.time for row in rows))
            found += rows or ()
        if covered and since == part.start and covered[-1].end == part.start:
            covered[-1] = Window(covered[-1].start, part.end)
        elif since < part.end:
            covered.append(Window(since, part.end))
    return found, covered
