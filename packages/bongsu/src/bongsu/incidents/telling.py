"""In which order an incident's alerts are told, wherever they are told. Pure functions."""

from collections.abc import Sequence

from bongsu.incidents.model import Alert, AlertStatus, Incident


def leading(incident: Incident, alerts: Sequence[Alert]) -> Alert | None:
    """The alert in whose name the incident stands: the worst, then the first, of its own service."""
    own = [a for a in alerts if a.service == incident.service] or list(alerts)
    return min(own, key=lambda a: (a.severity.rank, a.starts_at), default=None)


def ordered(incident: Incident, alerts: Sequence[Alert]) -> list[Alert]:
    """Firing first, then the most severe, then the incident's own; what fired twice is told once."""
    newest = {(a.source, a.fingerprint): a for a in sorted(alerts, key=lambda a: a.starts_at)}
    return sorted(
        newest.values(),
        key=lambda a: (
            a.status is not AlertStatus.FIRING,
            a.severity.rank,
            a.service != incident.service,
            a.starts_at,
        ),
    )
