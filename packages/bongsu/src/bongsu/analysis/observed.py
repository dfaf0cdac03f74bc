"""Evidence from raw observations of two windows, without asking any backend."""

from collections.abc import Mapping, Sequence

from bongsu.analysis.aggregate import aggregate
from bongsu.analysis.loglines import LineMiner, MinedLine, grown_templates, severity_rank
from bongsu.analysis.model import ChangeEvidence, Evidence, LinkEvidence, MetricEvidence, Window
from bongsu.analysis.numbering import numbered
from bongsu.analysis.peers import learn_peers
from bongsu.analysis.spans import Forest
from bongsu.analysis.structure import event_evidence, requests
from bongsu.sources.base import LogRecord, Span

_WARNING = severity_rank("WARN")


def observe(
    *,
    incident: str,
    window: Window,
    baseline: Window,
    alerting: Sequence[tuple[str, str]],
    metrics: Sequence[MetricEvidence] = (),
    spans_before: Sequence[Span] = (),
    spans: Sequence[Span] = (),
    logs_before: Sequence[LogRecord] = (),
    logs: Sequence[LogRecord] = (),
    changes: Sequence[ChangeEvidence] = (),
    links: Sequence[LinkEvidence] = (),
    depends_on: Mapping[str, Sequence[str]] | None = None,
) -> Evidence:
    """The evidence of one incident. ``alerting`` are services and their signals; ``spans_before`` and
    ``logs_before`` may come from any clean stretch."""
    peers = learn_peers([*spans_before, *spans], [], {})
    miner = LineMiner()
    lines_before = miner.mine(logs_before)
    lines = miner.mine(logs)
    forest_before, forest = Forest.of(spans_before), Forest.of(spans)
    calls_before, edges_before = aggregate(forest_before, peers, "baseline")
    calls, edges = aggregate(forest, peers, "incident")
    before = requests(forest_before, lines_before)
    during = requests(forest, lines, (window.start + window.end) / 2)
    return Evidence(
        incident=incident,
        collected_at=window.end,
        onset=window.start,
        window=window,
        baseline=baseline,
        alerts=[{"service": name, "signal": signal} for name, signal in alerting],
        depends_on={name: sorted(callees) for name, callees in sorted((depends_on or {}).items())},
        metrics=numbered("M", metrics),
        logs=numbered("L", grown_templates(_severe(lines_before), _severe(lines))),
        calls=numbered("C", [*calls_before, *calls]),
        edges=numbered("E", [*edges_before, *edges]),
        changes=numbered("D", changes),
        events=numbered("V", event_evidence(before, during)),
        links=numbered("K", links),
        seen_inside=sorted(before.seen_inside | during.seen_inside),
    )


def _severe(lines: Sequence[MinedLine]) -> list[MinedLine]:
    return [line for line in lines if severity_rank(line.record.severity) <= _WARNING]
