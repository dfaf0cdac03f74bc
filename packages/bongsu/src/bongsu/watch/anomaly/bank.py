"""Arrays of the state of many series, the series axis last."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Array = npt.NDArray[Any]


class Bank:
    """Base of dataclasses whose fields are arrays (…, S), or banks. ``fresh(size)`` makes an empty one."""

    @classmethod
    def fresh(cls, size: int) -> Self:
        raise NotImplementedError

    def arrays(self, prefix: str = "") -> Iterator[tuple[str, Array]]:
        """Every array by its dotted name."""
        assert is_dataclass(self)
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Bank):
                yield from value.arrays(f"{prefix}{field.name}.")
            else:
                yield f"{prefix}{field.name}", value

    def keep(self, index: Ints) -> None:
        """Keep the series at ``index``, in that order."""
        self._map(lambda _, array: np.ascontiguousarray(array[..., index]))

    def extend(self, count: int) -> None:
        """Add ``count`` new series at the end."""
        new = dict(type(self).fresh(count).arrays())
        self._map(lambda name, array: np.concatenate([array, new[name]], axis=-1))

    def load(self, saved: Mapping[str, Array]) -> None:
        """Take the arrays of `arrays`; ValueError names one that is missing or has another shape or type."""

        def pick(name: str, array: Array) -> Array:
            found = saved.get(name)
            if found is None or found.shape != array.shape or found.dtype != array.dtype:
                raise ValueError(
                    f"the saved state has no {name} of shape {array.shape} and type {array.dtype}"
                )
            return found.copy()

        self._map(pick)

    def _map(self, change: Any, prefix: str = "") -> None:
        assert is_dataclass(self)
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Bank):
                value._map(change, f"{prefix}{field.name}.")
            else:
                setattr(self, field.name, change(f"{prefix}{field.name}", value))


def rate(step: float, constant: float) -> float:
    """The weight of one sample in an exponentially weighted mean with a time constant, both in seconds."""
    return float(-np.expm1(-step / constant))
