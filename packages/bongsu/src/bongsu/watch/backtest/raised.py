"""An alert of a replay, and the rules that raised it."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from bongsu.incidents.model import Alert, AlertStatus, Condition
from bongsu.signals.model import Severity

How = Literal["opened", "joined", "reopened"]
"""What the alert did to its incident."""


class Rule(NamedTuple):
    """What fires: the condition of one severity on one signal."""

    signal: str
    severity: Severity
    kind: str
    """threshold, burn_rate or anomaly; of alerts about sources, the alert's name."""
    objective: str = ""

    @classmethod
    def of(cls, signal: str, condition: Condition) -> "Rule":
        return cls(signal, condition.severity, condition.kind, str(condition.detail.get("objective", "")))


@dataclass(slots=True)
class Raised:
    """One alert from its beginning to its end. Times are Unix seconds."""

    service: str
    signal: str
    starts_at: float
    since: float
    """The first bad sample."""
    severity: Severity
    incident: int
    """The number of its incident."""
    how: How
    rules: dict[Rule, float]
    """Each rule that held, and since when; the one that raised it first."""
    ends_at: float | None = None

    @classmethod
    def of(cls, alert: Alert, incident: int, how: How) -> "Raised":
        since = alert.since if alert.since is not None else alert.starts_at
        return cls(alert.service, alert.signal, alert.starts_at, since, alert.severity, incident, how, {})

    @property
    def first(self) -> Rule:
        """The rule that raised it."""
        return next(iter(self.rules))

    @property
    def worst(self) -> Rule:
        """The rule of its present severity."""
        return min(self.rules, key=lambda rule: rule.severity.rank)

    def follow(self, alert: Alert, now: float) -> None:
        """Take over what a later state of the alert says."""
        if alert.status is AlertStatus.RESOLVED:
            self.ends_at = alert.ends_at if alert.ends_at is not None else now
            return
        self.severity = alert.severity
        for condition in alert.conditions:
            self.rules.setdefault(Rule.of(self.signal, condition), now)
        if not self.rules:
            self.rules[Rule(self.signal, alert.severity, alert.name)] = now

    def overlaps(self, start: float, end: float) -> bool:
        return self.starts_at <= end and (self.ends_at is None or self.ends_at >= start)
