"""Robust numbers from short series."""

import numpy as np
from numpy.typing import NDArray

from bongsu.analysis.model import MetricEvidence, Window

Floats = NDArray[np.float64]


def values_in(metric: MetricEvidence, window: Window) -> Floats:
    """The metric's values within ``window``, both ends included, absences left out."""
    pairs = zip(metric.times, metric.values, strict=True)
    return np.array([v for t, v in pairs if v is not None and window.start <= t <= window.end], dtype=float)


def spread(values: Floats) -> float:
    """IQR / 1.349: the standard deviation of a normal sample, deaf to outliers."""
    if values.size < 2:
        return 0.0
    upper, lower = np.percentile(values, [75, 25])
    return float(upper - lower) / 1.349


def settled(values: Floats, worse: str) -> float:
    """The worse of the medians of the last two thirds and of the last half: what a level came to."""
    late = (values[values.size // 3 :], values[values.size // 2 :])
    medians = [float(np.median(part)) for part in late]
    return min(medians) if worse == "down" else max(medians)


def kendall_tau(values: Floats) -> float:
    """Mann-Kendall trend statistic in [-1, 1]: the share of pairs that rise less the share that fall."""
    n = values.size
    if n < 3:
        return 0.0
    rises = np.sign(values[None, :] - values[:, None])
    return float(np.triu(rises, 1).sum() / (n * (n - 1) / 2))


def saturate(amount: float, half: float) -> float:
    """1 − 2^(−amount/half): 0 at nothing, one half at ``half``, towards 1 beyond."""
    return 0.0 if amount <= 0 else float(1.0 - 2.0 ** (-amount / half))


def rarity(before: Floats, now: float, usual: float) -> float:
    """1 where nothing before came half as far from ``usual`` as ``now``; 0 where a quarter of it did."""
    if not before.size or now == usual:
        return 1.0
    halfway = abs(now - usual) / 2
    beyond = (before - usual) * np.sign(now - usual) >= halfway
    return max(0.0, 1.0 - _FAMILIAR * float(beyond.mean()))


_FAMILIAR = 4.0
