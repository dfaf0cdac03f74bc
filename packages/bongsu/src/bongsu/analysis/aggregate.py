"""Aggregates of spans as evidence: what each operation did, how each edge went, a few telling traces."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean, median, stdev

from bongsu.analysis.model import CallEvidence, EdgeEvidence, SpanEvidence, TraceEvidence
from bongsu.analysis.peers import Peers
from bongsu.analysis.spans import Forest, Outgoing, Served, by_trace, operation, orphan_calls, served
from bongsu.sources.base import Span

OTHER = "other operations"


def aggregate(
    spans: Iterable[Span] | Forest, peers: Peers, window: str, *, operations: int = 40, edges: int = 200
) -> tuple[list[CallEvidence], list[EdgeEvidence]]:
    """Evidence without ids for ``window`` (incident or baseline); the busiest are kept."""
    forest = spans if isinstance(spans, Forest) else Forest.of(spans)
    answered = served(forest, peers)
    made = [call for one in answered for call in one.outgoing] + orphan_calls(forest, peers)
    return _calls(answered, window, operations), _edges(made, window, edges)


def _calls(answered: Sequence[Served], window: str, limit: int) -> list[CallEvidence]:
    groups: dict[tuple[str, str], list[Served]] = defaultdict(list)
    for one in answered:
        groups[(one.entry.service, operation(one.entry))].append(one)
    kept: dict[tuple[str, str], list[Served]] = defaultdict(list)
    named: dict[str, int] = defaultdict(int)
    for (service, name), members in sorted(groups.items(), key=lambda g: (-len(g[1]), g[0])):
        named[service] += 1
        kept[(service, name if named[service] <= limit else OTHER)] += members
    return [_call(key, members, window) for key, members in sorted(kept.items())]


def _call(key: tuple[str, str], members: Sequence[Served], window: str) -> CallEvidence:
    durations = sorted(one.entry.duration for one in members)
    own = [one.exclusive_seconds for one in members]
    return CallEvidence(
        id="",
        service=key[0],
        operation=key[1],
        window=window,
        count=len(members),
        errors=sum(one.entry.error for one in members),
        exclusive_errors=sum(one.exclusive_error for one in members),
        mean=fmean(durations),
        exclusive_mean=fmean(own),
        p95=durations[min(len(durations) - 1, int(0.95 * len(durations)))],
        exclusive_std=_std(own),
        exclusive_log_mean=fmean(_logs(own)),
        exclusive_log_std=_std(_logs(own)),
    )


def _edges(made: Iterable[Outgoing], window: str, limit: int) -> list[EdgeEvidence]:
    groups: dict[tuple[str, str], list[Outgoing]] = defaultdict(list)
    for call in made:
        groups[(call.caller, call.callee)].append(call)
    busiest = sorted(groups.items(), key=lambda g: (-len(g[1]), g[0]))[:limit]
    return [_edge(key, members, window) for key, members in sorted(busiest, key=lambda g: g[0])]


def _edge(key: tuple[str, str], members: Sequence[Outgoing], window: str) -> EdgeEvidence:
    answered = [call for call in members if call.answers]
    servers = [sum(answer.duration for answer in call.answers) for call in answered]
    if answered:
        pairs = zip(answered, servers, strict=True)
        gaps = [max(0.0, call.span.duration - server) for call, server in pairs]
    else:
        gaps = [call.span.duration for call in members]
    return EdgeEvidence(
        id="",
        caller=key[0],
        callee=key[1],
        window=window,
        calls=len(members),
        client_errors=sum(call.span.error for call in members),
        server_seen=len(answered),
        client_mean=fmean(call.span.duration for call in members),
        server_mean=fmean(servers) if servers else 0.0,
        unanswered=sum(call.span.error and not call.answers for call in members),
        disputed=sum(call.disputed for call in members),
        gap_mean=fmean(gaps),
        gap_std=_std(gaps),
        gap_log_mean=fmean(_logs(gaps)),
        gap_log_std=_std(_logs(gaps)),
    )


def _logs(seconds: Iterable[float]) -> list[float]:
    return [math.log1p(1000.0 * value) for value in seconds]


def _std(values: Sequence[float]) -> float:
    return stdev(values) if len(values) > 1 else 0.0


def telling_traces(incident: Sequence[Span], baseline: Sequence[Span], each: int = 2) -> dict[str, str]:
    """Trace id → why it is worth a look: failed (the widest), slow (the longest), clean (the middle one)."""
    traces = {i: spans for i, spans in sorted(by_trace(incident).items()) if _root(spans) is not None}
    failed = [i for i, spans in traces.items() if any(s.error for s in spans)]
    failed.sort(key=lambda i: (-len({s.service for s in traces[i]}), -len(traces[i]), i))
    chosen = dict.fromkeys(failed[:each], "failed")
    fine = [i for i in traces if i not in set(failed)]
    usual = median(_length(spans) for spans in traces.values()) if traces else 0.0
    slow = sorted((i for i in fine if _length(traces[i]) > usual), key=lambda i: (-_length(traces[i]), i))
    chosen |= dict.fromkeys(slow[:each], "slow")
    before = {i: s for i, s in by_trace(baseline).items() if _root(s) and not any(x.error for x in s)}
    if before:
        middle = sorted(before, key=lambda i: (_length(before[i]), i))[len(before) // 2]
        chosen[middle] = "clean"
    return chosen


def trace_evidence(trace_id: str, why: str, spans: Sequence[Span], limit: int) -> TraceEvidence:
    """At most ``limit`` spans, the earliest, in order of time."""
    ordered = sorted(spans, key=lambda s: (s.start, s.span_id))[:limit]
    kept = [
        SpanEvidence(
            trace_id=s.trace_id,
            span_id=s.span_id,
            parent_id=s.parent_id,
            service=s.service,
            operation=s.operation[:200],
            kind=s.kind,
            start=s.start,
            duration=s.duration,
            error=s.error,
            peer=s.peer[:200],
        )
        for s in ordered
    ]
    return TraceEvidence(id="", trace_id=trace_id, why=why, spans=kept)


def _root(spans: Sequence[Span]) -> Span | None:
    return next((span for span in spans if not span.parent_id), None)


def _length(spans: Sequence[Span]) -> float:
    root = _root(spans)
    return root.duration if root else 0.0
