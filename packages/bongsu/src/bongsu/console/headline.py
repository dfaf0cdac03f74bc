"""An incident's title in the reader's language, and the order in which its alerts are told."""

from collections.abc import Callable, Sequence

from bongsu.incidents.model import Alert, AlertStatus, Incident
from bongsu.signals.model import Text

SignalText = Callable[[str, str], Text]


def headline(incident: Incident, alerts: Sequence[Alert], signal_text: SignalText, language: str) -> str:
    own = [a for a in alerts if a.service == incident.service] or list(alerts)
    leading = min(own, key=lambda a: (a.severity.rank, a.starts_at), default=None)
    if leading is None or not leading.signal:
        return incident.title
    what = signal_text(leading.service, leading.signal).in_(language)
    return f"{leading.service}: {what}" if what else incident.title


def ordered(alerts: Sequence[Alert]) -> list[Alert]:
    """Firing first, then the most severe; a condition that fired twice is told once."""
    newest = {(a.source, a.fingerprint): a for a in sorted(alerts, key=lambda a: a.starts_at)}
    return sorted(
        newest.values(), key=lambda a: (a.status is not AlertStatus.FIRING, a.severity.rank, a.starts_at)
    )


def what_broke(alert: Alert, signal_text: SignalText, language: str) -> str:
    said = signal_text(alert.service, alert.signal).in_(language) if alert.signal else ""
    return said or alert.summary or alert.name
