"""Evidence from raw observations of two windows, without asking any backend."""

from collections.abc import Mapping, Sequence

from bongsu.analysis.digest import Seen, digest
from bongsu.analysis.model import ChangeEvidence, Evidence, LinkEvidence, MetricEvidence, Window
from bongsu.analysis.numbering import numbered
from bongsu.analysis.peers import learn_peers
from bongsu.sources.base import LogRecord, Span


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
    found = digest(
        Seen(spans_before, logs_before),
        Seen(spans, logs),
        learn_peers([*spans_before, *spans], [], {}),
        (window.start + window.end) / 2,
    )
    return Evidence(
        incident=incident,
        collected_at=window.end,
        onset=window.start,
        window=window,
        baseline=baseline,
        alerts=[{"service": name, "signal": signal} for name, signal in alerting],
        depends_on={name: sorted(callees) for name, callees in sorted((depends_on or {}).items())},
        metrics=numbered("M", metrics),
        logs=found.logs,
        calls=found.calls,
        edges=found.edges,
        changes=numbered("D", changes),
        events=found.events,
        links=numbered("K", links),
        seen_inside=found.seen_inside,
    )
