"""What a backend answered for one group, before it is told which service that is."""

from typing import NamedTuple


class Row(NamedTuple):
    """A group's labels, and its values at ``times`` (Unix seconds)."""

    labels: dict[str, str]
    times: list[float]
    values: list[float]
