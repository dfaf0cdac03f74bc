"""Hours of the week as PromQL, whose clock is UTC, and the moments at which rule tests look at them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from bongsu.signals.model import Hours

_FIRST_YEAR, _LAST_YEAR = 2025, 2037
_WEEK = 7 * 1440
_THURSDAY = 3
"""The weekday on which Unix time begins."""


def during(hours: Sequence[Hours], zone: str) -> str:
    """True within any of ``hours`` of the zone; summer time is followed until 2037, as in Unix time zones."""
    parts = [_one(each, _clock(zone)) for each in hours]
    return " or ".join(f"({part})" if len(parts) > 1 else part for part in parts)


def _one(hours: Hours, clock: str) -> str:
    if hours.start < hours.end:
        return _both(_days(hours.days, clock), _within(hours.start, hours.end, clock))
    late = _both(_days(hours.days, clock), _within(hours.start, 1440, clock))
    yesterday = tuple(sorted((day + 1) % 7 for day in hours.days))
    return f"({late}) or ({_both(_days(yesterday, clock), _within(0, hours.end, clock))})"


def _both(days: str, minutes: str) -> str:
    return " and ".join(part for part in (days, minutes) if part) or "vector(1)"


def _days(days: tuple[int, ...], clock: str) -> str:
    """PromQL counts from Sunday, hours of the catalog from Monday."""
    numbers = sorted((day + 1) % 7 for day in days)
    if len(numbers) == 7:
        return ""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    found = f"day_of_week({clock})"
    parts = [f"{found} == {r[0]}" if len(r) == 1 else f"{found} >= {r[0]} <= {r[-1]}" for r in runs]
    return parts[0] if len(parts) == 1 else f"({' or '.join(parts)})"


def _within(start: int, end: int, clock: str) -> str:
    if (start, end) == (0, 1440):
        return ""
    if start % 60 == 0 and end % 60 == 0:
        value, low, high = f"hour({clock})", start // 60, end // 60
    else:
        value, low, high = f"hour({clock}) * 60 + minute({clock})", start, end
    after = f" >= {low}" if start else ""
    before = f" < {high}" if end != 1440 else ""
    return f"{value}{after}{before}"


@cache
def _clock(zone: str) -> str:
    """The zone's wall clock, as seconds that are read as if they were UTC."""
    base, changes = _offsets(zone)
    seconds = f" {'-' if base < 0 else '+'} {abs(base)}" if base else ""
    steps = "".join(
        f" {'-' if change < 0 else '+'} {abs(change)} * (time() >= bool {at})" for at, change in changes
    )
    return f"vector(time(){seconds}{steps})"


@cache
def _offsets(zone: str) -> tuple[int, tuple[tuple[int, int], ...]]:
    """Seconds east of UTC at first, and each later change: ``(Unix second, by how many seconds)``."""
    known = ZoneInfo(zone)

    def offset(at: datetime) -> int:
        return int((at.astimezone(known).utcoffset() or timedelta()).total_seconds())

    begin = datetime(_FIRST_YEAR, 1, 1, tzinfo=UTC)
    hours = (datetime(_LAST_YEAR + 1, 1, 1, tzinfo=UTC) - begin) // timedelta(hours=1)
    days = [begin + timedelta(hours=h) for h in range(0, hours, 24)]
    changes = []
    for day, following in pairwise(days):
        if offset(day) != offset(following):
            moments = (day + timedelta(minutes=15 * n) for n in range(1, 97))
            at = next(moment for moment in moments if offset(moment) != offset(day))
            changes.append((int(at.timestamp()), offset(following) - offset(day)))
    return offset(begin), tuple(changes)


@dataclass(frozen=True, slots=True)
class Spell:
    """A stretch of Unix time in its first two weeks, in seconds: ``start`` inclusive, ``end`` exclusive."""

    start: float
    end: float


def spells(hours: Sequence[Hours], zone: str) -> tuple[list[Spell], list[Spell]]:
    """When ``during`` is true and when it is not, within the first two weeks of Unix time."""
    base, _ = _offsets(zone)
    monday = datetime(2024, 1, 1)  # noqa: DTZ001
    week = [any(monday + timedelta(minutes=m) in each for each in hours) for m in range(_WEEK)]
    shift = base // 60 + _THURSDAY * 1440
    line = [week[(m + shift) % _WEEK] for m in range(2 * _WEEK)]
    active: list[Spell] = []
    rest: list[Spell] = []
    begin = 0
    for minute in range(1, len(line) + 1):
        if minute == len(line) or line[minute] != line[begin]:
            (active if line[begin] else rest).append(Spell(begin * 60.0, minute * 60.0))
            begin = minute
    return active, rest
