"""Judgement by threshold: a condition must hold for its ``for``, and be clear for a while to resolve."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

import msgspec

from bongsu.incidents.model import Alert, AlertStatus
from bongsu.signals.model import AnySignal, Severity


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

    A missing value (None) holds no condition: an absent error ratio is no error. Where the signal says
    ``absent: alert``, as presence does, it holds the conditions of all its thresholds, whatever they compare
    with, each for its own ``for``. NaN is a value: it is compared.

    Outside a signal's ``active`` hours no condition holds: nothing begins, what was pending is forgotten, and
    what fires ends after ``resolve_after``, as if it were clear.
    """

    resolve_after: float
    language: str = "en"
    zone: tzinfo = UTC
    """Of the catalog, in which hours are meant."""
    tracks: dict[str, Track] = field(default_factory=dict)

    def step(
        self, name: str, signal: AnySignal, values: Mapping[str, float | None], now: float
    ) -> list[Alert]:
        """The alerts that begin, change severity or end now. ``values`` has every service that is watched."""
        alerts = []
        for service, value in values.items():
            key = f"{service}/{name}"
            track = self.tracks.get(key) or Track()
            alert = self._judge(track, service, name, signal, value, now)
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
        self, track: Track, service: str, name: str, signal: AnySignal, value: float | None, now: float
    ) -> Alert | None:
        met = _met(signal, value) if self.awake(signal, now) else []
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
        value = None if value is None or math.isnan(value) else value
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
        return list(signal.thresholds) if signal.absent == "alert" else []
    return [severity for severity, threshold in signal.thresholds.items() if threshold.holds(value)]
