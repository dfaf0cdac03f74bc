"""From conditions to alerts: each must hold for its ``for``, and be clear for a while to resolve."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

import msgspec

from bongsu.incidents.model import Alert, AlertStatus, Condition
from bongsu.signals.model import AnySignal
from bongsu.watch import threshold


class Track(msgspec.Struct, kw_only=True):
    """What is remembered of one signal of one service. Times are Unix seconds."""

    since: dict[str, float] = {}
    """Condition → since when it has held without a break."""
    firing: Alert | None = None
    clear_since: float | None = None

    @property
    def idle(self) -> bool:
        return not self.since and self.firing is None


Found = Mapping[str, Sequence[Condition]]
"""Service → the conditions that other judges have found met by now."""


@dataclass(slots=True)
class Judge:
    """Turns the values of a signal into alerts. ``step`` must be called with growing times.

    Every reason for which a signal of a service is bad — a threshold, an objective that burns, an anomaly —
    belongs to the one alert of that signal and service, whose severity is the worst of them.

    Outside a signal's ``active`` hours no condition holds: nothing begins, what was pending is forgotten, and
    what fires ends after ``resolve_after``, as if it were clear.
    """

    resolve_after: float
    language: str = "en"
    zone: tzinfo = UTC
    """Of the catalog, in which hours are meant."""
    tracks: dict[str, Track] = field(default_factory=dict)

    def step(
        self,
        name: str,
        signal: AnySignal,
        values: Mapping[str, float | None],
        now: float,
        found: Found | None = None,
    ) -> list[Alert]:
        """The alerts that begin, change or end now. ``values`` has every service that is watched."""
        alerts = []
        awake = self.awake(signal, now)
        for service, value in values.items():
            key = f"{service}/{name}"
            track = self.tracks.get(key)
            met = threshold.conditions(signal, value) if awake else []
            if awake and found:
                met = [*met, *found.get(service, ())]
            if track is None:
                if not met:
                    continue
                track = Track()
            alert = self._judge(track, service, name, signal, met, now)
            if alert is not None:
                alerts.append(alert)
            if track.idle:
                self.tracks.pop(key, None)
            else:
                self.tracks[key] = track
        return alerts

    def awake(self, signal: AnySignal, now: float) -> bool:
        """Whether ``now`` lies within the signal's hours."""
        if not signal.active:
            return True
        local = datetime.fromtimestamp(now, self.zone)
        return any(local in hours for hours in signal.active)

    def _judge(
        self,
        track: Track,
        service: str,
        name: str,
        signal: AnySignal,
        met: Sequence[Condition],
        now: float,
    ) -> Alert | None:
        track.since = {c.key: track.since.get(c.key, now) for c in met}
        due = [c for c in met if now - track.since[c.key] >= _hold(signal, c)]
        if due:
            track.clear_since = None
            reasons = tuple(sorted(due, key=lambda c: (c.severity.rank, c.kind != "threshold")))
            if track.firing is None:
                return self._begin(track, service, name, signal, reasons, now)
            return _continue(track, reasons)
        if track.firing is None or met:
            track.clear_since = None
            return None
        if track.clear_since is None:
            track.clear_since = now
        if now - track.clear_since < self.resolve_after:
            return None
        ended = msgspec.structs.replace(track.firing, status=AlertStatus.RESOLVED, ends_at=track.clear_since)
        track.firing = track.clear_since = None
        return ended

    def _begin(
        self,
        track: Track,
        service: str,
        name: str,
        signal: AnySignal,
        reasons: tuple[Condition, ...],
        now: float,
    ) -> Alert:
        first = reasons[0]
        value, limit = _shown(first)
        track.firing = Alert(
            source="watch",
            fingerprint=hashlib.sha256(f"{service}\0{name}".encode()).hexdigest()[:16],
            status=AlertStatus.FIRING,
            starts_at=now,
            name=name,
            service=service,
            signal=name,
            severity=first.severity,
            summary=f"{service}: {signal.trouble.in_(self.language) or name}",
            unit=signal.unit,
            since=min(track.since.values()),
            conditions=reasons,
            value=value,
            threshold=limit,
        )
        return track.firing


def _continue(track: Track, reasons: tuple[Condition, ...]) -> Alert | None:
    """The alert anew when it is worse or has a further reason.

    Severity only grows while an alert lasts: a fault that wavers does not page down and up.
    """
    before = track.firing
    assert before is not None
    known = {condition.key for condition in before.conditions}
    new = [condition for condition in reasons if condition.key not in known]
    worse = reasons[0].severity.rank < before.severity.rank
    if not worse and not any(condition.kind not in {c.kind for c in before.conditions} for condition in new):
        return None
    all_ = tuple(sorted((*before.conditions, *new), key=lambda c: (c.severity.rank, c.kind != "threshold")))
    track.firing = msgspec.structs.replace(before, conditions=all_)
    if worse:
        value, limit = _shown(reasons[0])
        track.firing = msgspec.structs.replace(
            track.firing, severity=reasons[0].severity, value=value, threshold=limit
        )
    return track.firing


def _hold(signal: AnySignal, condition: Condition) -> float:
    """How long a condition must last: a threshold its ``for``; the other judges look back by themselves."""
    return signal.thresholds[condition.severity].for_ if condition.kind == "threshold" else 0.0


def _shown(condition: Condition) -> tuple[float | None, float | None]:
    """The value and threshold of the alert, where they are in the signal's unit."""
    return (None, None) if condition.kind == "burn_rate" else (condition.value, condition.limit)
