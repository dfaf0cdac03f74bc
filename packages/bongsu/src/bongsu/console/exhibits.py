"""Stored evidence as a page shows it: what is cited can be linked to, and long lists are folded."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from bongsu.analysis.exhibit import describe
from bongsu.analysis.formula import Facts, FormulaError
from bongsu.analysis.model import (
    Analysis,
    CallEvidence,
    ChangeEvidence,
    Claim,
    EdgeEvidence,
    EventEvidence,
    Evidence,
    Gap,
    LinkEvidence,
    LogEvidence,
    MetricEvidence,
    Say,
)
from bongsu.console.waterfall import Waterfall, waterfall

MOST_LOGS = 25
MOST_TRACES = 6
MOST_SIGNALS = 80
SIGNALS_SHOWN = 8
SPARK_WIDTH, SPARK_HEIGHT = 120.0, 28.0


class Identified(Protocol):
    @property
    def id(self) -> str: ...


Row = TypeVar("Row", bound=Identified)


@dataclass(frozen=True, slots=True)
class Reading:
    """A signal as a row: its mean before and during, and its course as a polyline a gap."""

    metric: MetricEvidence
    before: float | None
    during: float | None
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CallRow:
    """Calls of one operation or between two services, before and during."""

    name: str
    ids: tuple[str, ...]
    before: tuple[int, int, float] | None
    during: tuple[int, int, float] | None
    """Calls, failed calls, mean duration."""


@dataclass(frozen=True, slots=True)
class LinkRow:
    """Seconds that calls of a connection lose between its two ends, before and during."""

    link: LinkEvidence
    before: float | None
    during: float | None


@dataclass(frozen=True, slots=True)
class Exhibits:
    logs: tuple[LogEvidence, ...] = ()
    loudest: int = 1
    """The largest count of any log row, to which their bars are drawn."""
    traces: tuple[Waterfall, ...] = ()
    readings: tuple[Reading, ...] = ()
    more_readings: tuple[Reading, ...] = ()
    changes: tuple[ChangeEvidence, ...] = ()
    calls: tuple[CallRow, ...] = ()
    events: tuple[EventEvidence, ...] = ()
    """What requests no longer do, or do now: as far as it is cited."""
    links: tuple[LinkRow, ...] = ()
    impact: tuple[Claim, ...] = ()
    gaps: tuple[Gap, ...] = ()
    labels: dict[str, Say] = field(default_factory=dict)
    """Evidence that the page shows, by id, in a line."""

    def label(self, evidence_id: str, language: str) -> str:
        said = self.labels.get(evidence_id)
        return said.in_(language) if said else ""


def anchor(evidence_id: str) -> str:
    return "e-" + re.sub(r"[^A-Za-z0-9_-]", "-", evidence_id)


def exhibits(evidence: Evidence | None, analysis: Analysis | None) -> Exhibits:
    if evidence is None:
        return Exhibits()
    cited = _cited(analysis)
    readings = [_reading(m, evidence) for m in _signals(evidence, cited)]
    shown = max(SIGNALS_SHOWN, sum(1 for r in readings if r.metric.id in cited))
    logs = _first(evidence.logs, cited, MOST_LOGS, key=lambda e: (e.baseline_count > 0, -e.count))
    traces = _first(evidence.traces, cited, MOST_TRACES, key=lambda e: e.why == "clean")
    changes = sorted(evidence.changes, key=lambda c: -c.at)
    calls = _calls(evidence, cited)
    events = [event for event in evidence.events if event.id in cited]
    links = [link for link in evidence.links if link.id in cited]
    facts = Facts(evidence)
    listed: tuple[Sequence[Identified], ...] = (
        [reading.metric for reading in readings],
        logs,
        traces,
        changes,
        events,
        links,
    )
    shown_ids = [row.id for rows in listed for row in rows] + [name for row in calls for name in row.ids]
    gaps = dict.fromkeys([*evidence.gaps, *(analysis.gaps if analysis else [])])
    return Exhibits(
        logs=tuple(logs),
        loudest=max((max(e.count, e.baseline_count) for e in logs), default=1) or 1,
        traces=tuple(w for t in traces if (w := waterfall(t)) is not None),
        readings=tuple(readings[:shown]),
        more_readings=tuple(readings[shown:]),
        changes=tuple(changes),
        calls=tuple(calls),
        events=tuple(events),
        links=tuple(_link(link, facts) for link in links),
        impact=tuple(claim for claim in analysis.claims if claim.kind == "impact") if analysis else (),
        gaps=tuple(gaps),
        labels={name: describe(name, facts) for name in shown_ids},
    )


def _cited(analysis: Analysis | None) -> set[str]:
    if analysis is None:
        return set()
    found = {e for suspect in analysis.suspects for reason in suspect.reasons for e in reason.evidence}
    return found | {e for claim in analysis.claims for e in claim.evidence}


def _link(link: LinkEvidence, facts: Facts) -> LinkRow:
    def lost(window: str) -> float | None:
        try:
            return float(facts.value(f"median({link.id}, {window})"))
        except FormulaError:
            return None

    return LinkRow(link, lost("baseline"), lost("incident"))


def _first(rows: Sequence[Row], cited: set[str], most: int, *, key: Callable[[Row], Any]) -> list[Row]:
    """What is cited, then the best of the rest; cited rows are never left out."""
    first = sorted((r for r in rows if r.id in cited), key=key)
    rest = sorted((r for r in rows if r.id not in cited), key=key)
    return [*first, *rest[: max(0, most - len(first))]]


def _signals(evidence: Evidence, cited: set[str]) -> list[MetricEvidence]:
    alerting = {(a.get("service"), a.get("signal")) for a in evidence.alerts}

    def key(metric: MetricEvidence) -> tuple[bool, str, str]:
        return (metric.service, metric.signal) not in alerting, metric.service, metric.signal

    return _first(evidence.metrics, cited, MOST_SIGNALS, key=key)


def _reading(metric: MetricEvidence, evidence: Evidence) -> Reading:
    def mean(start: float, end: float) -> float | None:
        within = [
            v
            for at, v in zip(metric.times, metric.values, strict=True)
            if v is not None and start <= at <= end and math.isfinite(v)
        ]
        return sum(within) / len(within) if within else None

    return Reading(
        metric,
        mean(evidence.baseline.start, evidence.baseline.end),
        mean(evidence.window.start, evidence.window.end),
        _polylines(metric),
    )


def _polylines(metric: MetricEvidence) -> tuple[str, ...]:
    """The course of ``metric`` as SVG points, one polyline for each run without a gap."""
    finite = [v for v in metric.values if v is not None and math.isfinite(v)]
    if not finite or len(metric.times) < 2:
        return ()
    low, high = min(0.0, *finite), max(finite)
    span = (high - low) or 1.0
    start, length = metric.times[0], (metric.times[-1] - metric.times[0]) or 1.0
    runs: list[list[str]] = [[]]
    for at, value in zip(metric.times, metric.values, strict=True):
        if value is None or not math.isfinite(value):
            runs.append([])
            continue
        x = (at - start) / length * SPARK_WIDTH
        y = SPARK_HEIGHT - 2 - (value - low) / span * (SPARK_HEIGHT - 4)
        runs[-1].append(f"{x:.1f},{y:.1f}")
    return tuple(" ".join(run) for run in runs if len(run) > 1)


def _calls(evidence: Evidence, cited: set[str]) -> list[CallRow]:
    """Only what is cited, each row with both of its windows where both were read."""
    rows: list[CallRow] = []
    operations: dict[tuple[str, str], dict[str, CallEvidence]] = {}
    for call in evidence.calls:
        operations.setdefault((call.service, call.operation), {})[call.window] = call
    for (service, operation), windows in operations.items():
        name = f"{service} · {operation}"
        rows.append(
            CallRow(
                name,
                tuple(c.id for c in windows.values()),
                *(
                    (w.count, w.errors, w.mean) if (w := windows.get(which)) else None
                    for which in ("baseline", "incident")
                ),
            )
        )
    edges: dict[tuple[str, str], dict[str, EdgeEvidence]] = {}
    for edge in evidence.edges:
        edges.setdefault((edge.caller, edge.callee), {})[edge.window] = edge
    for (caller, callee), sides in edges.items():
        rows.append(
            CallRow(
                f"{caller} → {callee}",
                tuple(e.id for e in sides.values()),
                *(
                    (e.calls, e.client_errors, e.client_mean) if (e := sides.get(which)) else None
                    for which in ("baseline", "incident")
                ),
            )
        )
    return [row for row in rows if cited.intersection(row.ids)]
