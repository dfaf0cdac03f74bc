"""Hours and maintenance windows as time intervals of Alertmanager."""

import calendar
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from bongsu.catalog.models import Maintenance
from bongsu.signals.model import Hours

Period = dict[str, object]
"""One entry below ``time_intervals`` of a named interval."""

_DAY = 24 * 60
_SHORT = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LONG = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
"""In Alertmanager's order, whose ranges begin with Sunday."""


def hours_text(hours: Hours) -> str:
    """``mon,wed 09:00-18:00``, as a catalog writes it."""
    days = "" if len(hours.days) == len(_SHORT) else ",".join(_SHORT[day] for day in hours.days)
    whole = (hours.start, hours.end) == (0, _DAY)
    clock = "" if whole else f"{_clock(hours.start)}-{_clock(hours.end)}"
    return " ".join(part for part in (days, clock) if part) or "00:00-24:00"


def maintenance_name(window: Maintenance, zone: ZoneInfo) -> str:
    """What the interval of a maintenance window is called."""
    if window.start is None or window.end is None:
        return f"maintenance {', '.join(hours_text(hours) for hours in window.every)}"
    start, end = _local(window.start, zone), _local(window.end, zone)
    return f"maintenance {start:%Y-%m-%d %H:%M} - {end:%Y-%m-%d %H:%M}"


def weekly(hours: Sequence[Hours], zone: ZoneInfo) -> list[Period]:
    """Hours of every week; those over midnight end on the day after."""
    periods: list[Period] = []
    for each in hours:
        if each.start < each.end:
            periods.append(_week(each.days, each.start, each.end, zone))
            continue
        periods.append(_week(each.days, each.start, _DAY, zone))
        if each.end:
            following = tuple((day + 1) % 7 for day in each.days)
            periods.append(_week(following, 0, each.end, zone))
    return periods


def maintenance(window: Maintenance, zone: ZoneInfo) -> list[Period]:
    """A window that comes back every week, or the days of one that comes once, by month."""
    if window.start is None or window.end is None:
        return weekly(window.every, zone)
    start = _local(window.start, zone).replace(second=0, microsecond=0)
    end = _local(window.end, zone)
    if end.second or end.microsecond:
        end = end.replace(second=0, microsecond=0) + timedelta(minutes=1)
    periods = []
    for first, last, begin, until in _spans(start, end):
        period: Period = {
            "years": [str(first.year)],
            "months": [str(first.month)],
            "days_of_month": [str(first.day) if first == last else f"{first.day}:{last.day}"],
        }
        periods.append(period | _times(begin, until) | {"location": zone.key})
    return periods


def _spans(start: datetime, end: datetime) -> Iterator[tuple[date, date, int, int]]:
    """``(first day, last day, from minute, to minute)``, each within one month."""
    day, last = start.date(), end.date()
    begin, until = start.hour * 60 + start.minute, end.hour * 60 + end.minute
    if day == last:
        yield day, day, begin, until
        return
    if begin:
        yield day, day, begin, _DAY
        day += timedelta(days=1)
    while day < last:
        length = calendar.monthrange(day.year, day.month)[1]
        whole = min(last - timedelta(days=1), day.replace(day=length))
        yield day, whole, 0, _DAY
        day = whole + timedelta(days=1)
    if until:
        yield last, last, 0, until


def _week(days: Sequence[int], start: int, end: int, zone: ZoneInfo) -> Period:
    period: Period = {}
    if len(set(days)) < len(_LONG):
        period["weekdays"] = _runs(sorted({(day + 1) % 7 for day in days}))
    return period | _times(start, end) | {"location": zone.key}


def _runs(days: Sequence[int]) -> list[str]:
    runs: list[list[int]] = []
    for day in days:
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return [_LONG[r[0]] if len(r) == 1 else f"{_LONG[r[0]]}:{_LONG[r[-1]]}" for r in runs]


def _times(start: int, end: int) -> Period:
    if (start, end) == (0, _DAY):
        return {}
    return {"times": [{"start_time": _clock(start), "end_time": _clock(end)}]}


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _local(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone) if moment.tzinfo else moment.replace(tzinfo=zone)
