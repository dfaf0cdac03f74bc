"""The charts of an incident, from fresh or stored metrics: one a signal that alerted, with every service."""

from collections.abc import Sequence

from bongsu.analysis.model import Evidence, MetricEvidence
from bongsu.console.headline import SignalText
from bongsu.delivery.message import ChartMarker, ChartSeries, ChartSpec
from bongsu.incidents.model import Alert, Incident

LONGEST = 6
"""Charts an incident; an alert storm shows its first signals, the rest are in the list of signals."""
LINES = 6


def charts(
    incident: Incident,
    alerts: Sequence[Alert],
    evidence: Evidence | None,
    recent: Sequence[MetricEvidence],
    signal_text: SignalText,
    *,
    language: str,
    timezone: str,
) -> list[ChartSpec]:
    metrics = recent or (evidence.metrics if evidence else ())
    changes = evidence.changes if evidence else ()
    markers = tuple(ChartMarker(c.at, f"{c.service}: {c.summary}") for c in changes)
    specs = []
    for signal in dict.fromkeys(a.signal for a in alerts if a.signal):
        broken = [a for a in alerts if a.signal == signal]
        read = [m for m in metrics if m.signal == signal]
        series = _series(read, {a.service for a in broken})
        if not any(line.role == "main" for line in series):
            continue
        specs.append(
            ChartSpec(
                title=signal_text(broken[0].service, signal).in_(language) or signal,
                unit=read[0].unit,
                series=series,
                threshold=next((a.threshold for a in broken if a.threshold is not None), None),
                shade=(incident.since, incident.resolved_at),
                markers=markers,
                timezone=timezone,
                language=language,
            )
        )
    return specs[:LONGEST]


def _series(read: Sequence[MetricEvidence], broken: set[str]) -> tuple[ChartSeries, ...]:
    """The services that alerted in full lines first, then the others, the most moved first."""
    first = sorted(read, key=lambda m: (m.service not in broken, -_peak(m), m.service))
    start = min(
        (at for m in read for at, v in zip(m.times, m.values, strict=True) if v is not None), default=0.0
    )
    return tuple(
        ChartSeries(
            m.service,
            tuple(at for at in m.times if at >= start),
            tuple(_short(v) for at, v in zip(m.times, m.values, strict=True) if at >= start),
            "main" if m.service in broken else "context",
        )
        for m in first[:LINES]
        if m.times
    )


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")


def _peak(metric: MetricEvidence) -> float:
    return max((v for v in metric.values if v is not None), default=0.0)
