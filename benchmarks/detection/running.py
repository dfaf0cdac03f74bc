"""Running detectors over series: those of one step side by side, each on its own clock."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .data import Floats, Series


@dataclass(frozen=True, slots=True)
class Block:
    """Series of one step: ``index`` of each in the set, ``ts`` and ``value`` (T, S), NaN past a series'
    end."""

    step: int
    index: list[int]
    names: list[str]
    ts: Floats
    value: Floats


def blocks(series: Sequence[Series]) -> Iterator[Block]:
    """The series of each step, sample by sample from each one's own beginning."""
    for step in sorted({one.step for one in series}):
        index = [i for i, one in enumerate(series) if one.step == step]
        longest = max(len(series[i].ts) for i in index)
        ts = np.empty((longest, len(index)))
        value = np.full((longest, len(index)), np.nan)
        for column, i in enumerate(index):
            count = len(series[i].ts)
            ts[:count, column] = series[i].ts
            ts[count:, column] = series[i].ts[-1] + step * np.arange(1, longest - count + 1)
            value[:count, column] = series[i].value
        yield Block(step, index, [series[i].name for i in index], ts, value)


def split(
    block: Block, series: Sequence[Series], array: npt.NDArray[np.generic]
) -> Iterator[tuple[int, npt.NDArray[np.generic]]]:
    """Each series' own part of ``array`` (T, …, S), with its index in the set."""
    for column, i in enumerate(block.index):
        yield i, array[: len(series[i].ts), ..., column]
