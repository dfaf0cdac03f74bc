"""What the axes of a chart show: its span, its scale and its ticks. Pure; times are Unix seconds."""

import math
import statistics
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from bongsu.delivery import words
from bongsu.delivery.message import ChartSeries, ChartSpec

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_TIME_STEPS = (
    *(1, 2, 5, 10, 15, 30),
    *(_MINUTE * n for n in (1, 2, 5, 10, 15, 30)),
    *(_HOUR * n for n in (1, 2, 3, 6, 12)),
    *(_DAY * n for n in (1, 2, 7, 14, 30, 90)),
)
_MOST_TIMES, _MOST_VALUES = 6, 5
_GAP = 3.5
"""A line breaks where samples are further apart than this many usual steps."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The unit that an axis is written in: a value divided by ``factor`` is followed by ``suffix``."""

    factor: float
    suffix: str


def span(spec: ChartSpec) -> tuple[float, float]:
    """From the first sample to the last, never empty."""
    times = [t for series in spec.series for t in series.times if math.isfinite(t)]
    if not times and spec.shade:
        times = [spec.shade[0] - 300, spec.shade[1] or spec.shade[0] + 300]
    start, end = (min(times), max(times)) if times else (0.0, 60.0)
    return (start, end) if end > start else (start - 30, start + 30)


def bounds(spec: ChartSpec, headroom: float) -> tuple[float, float]:
    """Lowest and highest value shown, ``headroom`` being the share kept free above the data.

    The axis begins at zero, but for values that all lie in a narrow band far from it.
    """
    if spec.unit == "bool":
        return -0.08, 1.1 + headroom
    values = _finite(spec) or [0.0, 1.0]
    lowest, highest = min(values), max(values)
    spread = highest - lowest
    if 0 < spread < 0.1 * highest and lowest > 0:
        return lowest - 0.3 * spread, highest + (0.2 + headroom) * spread
    floor = lowest - 0.1 * spread if lowest < 0 else 0.0
    return floor, floor + ((highest - floor) or 1.0) * (1 + headroom)


def _finite(spec: ChartSpec) -> list[float]:
    values = [v for s in spec.series for v in s.values if v is not None and math.isfinite(v)]
    if spec.threshold is not None and math.isfinite(spec.threshold):
        values.append(spec.threshold)
    return values


def scale(unit: str, highest: float, language: str) -> Scale:
    """The unit in which values up to ``highest`` are short to write."""
    size, korean = abs(highest), language == "ko"
    match unit:
        case "ratio":
            return Scale(0.01, "%")
        case "s":
            steps = (
                (0.001, Scale(1e-6, " µs")),
                (1.2, Scale(1e-3, " ms")),
                (300, Scale(1.0, "초" if korean else " s")),
                (4 * _HOUR, Scale(60.0, "분" if korean else " min")),
                (math.inf, Scale(3600.0, "시간" if korean else " h")),
            )
            return next(found for most, found in steps if size < most)
        case "bytes" | "bytes_per_second":
            step = min(4, int(math.log(size, 1024))) if size >= 1024 else 0
            name = ("B", "KiB", "MiB", "GiB", "TiB")[step]
            return Scale(1024.0**step, f" {name}" + ("/s" if unit == "bytes_per_second" else ""))
        case "per_second":
            return Scale(1.0, "/s")
        case "celsius":
            return Scale(1.0, " °C")
        case _:
            return Scale(1.0, "")


def value_ticks(spec: ChartSpec, lowest: float, highest: float) -> tuple[list[float], list[str]]:
    """Positions in base units and their labels, each with its unit."""
    if spec.unit == "bool":
        return [0.0, 1.0], [words.number(v, "bool", spec.language) for v in (0.0, 1.0)]
    unit = scale(spec.unit, highest, spec.language)
    step = _nice((highest - lowest) / unit.factor / _MOST_VALUES)
    if spec.unit == "count":
        step = max(step, 1.0)
    first = math.ceil(lowest / unit.factor / step - 1e-9)
    last = math.floor(highest / unit.factor / step + 1e-9)
    marks = [n * step for n in range(first, last + 1)]
    if spec.unit == "ratio" and max(_finite(spec), default=0.0) <= 1:
        marks = [mark for mark in marks if mark <= 100]
    places = max(0, -math.floor(math.log10(step) + 1e-9))
    if not math.isclose(step, round(step, places), rel_tol=1e-6):
        places += 1
    return [mark * unit.factor for mark in marks], [f"{mark:,.{places}f}{unit.suffix}" for mark in marks]


def _nice(rough: float) -> float:
    """The next of 1, 2, 2.5, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(rough)) if rough > 0 else 1.0
    return next(power * step for step in (1, 2, 2.5, 5, 10, 20) if power * step >= rough * (1 - 1e-9))


def time_ticks(start: float, end: float, zone: tzinfo) -> tuple[list[float], list[str]]:
    """Round local times between ``start`` and ``end``."""
    step = next((s for s in _TIME_STEPS if (end - start) / s <= _MOST_TIMES), _TIME_STEPS[-1])
    offset = datetime.fromtimestamp(start, zone).utcoffset()
    shift = offset.total_seconds() if offset else 0.0
    first = math.ceil((start + shift) / step)
    last = math.floor((end + shift) / step)
    ticks = [n * step - shift for n in range(first, last + 1)]
    if step >= _DAY:
        form = "%m-%d"
    elif end - start > 1.5 * _DAY:
        form = "%m-%d %H:%M"
        ticks = ticks[:: max(1, math.ceil(len(ticks) / 4))]
    else:
        form = "%H:%M:%S" if step < _MINUTE else "%H:%M"
    return ticks, [datetime.fromtimestamp(t, zone).strftime(form) for t in ticks]


def days(start: float, end: float, zone: tzinfo) -> str:
    """``11-21 KST``, or ``11-20 – 11-21 KST`` for a span over midnight."""
    first, last = (datetime.fromtimestamp(t, zone) for t in (start, end))
    name = last.tzname() or "UTC"
    dates = f"{first:%m-%d}" if first.date() == last.date() else f"{first:%m-%d} – {last:%m-%d}"
    return f"{dates} {'UTC' if name[:1] in '+-' else ''}{name}"


def broken(series: ChartSeries) -> tuple[list[float], list[float]]:
    """Times and values with NaN where there was no sample, so that the line breaks there."""
    steps = [b - a for a, b in zip(series.times, series.times[1:], strict=False) if b > a]
    usual = statistics.median(steps) if steps else 0.0
    times: list[float] = []
    values: list[float] = []
    for at, value in zip(series.times, series.values, strict=True):
        if times and usual and at - times[-1] > _GAP * usual:
            times.append(times[-1] + usual)
            values.append(math.nan)
        times.append(at)
        values.append(value if value is not None and math.isfinite(value) else math.nan)
    return times, values


def room_at_right(spec: ChartSpec, level: float, start: float, end: float) -> bool:
    """Whether a label beside ``level`` is clearer of the lines at the right edge than at the left."""
    share = 0.22 * (end - start)
    left = _clearance(spec.series, level, start, start + share)
    return _clearance(spec.series, level, end - share, end) >= left


def _clearance(series: Sequence[ChartSeries], level: float, start: float, end: float) -> float:
    distances = [
        abs(value - level)
        for line in series
        for at, value in zip(line.times, line.values, strict=True)
        if start <= at <= end and value is not None and math.isfinite(value)
    ]
    return min(distances, default=math.inf)


def breadth(text: str) -> float:
    """About how wide ``text`` is, in ems."""
    return sum(0.92 if unicodedata.east_asian_width(char) in "WF" else 0.54 for char in text)


def fit(text: str, ems: float) -> str:
    """``text`` cut to about ``ems``, with an ellipsis."""
    if breadth(text) <= ems:
        return text
    kept = text
    while kept and breadth(kept) > ems - 1:
        kept = kept[:-1]
    return kept.rstrip() + "…"
