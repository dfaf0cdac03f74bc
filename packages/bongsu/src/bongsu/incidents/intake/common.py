"""What the senders' formats share: who an alert is about, how severe it is, when it began."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bongsu.incidents.model import AlertStatus
from bongsu.signals.model import Severity


class IntakeError(Exception):
    """The body is not what the sender's contract says; the text says where and what. Answered with 400."""


_SEVERITIES = {
    "p1": Severity.P1,
    "critical": Severity.P1,
    "page": Severity.P1,
    "emergency": Severity.P1,
    "p2": Severity.P2,
    "high": Severity.P2,
    "error": Severity.P2,
    "major": Severity.P2,
    "p3": Severity.P3,
    "warning": Severity.P3,
    "warn": Severity.P3,
    "medium": Severity.P3,
    "minor": Severity.P3,
    "p4": Severity.P4,
    "info": Severity.P4,
    "low": Severity.P4,
    "none": Severity.P4,
}


def severity_of(labels: Mapping[str, str]) -> Severity:
    """From the ``severity`` (or ``priority``) label; a warning when it says nothing that is known."""
    word = labels.get("severity") or labels.get("priority") or ""
    return _SEVERITIES.get(word.lower(), Severity.P3)


@dataclass(frozen=True, slots=True)
class ServiceIndex:
    """Finds the catalog's service that an alert's labels speak of."""

    selectors: Mapping[str, Mapping[str, str]]
    """Service → the labels that select its telemetry."""

    def find(self, labels: Mapping[str, str]) -> str:
        """The service named by a ``service`` label, else the one whose selector matches best, else ``""``."""
        named = labels.get("service", "")
        if named in self.selectors:
            return named
        matching = [
            (len(selector), name)
            for name, selector in self.selectors.items()
            if selector and all(labels.get(key) == value for key, value in selector.items())
        ]
        return max(matching)[1] if matching else ""


def status_of(text: str) -> AlertStatus:
    try:
        return AlertStatus(text)
    except ValueError:
        raise IntakeError(f"status is {text!r}; it must be firing or resolved") from None


def seconds_of(stamp: datetime | None) -> float | None:
    """Unix seconds, or None for the year-one time that means "not ended"."""
    return None if stamp is None or stamp.year <= 1 else stamp.timestamp()
