"""The times that SigNoz is asked about: aligned windows, in steps that it does not change behind our back.

SigNoz cuts time into steps that begin at whole multiples since the epoch. For metrics a step has at least a
minute, and at least a 300th of the range asked; a shorter one is replaced by that without an error.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from bongsu.signals.sql import LOOKBACK_MS, Steps

MINIMUM_STEP = 60
"""Seconds of the shortest step for metrics."""
LOOKBACK = LOOKBACK_MS // 1000
"""Seconds for which a gauge's last sample stays its present value."""
MAX_SHIFTS = 12
"""Most steps that make up one window of a range."""
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Frame:
    """What to read: whole steps from ``start`` to ``end`` (Unix seconds), ``shifts`` of them to a window."""

    start: int
    end: int
    step: int
    shifts: int = 0
    """0 for an instant, where one query covers the window."""

    @property
    def scalar(self) -> bool:
        return self.shifts == 0


def instant(end: float, window: int, resolution: int) -> Frame:
    """The last ``window`` seconds in the shortest steps of at least ``resolution`` that divide it."""
    least = max(resolution, minimum_step(window))
    step = window // next((n for n in range(window // least, 0, -1) if window % n == 0), 1)
    last = math.floor(end / step) * step
    return Frame(last - window, last, step)


def span(
    start: float,
    end: float,
    step: float,
    least: int,
    window: int = 0,
    kept: Callable[[float], int] | None = None,
) -> Frame:
    """Steps from ``start`` to ``end``: the first multiple of ``step`` of at least ``least`` whole seconds.

    ``kept`` says which step SigNoz keeps for a range of so many seconds (``minimum_step`` unless given);
    whole steps make the range a little longer than was asked, which can ask for a longer step in turn.
    ValueError when no whole step lies within.
    """
    shortest = kept or minimum_step
    finest = max(least, math.ceil(window / MAX_SHIFTS))
    while True:
        seconds = _whole_multiple(step, finest)
        first, last = math.ceil(start / seconds) * seconds, math.floor(end / seconds) * seconds
        if last < first:
            raise ValueError(f"no multiple of {seconds} s lies between {start} and {end}")
        finest = shortest(last + seconds - first)
        if finest <= seconds:
            return Frame(first, last + seconds, seconds, max(1, math.ceil(window / seconds)))


def times(frame: Frame) -> Steps:
    """When the points of a range lie: each tells of the time before it."""
    return Steps(frame.start, frame.end - frame.step, frame.step)


def minimum_step(length: float) -> int:
    """Seconds of the shortest step that SigNoz keeps in a metrics query over ``length`` seconds."""
    step = int(length / 300)
    step = max(MINIMUM_STEP, step - step % 60)
    if length >= 7 * _DAY:
        return math.floor(step / 1800 + 0.5) * 1800
    return math.floor(step / 300 + 0.5) * 300 if length >= _DAY else step


def minimum_trace_step(length: float) -> int:
    """The same for traces."""
    step = int(length / 1500)
    return max(5, step - step % 5)


def _whole_multiple(step: float, least: int) -> int:
    millis = round(step * 1000)
    if millis < 1:
        raise ValueError("a range needs a step of at least one millisecond")
    unit = math.lcm(millis, 1000) // 1000
    return math.ceil(least / unit) * unit
