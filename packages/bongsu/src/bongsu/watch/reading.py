"""What a round of the watch reads."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bongsu.signals.model import AnySignal
from bongsu.signals.query import FleetQuery
from bongsu.sources.base import Sample, Series


@dataclass(frozen=True, slots=True)
class Reading:
    """What one round read of one signal: the worst value of each service, None where there was none, and NaN
    where there was nothing else."""

    name: str
    signal: AnySignal
    values: Mapping[str, float | None]
    error: str = ""
    """Why there is no answer at all."""
    source: str = ""


def worst(query: FleetQuery, samples: Sequence[Sample]) -> dict[str, float | None]:
    """The worst number of each service of ``query`` among its groups."""
    found: dict[str, float | None] = dict.fromkeys(query.services)
    pick = max if query.signal.worse == "up" else min
    for sample in samples:
        service, value = sample.service, sample.value
        if service not in found:
            continue
        before = found[service]
        if before is None or math.isnan(before):
            found[service] = value
        elif not math.isnan(value):
            found[service] = pick(before, value)
    return found


def key(query: FleetQuery) -> str:
    """A name of the query among those of its catalog that stays the same while the catalog does."""
    return f"{query.name}:{next(iter(query.services), '')}"


def steps(query: FleetQuery, series: Sequence[Series], length: int) -> list[dict[str, float | None]]:
    """The worst value of each service at each step of a range; None where it has none."""
    pick = max if query.signal.worse == "up" else min
    rows: list[dict[str, float | None]] = [dict.fromkeys(query.services) for _ in range(length)]
    for one in series:
        for row, value in zip(rows, one.values, strict=True):
            if not math.isnan(value):
                before = row.get(one.service)
                row[one.service] = value if before is None else pick(before, value)
    return rows
