"""Short ids by which a reason names its evidence: M1, L2, C3."""

from collections.abc import Sequence
from typing import TypeVar

import msgspec

Row = TypeVar("Row", bound=msgspec.Struct)


def numbered(letter: str, rows: Sequence[Row]) -> list[Row]:
    """``rows`` with ``id`` set in their order, from 1."""
    return [msgspec.structs.replace(row, id=f"{letter}{n}") for n, row in enumerate(rows, 1)]
