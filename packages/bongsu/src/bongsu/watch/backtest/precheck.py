"""Which values of the past can lead to an alert at all: only those are put before the judgement."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bongsu.catalog.objectives import URGENCIES, objectives_of
from bongsu.signals.model import Presence
from bongsu.watch.backtest.history import Bools, Floats, Table
from bongsu.watch.backtest.schedule import Schedule
from bongsu.watch.burn_rate import BurnRate

NEVER = 2**62
"""The round in which what was never seen is seen."""


def first_seen(tables: Sequence[Table], paces: Sequence[int]) -> dict[str, int]:
    """Service → the round in which any of its signals has a value for the first time."""
    seen: dict[str, int] = {}
    for table, pace in zip(tables, paces, strict=True):
        for column, service in enumerate(table.query.services):
            rows = np.flatnonzero(table.known[:, column])
            first = int(rows[0]) * pace if len(rows) else NEVER
            seen[service] = min(seen.get(service, NEVER), first)
    return seen


def present(table: Table, pace: int, seen: Mapping[str, int]) -> tuple[Table, Bools]:
    """The table as a live round would have read it, and where there was anything to judge.

    Before a service was seen at all its absence is no outage. From then on *presence* says 0 for one that
    nothing is known of, where its absence counts.
    """
    signal = table.query.signal
    rounds = np.arange(len(table.values))[:, None] * pace
    ready = rounds >= np.array([seen[service] for service in table.query.services])[None, :]
    if isinstance(signal, Presence) and signal.absent == "alert":
        missing = ready & ~table.known
        values = np.where(missing, 0.0, table.values)
        table = Table(table.query, table.grid, values, table.known | missing)
    return table, ready


def met(table: Table, ready: Bools) -> Bools:
    """Where a value meets a threshold, whatever the hour."""
    signal = table.query.signal
    found = np.zeros(table.values.shape, dtype=bool)
    values: Any = table.values
    for threshold in signal.thresholds.values():
        found |= np.asarray(threshold.holds(values)) & table.known
        if signal.absent == "alert":
            found |= ~table.known
    found &= ready
    return found


def burning(
    burn: BurnRate, schedule: Schedule, shares: Sequence[Table], tables: Sequence[Table]
) -> list[Bools]:
    """Where an objective may burn, for each of ``tables``: the short window of a pair is above its limit.

    The long window and the number of events are left to the judgement.
    """
    found = [np.zeros(table.values.shape, dtype=bool) for table in tables]
    places = {
        (service, table.query.name): (i, column)
        for i, table in enumerate(tables)
        for column, service in enumerate(table.query.services)
    }
    bad = [_bad(q.good, table) for (q, _), table in zip(schedule.windows, shares, strict=True)]
    for slo in objectives_of(burn.services):
        place = places.get((slo.service, slo.query.name))
        if place is None:
            continue
        table, column = place
        pace = schedule.signals[table][1]
        rounds = np.arange(len(found[table])) * pace
        limits: dict[float, float] = {}
        for pair in (pair for urgency in URGENCIES for pair in slo.pairs(urgency)):
            limits[pair.short] = min(pair.limit, limits.get(pair.short, pair.limit))
        for (question, every), share in zip(schedule.windows, bad, strict=True):
            names = question.objectives.get(slo.service, ())
            if question.window in limits and slo.name in names:
                number = list(question.share.services).index(slo.service)
                found[table][:, column] |= share[rounds // every, number] > limits[question.window]
    return found


def _bad(good: bool, table: Table) -> Floats:
    """The share of bad events; none where nothing is known."""
    return np.where(table.known, 1 - table.values if good else table.values, 0.0)
