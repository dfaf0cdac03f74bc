"""The usual value by time of day and by hour of the week, learned slot by slot."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from bongsu.watch.anomaly.bank import Bank, Floats, Ints

DAY, WEEK = 86400, 7 * 86400
DAY_SLOTS, WEEK_SLOTS = 96, 168
CLIP = 4.0
"""A sample moves its slot as if it were at most so many scales away."""


@dataclass(slots=True)
class Profile(Bank):
    """``value`` (slots, S) around a cycle and how many samples each slot has seen, ``count``, up to 255."""

    value: Floats
    count: npt.NDArray[np.uint8]

    @classmethod
    def fresh(cls, size: int, slots: int = DAY_SLOTS) -> Self:
        return cls(np.zeros((slots, size), np.float32), np.zeros((slots, size), np.uint8))

    def read(self, place: "Place", fallback: Floats) -> Floats:
        """The usual value (S,) between the two slots around a time; ``fallback`` where nothing is known."""
        columns = np.arange(fallback.shape[0])
        here, there = self.value[place.low, columns], self.value[place.high, columns]
        known, beyond = self.count[place.low, columns] > 0, self.count[place.high, columns] > 0
        here, there = np.where(known, here, there), np.where(beyond, there, here)
        return np.where(known | beyond, here + place.part * (there - here), fallback).astype(np.float32)

    def learn(self, place: "Place", y: Floats, scale: Floats, slowest: float, weight: Floats) -> None:
        """Move the nearest slot towards ``y`` (S,), where ``weight`` (S,) is not 0."""
        columns = np.arange(y.shape[0])
        count = self.count[place.nearest, columns]
        old = self.value[place.nearest, columns]
        pace = np.maximum(1 / (count.astype(np.float32) + 1), np.float32(slowest)) * weight
        change = y - old
        limit = CLIP * scale
        change = np.where(count > 0, np.clip(change, -limit, limit), change)
        self.value[place.nearest, columns] = old + pace * change
        self.count[place.nearest, columns] = count + ((weight > 0) & (count < 255)).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class Place:
    """Where times lie on a cycle: the slots around them, how far between, and the nearest. All (S,)."""

    low: Ints
    high: Ints
    part: Floats
    nearest: Ints

    @classmethod
    def of(cls, time: npt.NDArray[np.float64], cycle: int, width: float) -> "Place":
        slots = max(1, round(cycle / width))
        at = (time % cycle) / width
        low = np.floor(at).astype(np.int64)
        part = (at - low).astype(np.float32)
        nearest = (low + (part >= 0.5)) % slots
        return cls(low % slots, (low + 1) % slots, part, nearest)
