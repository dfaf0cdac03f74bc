"""The services as a relay of beacons: callers to the left, what they call to the right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bongsu.console.pages.overview import ServiceRow

COLUMN, ROW = 220.0, 96.0
MOST = 24
"""Services that a drawing can hold and still be read; above it the list alone is shown."""


@dataclass(frozen=True, slots=True)
class Hill:
    row: ServiceRow
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Relay:
    hills: tuple[Hill, ...]
    paths: tuple[tuple[str, bool], ...]
    """SVG path of each call, and whether what is called is burning."""
    width: float
    height: float


def relay(rows: Sequence[ServiceRow]) -> Relay | None:
    """None where nothing calls anything, or where there is too much to draw."""
    known = {row.info.name: row for row in rows}
    calls = [(r.info.name, d) for r in rows for d in r.info.depends_on if d in known and d != r.info.name]
    if not calls or len(rows) > MOST:
        return None
    depth = _depths(list(known), calls)
    columns: dict[int, list[str]] = {}
    for name in sorted(known, key=lambda n: (known[n].info.tier, n)):
        columns.setdefault(depth[name], []).append(name)
    tallest = max(len(column) for column in columns.values())
    places: dict[str, tuple[float, float]] = {}
    for position, level in enumerate(sorted(columns)):
        column = columns[level]
        for i, name in enumerate(column):
            y = (i + (tallest - len(column)) / 2 + 0.5) * ROW
            places[name] = (position * COLUMN + COLUMN / 2, y)
    paths = tuple((_path(places[a], places[b]), known[b].state.startswith("P")) for a, b in calls)
    hills = tuple(Hill(known[name], *places[name]) for name in places)
    return Relay(hills, paths, len(columns) * COLUMN, tallest * ROW)


def _depths(names: Sequence[str], calls: Sequence[tuple[str, str]]) -> dict[str, int]:
    """The longest way from a service that nobody calls; cycles stop growing after one round of names."""
    depth = dict.fromkeys(names, 0)
    for _ in range(len(names)):
        grown = False
        for caller, callee in calls:
            if depth[callee] <= depth[caller] < len(names):
                depth[callee] = depth[caller] + 1
                grown = True
        if not grown:
            break
    return depth


def _path(start: tuple[float, float], end: tuple[float, float]) -> str:
    (x1, y1), (x2, y2) = start, end
    bend = (x2 - x1) / 2
    # A call past a column swings out, so as not to run through the hills between.
    swing = 0.0 if x2 - x1 <= COLUMN else math.copysign(ROW * 0.55, y2 - y1)
    return f"M{x1:g} {y1:g}C{x1 + bend:g} {y1 + swing:g} {x2 - bend:g} {y2 + swing:g} {x2:g} {y2:g}"
