"""One tick: forecast, residuals and novelty of every series, as features without a scale."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from bongsu.watch.anomaly import forecast, novelty, residual, tail
from bongsu.watch.anomaly.bank import Bank, Bools, Floats, Ints, rate
from bongsu.watch.anomaly.forecast import Forecast, Outlook, Pace, Times
from bongsu.watch.anomaly.novelty import Novelty
from bongsu.watch.anomaly.residual import VIEWS, Residual
from bongsu.watch.anomaly.tail import Tail

HOUR, DAY = 3600.0, 86400.0

FEATURES = (
    *(f"z_{view}" for view in VIEWS),
    *(f"record_{view}" for view in VIEWS),
    *(f"rare_{view}" for view in VIEWS),
    *(f"rarer_{view}" for view in VIEWS),
    *(f"beyond_{view}" for view in VIEWS),
    "at_hour",
    "over_day",
    "under_day",
    "novelty",
    "novelty_record",
    "novelty_range",
    "relative",
    "ratio",
    "over",
    "under",
    "fast",
    "slow",
    "tail_3",
    "tail_6",
    "age",
)


@dataclass(slots=True)
class Stream(Bank):
    """Everything that is remembered of each series, (…, S)."""

    origin: Times
    """The first value, subtracted from all so that float32 is enough."""
    first_at: Times
    last_at: Times
    count: Floats
    magnitude: Floats
    spread: Floats
    forecast: Forecast
    residual: Residual
    novelty: Novelty
    tail: Tail

    @classmethod
    def fresh(cls, size: int) -> Self:
        return cls(
            np.zeros(size),
            np.full(size, np.nan),
            np.full(size, np.nan),
            np.zeros(size, np.float32),
            np.zeros(size, np.float32),
            np.zeros(size, np.float32),
            Forecast.fresh(size),
            Residual.fresh(size),
            Novelty.fresh(size),
            Tail.fresh(size, len(VIEWS)),
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """What one tick showed of each series: ``features`` (F, S), and for explanations the outlook and the
    noise."""

    features: Floats
    outlook: Outlook
    y: Floats
    scale: Floats
    weight: Floats
    age: Floats


def _log(x: npt.NDArray[np.floating]) -> Floats:
    return np.asarray(np.log1p(np.abs(x)), np.float32)


def _log_signed(x: Floats) -> Floats:
    return np.asarray(np.sign(x) * np.log1p(np.abs(x)), np.float32)


def tick(
    state: Stream,
    time: Times,
    value: Times,
    phase: Times,
    pace: Pace,
    trust: Floats | None = None,
) -> Seen:
    """Judge and then learn ``value`` (S,) at ``time`` (S,), NaN where nothing was read.

    Where ``trust`` (S,) is 0 the value moves the levels, but teaches nothing of what is usual.
    """
    step = pace.step
    seen = np.isfinite(value)
    weight = seen.astype(np.float32)
    lesson = weight if trust is None else weight * trust
    first = seen & (state.count == 0)
    if first.any():
        state.origin = np.where(first, value, state.origin)
        state.first_at = np.where(first, time, state.first_at)
    age = np.nan_to_num((time - state.first_at) / DAY).astype(np.float32)
    gap = np.nan_to_num(time - state.last_at - step).astype(np.float32)
    stale = seen & (gap > HOUR / 2) & (gap > step / 2) & ~first

    floor = 1e-4 * state.magnitude + 0.02 * state.spread + np.float32(1e-9)
    hour = (time % DAY // HOUR).astype(np.int64)
    scale = residual.noise(state.residual, hour, floor)
    outlook = forecast.look(state.forecast, time, scale, age, pace)
    y = np.where(seen, value - state.origin, outlook.expected).astype(np.float32)

    views = _views(state, outlook, y, weight, step)
    size = np.abs(views)
    features = _features(state, outlook, y, views, scale, floor, age, value, hour)

    slot = ((time + phase) // HOUR).astype(np.int64)
    novelty.learn(state.novelty, slot, y, lesson)
    tail.learn(state.tail, (time // HOUR).astype(np.int64), features[: len(VIEWS)], lesson)
    _tails(state, views[0] / scale, lesson, step)
    residual.learn(state.residual, size, hour, floor, state.count, lesson, step)
    season = np.maximum(state.residual.scale[2], floor)
    forecast.learn(state.forecast, outlook, y, scale, season, weight, lesson, first, stale, pace)
    _range(state, y, value, first, weight, step)
    state.count += weight
    state.last_at = np.where(seen, time, state.last_at)
    return Seen(features, outlook, y, scale, weight, age)


def _views(state: Stream, outlook: Outlook, y: Floats, weight: Floats, step: float) -> Floats:
    known, error = state.forecast, state.residual
    off = y - outlook.expected
    season = y - outlook.seasonal
    pace = np.float32(rate(step, HOUR)) * weight
    error.drift += (off - error.drift) * pace
    error.season_1h += (season - error.season_1h) * pace
    mean = known.mean_1h + (y - known.mean_1h) * pace
    usual = known.day_1h + (outlook.usual - known.day_1h) * pace
    return np.stack(
        [off, y - known.last, season, error.drift, mean - usual, y - known.mean_1d, error.season_1h]
    ).astype(np.float32)


def _features(
    state: Stream,
    outlook: Outlook,
    y: Floats,
    views: Floats,
    scale: Floats,
    floor: Floats,
    age: Floats,
    value: Times,
    hour: Ints,
) -> Floats:
    error, new = state.residual, state.novelty
    scales = np.maximum(error.scale, floor)
    scales[0] = scale
    size = np.abs(views)
    z = _log(size / scales)
    record = np.minimum(np.log((size + floor) / (error.peak + floor)), 5)
    width = np.maximum(error.high - error.low, floor)
    expected = outlook.seasonal.astype(np.float64) + state.origin
    actual = np.where(np.isfinite(value), value, expected)
    base = np.abs(actual) + np.abs(expected) + floor
    rows = [
        *z,
        *record,
        *(z - state.tail.level[1]),
        *(z - state.tail.level[0]),
        *_log_signed(
            (z - state.tail.level[2]) / (state.tail.level[2] - state.tail.level[3] + np.float32(0.1))
        ),
        np.minimum(np.log((size[0] + floor) / (error.peak_by_hour[hour, np.arange(len(y))] + floor)), 5),
        np.clip((y - error.day_high) / scales[5], -5, 50),
        np.clip((error.day_low - y) / scales[5], -5, 50),
        _log(new.distance / np.maximum(new.usual, floor)),
        np.minimum(np.log(new.record + 1e-3), 3),
        np.minimum(new.distance / width, 5),
        (actual - expected) / base,
        np.clip(np.log((np.abs(actual) + scale + floor) / (np.abs(expected) + scale + floor)), -5, 5),
        np.clip((y - error.high) / width, -2, 5),
        np.clip((error.low - y) / width, -2, 5),
        np.log((error.fast + floor) / scales[0]),
        np.log((error.slow + floor) / scales[0]),
        error.beyond[0],
        error.beyond[1],
        np.minimum(age, 28),
    ]
    return np.stack([np.asarray(row, dtype=np.float32) for row in rows])


def _tails(state: Stream, z: Floats, weight: Floats, step: float) -> None:
    """How often the forecast's error is beyond 3 and 6 scales (over a week), and how large it was of late."""
    error = state.residual
    pace = np.maximum(1 / (state.count + 50), np.float32(rate(step, 7 * DAY))) * weight
    size = np.abs(z)
    error.beyond[0] += ((size > 4) - error.beyond[0]) * pace
    error.beyond[1] += ((size > 8) - error.beyond[1]) * pace
    off = np.minimum(size, 10) * np.maximum(error.scale[0], 0)
    error.fast += (off - error.fast) * np.float32(rate(step, HOUR)) * weight
    error.slow += (off - error.slow) * np.float32(rate(step, 12 * HOUR)) * weight


def _range(
    state: Stream,
    y: Floats,
    value: Times,
    first: Bools,
    weight: Floats,
    step: float,
) -> None:
    """The running extremes, which give way over a week, and the value's usual magnitude and spread."""
    error = state.residual
    pace = np.float32(rate(step, 7 * DAY))
    day = np.float32(rate(step, DAY))
    middle = state.forecast.mean_1d
    high = np.maximum(error.high + (middle - error.high) * pace, y)
    low = np.minimum(error.low + (middle - error.low) * pace, y)
    error.high = np.where(first, y, np.where(weight > 0, high, error.high)).astype(np.float32)
    error.low = np.where(first, y, np.where(weight > 0, low, error.low)).astype(np.float32)
    day_high = np.maximum(error.day_high + (middle - error.day_high) * day, y)
    day_low = np.minimum(error.day_low + (middle - error.day_low) * day, y)
    error.day_high = np.where(first, y, np.where(weight > 0, day_high, error.day_high)).astype(np.float32)
    error.day_low = np.where(first, y, np.where(weight > 0, day_low, error.day_low)).astype(np.float32)
    quick = np.maximum(1 / (state.count + 1), np.float32(rate(step, 7 * DAY))) * weight
    absolute = np.where(np.isfinite(value), np.abs(value), 0).astype(np.float32)
    state.magnitude += (absolute - state.magnitude) * quick
    away = np.minimum(np.abs(y - middle), 5 * state.spread + np.where(state.count < 50, np.inf, 0))
    state.spread += (np.nan_to_num(away, posinf=0) - state.spread) * quick
