"""One alert rule: what it was made from, and the texts that rules of every sort share."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from bongsu.catalog import Catalog, ResolvedService
from bongsu.catalog.objectives import Urgency
from bongsu.signals.model import Severity, Threshold
from bongsu.signals.quantities import format_duration
from bongsu.signals.query import FleetQuery
from bongsu.stack.burn_rate import Slo
from bongsu.stack.dashboards.identity import uid
from bongsu.stack.panels import panel_id
from bongsu.stack.recording import of_objective

WORDS = {Severity.P1: "critical", Severity.P2: "high", Severity.P3: "warning", Severity.P4: "info"}
VALUES = {
    "ratio": "{{ $value | humanizePercentage }}",
    "s": "{{ $value | humanizeDuration }}",
    "bytes": "{{ $value | humanize1024 }}B",
    "bytes_per_second": "{{ $value | humanize1024 }}B/s",
    "per_second": "{{ $value | humanize }}/s",
}


@dataclass(frozen=True, slots=True)
class About:
    """What a catalog knows of the services that rules speak of."""

    catalog: str = ""
    grafana: str = ""
    services: Mapping[str, ResolvedService] = field(default_factory=dict)
    timezone: str = "UTC"
    """The zone in which active hours are meant."""
    interval: float = 0.0
    """Seconds between two samples; 0 where it is not known."""

    @classmethod
    def of(cls, catalog: Catalog, services: Iterable[ResolvedService]) -> "About":
        known = {service.name: service for service in services}
        interval = catalog.scrape.interval or 0.0
        return cls(catalog.name, catalog.grafana or "", known, catalog.timezone, interval)

    def scraped(self, services: Iterable[str]) -> float:
        """The longest time between two samples of any of these services."""
        known = (self.services[name].spec.scrape.interval for name in services if name in self.services)
        return max((interval or self.interval for interval in known), default=self.interval)


@dataclass(frozen=True, slots=True)
class Rule:
    """One alert rule and what it was made from."""

    group: str
    query: FleetQuery
    severity: Severity
    threshold: Threshold
    absent: str
    """The service whose lack of data it tells of; empty for a rule that judges values."""
    body: dict[str, Any]
    slo: Slo | None = None
    """The objective whose burning budget, or lack of a bucket, it tells of."""
    urgency: Urgency | None = None
    """Which of the objective's pairs of windows it judges."""
    every: float = 0.0
    """Seconds between evaluations at least."""
    timezone: str = "UTC"


class Grouped(Protocol):
    """A rule of a rule file."""

    @property
    def group(self) -> str: ...
    @property
    def every(self) -> float: ...
    @property
    def body(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Part:
    """The services of a query that share a rule."""

    panel: str
    """The key of the overview's panel that shows them."""
    suffix: str
    """What tells this rule from others of the same signal."""
    query: FleetQuery


def document(rules: Iterable[Rule], *, interval: float) -> dict[str, Any]:
    """A rule file. Before the alerts of an objective stand the recordings that they read.

    A group is evaluated every ``interval`` seconds, or as seldom as its rules ask for.
    """
    groups: dict[str, list[Grouped]] = {}
    for rule in rules:
        members = groups.setdefault(rule.group, [])
        if rule.slo is not None and not members:
            members += [each for each in of_objective(rule.slo) if each.group == rule.group]
        members.append(rule)
    return {
        "groups": [
            {
                "name": name,
                "interval": format_duration(max(interval, *(rule.every for rule in members))),
                "rules": [rule.body for rule in members],
            }
            for name, members in groups.items()
        ]
    }


def word(texts: Mapping[str, str], language: str) -> str:
    return texts.get(language, texts["en"])


def labels_of(query: FleetQuery, severity: Severity, about: About) -> dict[str, str]:
    labels = {"severity": WORDS[severity], "signal": query.name}
    if len(query.services) == 1:
        labels["service"] = next(iter(query.services))
    elif all(dict(at) == {"job": name} for name, at in query.services.items()):
        labels["service"] = "{{ $labels.job }}"
    owners = {about.services[name].owner if name in about.services else "" for name in query.services}
    if len(owners) == 1 and "" not in owners:
        labels["owner"] = owners.pop()
    return labels


def links(part: Part, about: About) -> dict[str, str]:
    """The runbook that all services of the rule share, and the panel that shows the signal."""
    query = part.query
    known = [about.services[name] for name in query.services if name in about.services]
    found = {}
    runbooks = {s.spec.runbooks.get(query.name) or s.spec.runbook for s in known}
    if len(runbooks) == 1 and "" not in runbooks:
        found["runbook_url"] = runbooks.pop()
    if about.catalog:
        alone = known[0].name if len(query.services) == 1 else ""
        dashboard = uid(about.catalog, alone)
        panel = panel_id(query.name if alone else part.panel, alone)
        found |= {"dashboard_uid": dashboard, "panel_id": str(panel)}
        if about.grafana:
            found["dashboard"] = f"{about.grafana.rstrip('/')}/d/{dashboard}?viewPanel={panel}"
    return found


def name_of(signal: str, *parts: str) -> str:
    """``error_ratio``, ``critical``, ``orders-eu`` → ``ErrorRatioCriticalOrdersEu``."""
    words = [word for part in (signal, *parts) for word in re.split(r"[\W_]+", part) if word]
    return "".join(word[:1].upper() + word[1:] for word in words) or "Alert"
