"""An incident's title in the reader's language."""

from collections.abc import Callable, Sequence

from bongsu.incidents.model import Alert, Incident
from bongsu.incidents.telling import leading
from bongsu.signals.model import Text

SignalText = Callable[[str, str], Text]


def headline(incident: Incident, alerts: Sequence[Alert], signal_text: SignalText, language: str) -> str:
    worst = leading(incident, alerts)
    if worst is None or not worst.signal:
        return incident.title
    what = signal_text(worst.service, worst.signal).in_(language)
    return f"{worst.service}: {what}" if what else incident.title


def what_broke(alert: Alert, signal_text: SignalText, language: str) -> str:
    said = signal_text(alert.service, alert.signal).in_(language) if alert.signal else ""
    return said or alert.summary or alert.name
