"""Thresholds for a page budget: candidates from the values of the past, each replayed by the live code."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bongsu.catalog import Catalog, ResolvedService
from bongsu.incidents.record import policy_of
from bongsu.signals.model import AnySignal, Presence, Severity, Threshold
from bongsu.watch.backtest.history import Floats
from bongsu.watch.backtest.known import Known
from bongsu.watch.backtest.outcome import covered, report
from bongsu.watch.backtest.paging import Pager, Told
from bongsu.watch.backtest.precheck import first_seen, present
from bongsu.watch.backtest.replay import Past, replay
from bongsu.watch.judgement import Judgement

TAIL = (0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999)
"""Shares of the past's values that a candidate lets pass."""
HOLDS = (0.0, 300.0, 600.0, 900.0, 1800.0)
"""Candidates for ``for``, seconds."""
FAR = 10.0
"""A candidate that pages so many times as often as the budget allows needs no laxer one beside it."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What one threshold would have done."""

    threshold: Threshold
    pages: int
    pages_a_week: float
    opened: int
    caught: int
    covered: float | None
    """The share of the bad time during which an alert fired; None where there was none."""


def alone(
    services: Mapping[str, ResolvedService], signal: str, thresholds: Mapping[Severity, Threshold]
) -> dict[str, ResolvedService]:
    """The services that have the signal, judged by it alone."""
    return {
        name: replace(
            service,
            signals={signal: service.signals[signal].model_copy(update={"thresholds": dict(thresholds)})},
            spec=service.spec.model_copy(update={"objectives": {}}),
        )
        for name, service in services.items()
        if signal in service.signals
    }


def numbers(past: Past) -> Floats:
    """Every number of the past's tables, sorted."""
    found = [table.values[~np.isnan(table.values)] for table in past.signals]
    return np.sort(np.concatenate([*found, np.zeros(0)]))


def candidates(
    signal: AnySignal, values: Floats, current: Threshold | None, *, holds: Sequence[float] = HOLDS
) -> dict[float, list[Threshold]]:
    """``for`` → thresholds, the strictest first: rounded figures from the tail in which trouble lies."""
    op = current.op if current is not None else ">" if signal.worse == "up" else "<"
    wanted = set() if current is None else {current.value}
    if not isinstance(signal, Presence) and op not in ("==", "!="):
        shares = TAIL if op in (">", ">=") else tuple(1 - share for share in TAIL)
        finite = values[np.isfinite(values)]
        if len(finite):
            wanted |= {_rounded(float(v), up=op in (">", ">=")) for v in np.quantile(finite, shares)}
            if signal.unit == "ratio":
                wanted = {value for value in wanted if 0 <= value < 1}
    elif not wanted:
        wanted = {1.0}
    lengths = sorted({*holds, *([current.for_] if current is not None else [])})
    ordered = sorted(wanted, reverse=op in (">", ">="))
    return {hold: [Threshold(op=op, value=v, for_=hold) for v in ordered] for hold in lengths}


def beyond(past: Past, threshold: Threshold) -> list[Known]:
    """The stretches of time in which a value meets the threshold, whatever its ``for``."""
    found = []
    paces = [pace for _, pace in past.schedule.signals]
    seen = first_seen(past.signals, paces)
    for raw, pace in zip(past.signals, paces, strict=True):
        table, ready = present(raw, pace, seen)
        values: Any = table.values
        met = np.asarray(threshold.holds(values)) & table.known & ready
        for column, service in enumerate(table.query.services):
            edges = np.flatnonzero(np.diff(met[:, column].astype(int), prepend=0, append=0))
            for first, last in edges.reshape(-1, 2).tolist():
                begin, end = (table.grid.start + row * table.grid.step for row in (first, last))
                found.append(Known(frozenset({service}), begin, end))
    return found


def same(one: Threshold | None, other: Threshold | None) -> bool:
    """Whether two thresholds say the same, however they are written."""
    return one is other or (
        one is not None
        and other is not None
        and (one.op, one.value, one.for_) == (other.op, other.value, other.for_)
    )


def trials(
    catalog: Catalog,
    services: Mapping[str, ResolvedService],
    past: Past,
    wanted: Mapping[float, Sequence[Threshold]],
    severity: Severity,
    told: Told,
    known: Sequence[Known],
    bad: Sequence[Known],
    budget: float,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Trial]:
    """What each candidate would have done. ``services`` and ``past`` are those of ``alone``; ``bad`` is the
    time that should be covered."""
    [name] = {query.name for query, _ in past.schedule.signals}
    total, done = sum(map(len, wanted.values())), 0
    for hold, thresholds in wanted.items():
        for number, threshold in enumerate(thresholds):
            judged = alone(services, name, {severity: threshold})
            trial = _trial(catalog, judged, past, threshold, told, known, bad)
            done += 1
            if progress is not None:
                progress(done, total)
            yield trial
            if trial.pages_a_week > FAR * max(budget, 1.0):
                done += len(wanted[hold]) - number - 1
                break


def choice(found: Sequence[Trial], budget: float, current: Threshold | None) -> Trial | None:
    """Within the budget: what catches the most, then covers the most; of equals the present threshold, then
    the one that calls people least. None where nothing is."""
    within = [trial for trial in found if trial.pages_a_week <= budget]
    return max(
        within,
        key=lambda t: (t.caught, round(t.covered or 0.0, 3), same(t.threshold, current), -t.pages),
        default=None,
    )


def _trial(
    catalog: Catalog,
    services: Mapping[str, ResolvedService],
    past: Past,
    threshold: Threshold,
    told: Told,
    known: Sequence[Known],
    bad: Sequence[Known],
) -> Trial:
    judgement = Judgement.of(catalog, services)
    asked = {(query.name, tuple(query.services)): query for query in judgement.queries}
    signals = [(asked[query.name, tuple(query.services)], pace) for query, pace in past.schedule.signals]
    tables = [replace(t, query=query) for t, (query, _) in zip(past.signals, signals, strict=True)]
    tried = replace(past, schedule=replace(past.schedule, signals=signals), signals=tables)
    run = replay(tried, judgement, policy_of(catalog, services), Pager(told, catalog.grouping.wait))
    total = report(run, services.values(), known).total
    return Trial(
        threshold, total.pages, total.pages_a_week, total.opened, total.caught, covered(run, bad, run.end)
    )


def _rounded(value: float, *, up: bool) -> float:
    """Two significant digits, away from what is usual."""
    if value == 0:
        return 0.0
    size = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    return float(f"{(math.ceil if up else math.floor)(value / size - (1e-9 if up else -1e-9)) * size:.6g}")
