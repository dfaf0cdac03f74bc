"""The strangest moment of each of the last days, to say how unusual a moment is."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from bongsu.watch.anomaly.bank import Bank, Floats, Ints

DAYS = 28


@dataclass(slots=True)
class History(Bank):
    """``most`` (28, S) by day, negative where unknown, and the last ``day`` (S,) written."""

    most: Floats
    day: Ints

    @classmethod
    def fresh(cls, size: int) -> Self:
        return cls(np.full((DAYS, size), -1, np.float32), np.full(size, -1, np.int64))


def learn(state: History, day: Ints, size: Floats, weight: Floats) -> None:
    """Take in the absolute ``size`` (S,) of what happened on ``day`` (S,), counted from the epoch."""
    seen = weight > 0
    turned = np.flatnonzero(seen & (day != state.day))
    if len(turned):
        _forget(state, turned, day[turned])
    columns = np.flatnonzero(seen)
    rows = day[columns] % DAYS
    state.most[rows, columns] = np.maximum(state.most[rows, columns], size[columns])


def _forget(state: History, index: Ints, day: Ints) -> None:
    """Clear the rows between the day last written and this one."""
    passed = np.minimum(day - state.day[index], DAYS)
    ago = (day[None, :] - np.arange(DAYS)[:, None]) % DAYS
    state.most[:, index] = np.where(ago < passed[None, :], np.float32(-1), state.most[:, index])
    state.day[index] = day


def largest_in(state: History, index: int, day: int, size: float) -> int:
    """How many whole days, up to 28, have had nothing larger than ``size`` (0: today has)."""
    for ago in range(DAYS):
        most = float(state.most[(day - ago) % DAYS, index])
        if most < 0 or most > 1.0001 * size:
            return ago
    return DAYS
