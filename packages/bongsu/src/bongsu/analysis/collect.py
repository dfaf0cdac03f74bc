"""Read what happened round an incident: metrics, error logs, spans and changes, bounded in time and size."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from bongsu.analysis.aggregate import aggregate, telling_traces, trace_evidence
from bongsu.analysis.graph import neighbourhood
from bongsu.analysis.loglines import log_evidence
from bongsu.analysis.metrics import first_time, metric_evidence
from bongsu.analysis.model import (
    CallEvidence,
    ChangeEvidence,
    EdgeEvidence,
    Evidence,
    Gap,
    LogEvidence,
    MetricEvidence,
    Say,
    TraceEvidence,
    Window,
)
from bongsu.analysis.numbering import numbered
from bongsu.analysis.peers import learn_peers
from bongsu.analysis.reading import Question, Reader
from bongsu.analysis.redact import redact
from bongsu.analysis.spans import by_trace, untruncated, whole_traces
from bongsu.analysis.windows import BaselineRule, choose_baseline
from bongsu.incidents.model import Alert
from bongsu.signals.model import Quantile, Rate, Ratio
from bongsu.signals.query import FleetQuery
from bongsu.sources.base import Capability, Change, LogRecord, Series, Source, Span

_PERIODS = {"baseline": "장애 이전", "incident": "장애 중"}


@dataclass(frozen=True, slots=True)
class Limits:
    """How long collecting may take and how much it may keep; times in seconds."""

    seconds: float = 20.0
    per_read: float = 8.0
    concurrency: int = 6
    window: float = 900.0
    """The longest stretch of the incident that is read, from onset."""
    changes_back: float = 7200.0
    step: float = 15.0
    points: int = 400
    rate_window: float = 60.0
    """Rates are read over at most this, so that onset is sharp; longer where that answers nothing."""
    spans: int = 20_000
    """For each of the two windows."""
    span_slices: int = 4
    log_lines: int = 3000
    """For each of the two windows."""
    log_templates: int = 60
    traces_each: int = 2
    trace_spans: int = 120
    settle: float = 5.0
    """The newest part of the incident is left out of span aggregates, as its spans are still arriving."""
    services_by_name: int = 50
    """Above this many services, spans and logs are asked for the neighbourhood only."""


@dataclass(frozen=True, slots=True)
class CollectRequest:
    """What to read. Times are Unix seconds."""

    incident: str
    alerts: Sequence[Alert]
    onset: float
    now: float
    depends_on: Mapping[str, Sequence[str]]
    """Service → services it calls, as declared."""
    queries: Sequence[FleetQuery] = ()
    """The signals of all services; only those of the neighbourhood are asked for."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    """``host:port`` or host → service."""
    busy: Sequence[Window] = ()
    """Windows of other incidents, which the baseline avoids."""
    history_start: float | None = None
    """When telemetry began, where that is known."""
    baseline: BaselineRule = field(default_factory=BaselineRule)
    limits: Limits = field(default_factory=Limits)

    @property
    def window(self) -> Window:
        latest = min(self.now, self.onset + self.limits.window)
        return Window(self.onset, max(latest, self.onset + 1.0))

    @property
    def known(self) -> set[str]:
        """Every service that the catalog names."""
        declared = {s for caller, callees in self.depends_on.items() for s in (caller, *callees)}
        asked = {service for query in self.queries for service in query.services}
        return declared | asked | self.alerting

    @property
    def alerting(self) -> set[str]:
        return {alert.service for alert in self.alerts if alert.service}

    @property
    def services(self) -> list[str]:
        """Who may be involved: the neighbourhood of the alerting services, or all when none is named."""
        involved = neighbourhood(self.depends_on, self.alerting) if self.alerting else self.known
        return sorted(involved)


async def collect(request: CollectRequest, source: Source) -> Evidence:
    """The evidence for one incident. Never raises for what the source does: that becomes a gap."""
    limits = request.limits
    reader = Reader(limits.seconds, limits.per_read, limits.concurrency)
    baseline, gaps = choose_baseline(request.onset, request.busy, request.baseline, request.history_start)
    metrics, changes = await _metrics_and_changes(request, source, reader, baseline)
    seen_since = first_time(metrics)
    if seen_since is not None and seen_since > baseline.start + 2 * limits.step:
        baseline, gaps = choose_baseline(request.onset, request.busy, request.baseline, seen_since)
    questions = _log_questions(request, source, baseline) | _span_questions(request, source, baseline)
    answers = await reader.ask(questions, share=0.8)
    calls, edges, chosen, cut = _digest_spans(request, answers, baseline)
    traces = await _whole_traces(request, source, reader, chosen)
    return Evidence(
        incident=request.incident,
        collected_at=request.now,
        onset=request.onset,
        window=request.window,
        baseline=baseline,
        alerts=[_alert(alert) for alert in request.alerts],
        depends_on={name: sorted(callees) for name, callees in sorted(request.depends_on.items())},
        metrics=numbered("M", metrics),
        logs=numbered("L", _digest_logs(request, answers)),
        traces=numbered("T", traces),
        calls=numbered("C", calls),
        edges=numbered("E", edges),
        changes=numbered("D", changes),
        gaps=[*gaps, *cut, *reader.gaps],
    )


async def _metrics_and_changes(
    request: CollectRequest, source: Source, reader: Reader, baseline: Window
) -> tuple[list[MetricEvidence], list[ChangeEvidence]]:
    services = set(request.services)
    start, end = min(baseline.start, request.onset - 300.0), request.window.end
    step = max(request.limits.step, (end - start) / request.limits.points)
    queries = [_narrowed(query, services) for query in request.queries]
    questions = {
        f"metric {index}": Question(
            _measured(query), partial(_range, source, query, (start, end, step), request.limits)
        )
        for index, query in enumerate(queries)
        if query.services
    }
    since = request.onset - request.limits.changes_back
    for one in source.able("changes"):
        about = _from(one, source, "changes", Say("changes", "변경 이력"))
        questions[f"changes@{one.name}"] = Question(about, partial(one.changes, since, request.now))
    answers = await reader.ask(questions, share=0.5)
    metrics = []
    for index, query in enumerate(queries):
        series: Sequence[Series] = answers.get(f"metric {index}", ())
        metrics += metric_evidence(query, series, services, request.window, baseline, request.alerts)
    metrics.sort(key=lambda m: (m.service, m.signal))
    return metrics, _changes(_gathered(answers, "changes"), services)


def _measured(query: FleetQuery) -> Say:
    help_ = query.signal.help
    return Say(help_.in_("en") or query.name, help_.in_("ko") or query.name)


def _narrowed(query: FleetQuery, services: set[str]) -> FleetQuery:
    return replace(query, services={n: labels for n, labels in query.services.items() if n in services})


async def _range(
    source: Source, query: FleetQuery, span: tuple[float, float, float], limits: Limits
) -> list[Series]:
    """The series, of a rate, ratio or quantile over a short window unless samples are too sparse for that.

    The window of other forms is part of what they measure.
    """
    start, end, step = span
    rated = isinstance(query.signal, Rate | Ratio | Quantile)
    if not rated or query.signal.window <= limits.rate_window:
        return await source.range(query, start, end, step)
    sharp = replace(query, signal=query.signal.model_copy(update={"window": limits.rate_window}))
    found = await source.range(sharp, start, end, step)
    if any(math.isfinite(value) for series in found for value in series.values):
        return found
    return await source.range(query, start, end, step)


def _changes(found: Sequence[Change], services: set[str]) -> list[ChangeEvidence]:
    rows = [
        ChangeEvidence(
            id="",
            at=change.time,
            service=change.service,
            kind=change.kind,
            summary=redact(change.summary[:400]),
            before=change.before[:100],
            after=change.after[:100],
        )
        for change in found
        if change.service in services
    ]
    return sorted(rows, key=lambda c: (c.at, c.service, c.kind, c.summary))[-50:]


def _asked_services(request: CollectRequest) -> list[str]:
    """Empty, meaning all, in a small fleet: calls that nobody declared are then seen too."""
    return request.services if len(request.known) > request.limits.services_by_name else []


def _log_questions(request: CollectRequest, source: Source, baseline: Window) -> dict[str, Question]:
    limit = request.limits.log_lines
    questions = {}
    for one in source.able("logs"):
        for name, window in (("baseline", baseline), ("incident", request.window)):
            about = _from(one, source, "logs", Say(f"logs of the {name}", f"{_PERIODS[name]} 로그"))
            ask = partial(one.logs, request.services, window.start, window.end, errors_only=True, limit=limit)
            questions[f"logs of the {name}@{one.name}"] = Question(about, ask)
    return questions


def _from(one: Source, of: Source, capability: Capability, what: Say) -> Say:
    """What is asked for, and of whom where there are several who have it."""
    if len(of.able(capability)) < 2:
        return what
    return Say(f"{what.en} in {one.name}", f"{one.name}의 {what.ko}")


def _gathered(answers: Mapping[str, Any], question: str) -> list[Any]:
    """The answers of all sources to one question."""
    return [row for key, rows in answers.items() if key.split("@", 1)[0] == question for row in rows]


def _span_questions(request: CollectRequest, source: Source, baseline: Window) -> dict[str, Question]:
    """Each window in slices, so that a limit thins the whole window instead of cutting off its end."""
    slices = max(1, request.limits.span_slices)
    services, limit = _asked_services(request), max(1, request.limits.spans // slices)
    questions = {}
    periods = (("baseline", baseline), ("incident", request.window))
    for one, (name, window) in itertools.product(source.able("spans"), periods):
        about = _from(one, source, "spans", Say(f"spans of the {name}", f"{_PERIODS[name]} 스팬"))
        length = (window.end - window.start) / slices
        for index in range(slices):
            start = window.start + index * length
            end = window.end if index == slices - 1 else start + length
            questions[f"spans of the {name}#{index}@{one.name}"] = Question(
                about, partial(one.spans, start, end, services=services, limit=limit)
            )
    return questions


def _spans(request: CollectRequest, answers: Mapping[str, Any], name: str) -> tuple[list[Span], bool]:
    """The spans of a window, each once, and whether a limit was hit."""
    limit = max(1, request.limits.spans // max(1, request.limits.span_slices))
    found: dict[tuple[str, str], Span] = {}
    truncated = False
    for index in range(max(1, request.limits.span_slices)):
        spans: Sequence[Span] = _gathered(answers, f"spans of the {name}#{index}")
        if len(spans) >= limit:
            truncated, spans = True, untruncated(spans[:limit])
        found |= {(span.trace_id, span.span_id): span for span in spans}
    return sorted(found.values(), key=lambda s: (s.start, s.trace_id, s.span_id)), truncated


def _digest_spans(
    request: CollectRequest, answers: Mapping[str, Any], baseline: Window
) -> tuple[list[CallEvidence], list[EdgeEvidence], dict[str, tuple[str, list[Span]]], list[Gap]]:
    before, cut_before = _spans(request, answers, "baseline")
    during, cut_during = _spans(request, answers, "incident")
    before = whole_traces(before, baseline.end)
    settled = min(request.window.end, request.now - request.limits.settle)
    during = whole_traces(during, max(settled, request.onset))
    peers = learn_peers([*before, *during], request.known, request.addresses)
    calls, edges = aggregate(before, peers, "baseline")
    more_calls, more_edges = aggregate(during, peers, "incident")
    reasons = telling_traces(during, before, request.limits.traces_each)
    traces = by_trace([*before, *during])
    chosen = {trace_id: (why, traces[trace_id]) for trace_id, why in reasons.items()}
    names = [name for name, cut in (("baseline", cut_before), ("incident", cut_during)) if cut]
    gaps = [_truncated(name, request.limits.spans) for name in names]
    return calls + more_calls, edges + more_edges, chosen, gaps


def _truncated(period: str, limit: int) -> Gap:
    return Gap(
        f"Spans of the {period}: only a part was read (limit {limit} spans).",
        f"{_PERIODS[period]} 스팬: 일부만 읽었습니다 (한도 {limit}개).",
    )


async def _whole_traces(
    request: CollectRequest, source: Source, reader: Reader, chosen: Mapping[str, tuple[str, list[Span]]]
) -> list[TraceEvidence]:
    """The chosen traces in full where the source gives them in time, else as far as they were read."""
    questions = {
        f"trace {trace_id}": Question(
            Say(f"trace {trace_id}", f"트레이스 {trace_id}"), partial(source.trace, trace_id)
        )
        for trace_id in chosen
    }
    answers = await reader.ask(questions)
    return [
        trace_evidence(trace_id, why, answers.get(f"trace {trace_id}") or spans, request.limits.trace_spans)
        for trace_id, (why, spans) in chosen.items()
    ]


def _digest_logs(request: CollectRequest, answers: Mapping[str, Any]) -> list[LogEvidence]:
    before: Sequence[LogRecord] = _gathered(answers, "logs of the baseline")
    during: Sequence[LogRecord] = _gathered(answers, "logs of the incident")
    limit = request.limits.log_lines
    return log_evidence(before[:limit], during[:limit], request.limits.log_templates)


def _alert(alert: Alert) -> dict[str, str | float | None]:
    return {
        "service": alert.service,
        "signal": alert.signal,
        "name": alert.name,
        "severity": alert.severity.value,
        "starts_at": alert.starts_at,
        "since": alert.since,
        "value": alert.value,
        "threshold": alert.threshold,
        "unit": alert.unit,
    }
