"""Whether the last hours look like any hours of the last four weeks."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from bongsu.watch.anomaly.bank import Bank, Floats, Ints

HOUR = 3600.0
RING = 672
"""Hourly means kept: 28 days."""
WINDOW = 6
"""Hours compared."""
CHUNK = 2000


@dataclass(slots=True)
class Novelty(Bank):
    """``ring`` (R, S) of hourly means, the newest at ``head``; the hour in the making; the last novelty."""

    ring: Floats
    hours: Ints
    slot: Ints
    sum: Floats
    samples: Floats
    distance: Floats
    usual: Floats
    peak: Floats
    record: Floats

    @classmethod
    def fresh(cls, size: int) -> Self:
        return cls(
            np.full((RING, size), np.nan, np.float32),
            np.zeros(size, np.int64),
            np.full(size, -1, np.int64),
            *(np.zeros(size, np.float32) for _ in range(6)),
        )


def learn(state: Novelty, slot: Ints, y: Floats, weight: Floats) -> None:
    """Take in ``y`` (S,), which belongs to the hour ``slot`` (S,); where a new hour begins, judge the one
    before."""
    done = np.flatnonzero((slot != state.slot) & (weight > 0) & (state.samples > 0))
    for begin in range(0, len(done), CHUNK):
        _close(state, done[begin : begin + CHUNK])
    fresh = (slot != state.slot) & (weight > 0)
    state.slot = np.where(weight > 0, slot, state.slot)
    state.sum = np.where(fresh, 0, state.sum) + np.where(weight > 0, y, 0)
    state.samples = np.where(fresh, 0, state.samples) + weight
    state.sum = state.sum.astype(np.float32)
    state.samples = state.samples.astype(np.float32)


def _close(state: Novelty, index: Ints) -> None:
    hours = state.hours[index]
    state.ring[hours % RING, index] = state.sum[index] / state.samples[index]
    state.hours[index] = hours + 1
    ready = index[hours + 1 >= 2 * WINDOW + 12]
    if not len(ready):
        return
    distance = distances(state, ready).min(axis=0)
    usual, peak = state.usual[ready], state.peak[ready]
    state.distance[ready] = distance
    grown = (state.hours[ready] - 2 * WINDOW - 12).astype(np.float32)
    tame = np.where(grown > 12, np.minimum(distance, 5 * usual), distance)
    state.usual[ready] = usual + (tame - usual) * np.maximum(1 / (grown + 1), np.float32(1 / 168))
    state.record[ready] = distance / np.maximum(peak, np.float32(1e-30))
    state.peak[ready] = np.maximum(peak * np.float32(1 - 1 / 336), distance)


def distances(state: Novelty, index: Ints) -> Floats:
    """Mean distance (W, N) of the last window of the series at ``index`` (N,) from each earlier one, oldest
    first.

    Windows that overlap the last one are left out; those not yet filled are infinitely far.
    """
    # Rolled so that the newest hour is last, each series by its own head.
    order = (state.hours[index][None, :] + np.arange(RING)[:, None]) % RING
    line = np.take_along_axis(state.ring[:, index], order, axis=0)
    recent = line[-WINDOW:]
    past = RING - 2 * WINDOW + 1
    total = np.zeros((past, len(index)), np.float32)
    for lag in range(WINDOW):
        total += np.abs(line[lag : lag + past] - recent[lag])
    far = np.where(np.isnan(total), np.float32(np.inf), total) / np.float32(WINDOW)
    return np.asarray(far, np.float32)
