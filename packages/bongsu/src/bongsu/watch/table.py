"""What the watch has read and judged, a row for each signal of each service."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from bongsu.signals.model import Severity
from bongsu.watch.judge import Track
from bongsu.watch.judgement import Judgement
from bongsu.watch.reading import Reading, key

State = Literal["ok", "pending", "firing", "asleep", "no_data", "error"]
_ORDER: Sequence[State] = ("firing", "pending", "error", "no_data", "ok", "asleep")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    service: str
    signal: str
    source: str
    unit: str
    value: float | None
    state: State
    severity: Severity | None = None
    """Of what fires, or else of what is pending."""
    since: float | None = None
    """Since when the condition holds, Unix seconds."""
    hold: float = 0.0
    """Seconds for which a pending condition must hold."""
    reasons: tuple[str, ...] = ()
    """The kinds of conditions that hold: threshold, burn_rate, anomaly."""
    error: str = ""


def rows(judgement: Judgement, readings: Mapping[str, Reading], now: float) -> list[Row]:
    """Every service and signal that is judged, what is worst first."""
    found = []
    for query in judgement.queries:
        reading = readings.get(key(query))
        if reading is None or not query.signal.thresholds:
            continue
        asleep = not judgement.judge.awake(query.signal, now)
        for service, value in reading.values.items():
            track = judgement.judge.tracks.get(f"{service}/{query.name}")
            found.append(_row(service, reading, value, track, asleep=asleep))
    return sorted(found, key=_rank)


def _row(service: str, reading: Reading, value: float | None, track: Track | None, *, asleep: bool) -> Row:
    known = None if value is None or math.isnan(value) else value
    signal = reading.signal
    state: State = "error" if reading.error else "no_data" if known is None else "ok"
    row = Row(
        service=service,
        signal=reading.name,
        source=reading.source,
        unit=signal.unit,
        value=known,
        state="asleep" if asleep else state,
        error=reading.error,
    )
    if track is not None and track.firing is not None:
        alert = track.firing
        return msgspec.structs.replace(
            row,
            state="firing",
            severity=alert.severity,
            since=alert.since,
            reasons=tuple(dict.fromkeys(c.kind for c in alert.conditions)),
        )
    if track is not None and track.since:
        first = min(track.since, key=lambda name: Severity(name.split(":")[1]).rank)
        kind, severity = first.split(":")[:2]
        hold = signal.thresholds[Severity(severity)].for_ if kind == "threshold" else 0.0
        return msgspec.structs.replace(
            row,
            state="pending",
            severity=Severity(severity),
            since=track.since[first],
            hold=hold,
            reasons=(kind,),
        )
    return row


def _rank(row: Row) -> tuple[int, int, str, str]:
    return _ORDER.index(row.state), row.severity.rank if row.severity else 9, row.service, row.signal
