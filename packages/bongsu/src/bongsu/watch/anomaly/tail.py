"""How strange each view of a series usually gets: levels that its hours exceed so many times a week."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from bongsu.watch.anomaly.bank import Bank, Floats, Ints

TIMES = (2.0, 10.0, 25.0, 60.0)
"""Hours a week above each level, of the views."""
SCORE_TIMES = (2.0, 15.0)
"""Hours a week above each level, of the score."""
HOURS = 7 * 24
START = 24.0
"""Hours watched before the levels move by themselves."""


@dataclass(slots=True)
class Tail(Bank):
    """``level`` (L, V, S) for L rates; ``most`` (V, S) of the hour in the making, ``slot`` (S,) that hour,
    ``hours`` (S,) seen."""

    level: Floats
    most: Floats
    slot: Ints
    hours: Floats

    @classmethod
    def fresh(cls, size: int, views: int = 7, levels: int = len(TIMES)) -> Self:
        return cls(
            np.zeros((levels, views, size), np.float32),
            np.zeros((views, size), np.float32),
            np.full(size, -1, np.int64),
            np.zeros(size, np.float32),
        )


def learn(state: Tail, slot: Ints, height: Floats, weight: Floats, rates: tuple[float, ...] = TIMES) -> None:
    """Take in ``height`` (V, S) at hour ``slot`` (S,): stochastic approximation of quantiles, an hour a
    step."""
    seen = weight > 0
    turned = np.flatnonzero(seen & (slot != state.slot) & (state.slot >= 0))
    if len(turned):
        most, hours = state.most[:, turned], state.hours[turned]
        for row, times in enumerate(rates):
            rare = np.float32(times / HOURS)
            level = state.level[row][:, turned]
            gain = (0.1 + 0.5 / (1 + np.maximum(hours - START, 0) / 72)).astype(np.float32)
            moved = level + gain * np.where(most > level, 1 - rare, -rare)
            state.level[row][:, turned] = np.where(hours < START, np.maximum(level, most), moved)
        state.hours[turned] = hours + 1
    fresh = seen & (slot != state.slot)
    state.most = np.where(fresh, height, np.where(seen, np.maximum(state.most, height), state.most))
    state.slot = np.where(seen, slot, state.slot)
