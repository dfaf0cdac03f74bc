"""Read what happened round an incident: metrics, log lines, spans and changes, bounded in time and size."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from bongsu.analysis.aggregate import telling_traces, trace_evidence
from bongsu.analysis.digest import Digest, Seen, digest
from bongsu.analysis.metrics import Role, first_time, metric_evidence, role
from bongsu.analysis.model import ChangeEvidence, Evidence, MetricEvidence, Say, TraceEvidence, Window
from bongsu.analysis.numbering import numbered
from bongsu.analysis.peers import learn_peers
from bongsu.analysis.reading import Question, Reader
from bongsu.analysis.redact import redact
from bongsu.analysis.request import CollectRequest, Limits
from bongsu.analysis.spans import by_trace
from bongsu.analysis.telemetry import gathered, of_source, questions, read, thinned_gap
from bongsu.analysis.windows import Load, choose_baseline
from bongsu.incidents.model import Alert
from bongsu.signals.model import Quantile, Rate, Ratio
from bongsu.signals.query import FleetQuery
from bongsu.sources.base import Change, Series, Source, Span

_LOAD_STEP = 60.0


async def collect(request: CollectRequest, source: Source) -> Evidence:
    """The evidence for one incident. Never raises for what the source does: that becomes a gap."""
    limits = request.limits
    reader = Reader(limits.seconds, limits.per_read, limits.concurrency)
    load = await _load(request, source, reader)
    choose = partial(choose_baseline, request.onset, request.busy, request.baseline, load=load)
    baseline, gaps = choose(history_start=request.history_start)
    metrics, changes = await _metrics_and_changes(request, source, reader, baseline)
    seen_since = first_time(metrics)
    if seen_since is not None and seen_since > baseline.start + 2 * limits.step:
        baseline, gaps = choose(history_start=seen_since)
    answers = await reader.ask(questions(request, source, baseline), share=0.8)
    before = read(request, source, answers, "baseline", baseline)
    during = read(request, source, answers, "incident", request.window)
    found = await asyncio.to_thread(_digest, request, before.seen, during.seen)
    traces = await _whole_traces(request, source, reader, _telling(request, before.seen, during.seen))
    periods = (("baseline", before), ("incident", during))
    thinned = [thinned_gap(name, limits.spans) for name, one in periods if one.thinned]
    return Evidence(
        incident=request.incident,
        collected_at=request.now,
        onset=request.onset,
        window=request.window,
        baseline=baseline,
        alerts=[_alert(alert) for alert in request.alerts],
        depends_on={name: sorted(callees) for name, callees in sorted(request.depends_on.items())},
        metrics=numbered("M", metrics),
        logs=found.logs,
        traces=numbered("T", traces),
        calls=found.calls,
        edges=found.edges,
        changes=numbered("D", changes),
        events=found.events,
        seen_inside=found.seen_inside,
        gaps=[
            *gaps,
            *thinned,
            *reader.gaps,
        ],
    )


def _digest(request: CollectRequest, before: Seen, during: Seen) -> Digest:
    peers = learn_peers([*before.spans, *during.spans], request.known, request.addresses)
    middle = (request.window.start + request.window.end) / 2
    return digest(before, during, peers, middle, request.limits.log_templates)


def _telling(request: CollectRequest, before: Seen, during: Seen) -> dict[str, tuple[str, list[Span]]]:
    """Trace id → why it is worth a look, and its spans as far as they were read."""
    reasons = telling_traces(during.spans, before.spans, request.limits.traces_each)
    traces = by_trace([*before.spans, *during.spans])
    return {trace_id: (why, traces[trace_id]) for trace_id, why in reasons.items()}


async def _load(request: CollectRequest, source: Source, reader: Reader) -> Load | None:
    """What is asked of the system from outside: requests a second of the services that no other calls."""
    outermost = request.outermost
    queries = [_narrowed(query, outermost) for query in request.queries if _is_traffic(query)]
    span = (request.onset - request.baseline.lookback, request.window.end, _LOAD_STEP)
    asked = {
        str(index): Question(_measured(query), partial(_range, source, query, span, request.limits))
        for index, query in enumerate(queries)
        if query.services
    }
    answers = await reader.ask(asked, share=0.2)
    for _, series in sorted(answers.items()):
        rates: dict[float, float] = {}
        for one in series:
            for at, value in zip(one.times, one.values, strict=True):
                if math.isfinite(value):
                    rates[float(at)] = rates.get(float(at), 0.0) + float(value)
        if rates:
            return Load(rates, request.window)
    return None


def _is_traffic(query: FleetQuery) -> bool:
    return role(query.name, query.signal.unit, query.signal.worse) is Role.TRAFFIC


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
        about = of_source(one, source, "changes", Say("changes", "변경 이력"))
        questions[f"changes@{one.name}"] = Question(about, partial(one.changes, since, request.now))
    answers = await reader.ask(questions, share=0.5)
    metrics = []
    for index, query in enumerate(queries):
        series: Sequence[Series] = answers.get(f"metric {index}", ())
        metrics += metric_evidence(query, series, services, request.window, baseline, request.alerts)
    metrics.sort(key=lambda m: (m.service, m.signal))
    return metrics, _changes(gathered(answers, "changes"), services)


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
