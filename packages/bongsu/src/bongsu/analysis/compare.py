"""The incident's aggregates beside the baseline's, and the statistics by which they differ."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from bongsu.analysis.model import CallEvidence, EdgeEvidence, Evidence


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


def calls_by_window(evidence: Evidence, window: str) -> Mapping[tuple[str, str], CallEvidence]:
    return {(c.service, c.operation): c for c in evidence.calls if c.window == window}


def edges_by_window(evidence: Evidence, window: str) -> Mapping[tuple[str, str], EdgeEvidence]:
    return {(e.caller, e.callee): e for e in evidence.edges if e.window == window}


def ids(*rows: CallEvidence | EdgeEvidence | None) -> list[str]:
    return [row.id for row in rows if row is not None]
