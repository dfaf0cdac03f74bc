"""Recording rules of objectives.

Only objectives are recorded. A signal's expression is evaluated for its alerts alone: a dashboard's window
follows its zoom, so that it could not read a recorded one, and an alert says what it means by itself.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from bongsu.catalog import ResolvedService
from bongsu.catalog.objectives import SHORTEST, Urgency
from bongsu.signals.quantities import format_duration, number
from bongsu.stack import burn_rate
from bongsu.stack.burn_rate import Slo

EVERY: dict[Urgency, float] = {"page": 60.0, "ticket": 300.0}
"""Seconds between evaluations: a small part of the shortest window, as the longest are dear to read."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording rule, and the objective that it was made from."""

    group: str
    slo: Slo
    body: dict[str, Any]
    every: float


def recording_rules(services: Iterable[ResolvedService]) -> list[Recording]:
    """What the burn-rate alerts, dashboards and reports read, in an order in which each has its inputs.

    ValueError where an objective's signal has no share of bad events.
    """
    return [rule for slo in burn_rate.objectives_of(services) for rule in of_objective(slo)]


def group_of(slo: Slo, urgency: Urgency) -> str:
    """Recordings and alerts of an objective's page, or ticket, share a group, which is evaluated in order."""
    return f"slo/{slo.service}/{slo.name}/{urgency}"


def of_objective(slo: Slo) -> list[Recording]:
    """The recordings of one objective: first those of its page, then what its ticket needs besides."""
    labels = {"service": slo.service, "objective": slo.name}
    wanted: tuple[tuple[Urgency, Iterator[tuple[str, str]]], ...]
    wanted = (("page", _of_page(slo)), ("ticket", _of_ticket(slo)))
    return [
        Recording(
            group_of(slo, urgency),
            slo,
            {"record": name, "expr": text, "labels": dict(labels)},
            EVERY[urgency],
        )
        for urgency, expressions in wanted
        for name, text in expressions
    ]


def _of_page(slo: Slo) -> Iterator[tuple[str, str]]:
    yield burn_rate.EVENTS, slo.events(SHORTEST)
    yield burn_rate.ERRORS, slo.errors(SHORTEST)
    for window in slo.recorded("page"):
        yield burn_rate.ratio_name(window), slo.ratio(window)
    for pair in slo.pairs("page"):
        yield burn_rate.failures_name(pair.long), slo.errors(pair.long, "increase")


def _of_ticket(slo: Slo) -> Iterator[tuple[str, str]]:
    for window in slo.recorded("ticket"):
        yield burn_rate.ratio_name(window), slo.ratio(window)
    for pair in slo.pairs("ticket"):
        yield burn_rate.failures_name(pair.long), slo.errors(pair.long, "increase")
    # The sums weigh each moment by its events; a mean of shares would weigh a quiet night as much as a day.
    period = format_duration(slo.objective.period)
    bad = f"sum_over_time({burn_rate.ERRORS}{slo.selector}[{period}])"
    every = f"sum_over_time({burn_rate.EVENTS}{slo.selector}[{period}])"
    yield burn_rate.PERIOD_ERRORS, f"{bad} / ({every} > 0)"
    yield burn_rate.TARGET, f"vector({number(slo.objective.target)})"
    spent = f"{burn_rate.PERIOD_ERRORS}{slo.selector} / {number(slo.budget)}"
    yield burn_rate.BUDGET_LEFT, f"1 - {spent}"
