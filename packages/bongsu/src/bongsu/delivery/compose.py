"""From an incident and what is known of it to what a message says, in the reader's language. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from bongsu.analysis.model import Analysis, Evidence, MetricEvidence
from bongsu.catalog import Catalog
from bongsu.delivery.message import (
    AlertLine,
    ChartMarker,
    ChartSeries,
    ChartSpec,
    Link,
    Mention,
    Message,
    MessageState,
    SuspectLine,
)
from bongsu.delivery.reasons import reasons
from bongsu.incidents.model import Alert, AlertStatus, Incident, IncidentStatus
from bongsu.incidents.telling import leading, ordered
from bongsu.signals.model import AnySignal

Calls = bool | Literal["here"]
"""Whether a message calls on the owner; ``here`` calls on everybody present as well."""

SignalOf = Callable[[str, str], AnySignal | None]
"""``(service, signal)`` → the signal, where the catalog knows it."""

_STATES: dict[IncidentStatus, MessageState] = {
    IncidentStatus.OPEN: "open",
    IncidentStatus.ACKNOWLEDGED: "acknowledged",
    IncidentStatus.RESOLVED: "resolved",
}
_LABELS = {"en": ("Incident", "Runbook", "Dashboard"), "ko": ("장애 상세", "대응 절차", "대시보드")}


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known of an incident when a message about it is written."""

    incident: Incident
    alerts: Sequence[Alert]
    evidence: Evidence | None = None
    analysis: Analysis | None = None
    recent: Sequence[MetricEvidence] = ()
    """The alerting signals up to now, fresher than the evidence."""


def compose(known: Known, catalog: Catalog, signal_of: SignalOf, *, language: str, mention: Calls) -> Message:
    incident = known.incident
    evidence, analysis = known.evidence, known.analysis
    return Message(
        number=incident.number,
        state=_STATES[incident.status],
        severity=incident.severity,
        title=_title(known, signal_of, language),
        service=incident.service,
        owner=_owner_name(catalog, incident.owner),
        since=incident.since,
        resolved_at=incident.resolved_at,
        alerts=tuple(_alert_line(a, signal_of, language) for a in ordered(incident, known.alerts)),
        suspects=_suspects(analysis, language),
        changes=_changes(known, language),
        logs=_logs(evidence, analysis),
        links=_links(catalog, incident, language),
        mention=_mention(catalog, incident.owner, mention),
        acknowledged_by=incident.acknowledged_by,
        chart=chart(known, catalog, signal_of, language),
        language=language,
        timezone=catalog.timezone,
        gaps=tuple(g.in_(language) for g in analysis.gaps if not g.minor) if analysis else (),
    )


def _title(known: Known, signal_of: SignalOf, language: str) -> str:
    worst = leading(known.incident, known.alerts)
    if worst is None or not worst.signal:
        return known.incident.title
    signal = signal_of(worst.service, worst.signal)
    return f"{worst.service}: {signal.trouble.in_(language)}" if signal else known.incident.title


def _alert_line(alert: Alert, signal_of: SignalOf, language: str) -> AlertLine:
    signal = signal_of(alert.service, alert.signal)
    # What an anomaly is compared with is what was expected, which is no threshold.
    unusual = bool(alert.conditions) and alert.conditions[0].kind == "anomaly"
    return AlertLine(
        service=alert.service,
        what=signal.help.in_(language) if signal else alert.summary or alert.name,
        value=alert.value,
        threshold=None if unusual else alert.threshold,
        unit=alert.unit or "count",
        firing=alert.status is AlertStatus.FIRING,
        reasons=reasons(alert.conditions, alert.unit or "count", language),
    )


def _suspects(analysis: Analysis | None, language: str) -> tuple[SuspectLine, ...]:
    if analysis is None:
        return ()
    return tuple(
        SuspectLine(s.service, tuple(reason.text.in_(language) for reason in s.reasons))
        for s in analysis.suspects[:3]
    )


def _changes(known: Known, language: str) -> tuple[str, ...]:
    """Those before the incident was opened; the one that fits what is seen first, and says so."""
    evidence, blamed = known.evidence, known.analysis.blame if known.analysis else None
    if evidence is None:
        return ()
    named = blamed.change if blamed else ""
    rest = [c.summary for c in evidence.changes if c.at <= known.incident.opened_at and c.id != named]
    return ((blamed.text.in_(language),) if blamed else ()) + tuple(rest)


def _logs(evidence: Evidence | None, analysis: Analysis | None) -> tuple[str, ...]:
    """Error lines of the first suspect, else of anybody, those that are new first."""
    if evidence is None:
        return ()
    first = analysis.suspects[0].service if analysis and analysis.suspects else ""
    lines = sorted(evidence.logs, key=lambda e: (e.service != first, e.baseline_count > 0, -e.count, e.id))
    return tuple(f"{entry.service} ×{entry.count}  {entry.example}" for entry in lines[:2])


def _links(catalog: Catalog, incident: Incident, language: str) -> tuple[Link, ...]:
    page, runbook, dashboard = _LABELS.get(language, _LABELS["en"])
    links = []
    if catalog.url:
        links.append(Link(page, f"{catalog.url.rstrip('/')}/incidents/{incident.id}"))
    service = catalog.services.get(incident.service)
    if service is not None and service.runbook:
        links.append(Link(runbook, service.runbook))
    if service is not None and service.dashboard:
        links.append(Link(dashboard, service.dashboard))
    return tuple(links)


def _owner_name(catalog: Catalog, owner: str) -> str:
    declared = catalog.owners.get(owner)
    return (declared.name if declared else "") or owner


def _mention(catalog: Catalog, owner: str, calls: Calls) -> Mention | None:
    declared = catalog.owners.get(owner)
    here = calls == "here"
    role, user = (declared.discord.role, declared.discord.user) if declared else ("", "")
    if not calls or not (role or user or here):
        return None
    return Mention(role_id=role, user_id=user, here=here)


def chart(known: Known, catalog: Catalog, signal_of: SignalOf, language: str) -> ChartSpec | None:
    """The leading signal with its threshold, the incident shaded and the changes marked."""
    worst = leading(known.incident, known.alerts)
    if worst is None or not worst.signal:
        return None
    series = _series(known, worst)
    if series is None:
        return None
    times, values = series
    incident = known.incident
    changes = known.evidence.changes if known.evidence else []
    start = times[0] if times else incident.since
    signal = signal_of(worst.service, worst.signal)
    what = signal.help.in_(language) if signal else worst.signal
    return ChartSpec(
        title=f"{worst.service}: {what}",
        unit=worst.unit or "count",
        series=(ChartSeries(worst.service, times, values),),
        threshold=worst.threshold,
        shade=(incident.since, incident.resolved_at),
        markers=tuple(ChartMarker(c.at, c.summary) for c in changes if start <= c.at),
        timezone=catalog.timezone,
        language=language,
    )


def _series(known: Known, alert: Alert) -> tuple[tuple[float, ...], tuple[float | None, ...]] | None:
    """The alert's signal from its first value on: what lies before the telemetry began is no picture."""
    stored = known.evidence.metrics if known.evidence else ()
    own = (m for m in (*known.recent, *stored) if m.service == alert.service and m.signal == alert.signal)
    metric = next(own, None)
    if metric is None:
        return None
    first = next((i for i, value in enumerate(metric.values) if value is not None), len(metric.values))
    return tuple(metric.times[first:]), tuple(metric.values[first:])
