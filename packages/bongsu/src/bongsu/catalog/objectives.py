"""Objectives: which windows are judged, and how fast the error budget may burn in them.

Windows and budget shares are those of Google's SRE workbook, chapter 5 ("Alerting on SLOs"): a person is
paged when 2 % of the budget burns within 1 h or 5 % within 6 h, and a ticket is opened at 10 % within 1 d or
3 d; the short window of each pair ends the alert soon after the trouble.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from bongsu.catalog.models import Objective, unmeasurable
from bongsu.catalog.resolve import ResolvedService
from bongsu.signals.matchers import escape_regex
from bongsu.signals.model import Severity
from bongsu.signals.quantities import number
from bongsu.signals.query import FleetQuery

Urgency = Literal["page", "ticket"]
URGENCIES: tuple[Urgency, ...] = ("page", "ticket")

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
PAIRS: dict[Urgency, tuple[tuple[float, float, float], ...]] = {
    "page": ((5 * _MINUTE, _HOUR, 0.02), (30 * _MINUTE, 6 * _HOUR, 0.05)),
    "ticket": ((2 * _HOUR, _DAY, 0.1), (6 * _HOUR, 3 * _DAY, 0.1)),
}
"""Short window, long window (seconds), and the share of the budget that burns within the long one."""

LEAST_FAILURES = 3
"""Bad events in the long window below which nobody is told: in a quiet hour, one failure is 100 %."""
_MOST = 0.9
SHORTEST = PAIRS["page"][0][0]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two windows (seconds) whose shares of bad events must both be above ``limit``."""

    short: float
    long: float
    factor: float
    """How many times as fast as the objective allows the budget burns."""
    limit: float


@dataclass(frozen=True, slots=True)
class Slo:
    """One objective of one service. ValueError where its signal has no share of bad events."""

    service: str
    name: str
    objective: Objective
    query: FleetQuery
    """The objective's signal, of this service alone."""

    def __post_init__(self) -> None:
        wrong = unmeasurable(self.objective, self.query.signal)
        if wrong is not None:
            raise ValueError(f"objective {self.name!r} of {self.service!r}: {': '.join(wrong)}")

    @property
    def budget(self) -> float:
        """The share of events that may be bad; 1 - 0.999 is 0.0010000000000000009."""
        return float(f"{1 - self.objective.target:.12g}")

    def severity(self, urgency: Urgency, tier: int) -> Severity:
        """A page is critical for what the business stops without, else high; a ticket is a warning."""
        if urgency == "ticket":
            return Severity.P3
        return Severity.P1 if tier == 1 else Severity.P2

    def pairs(self, urgency: Urgency) -> list[Pair]:
        """The pairs of windows that fit the period.

        A factor below 1 would tell of a budget that lasts: it is 1 then. 14.4 times a tenth is a limit that
        no share can be above: when nine in ten events are bad, people are told in any case.
        """
        period, highest = self.objective.period, max(_MOST, (1 + self.budget) / 2)
        pairs = []
        for short, long, share in PAIRS[urgency]:
            if long <= period:
                factor = max(1.0, share * period / long)
                limit = float(f"{min(factor * self.budget, highest):.12g}")
                pairs.append(Pair(short, long, factor, limit))
        return pairs

    def windows(self) -> list[float]:
        """Every window whose share is judged, in seconds, shortest first."""
        return sorted({*self.recorded("page"), *self.recorded("ticket")})

    def recorded(self, urgency: Urgency) -> list[float]:
        """The windows whose shares are recorded for a page, or for a ticket besides those."""
        pages = {window for pair in self.pairs("page") for window in (pair.short, pair.long)}
        if urgency == "page":
            return sorted(pages | {SHORTEST})
        tickets = {window for pair in self.pairs("ticket") for window in (pair.short, pair.long)}
        return sorted(tickets - pages)


def objectives_of(services: Iterable[ResolvedService]) -> Iterator[Slo]:
    """Every objective of these services, in the catalog's order."""
    for service in services:
        for name, objective in service.spec.objectives.items():
            signal = service.signals[objective.signal]
            members = {service.name: service.labels_of(objective.signal)}
            yield Slo(service.name, name, objective, FleetQuery(objective.signal, signal, members))


def bucket_pattern(bound: float) -> str:
    """``le`` of a bucket in every spelling: ``3`` and ``3.0``, ``0.00001`` and ``1e-05``."""
    spelled = dict.fromkeys((number(bound), repr(float(bound)), f"{bound:g}"))
    return "|".join(escape_regex(text) for text in spelled)
