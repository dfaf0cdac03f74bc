"""What the next value of each series should be: a linear mix of where it was and what is usual at this
hour."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from bongsu.watch.anomaly.bank import Bank, Bools, Floats, rate
from bongsu.watch.anomaly.profile import DAY, DAY_SLOTS, WEEK, WEEK_SLOTS, Place, Profile
from bongsu.watch.anomaly.regression import Regression

Times = npt.NDArray[np.float64]

TERMS = (
    "momentum",
    "mean_15m",
    "mean_1h",
    "day",
    "day_slope",
    "week",
    "week_slope",
    "day_raw",
)
PRIOR = (0.0, 0.1, 0.2, 0.2, 0.2, 0.0, 0.0, 0.0)
HOUR = 3600.0
LEVEL = 6 * HOUR
DRIFT = 1e-3
"""By how much the variance of a weight grows in a day: what is learned stays open to change."""


@dataclass(slots=True)
class Forecast(Bank):
    """The state of the forecast. ``mean_*`` (S,) are of the value, ``day_level``, ``week_level`` of the
    profiles."""

    last: Floats
    before: Floats
    mean_15m: Floats
    mean_1h: Floats
    mean_6h: Floats
    mean_1d: Floats
    day_level: Floats
    week_level: Floats
    day_1h: Floats
    day_last: Floats
    week_last: Floats
    day: Profile
    week: Profile
    regression: Regression

    @classmethod
    def fresh(cls, size: int) -> Self:
        def zeros() -> Floats:
            return np.zeros(size, np.float32)

        return cls(
            last=zeros(),
            before=zeros(),
            mean_15m=zeros(),
            mean_1h=zeros(),
            mean_6h=zeros(),
            mean_1d=zeros(),
            day_level=zeros(),
            week_level=zeros(),
            day_1h=zeros(),
            day_last=zeros(),
            week_last=zeros(),
            day=Profile.fresh(size, DAY_SLOTS),
            week=Profile.fresh(size, WEEK_SLOTS),
            regression=Regression.fresh(size, PRIOR),
        )


@dataclass(frozen=True, slots=True)
class Outlook:
    """What was expected before a value was seen, in the value's units: ``terms`` (P, S) times ``weights``
    sum to
    ``expected`` − ``last``. ``seasonal`` is the profile at the recent level, ``usual`` the profile itself."""

    terms: Floats
    weights: Floats
    last: Floats
    expected: Floats
    seasonal: Floats
    usual: Floats
    day: Floats
    week: Floats
    day_place: Place
    week_place: Place


@dataclass(frozen=True, slots=True)
class Pace:
    """The constants that follow from the step between samples, in seconds."""

    step: float

    @property
    def day_width(self) -> float:
        return max(DAY / DAY_SLOTS, self.step)

    @property
    def day_slowest(self) -> float:
        return 1 / (7 * max(1.0, self.day_width / self.step))

    @property
    def week_slowest(self) -> float:
        return 1 / (4 * max(1.0, WEEK / WEEK_SLOTS / self.step))


def look(state: Forecast, time: Times, scale: Floats, age: Floats, pace: Pace) -> Outlook:
    """Forecast the value at ``time`` (S,); ``scale`` (S,) of its noise, ``age`` (S,) in days of history."""
    day_place = Place.of(time, DAY, pace.day_width)
    week_place = Place.of(time, WEEK, max(WEEK / WEEK_SLOTS, pace.step))
    day = state.day.read(day_place, state.mean_6h)
    week = state.week.read(week_place, day)
    # A daily profile is believed after one day, a weekly one after seven.
    day = np.where(age >= 1, day, state.mean_6h)
    week = np.where(age >= 7, week, day)
    week_level = np.where(age >= 7.5, state.week_level, state.day_level)
    last = state.last
    by_day = day + state.mean_6h - state.day_level
    by_week = week + state.mean_6h - week_level
    week_last = np.where(age >= 7.1, state.week_last, state.day_last)
    terms = np.stack(
        [
            last - state.before,
            state.mean_15m - last,
            state.mean_1h - last,
            by_day - last,
            day - state.day_last,
            by_week - last,
            week - week_last,
            day - last,
        ]
    )
    bound = 30 * scale
    terms = np.asarray(np.clip(terms, -bound, bound), np.float32)
    expected = last + state.regression.predict(terms)
    return Outlook(
        terms,
        state.regression.weights.copy(),
        last,
        expected,
        by_week,
        week,
        day,
        week,
        day_place,
        week_place,
    )


def learn(
    state: Forecast,
    outlook: Outlook,
    y: Floats,
    scale: Floats,
    seasonal_scale: Floats,
    weight: Floats,
    lesson: Floats,
    first: Bools,
    stale: Bools,
    pace: Pace,
) -> None:
    """Take in ``y`` (S,) where ``weight`` (S,) is 1, and what is usual where ``lesson`` (S,) is.

    ``first`` marks a series' first value, ``stale`` one after a gap.
    """
    seen = weight > 0
    norm = np.asarray(1 / scale, np.float32)
    learnable = np.asarray(lesson * ~(first | stale), np.float32)
    state.regression.learn(
        outlook.terms * norm,
        np.asarray((y - outlook.expected) * norm, np.float32),
        DRIFT * pace.step / DAY,
        learnable,
    )
    state.day.learn(outlook.day_place, y, seasonal_scale, pace.day_slowest, lesson)
    state.week.learn(outlook.week_place, y, seasonal_scale, pace.week_slowest, lesson)
    # A wild sample moves the means only as far as a strong one would.
    bound = 6 * seasonal_scale
    tame = np.where(first, y, np.clip(y, outlook.expected - bound, outlook.expected + bound))
    restart = first | stale
    step = pace.step
    for name, constant, value in (
        ("mean_15m", 900.0, y),
        ("mean_1h", HOUR, y),
        ("mean_6h", LEVEL, tame),
        ("mean_1d", float(DAY), tame),
        ("day_level", LEVEL, outlook.day),
        ("week_level", LEVEL, outlook.week),
        ("day_1h", HOUR, outlook.usual),
    ):
        old = getattr(state, name)
        again = restart if constant <= HOUR else first
        old += (value - old) * np.where(again, weight, np.float32(rate(step, constant)) * weight)
    state.before = np.where(seen, np.where(restart, y, state.last), state.before)
    state.last = np.where(seen, y, state.last)
    state.day_last = np.where(seen, outlook.day, state.day_last)
    state.week_last = np.where(seen, outlook.week, state.week_last)
