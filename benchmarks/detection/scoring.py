"""Scores of a detector on labelled series: incidents caught per false page, delay, and the NAB score.

No point adjustment: an incident is caught or it is not, however long it lasts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .data import Floats, Ints, Series, Verdict

Bools = npt.NDArray[np.bool_]
Range = tuple[int, int]

MERGE = 3600
"""Pages less than so many seconds apart are one."""
REPEAT = 4 * 3600
"""An alert that stays on pages again every so many seconds."""
EARLY, LATE = 600, 3600
"""A page so many seconds before an incident's start or after its end is not false."""
GRACE = 1800
"""An incident may be caught so many seconds from its start, however short it was."""
WEEK = 7 * 86400
THRESHOLDS = 400


@dataclass(frozen=True, slots=True)
class Outcome:
    """What alerts amounted to over series: counts, series-weeks judged, and each caught incident's delay
    (s)."""

    incidents: int
    caught: int
    false_pages: int
    weeks: float
    delays: tuple[float, ...]

    @property
    def recall(self) -> float:
        return self.caught / self.incidents if self.incidents else float("nan")

    @property
    def false_rate(self) -> float:
        """False pages a series-week."""
        return self.false_pages / self.weeks if self.weeks else float("nan")

    @property
    def delay(self) -> float:
        """Median seconds from an incident's start to its alert, over those caught."""
        return float(np.median(self.delays)) if self.delays else float("nan")


@dataclass(frozen=True, slots=True)
class Alerts:
    """The alerts of one series: ``start`` and ``end`` (A,) of each, and ``pages`` (P,), all in Unix
    seconds."""

    start: Ints
    end: Ints
    pages: Ints


@dataclass(frozen=True, slots=True)
class Case:
    """One series with what is known of it, ready to be scored. Before ``scored_from`` nothing counts."""

    ts: Ints
    step: int
    incidents: tuple[Range, ...]
    weeks: float

    @classmethod
    def of(cls, series: Series, labels: Sequence[Range]) -> "Case":
        judged = series.ts[series.ts >= series.scored_from]
        weeks = float(judged[-1] - series.scored_from) / WEEK if len(judged) else 0.0
        kept = tuple((a, b) for a, b in sorted(labels) if a >= series.scored_from)
        return cls(judged, series.step, kept, weeks)


def alerts(ts: Ints, on: Bools, step: int) -> Alerts:
    """The alerts and pages of a series that was ``on`` (T,) at ``ts`` (T,).

    Samples on end to end are one alert, as are pages under `MERGE` apart.
    """
    index = np.flatnonzero(on)
    if not len(index):
        empty = np.zeros(0, dtype=np.int64)
        return Alerts(empty, empty, empty)
    at = ts[index]
    apart = (np.diff(at) >= MERGE) & ((np.diff(index) > 1) | (np.diff(at) > 2 * step))
    first = np.concatenate([[True], apart])
    start, end = at[first], at[np.concatenate([apart, [True]])]
    pages = [np.arange(a, b + 1, REPEAT) for a, b in zip(start, end, strict=True)]
    return Alerts(start, end, np.concatenate(pages))


def judge(case: Case, on: Bools) -> Outcome:
    """What alerts ``on`` (T,) at the times of ``case.ts`` amounted to."""
    found = alerts(case.ts, on, case.step)
    false = np.ones(len(found.pages), dtype=bool)
    delays = []
    for start, end in case.incidents:
        false &= (found.pages < start - EARLY) | (found.pages > end + LATE)
        last = max(end, start + GRACE)
        during = np.flatnonzero((found.start <= last) & (found.end >= start))
        if len(during):
            delays.append(float(max(found.start[during[0]] - start, 0)))
    return Outcome(len(case.incidents), len(delays), int(false.sum()), case.weeks, tuple(delays))


def total(outcomes: Sequence[Outcome]) -> Outcome:
    """The sum over series."""
    return Outcome(
        sum(one.incidents for one in outcomes),
        sum(one.caught for one in outcomes),
        sum(one.false_pages for one in outcomes),
        sum(one.weeks for one in outcomes),
        tuple(delay for one in outcomes for delay in one.delays),
    )


def at_threshold(cases: Sequence[Case], scores: Sequence[Floats], threshold: float) -> Outcome:
    """The outcome of alerting wherever a score reaches one threshold."""
    return total([judge(case, score >= threshold) for case, score in zip(cases, scores, strict=True)])


def recall_at(cases: Sequence[Case], scores: Sequence[Floats], false_rate: float) -> Outcome:
    """The best recall of any one threshold within so many false pages a series-week."""
    best = total([judge(case, np.zeros(len(case.ts), dtype=bool)) for case in cases])
    for threshold in candidates(scores, sum(case.weeks for case in cases)):
        outcome = at_threshold(cases, scores, threshold)
        if outcome.false_rate <= false_rate and outcome.caught > best.caught:
            best = outcome
        if outcome.false_rate > 3 * false_rate and outcome.false_rate > 3.0:
            break
    return best


def candidates(scores: Sequence[Floats], weeks: float) -> Floats:
    """Thresholds worth trying, falling: the scores in the tail, at evenly growing counts of points above."""
    values = np.concatenate([score[np.isfinite(score)] for score in scores])
    if not len(values):
        return np.zeros(0)
    values = np.sort(values)[::-1]
    most = min(len(values), int(400 * max(weeks, 1.0)))
    ranks = np.unique(np.geomspace(1, most, THRESHOLDS).astype(int)) - 1
    picked = np.unique(values[ranks])[::-1]
    return np.asarray(picked, dtype=float)


FALSE_POSITIVE = 0.11
"""Of NAB's standard profile; a caught window earns 1, a missed one costs 1."""


def nab_weights(case: Case) -> tuple[Floats, Ints]:
    """What an alert at each point is worth to NAB, (T,), and the window it falls in, (T,), −1 outside.

    The scaled sigmoid 2 / (1 + exp(5 y)) − 1 of the position y: −1 at a window's left edge, 0 at its right
    edge,
    and beyond it in widths of the window before; −1 from three widths on (Lavin & Ahmad 2015,
    arXiv:1510.03336).
    """
    count = len(case.ts)
    position = np.full(count, 3.0)
    window = np.full(count, -1, dtype=np.int64)
    for number, (start, end) in enumerate(case.incidents):
        left, right = np.searchsorted(case.ts, start, "left"), np.searchsorted(case.ts, end, "right") - 1
        if right < left:
            continue
        width = right - left + 1
        index = np.arange(left, right + 1)
        window[index] = number
        position[index] = -(right - index + 1) / width
        after = np.arange(right + 1, count)
        position[after] = (after - right) / np.maximum(width - 1, 1)
    value = np.where(position >= 3.0, -1.0, 2 / (1 + np.exp(5 * np.minimum(position, 3.0))) - 1)
    best = 2 / (1 + np.exp(-5.0)) - 1
    return np.where(window >= 0, value / best, value * FALSE_POSITIVE), window


def nab_score(cases: Sequence[Case], scores: Sequence[Floats]) -> float:
    """NAB's normalised score (0 = silence, 100 = perfect) at the best of all thresholds; NaN without
    windows."""
    values, worths, windows = [], [], []
    count = 0
    for case, score in zip(cases, scores, strict=True):
        worth, window = nab_weights(case)
        values.append(score)
        worths.append(worth)
        windows.append(np.where(window >= 0, window + count, -1))
        count += len(case.incidents)
    if not count:
        return float("nan")
    value, worth, window = np.concatenate(values), np.concatenate(worths), np.concatenate(windows)
    finite = np.isfinite(value)
    order = np.argsort(-value[finite], kind="stable")
    value, worth, window = value[finite][order], worth[finite][order], window[finite][order]
    gain = np.where(window < 0, worth, 0.0)
    earned = np.full(count, -1.0)
    for index in np.flatnonzero(window >= 0):
        more = worth[index] - earned[window[index]]
        if more > 0:
            gain[index] = more
            earned[window[index]] = worth[index]
    running = np.cumsum(gain) - count
    last_of_value = (
        np.concatenate([value[1:] != value[:-1], [True]]) if len(value) else np.zeros(0, dtype=bool)
    )
    best = max(-float(count), float(np.max(running[last_of_value], initial=-float(count))))
    return 100 * (best + count) / (2 * count)


def judged(series: Sequence[Series], verdicts: Sequence[Verdict]) -> tuple[list[Floats], list[Bools]]:
    """Scores and pages of the part that is judged, series by series."""
    scores = [v.score[s.ts >= s.scored_from] for s, v in zip(series, verdicts, strict=True)]
    pages = [v.page[s.ts >= s.scored_from] for s, v in zip(series, verdicts, strict=True)]
    return scores, pages
