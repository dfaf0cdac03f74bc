"""Made series for the detector's tests."""

import numpy as np

from bongsu.watch.anomaly import Detector

START = 1_700_006_400
"""A midnight, UTC."""
DAY = 86400
STEP = 900
PER_DAY = DAY // STEP


def times(days: float, step: int = STEP) -> np.ndarray:
    return START + step * np.arange(int(days * DAY / step), dtype=float)


def daily(ts: np.ndarray, seed: int = 0, noise: float = 2.0) -> np.ndarray:
    """Traffic with a day's shape and white noise."""
    rng = np.random.default_rng(seed)
    return 100 + 30 * np.sin(2 * np.pi * ts / DAY) + rng.normal(0, noise, len(ts))


def pages(page: np.ndarray, step: int = STEP) -> int:
    """Episodes: runs of pages no more than an hour apart."""
    on = np.flatnonzero(page)
    return 0 if not len(on) else 1 + int((np.diff(on) * step > 3600).sum())


def paged(values: np.ndarray, ts: np.ndarray, step: int = STEP) -> np.ndarray:
    """Where a detector of one series pages, (T,)."""
    return Detector(step, ["one"]).feed(ts, values[:, None]).page[:, 0]
