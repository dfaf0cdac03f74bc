"""Which stretch of time the incident is compared with. The baseline decides more than any formula does."""

import math
from collections.abc import Iterator, Mapping, Sequence
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


@dataclass(frozen=True, slots=True)
class Load:
    """``rates``: requests a second by instant (Unix seconds); ``incident``: the window that is explained."""

    rates: Mapping[float, float]
    incident: Window

    def mean(self, window: Window) -> float | None:
        found = [rate for at, rate in self.rates.items() if window.start <= at <= window.end]
        return sum(found) / len(found) if found else None

    def distance(self, window: Window) -> float | None:
        """|ln(rate in ``window`` / rate in the incident)|; None where either is not known, and where the
        incident took most of the requests away: then its load is a symptom."""
        now, then = self.mean(self.incident), self.mean(window)
        if not now or not then or now < _COLLAPSED * then:
            return None
        return abs(math.log(then / now))


_COLLAPSED = 0.5
_ALIKE = math.log(1.25)


def choose_baseline(
    onset: float,
    busy: Sequence[Window],
    rule: BaselineRule,
    history_start: float | None = None,
    load: Load | None = None,
) -> tuple[Window, list[Gap]]:
    """A clean stretch before ``onset`` and what is imperfect about it.

    Clean means overlapping none of ``busy`` (windows of other incidents, Unix seconds). Of the stretches of
    ``rule.longest`` the latest with a load within a quarter of the incident's is taken, else that whose load
    is nearest, and the latest where loads are not known. Where there is no room for that, it is the longest
    free one of at least ``rule.shortest``; when other incidents leave no room at all, the stretch just before
    onset is taken and the gap says so.
    """
    floor = onset - rule.lookback if history_start is None else max(onset - rule.lookback, history_start)
    last = onset - rule.margin
    if last - floor < rule.shortest:
        last = max(floor + (onset - floor) / 2, onset - rule.margin)
        start = min(floor, last)
        return Window(start, last), [_short(last - start)]
    free = _free(floor, last, busy)
    candidates = [window for stretch in free for window in _candidates(stretch, rule.longest)]
    if candidates:
        return _alike(candidates, load), []
    widest = max(free, key=lambda w: (w.end - w.start, w.end), default=None)
    if widest is not None and widest.end - widest.start >= rule.shortest:
        return widest, [_short(widest.end - widest.start)]
    taken = Window(max(floor, last - rule.longest), last)
    return taken, [_CONTAMINATED]


def _candidates(stretch: Window, length: float) -> Iterator[Window]:
    """Windows of ``length`` that overlap by half, latest first."""
    end = stretch.end
    while end - length >= stretch.start:
        yield Window(end - length, end)
        end -= length / 2


def _alike(candidates: Sequence[Window], load: Load | None) -> Window:
    """``candidates`` are latest first, at least one."""
    if load is None:
        return candidates[0]
    known = [(d, window) for window in candidates if (d := load.distance(window)) is not None]
    if not known or known[0][1] != candidates[0]:
        return candidates[0]
    near = next((window for distance, window in known if distance <= _ALIKE), None)
    return near or min(known, key=lambda pair: pair[0])[1]


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
