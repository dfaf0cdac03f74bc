"""What a run means for people: how often they are called, what is caught, what is missed, how soon."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import eq
from statistics import median

import numpy as np

from bongsu.catalog import ResolvedService
from bongsu.catalog.objectives import URGENCIES, objectives_of
from bongsu.watch.backtest.known import Known
from bongsu.watch.backtest.raised import Raised, Rule
from bongsu.watch.backtest.replay import Run


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one rule, or of all. Times are seconds, None where there is nothing to take them of."""

    pages: int
    pages_a_week: float
    opened: int
    """Incidents that it opened."""
    alerts: int
    reopened: int
    """Alerts that brought an incident back within its cooldown."""
    outside: int
    """Pages while no incident is known."""
    caught: int
    missed: int
    alerts_an_incident: float | None
    delay: float | None
    """From the first bad sample to the alert, the median."""
    behind: float | None
    """From the beginning of a known incident to the first alert in it, the median; 0 where one was on."""


@dataclass(frozen=True, slots=True)
class Report:
    """A run, judged rule by rule against what is known."""

    start: float
    end: float
    weeks: float
    known: int
    rules: dict[Rule, Outcome]
    total: Outcome


def report(run: Run, services: Iterable[ResolvedService], known: Sequence[Known]) -> Report:
    """``known`` are those within the run's time. Every rule of the services has its outcome, even if silent.

    A page and an opened incident count for the rule in whose name they came about; what is caught counts
    for each rule that held.
    """
    names = dict.fromkeys(rules_of(services))
    names |= dict.fromkeys(rule for alert in run.alerts for rule in alert.rules)
    ordered = sorted(names, key=lambda rule: (rule.signal, rule.severity.rank, rule.kind, rule.objective))
    return Report(
        run.start,
        run.end,
        run.weeks,
        len(known),
        {rule: _outcome(run, known, partial(eq, rule)) for rule in ordered},
        _outcome(run, known, lambda _: True),
    )


def rules_of(services: Iterable[ResolvedService]) -> Iterable[Rule]:
    """Every rule by which these services are judged."""
    services = list(services)
    for service in services:
        for name, signal in service.signals.items():
            for severity in signal.thresholds:
                yield Rule(name, severity, "threshold")
    tiers = {service.name: service.spec.tier for service in services}
    for slo in objectives_of(services):
        for urgency in URGENCIES:
            if slo.pairs(urgency):
                severity = slo.severity(urgency, tiers[slo.service])
                yield Rule(slo.objective.signal, severity, "burn_rate", slo.name)


def _outcome(run: Run, known: Sequence[Known], mine: Callable[[Rule], bool]) -> Outcome:
    pages = [page for page in run.pages if mine(run.caused[page].worst)]
    alerts = [alert for alert in run.alerts if any(map(mine, alert.rules))]
    began = [alert for alert in alerts if mine(alert.first)]
    found = [first for one in known if (first := _first(alerts, one, mine)) is not None]
    touched = {alert.incident for alert in alerts}
    return Outcome(
        pages=len(pages),
        pages_a_week=len(pages) / run.weeks if run.weeks else 0.0,
        opened=sum(alert.how == "opened" for alert in began),
        alerts=len(alerts),
        reopened=sum(alert.how == "reopened" for alert in began),
        outside=sum(not any(_names(one, run.caused[page], page.at) for one in known) for page in pages),
        caught=len(found),
        missed=len(known) - len(found),
        alerts_an_incident=len(alerts) / len(touched) if touched else None,
        delay=median(alert.starts_at - alert.since for alert in began) if began else None,
        behind=median(found) if found else None,
    )


def _first(alerts: Sequence[Raised], known: Known, mine: Callable[[Rule], bool]) -> float | None:
    """How long after the beginning of a known incident a rule held of one of its services."""
    times = [
        max(0.0, min(at for rule, at in alert.rules.items() if mine(rule)) - known.start)
        for alert in alerts
        if alert.service in known.services and alert.overlaps(known.start, known.end)
    ]
    return min((time for time in times if known.start + time <= known.end), default=None)


def _names(known: Known, alert: Raised, at: float) -> bool:
    return alert.service in known.services and alert.overlaps(known.start, known.end) and at <= known.end


def covered(run: Run, known: Sequence[Known], end: float) -> float | None:
    """The share of the known trouble, service by service, during which an alert of the service fired."""
    bad = fired = 0.0
    for one in known:
        for service in one.services:
            first, last = max(one.start, run.start), min(one.end, end)
            spans = [
                (max(a.starts_at, first), min(a.ends_at or end, last))
                for a in run.alerts
                if a.service == service
            ]
            bad += max(0.0, last - first)
            fired += _length(spans)
    return fired / bad if bad else None


def _length(spans: Iterable[tuple[float, float]]) -> float:
    """The time that the union of spans takes."""
    total, reached = 0.0, -np.inf
    for first, last in sorted(spans):
        total += max(0.0, last - max(first, reached))
        reached = max(reached, last)
    return float(total)
