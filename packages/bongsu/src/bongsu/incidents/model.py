"""Alerts, incidents and what happened to them. Times are Unix seconds."""

from enum import StrEnum
from typing import Literal

import msgspec

from bongsu.signals.model import Severity


class AlertStatus(StrEnum):
    FIRING = "firing"
    RESOLVED = "resolved"


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """One reason for an alert. An alert of the watch has every reason that names the same problem."""

    kind: Literal["threshold", "burn_rate", "anomaly"]
    severity: Severity
    value: float | None = None
    """What was read, in the signal's unit; None where nothing was. For ``burn_rate``: how many times as fast
    as the objective allows its budget burns."""
    limit: float | None = None
    """What ``value`` is compared with; for ``anomaly`` what was expected."""
    detail: dict[str, str | float | None] = {}
    """``burn_rate``: ``objective``, ``short`` and ``long`` (seconds). ``anomaly``: what the detector says."""

    @property
    def key(self) -> str:
        """What stays the same while the condition lasts."""
        name = str(self.detail.get("objective", ""))
        return ":".join(filter(None, (self.kind, self.severity.value, name)))


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One firing condition on one target. Identity is ``(source, fingerprint, starts_at)``."""

    source: str
    """``watch``, or the webhook that brought it: ``alertmanager``, ``grafana``."""
    fingerprint: str
    status: AlertStatus
    starts_at: float
    ends_at: float | None = None
    name: str
    """The rule's name, which a person can read."""
    service: str = ""
    """Empty when no service of the catalog matches."""
    signal: str = ""
    severity: Severity
    summary: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    value: float | None = None
    threshold: float | None = None
    unit: str = ""
    since: float | None = None
    """First bad sample, where the source knows it (a rule's ``for`` lies between this and starts_at)."""
    url: str = ""
    conditions: tuple[Condition, ...] = ()
    """Why it fires, the worst first, where the watch has judged it."""


class IncidentStatus(StrEnum):
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """What people act on: one or more alerts that belong together."""

    id: str
    number: int
    status: IncidentStatus
    severity: Severity
    title: str
    service: str
    owner: str
    since: float
    """The first bad sample of its first alert."""
    opened_at: float
    resolved_at: float | None = None
    acknowledged_at: float | None = None
    acknowledged_by: str = ""
    version: int = 1
    """Grows with every change that people should see."""
    episode: int = 1
    """Grows when a resolved incident reopens."""


Detail = dict[str, str | float | int | None]


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an incident's timeline: what happened is data, which its readers put into words.

    Where an alert is meant, ``detail`` has its ``service``, its ``signal`` and what it calls itself,
    ``alert``; where a further reason came up, also its kind, ``condition``; where it joined, also ``other``
    and ``why`` (same_service, depends_on, dependent); where it escalated, the severities ``before`` and
    ``after``. An analysis has its first ``suspect`` or None, a delivery its ``channel``, and what failed its
    ``error``.
    """

    incident: str
    at: float
    kind: str
    """first_bad_sample, alert, joined, opened, reopened, escalated, condition, analysed, analysis_failed,
    delivered, refused, acknowledged, silenced, note, alert_resolved, resolved, closed."""
    text: str = ""
    """A person's own words."""
    actor: str = ""
    detail: Detail = {}


class DeliveryState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    REFUSED = "refused"
    SILENCED = "silenced"


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One message to one channel, with its receipt."""

    incident: str
    channel: str
    kind: str
    """The channel's kind: ``discord``."""
    state: DeliveryState
    receipt: str = ""
    """The destination's own id of the message, by which it is edited later."""
    version: int = 0
    """The incident's version that the destination shows now."""
    attempts: int = 0
    """How often this version was tried, or the one before it while nothing newer was."""
    error: str = ""
    updated_at: float = 0.0


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """Do not tell people of this service (and signal, where given) until ``ends_at``."""

    id: str
    service: str
    signal: str = ""
    starts_at: float
    ends_at: float
    actor: str
    comment: str = ""
