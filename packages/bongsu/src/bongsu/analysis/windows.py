"""Which stretch of time the incident is compared with. The baseline decides more than any formula does."""

from collections.abc import Sequence
from dataclasses import dataclass

from bongsu.analysis.model import Gap, Window


@dataclass(frozen=True, slots=True)
class BaselineRule:
    """Seconds throughout."""

    margin: float = 60.0
    """Left out before onset, because an onset estimate may be late."""
    longest: float = 300.0
    shortest: float = 60.0
    lookback: float = 3600.0
    """How far before onset a clean stretch is looked for."""


def choose_baseline(
    onset: float, busy: Sequence[Window], rule: BaselineRule, history_start: float | None = None
) -> tuple[Window, list[Gap]]:
    """The latest clean stretch before ``onset`` and what is imperfect about it.

    Clean means overlapping none of ``busy`` (windows of other incidents, Unix seconds). The stretch is
    ``rule.longest`` where there is room, else the longest free one of at least ``rule.shortest``; when other
    incidents leave no room at all, the stretch just before onset is taken and the gap says so.
    """
    floor = onset - rule.lookback if history_start is None else max(onset - rule.lookback, history_start)
    last = onset - rule.margin
    if last - floor < rule.shortest:
        last = max(floor + (onset - floor) / 2, onset - rule.margin)
        start = min(floor, last)
        return Window(start, last), [_short(last - start)]
    free = _free(floor, last, busy)
    for stretch in free:
        if stretch.end - stretch.start >= rule.longest:
            return Window(stretch.end - rule.longest, stretch.end), []
    widest = max(free, key=lambda w: (w.end - w.start, w.end), default=None)
    if widest is not None and widest.end - widest.start >= rule.shortest:
        return widest, [_short(widest.end - widest.start)]
    taken = Window(max(floor, last - rule.longest), last)
    return taken, [_CONTAMINATED]


_CONTAMINATED = Gap(
    "Baseline: no stretch before onset was free of other incidents; it may be contaminated.",
    "비교 기준: 발생 전 구간이 모두 다른 장애와 겹쳐 비교 결과가 정확하지 않을 수 있습니다.",
)


def _short(seconds: float) -> Gap:
    length = max(0, round(seconds))
    return Gap(
        f"Baseline: only {length} s before onset could be compared with.",
        f"비교 기준: 발생 전 {length}초만 비교할 수 있었습니다.",
        minor=True,
    )


def _free(start: float, end: float, busy: Sequence[Window]) -> list[Window]:
    """The stretches of [start, end] that no busy window touches, latest first."""
    free, upper = [], end
    for window in sorted(busy, key=lambda w: w.end, reverse=True):
        if window.start >= upper:
            continue
        if window.end < upper and window.end < end:
            lower = max(window.end, start)
            if upper > lower:
                free.append(Window(lower, upper))
        upper = min(upper, window.start)
        if upper <= start:
            return free
    if upper > start:
        free.append(Window(start, upper))
    return free
