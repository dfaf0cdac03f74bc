"""The sources themselves: one that does not answer is an alert of its own, never a silent all-clear."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

import msgspec

from bongsu.incidents.model import Alert, AlertStatus
from bongsu.signals.model import Severity
from bongsu.watch.reading import Reading

_SUMMARY = {
    "en": "no data from {source} since {since}: the services that it watches for are not judged",
    "ko": "{since}부터 {source}에서 데이터를 받지 못하고 있습니다. 이 소스를 쓰는 서비스는 판정되지 않습니다",
}


class Silence(msgspec.Struct, kw_only=True):
    """A source that fails. Times are Unix seconds."""

    since: float
    error: str
    firing: Alert | None = None


@dataclass(slots=True)
class Health:
    """Watches the answers of a round. A source is down when *no* question of a round was answered."""

    hold: float
    """Seconds that a source may fail before people are told."""
    zone: tzinfo
    language: str = "en"
    down: dict[str, Silence] = field(default_factory=dict)
    """Source → what is known of its failure."""

    def step(self, readings: Iterable[Reading], now: float) -> list[Alert]:
        """The alerts about sources that begin or end now."""
        errors: dict[str, list[str]] = {}
        for reading in readings:
            errors.setdefault(reading.source, []).append(reading.error)
        alerts = []
        for source, told in errors.items():
            alert = self._failed(source, told[0], now) if all(told) else self._answered(source, now)
            if alert is not None:
                alerts.append(alert)
        return alerts

    def _failed(self, source: str, error: str, now: float) -> Alert | None:
        state = self.down.setdefault(source, Silence(since=now, error=error))
        state.error = error
        if state.firing is not None or now - state.since < self.hold:
            return None
        clock = datetime.fromtimestamp(state.since, self.zone).strftime("%H:%M")
        summary = _SUMMARY.get(self.language, _SUMMARY["en"]).format(source=source, since=clock)
        state.firing = Alert(
            source="watch",
            fingerprint=hashlib.sha256(f"source\0{source}".encode()).hexdigest()[:16],
            status=AlertStatus.FIRING,
            starts_at=now,
            since=state.since,
            name="source_down",
            severity=Severity.P2,
            summary=summary,
            annotations={"description": error},
        )
        return state.firing

    def _answered(self, source: str, now: float) -> Alert | None:
        state = self.down.pop(source, None)
        if state is None or state.firing is None:
            return None
        return msgspec.structs.replace(state.firing, status=AlertStatus.RESOLVED, ends_at=now)
