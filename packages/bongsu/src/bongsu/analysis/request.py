"""What an incident's evidence is to be collected of, and within which bounds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bongsu.analysis.graph import neighbourhood
from bongsu.analysis.model import Window
from bongsu.analysis.windows import BaselineRule
from bongsu.incidents.model import Alert
from bongsu.signals.query import FleetQuery


@dataclass(frozen=True, slots=True)
class Limits:
    """How long collecting may take and how much it may keep; times in seconds."""

    seconds: float = 20.0
    per_read: float = 8.0
    concurrency: int = 6
    window: float = 900.0
    """The longest stretch of the incident that is read, from onset."""
    changes_back: float = 7200.0
    step: float = 15.0
    points: int = 400
    rate_window: float = 60.0
    """Rates are read over at most this, so that onset is sharp; longer where that answers nothing."""
    spans: int = 20_000
    """For each of the two windows."""
    slices: int = 4
    """Parts in which each window's spans and lines are read, so that a limit thins it instead of cutting off
    an end."""
    log_lines: int = 3000
    """Error lines, for each of the two windows."""
    all_lines: int = 20_000
    """Lines of every level, for each of the two windows."""
    log_templates: int = 60
    traces_each: int = 2
    trace_spans: int = 120
    settle: float = 5.0
    """The newest part of the incident is left out of span aggregates, as its spans are still arriving."""
    services_by_name: int = 50
    """Above this many services, spans and logs are asked for the neighbourhood only."""


@dataclass(frozen=True, slots=True)
class CollectRequest:
    """What to read. Times are Unix seconds."""

    incident: str
    alerts: Sequence[Alert]
    onset: float
    now: float
    depends_on: Mapping[str, Sequence[str]]
    """Service → services it calls, as declared."""
    queries: Sequence[FleetQuery] = ()
    """The signals of all services; only those of the neighbourhood are asked for."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    """``host:port`` or host → service."""
    busy: Sequence[Window] = ()
    """Windows of other incidents, which the baseline avoids."""
    history_start: float | None = None
    """When telemetry began, where that is known."""
    baseline: BaselineRule = field(default_factory=BaselineRule)
    limits: Limits = field(default_factory=Limits)

    @property
    def window(self) -> Window:
        latest = min(self.now, self.onset + self.limits.window)
        return Window(self.onset, max(latest, self.onset + 1.0))

    @property
    def known(self) -> set[str]:
        """Every service that the catalog names."""
        declared = {s for caller, callees in self.depends_on.items() for s in (caller, *callees)}
        asked = {service for query in self.queries for service in query.services}
        return declared | asked | self.alerting

    @property
    def alerting(self) -> set[str]:
        return {alert.service for alert in self.alerts if alert.service}

    @property
    def services(self) -> list[str]:
        """Who may be involved: the neighbourhood of the alerting services, or all when none is named."""
        involved = neighbourhood(self.depends_on, self.alerting) if self.alerting else self.known
        return sorted(involved)

    @property
    def outermost(self) -> set[str]:
        """Those of the services that none of the others calls; all where they call each other in a circle."""
        services = set(self.services)
        called = {c for name, callees in self.depends_on.items() if name in services for c in callees}
        return services - called or services
