"""The incident's aggregates beside the baseline's, and the statistics by which they differ."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from bongsu.analysis.model import CallEvidence, EdgeEvidence, Evidence
from bongsu.analysis.series import saturate, spread


@dataclass(frozen=True, slots=True)
class Excess:
    """More events than the baseline explains: ``count`` above expectation, ``rate`` above the baseline's
    rate, ``z`` in standard deviations of a Poisson count."""

    count: float
    rate: float
    z: float

    @property
    def stands_out(self) -> bool:
        return self.count >= 3 and self.z >= 4 and self.rate >= 0.01


def excess(events: int, of: int, events_before: int, of_before: int) -> Excess:
    """Compares ``events`` of ``of`` with the baseline's, smoothed by half an event in one (Jeffreys-like)."""
    if not of:
        return Excess(0.0, 0.0, 0.0)
    usual = (events_before + 0.5) / (of_before + 1.0) if of_before else 0.5 / (of + 1.0)
    expected = usual * of
    rate_before = events_before / of_before if of_before else 0.0
    more = events - expected
    return Excess(more, events / of - rate_before, more / math.sqrt(expected + 1.0))


def welch(
    mean: float, std: float, count: int, mean_before: float, std_before: float, count_before: int
) -> float:
    """Welch's t statistic of the two means; 0 where either side has fewer than three values."""
    if count < 3 or count_before < 3:
        return 0.0
    error = math.sqrt(std * std / count + std_before * std_before / count_before)
    return (mean - mean_before) / max(error, 1e-6)


@dataclass(frozen=True, slots=True)
class Spread:
    """Durations of ``count`` calls: mean and standard deviation in seconds, and of their logarithms."""

    count: int
    mean: float
    std: float
    log_mean: float
    log_std: float


def slower(now: Spread, then: Spread) -> bool:
    """Whether durations rose beyond chance: t ≥ 4 of the means or of the logarithms (which heavy tails leave
    alone, where they doubled); of too few calls for that, twenty times the spread of before."""
    if now.count < 3:
        return then.count >= 3 and now.mean - then.mean >= 20 * max(then.std, 0.01)
    plain = welch(now.mean, now.std, now.count, then.mean, then.std, then.count)
    log = welch(now.log_mean, now.log_std, now.count, then.log_mean, then.log_std, then.count)
    return plain >= 4.0 or (log >= 4.0 and now.log_mean - then.log_mean >= math.log(2))


@dataclass(frozen=True, slots=True)
class Drift:
    """How logarithms of durations differ between the windows all over the system: no two minutes are alike,
    and what moved with everything else tells nothing."""

    centre: float
    spread: float

    def beyond(self, now: Spread, then: Spread) -> float:
        """0 to 1: how clearly a change stands out from the drift, one half at five of its spreads."""
        z = (now.log_mean - then.log_mean - self.centre) / self.spread
        return saturate(z - _USUAL_DRIFT, _CLEAR_DRIFT)


_USUAL_DRIFT, _CLEAR_DRIFT = 2.0, 3.0
_LEAST_SPREAD = 0.2


def drift(pairs: Iterable[tuple[Spread, Spread]]) -> Drift:
    """From (now, then) of what was measured in both windows at least three times; deaf to a few outliers."""
    changes = [now.log_mean - then.log_mean for now, then in pairs if min(now.count, then.count) >= 3]
    if len(changes) < 4:
        return Drift(0.0, _LEAST_SPREAD)
    values = np.array(changes)
    return Drift(float(np.median(values)), max(spread(values), _LEAST_SPREAD))


def calls_by_window(evidence: Evidence, window: str) -> Mapping[tuple[str, str], CallEvidence]:
    return {(c.service, c.operation): c for c in evidence.calls if c.window == window}


def edges_by_window(evidence: Evidence, window: str) -> Mapping[tuple[str, str], EdgeEvidence]:
    return {(e.caller, e.callee): e for e in evidence.edges if e.window == window}


def ids(*rows: CallEvidence | EdgeEvidence | None) -> list[str]:
    return [row.id for row in rows if row is not None]


def g_test(events: int, of: int, events_before: int, of_before: int) -> float:
    """The G statistic (log-likelihood ratio, χ² with one degree of freedom) of two shares, half an event
    added to each cell (Haldane and Anscombe) so that certain events stay finite."""
    if not of or not of_before:
        return 0.0
    cells = (events + 0.5, of - events + 0.5, events_before + 0.5, of_before - events_before + 0.5)
    yes, no = cells[0] + cells[2], cells[1] + cells[3]
    now, then = cells[0] + cells[1], cells[2] + cells[3]
    total = now + then
    expected = (now * yes / total, now * no / total, then * yes / total, then * no / total)
    return 2.0 * sum(cell * math.log(cell / mean) for cell, mean in zip(cells, expected, strict=True))


_ENOUGH_CALLS = 10


def traced(evidence: Evidence) -> set[str]:
    """Services of which enough calls were seen to judge them by spans rather than by metrics."""
    counts: dict[str, int] = {}
    for call in evidence.calls:
        if call.window == "incident":
            counts[call.service] = counts.get(call.service, 0) + call.count
    return {service for service, count in counts.items() if count >= _ENOUGH_CALLS}
