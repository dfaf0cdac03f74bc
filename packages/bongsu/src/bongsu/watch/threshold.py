"""Judgement by threshold: a condition must hold for its ``for``, and be clear for a while to resolve."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from bongsu.incidents.model import Alert, AlertStatus
from bongsu.signals.model import AnySignal, Presence, Severity


class Track(msgspec.Struct, kw_only=True):
    """What is remembered of one signal of one service. Times are Unix seconds."""

    since: dict[Severity, float] = {}
    """Since when each severity's condition has held without a break."""
    firing: Alert | None = None
    clear_since: float | None = None

    @property
    def idle(self) -> bool:
        return not self.since and self.firing is None


@dataclass(slots=True)
class Judge:
    """Turns the values of a signal into alerts. ``step`` must be called with growing times.

    A missing value holds no condition, except for presence, where missing means down: an absent error
    ratio is no error, and a target that is gone is.
    """

    resolve_after: float
    language: str = "en"
    tracks: dict[str, Track] = field(default_factory=dict)

    def step(
        self, name: str, signal: AnySignal, values: Mapping[str, float | None], now: float
    ) -> list[Alert]:
        """The alerts that begin, change severity or end now. ``values`` has every service that is watched."""
        alerts = []
        for service, value in values.items():
            key = f"{service}/{name}"
            track = self.tracks.get(key) or Track()
            if value is None and isinstance(signal, Presence):
                value = 0.0
            alert = self._judge(track, service, name, signal, value, now)
            if alert is not None:
                alerts.append(alert)
            if track.idle:
                self.tracks.pop(key, None)
            else:
                self.tracks[key] = track
        return alerts

    def _judge(
        self, track: Track, service: str, name: str, signal: AnySignal, value: float | None, now: float
    ) -> Alert | None:
        met = _met(signal, value)
        track.since = {s: track.since.get(s, now) for s in met}
        due = [s for s in met if now - track.since[s] >= signal.thresholds[s].for_]
        if due:
            track.clear_since = None
            return self._fire(track, service, name, signal, value, min(due, key=lambda s: s.rank), now)
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

    def _fire(
        self,
        track: Track,
        service: str,
        name: str,
        signal: AnySignal,
        value: float | None,
        severity: Severity,
        now: float,
    ) -> Alert | None:
        threshold = signal.thresholds[severity]
        if track.firing is not None:
            # Severity only grows while an alert lasts: a fault that wavers does not page down and up.
            if severity.rank >= track.firing.severity.rank:
                return None
            track.firing = msgspec.structs.replace(
                track.firing, severity=severity, value=value, threshold=threshold.value
            )
            return track.firing
        track.firing = Alert(
            source="watch",
            fingerprint=hashlib.sha256(f"{service}\0{name}".encode()).hexdigest()[:16],
            status=AlertStatus.FIRING,
            starts_at=now,
            name=name,
            service=service,
            signal=name,
            severity=severity,
            summary=f"{service}: {signal.trouble.in_(self.language) or name}",
            value=value,
            threshold=threshold.value,
            unit=signal.unit,
            since=min(track.since.values()),
        )
        return track.firing


def _met(signal: AnySignal, value: float | None) -> list[Severity]:
    if value is None:
        return []
    return [severity for severity, threshold in signal.thresholds.items() if threshold.holds(value)]
