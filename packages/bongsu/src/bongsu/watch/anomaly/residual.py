"""How far values are from what was expected, in several views, each against its own usual and its own
worst."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from bongsu.watch.anomaly.bank import Bank, Floats, Ints, rate

VIEWS = ("forecast", "step", "season", "drift", "level_1h", "level_1d", "season_1h")
HOUR, DAY = 3600.0, 86400.0
MEMORY = 2 * DAY
PEAK_MEMORY = 14 * DAY
CLIP = 5.0
HOURS = 24


@dataclass(slots=True)
class Residual(Bank):
    """``scale`` and ``peak`` (V, S) of each view's absolute size; ``by_hour`` (24, S) of the forecast's
    error."""

    scale: Floats
    peak: Floats
    by_hour: Floats
    peak_by_hour: Floats
    drift: Floats
    season_1h: Floats
    fast: Floats
    slow: Floats
    beyond: Floats
    high: Floats
    low: Floats
    day_high: Floats
    day_low: Floats

    @classmethod
    def fresh(cls, size: int) -> Self:
        def zeros(*rows: int) -> Floats:
            return np.zeros((*rows, size), np.float32)

        views = len(VIEWS)
        return cls(
            scale=zeros(views),
            peak=zeros(views),
            by_hour=zeros(HOURS),
            peak_by_hour=zeros(HOURS),
            drift=zeros(),
            season_1h=zeros(),
            fast=zeros(),
            slow=zeros(),
            beyond=zeros(2),
            high=zeros(),
            low=zeros(),
            day_high=zeros(),
            day_low=zeros(),
        )


def noise(state: Residual, hour: Ints, floor: Floats) -> Floats:
    """The scale (S,) of the forecast's error at an ``hour`` (S,) of the day, never under ``floor``."""
    whole = state.scale[0]
    hourly = state.by_hour[hour, np.arange(len(whole))]
    return np.asarray(np.maximum(np.where(hourly > 0, (whole + hourly) / 2, whole), floor), np.float32)


def learn(
    state: Residual,
    views: Floats,
    hour: Ints,
    floor: Floats,
    count: Floats,
    weight: Floats,
    step: float,
) -> None:
    """Take in the absolute ``views`` (V, S); ``count`` (S,) of samples seen so far quickens the beginning."""
    pace = np.maximum(1 / (count + 1), np.float32(rate(step, MEMORY))) * weight
    tame = np.where(count > 3, np.minimum(views, CLIP * np.maximum(state.scale, floor)), views)
    state.scale += (tame - state.scale) * pace
    columns = np.arange(len(count))
    old = state.by_hour[hour, columns]
    slower = np.float32(rate(step, 5 * HOUR)) * weight
    state.by_hour[hour, columns] = np.where(
        old > 0, old + (tame[0] - old) * slower, old + weight * state.scale[0]
    )
    decay = np.where(weight > 0, np.float32(1 - rate(step, PEAK_MEMORY)), np.float32(1))
    held = state.peak_by_hour[hour, columns] * np.where(weight > 0, np.float32(1 - rate(step, HOUR * 7)), 1)
    state.peak_by_hour[hour, columns] = np.maximum(held, views[0] * weight)
    state.peak = np.maximum(state.peak * decay, views * weight)
