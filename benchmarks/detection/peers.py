"""The detectors that Bongsu's is measured beside, each with its authors' usual settings, none looking
ahead."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt

from .data import Floats, Series, Verdict

HOUR, DAY, WEEK = 3600, 86400, 7 * 86400


@dataclass(frozen=True, slots=True)
class Peer:
    """``judge`` says what it made of one series. ``needs`` is the distribution it cannot run without."""

    name: str
    judge: Callable[[Series], Verdict]
    slow: bool = False
    needs: str = ""

    @property
    def installed(self) -> bool:
        return not self.needs or find_spec(self.needs) is not None


def holt_winters(series: Series) -> Verdict:
    """Additive triple exponential smoothing by the day (Winters 1960); error over its running mean size, and
    at least
    3 % of the furthest the value has been from its mean."""
    slots = max(1, DAY // series.step)
    season = np.zeros(slots)
    value = series.value
    first = value[np.isfinite(value)]
    level, trend, size, spread = (float(first[0]) if len(first) else 0.0), 0.0, 0.0, 0.0
    middle = level
    memory = np.exp(-series.step / (2 * DAY))
    score = np.zeros(len(value))
    for i, y in enumerate(value.tolist()):
        slot = int(series.ts[i] // series.step % slots)
        if y != y:
            continue
        guess = level + trend + season[slot]
        error = y - guess
        score[i] = abs(error) / (size + 0.03 * spread + 1e-12) if i > slots else 0.0
        middle += (1 - memory) * (y - middle)
        spread = max(spread, abs(y - middle))
        bound = 5 * size if i > slots else np.inf
        tame = min(max(error, -bound), bound)
        size = memory * size + (1 - memory) * abs(tame) if i > 10 else max(size, abs(tame))
        before = level
        level += trend + 0.1 * tame
        trend += 0.01 * (level - before - trend)
        season[slot] += 0.3 * tame
    return Verdict(score, score > 4)


def ewma_dspot(series: Series) -> Verdict:
    """EWMA of two hours and DSPOT on what is left (Siffer et al., KDD 2017): peaks over a threshold, both
    tails."""
    value = series.value
    pace = 1 - np.exp(-series.step / (2 * HOUR))
    start = min(max(200, DAY // series.step), 1000)
    mean, score = np.nan, np.zeros(len(value))
    tails = [_Tail(), _Tail()]
    past: list[float] = []
    for i, y in enumerate(value.tolist()):
        if y != y:
            continue
        if mean != mean:
            mean = y
        error = y - mean
        if len(past) < start:
            past.append(error)
            if len(past) == start:
                tails[0].begin(np.array(past))
                tails[1].begin(-np.array(past))
        else:
            score[i] = max(tails[0].take(error), tails[1].take(-error))
        mean += pace * error
    return Verdict(score, score > 1)


class _Tail:
    """Grows the excesses over the 98 % quantile and fits a generalised Pareto tail by moments."""

    def begin(self, values: Floats) -> None:
        self.start = float(np.quantile(values, 0.98))
        over = values[values > self.start] - self.start
        self.count, self.peaks = len(values), len(over)
        self.sum, self.squares = float(over.sum()), float((over**2).sum())

    def take(self, value: float) -> float:
        """How far ``value`` is beyond the start of the tail, in units of what one in 10,000 is; then learn
        it."""
        over = value - self.start
        self.count += 1
        if over <= 0:
            return 0.0
        if self.peaks < 3:
            self._add(over)
            return 0.0
        mean = self.sum / self.peaks
        variance = max(self.squares / self.peaks - mean**2, 1e-9 * mean**2, 1e-30)
        shape = 0.5 * (1 - mean**2 / variance)
        scale = 0.5 * mean * (mean**2 / variance + 1)
        rare = self.peaks / self.count / 1e-4
        alarm = scale * np.log(rare) if abs(shape) < 1e-6 else scale / shape * (rare**shape - 1)
        ratio = over / max(alarm, 1e-12)
        if ratio < 1:
            self._add(over)
        return float(ratio)

    def _add(self, over: float) -> None:
        self.peaks += 1
        self.sum += over
        self.squares += over * over


def grafana_robust(series: Series) -> Verdict:
    """grafana/promql-anomaly-detection, ``rules/robust.yml``: a day's median ± 2 MAD, half the median,
    seasons."""
    value = np.where(series.value > 0, series.value, np.nan)
    ts, step = series.ts, series.step
    middle = _rolling(ts, value, DAY, step, np.median)
    mad = _rolling(ts, np.abs(value - middle), DAY, step, np.median)
    level = _rolling(ts, value, HOUR, step, np.median)
    upper, lower = np.fmax(middle + 2 * mad, 1.5 * middle), np.fmin(middle - 2 * mad, 0.5 * middle)
    hourly = _rolling(ts, np.abs(value - level), HOUR, step, np.median)
    for back in (DAY - 900, WEEK - 900):
        centre, width = _ago(ts, level, back, step), 2 * _ago(ts, hourly, back, step)
        upper, lower = np.fmax(upper, centre + width), np.fmin(lower, centre - width)
    return _bands(series, level, upper, np.maximum(lower, 0))


def grafana_adaptive(series: Series) -> Verdict:
    """grafana/promql-anomaly-detection, ``rules/adaptive.yml``: an hour's mean ± 2 filtered deviations,
    seasons."""
    value = np.where(series.value > 0, series.value, np.nan)
    ts, step = series.ts, series.step
    mean = _rolling(ts, value, HOUR, step, np.mean)
    spread = _rolling(ts, value, HOUR, step, np.std)
    usual = _rolling(ts, np.where(spread > 0.5 * mean, spread, np.nan), 26 * HOUR, step, np.mean)
    upper, lower = np.fmax(mean + 2 * usual, 1.5 * mean), np.fmin(mean - 2 * usual, 0.5 * mean)
    for back in (DAY - 1800, WEEK - 1800):
        centre, width = _ago(ts, mean, back, step), 2 * _ago(ts, spread, back, step)
        upper, lower = np.fmax(upper, centre + width), np.fmin(lower, centre - width)
    return _bands(series, value, upper, np.maximum(lower, 0))


def half_space_trees(series: Series) -> Verdict:
    """river's HalfSpaceTrees (Tan et al., IJCAI 2011) on the value, the step and the hour, scaled as they
    come."""
    from river import anomaly, preprocessing  # type: ignore[import-not-found, unused-ignore]

    model = preprocessing.MinMaxScaler() | anomaly.HalfSpaceTrees(
        n_trees=25, height=8, window_size=250, seed=0
    )
    score = np.zeros(len(series.value))
    before = np.nan
    for i, y in enumerate(series.value.tolist()):
        if y != y:
            continue
        x = {"value": y, "step": 0.0 if before != before else y - before, "hour": series.ts[i] % DAY / DAY}
        score[i] = model.score_one(x)
        model.learn_one(x)
        before = y
    return Verdict(score, score > 0.95)


def isolation_forest(series: Series) -> Verdict:
    """PyOD's IForest on six lags, the day's deviation and the hour; fitted again each week on four."""
    from pyod.models.iforest import IForest  # type: ignore[import-not-found, unused-ignore]

    value = series.value.copy()
    known = np.isfinite(value)
    last = np.maximum.accumulate(np.where(known, np.arange(len(value)), 0))
    filled = np.nan_to_num(value[last])
    lags = np.stack(
        [np.concatenate([np.full(k, filled[0]), filled[: len(filled) - k]]) for k in range(6)], axis=1
    )
    x = np.column_stack([lags, np.gradient(filled) * 0 + filled - lags[:, 1], series.ts % DAY / DAY])
    score, page = np.zeros(len(value)), np.zeros(len(value), bool)
    week = max(1, WEEK // series.step)
    begin = max(2, (2 * DAY) // series.step)
    while begin < len(value):
        end = min(begin + week, len(value))
        model = IForest(n_estimators=100, contamination=0.002, random_state=0)
        model.fit(x[max(0, begin - 4 * week) : begin])
        score[begin:end] = model.decision_function(x[begin:end])
        page[begin:end] = score[begin:end] > model.threshold_
        begin = end
    return Verdict(np.where(known, score, -1.0), page & known)


PEERS = (
    Peer("Holt-Winters", holt_winters),
    Peer("EWMA + DSPOT", ewma_dspot),
    Peer("Grafana bands, robust", grafana_robust),
    Peer("Grafana bands, adaptive", grafana_adaptive),
    Peer("river HalfSpaceTrees", half_space_trees, slow=True, needs="river"),
    Peer("PyOD IForest", isolation_forest, slow=True, needs="pyod"),
)


def _rolling(
    ts: npt.NDArray[np.int64], value: Floats, window: int, step: int, of: Callable[..., Floats]
) -> Floats:
    """``of`` the values within ``window`` seconds up to each moment; at least the last three, as steps
    grow."""
    width = max(3, window // step)
    padded = np.concatenate([np.full(width - 1, np.nan), value])
    view = np.lib.stride_tricks.sliding_window_view(padded, width)
    nan = {np.median: np.nanmedian, np.mean: np.nanmean, np.std: np.nanstd}[of]
    result = np.full(len(value), np.nan)
    with np.errstate(all="ignore"):
        for begin in range(0, len(value), 4096):
            part = view[begin : begin + 4096]
            some = np.isfinite(part).any(axis=1)
            result[begin : begin + 4096][some] = nan(part[some], axis=1)
    return result


def _ago(ts: npt.NDArray[np.int64], value: Floats, back: int, step: int) -> Floats:
    """What ``value`` was ``back`` seconds before; NaN where nothing was within two steps of then."""
    index = np.searchsorted(ts, ts - back, "right") - 1
    found = (index >= 0) & (ts - back - ts[np.maximum(index, 0)] <= 2 * step)
    return np.where(found, value[np.maximum(index, 0)], np.nan)


def _bands(series: Series, level: Floats, upper: Floats, lower: Floats) -> Verdict:
    middle, half = (upper + lower) / 2, np.maximum((upper - lower) / 2, 1e-12)
    score = np.nan_to_num(np.abs(level - middle) / half, nan=0.0, posinf=0.0)
    out = score > 1
    held = out & np.concatenate([[False], out[:-1]]) if series.step <= 300 else out
    return Verdict(score, held)
