"""From scores to pages: each series against its own past, warm-up, verdicts and one page an episode."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from bongsu.watch.anomaly import tail
from bongsu.watch.anomaly.bank import Bank, Bools, Floats, rate
from bongsu.watch.anomaly.forecast import Times
from bongsu.watch.anomaly.tail import SCORE_TIMES, Tail

HOUR, DAY = 3600.0, 86400.0
OWN = (0.35, 0.1)
"""How much of a series' own usual strangeness (2 and 15 hours a week) is taken off its score …"""
OWN_PAGE = (0.1, 0.1)
"""… and off what is paged on. Less than all of it: a series is pooled with the others."""
YOUNG, YOUNG_DAYS = 2.0, 7.0
YOUNG_PAGE, YOUNG_PAGE_DAYS = 2.0, 28.0
"""A young series must be stranger to be paged about: the rest of what is usual is still to come."""
WARM_UP = 2.0
"""Days in which the threshold is raised further."""
RAISED = 1.5
ECHO, ECHO_TIME, ECHO_FROM = 0.6, 6 * HOUR, -1.5
"""What was strange just now is less strange again: a share, for so long, of what was above a score."""
LONGEST = 3.5 * HOUR
"""An episode is paged on no longer; its series is back when it has been quiet for an hour."""
VERDICT, VERDICT_MOST, VERDICT_DAYS = 0.5, 1.5, 28.0
"""A false page raises its series' threshold so much, in all no more than so much, and it fades so fast."""


@dataclass(slots=True)
class Calibration(Bank):
    """``own`` usual scores; ``echo`` (S,) of the last episode; when the current one began and was last on
    (s)."""

    own: Tail
    echo: Floats
    began: Times
    on_at: Times
    verdict: Floats

    @classmethod
    def fresh(cls, size: int) -> Self:
        return cls(
            Tail.fresh(size, 1, len(SCORE_TIMES)),
            np.zeros(size, np.float32),
            np.full(size, -np.inf),
            np.full(size, -np.inf),
            np.zeros(size, np.float32),
        )


@dataclass(frozen=True, slots=True)
class Judged:
    """``score`` (S,) to rank by, ``strength`` (S,) to compare with the page threshold, and ``page`` (S,)."""

    score: Floats
    strength: Floats
    page: Bools


def judge(
    state: Calibration,
    raw: Floats,
    certain: Floats,
    time: Times,
    age: Floats,
    weight: Floats,
    lesson: Floats,
    threshold: float,
    step: float,
) -> Judged:
    """Judge the ``raw`` score (S,) at ``time`` (S,) of series ``age`` (S,) days old; then learn it.

    Where the trouble is ``certain`` (S,), 0 to 1, youth is no reason to wait.
    """
    seen = weight > 0
    rarer, rare = state.own.level[:, 0]
    young = np.clip(1 - age / YOUNG_DAYS, 0, 1)
    score = raw - OWN[0] * rarer - OWN[1] * rare - YOUNG * young - ECHO * state.echo - state.verdict
    young = np.clip(1 - age / YOUNG_PAGE_DAYS, 0, 1)
    strength = raw - OWN_PAGE[0] * rarer - OWN_PAGE[1] * rare - YOUNG_PAGE * young * (1 - certain)
    strength -= state.verdict
    strength -= np.where(age < WARM_UP, np.float32(RAISED), np.float32(0))
    score = np.where(seen & (age >= 1), score, np.float32(-20)).astype(np.float32)
    strength = np.where(seen & (age >= 1), strength, np.float32(-20)).astype(np.float32)

    above = strength >= threshold
    again = above & (time - state.on_at > max(HOUR - 1, 1.5 * step))
    state.began = np.where(again, time, state.began)
    state.on_at = np.where(above, time, state.on_at)
    page = above & (time - state.began < LONGEST)

    excess = np.maximum(score + ECHO * state.echo - np.float32(ECHO_FROM), 0)
    fade = np.where(seen, np.float32(1 - rate(step, ECHO_TIME)), np.float32(1))
    state.echo = np.maximum(state.echo * fade, np.where(seen, excess, 0)).astype(np.float32)
    state.verdict *= np.float32(1 - rate(step, VERDICT_DAYS * DAY))
    grown = np.asarray(lesson * (age >= 1), np.float32)
    tail.learn(state.own, (time // HOUR).astype(np.int64), raw[None, :], grown, SCORE_TIMES)
    return Judged(score, strength, page)


def false_page(state: Calibration, index: int) -> None:
    """Someone said that a page of the series at ``index`` was false. (A real one changes nothing.)"""
    state.verdict[index] = min(state.verdict[index] + VERDICT, VERDICT_MOST)
