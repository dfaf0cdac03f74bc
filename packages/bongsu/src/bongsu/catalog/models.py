"""What a user declares. Every model is closed: an unknown key is an error."""

from datetime import datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from bongsu.catalog.backends import (
    DatadogSource,
    EmbeddedSource,
    JaegerSource,
    LokiSource,
    PrometheusSource,
    SignozSource,
    Source,
    TempoSource,
)
from bongsu.catalog.channels import (
    Channel,
    DiscordChannel,
    EmailChannel,
    JiraChannel,
    PagerDutyChannel,
    SlackChannel,
    TeamsChannel,
    WebhookChannel,
)
from bongsu.catalog.fields import Name, TimeOfDay, TimeZone, Url, Version, one_or_many
from bongsu.catalog.people import DiscordIdentity, Owner, Rotation
from bongsu.catalog.places import Host, Kubernetes, Placement, Retention, Scrape, Target
from bongsu.catalog.secrets import Secret
from bongsu.signals.model import (
    AnySignal,
    Hours,
    Model,
    Quantile,
    Ratio,
    Severity,
    Signal,
    Text,
    Threshold,
)
from bongsu.signals.quantities import Duration, Quantity

__all__ = [
    "AnalysisLimits",
    "Catalog",
    "Channel",
    "DatadogSource",
    "Defaults",
    "DiscordChannel",
    "DiscordIdentity",
    "EmailChannel",
    "EmbeddedSource",
    "Grouping",
    "Host",
    "JaegerSource",
    "JiraChannel",
    "Kind",
    "Kubernetes",
    "Learned",
    "LokiSource",
    "Maintenance",
    "Name",
    "Objective",
    "Owner",
    "PagerDutyChannel",
    "Placement",
    "PrometheusSource",
    "Report",
    "Retention",
    "Rotation",
    "Route",
    "Scrape",
    "Service",
    "SignozSource",
    "SlackChannel",
    "Source",
    "TeamsChannel",
    "TempoSource",
    "Thresholds",
    "TimeOfDay",
    "TimeZone",
    "Watch",
    "WebhookChannel",
]

Thresholds = dict[str, dict[Severity, Threshold | Literal["none"]]]
"""Signal → severity → condition; ``none`` takes an inherited one away."""


_SHORTEST_PERIOD = 86400.0


class Objective(Model):
    """An SLO: ``target`` of events over ``period`` must be good by ``signal`` (a ratio or quantile)."""

    signal: str
    """A ratio of bad events, or a quantile."""
    target: Quantity = Field(gt=0, lt=1)
    """The share of events that must be good: 99.9%."""
    below: Quantity | None = None
    """For a quantile: the value up to which an event is good. One of the histogram's buckets."""
    period: Duration = 30 * 86400.0
    """Over how long the target holds."""


def unmeasurable(objective: Objective, signal: AnySignal) -> tuple[str, str] | None:
    """Why ``objective`` cannot be measured by ``signal``, and what to do; None where it can."""
    if not isinstance(signal, Ratio | Quantile):
        what = f"{objective.signal!r} is a {signal.form}, which has no share of bad events"
        return what, "name a signal of the form ratio or quantile"
    if isinstance(signal, Quantile) and objective.below is None:
        return "nothing says up to which value an event is good", "add below: with one of the buckets' bounds"
    if objective.period < _SHORTEST_PERIOD:
        return "the period is too short for an error budget", "give 1d or more"
    return None


class Kind(Model):
    """A sort of service, as a set of signals. Kinds build on others through ``extends``."""

    title: Text = Text(en="")
    """What people call it."""
    extends: tuple[str, ...] = ()
    """Kinds whose signals it has too."""
    select: dict[str, str] = Field(default_factory=dict)
    """The ``select`` of those of its signals that have none."""
    signals: dict[str, Signal] = Field(default_factory=dict)
    """What can be measured of such a service."""
    defaults: dict[str, str] = Field(default_factory=dict)
    """Default values of the placeholders that metric names may use, such as ``prefix``."""


class Service(Model):
    """Something that runs and is watched."""

    kind: Annotated[tuple[str, ...], Field(min_length=1)]
    """What it is; several kinds give it the signals of all."""
    title: Text = Text(en="")
    """What people call it."""
    owner: str = ""
    """Who answers for it; ``defaults.owner`` unless given."""
    tier: int = Field(default=2, ge=1, le=4)
    """How much depends on it: 1 is what the business stops without."""
    depends_on: tuple[str, ...] = ()
    """The services that it calls."""
    prefix: str = Field(default="", pattern=r"^[a-zA-Z_:]?[a-zA-Z0-9_:]*$")
    """What the service's own metric names begin with; ``shop`` for ``shop_http_requests_total``."""
    variables: dict[str, str] = Field(default_factory=dict)
    """Values of its kinds' other placeholders, such as ``route``: the label that names the endpoint."""
    targets: tuple[str, ...] = ()
    """Where ``/metrics`` is: ``host:port`` or a URL."""
    scrape: Scrape = Scrape()
    """How its metrics are collected, where that differs from the catalog's ``scrape``."""
    addresses: tuple[str, ...] = ()
    """Other ``host:port`` names by which callers know it."""
    runs: Placement = Placement()
    """Where it runs."""
    logs: tuple[str, ...] = ()
    """The files that it writes its log to, for an agent on its host."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels that select its telemetry; ``{job: <name>}`` unless given."""
    source: str = ""
    """Where its metrics are asked for; ``defaults.source``, then the first source, unless given."""
    runbook: str = ""
    """Where people read what to do."""
    runbooks: dict[str, str] = Field(default_factory=dict)
    """Signal → its own runbook."""
    dashboard: str = ""
    """Its own dashboard's URL, linked in messages."""
    dashboards: dict[str, str] = Field(default_factory=dict)
    """Name → URL of further dashboards."""
    signals: dict[str, Signal] = Field(default_factory=dict)
    """Signals that none of its kinds has, or that replace a kind's."""
    thresholds: Thresholds = Field(default_factory=dict)
    """Where its thresholds differ from its kinds' and the catalog's."""
    active: dict[str, tuple[Hours, ...]] = Field(default_factory=dict)
    """Signal → the hours in which its thresholds are judged."""
    objectives: dict[str, Objective] = Field(default_factory=dict)
    """What it promises."""

    _kinds = field_validator("kind", mode="before")(one_or_many)
    _targets = field_validator("targets", mode="before")(one_or_many)
    _logs = field_validator("logs", mode="before")(one_or_many)

    @field_validator("active", mode="before")
    @classmethod
    def _one_or_many_hours(cls, value: object) -> object:
        return {k: one_or_many(v) for k, v in value.items()} if isinstance(value, dict) else value


class Route(Model):
    """Which incidents go to which channels. All conditions given must hold; none given means every one."""

    to: Annotated[tuple[str, ...], Field(min_length=1)]
    """The channels."""
    severity: tuple[Severity, ...] = ()
    """Incidents of these severities."""
    services: tuple[str, ...] = ()
    """Incidents that began at these services."""
    owners: tuple[str, ...] = ()
    """Incidents of these owners' services."""
    during: tuple[Hours, ...] = ()
    """Incidents told within these hours of the catalog's time zone."""
    mention: bool | Literal["here"] = True
    """Whether to mention the owner; ``here`` calls on everybody who is present."""

    _to = field_validator("to", mode="before")(one_or_many)
    _severity = field_validator("severity", mode="before")(one_or_many)
    _services = field_validator("services", mode="before")(one_or_many)
    _owners = field_validator("owners", mode="before")(one_or_many)
    _during = field_validator("during", mode="before")(one_or_many)


class Learned(Model):
    """What is told of signals that are unlike what is usual for them, though no threshold is broken."""

    pages_a_week: float = Field(default=2.0, gt=0)
    """How many false alarms a week may come of it, over all services together."""
    severity: Severity = Severity.P3
    """How such an alert is told."""
    signals: tuple[str, ...] = ()
    """The signals that are learned; every rate, ratio and quantile unless given."""

    _signals = field_validator("signals", mode="before")(one_or_many)


class Watch(Model):
    """How the watch judges: how often, and how it keeps repeats from paging again."""

    interval: Duration = 300.0
    """How often every signal is read."""
    resolve_after: Duration = 60.0
    """A condition must be clear for this long before its alert resolves."""
    cooldown: Duration = 1800.0
    """A condition that comes back within this time reopens its incident instead of a new page."""
    learned: Learned | None = None
    """Whether what is usual is learned, too, and told of when it changes."""


class Grouping(Model):
    """How alerts become incidents, and how often an incident is told."""

    wait: Duration = 5.0
    """How long an incident gathers its first alerts before it is told."""
    window: Duration = 300.0
    """An alert of a neighbouring service joins an incident whose last alert is at most this old."""
    by: tuple[str, ...] = ("alertname", "severity")
    """The labels by which a generated Alertmanager groups alerts."""
    interval: Duration = 10.0
    """How long Alertmanager waits before it tells of new alerts in a group."""
    repeat: Duration = 12 * 3600.0
    """How often an alert that lasts is told again."""


class AnalysisLimits(Model):
    """How long an investigation may take, and how much of the newest telemetry it leaves out."""

    deadline: Duration = 20.0
    """When what has been found until then is told."""
    settle: Duration = 5.0
    """Telemetry younger than this is still arriving."""


class Defaults(Model):
    """What holds for every service unless its own entry says otherwise."""

    thresholds: Thresholds = Field(default_factory=dict)
    """Where thresholds differ from the kinds'."""
    window: Duration | None = None
    """Over how long the shipped kinds' signals look back, but for those that need a window of their own."""
    owner: str = ""
    """Who answers for services that name nobody."""
    source: str = ""
    """Where metrics are asked for; the first source unless given."""


class Maintenance(Model):
    """When alerts of these services do not page: once from ``start`` to ``end``, or ``every`` week."""

    services: tuple[str, ...] = ()
    """All services unless given."""
    start: datetime | None = None
    """When it begins; in the catalog's time zone where no offset is given."""
    end: datetime | None = None
    """When it ends."""
    every: tuple[Hours, ...] = ()
    """Recurring hours of the week: ``sun 02:00-04:00``."""
    reason: str = ""
    """What is being done."""

    _services = field_validator("services", mode="before")(one_or_many)
    _every = field_validator("every", mode="before")(one_or_many)

    @model_validator(mode="after")
    def _ordered(self) -> "Maintenance":
        if bool(self.every) == (self.start is not None):
            raise ValueError("a maintenance window has either start and end, or every")
        if (self.start is None) != (self.end is None):
            raise ValueError("a maintenance window needs both start and end")
        if self.start is None or self.end is None:
            return self
        if (self.start.tzinfo is None) != (self.end.tzinfo is None):
            raise ValueError("start and end both have an offset, or neither")
        if self.end <= self.start:
            raise ValueError("a maintenance window must end after it starts")
        return self


class Report(Model):
    """The regular report."""

    at: TimeOfDay
    """When it is sent."""
    to: Annotated[tuple[str, ...], Field(min_length=1)]
    """The channels that get it."""
    days: tuple[Hours, ...] = ()
    """On which days: ``mon-fri``; every day unless given."""

    _to = field_validator("to", mode="before")(one_or_many)
    _days = field_validator("days", mode="before")(one_or_many)


class Catalog(Model):
    """One ``bongsu.yaml``: services, owners, sources, channels and routes."""

    name: Name
    """The team or system."""
    language: Literal["en", "ko"] = "en"
    """The language of messages and reports."""
    timezone: TimeZone = "UTC"
    """The zone in which times are shown and hours are meant."""
    url: str = ""
    """Where people reach the console; links in messages begin with it."""
    grafana: Url | None = None
    """Where people reach Grafana; links to generated dashboards begin with it."""
    targets: dict[Target, Version] = Field(default_factory=dict)
    """The system that configuration is generated for → its version."""
    defaults: Defaults = Defaults()
    """What holds for every service."""
    owners: dict[Name, Owner] = Field(default_factory=dict)
    """People and teams."""
    sources: dict[Name, Source] = Field(default_factory=dict)
    """Where telemetry is asked for."""
    kinds: dict[Name, Kind] = Field(default_factory=dict)
    """Kinds of the team's own."""
    services: dict[Name, Service] = Field(default_factory=dict)
    """What is watched."""
    channels: dict[Name, Channel] = Field(default_factory=dict)
    """Where people are told."""
    routes: tuple[Route, ...] = ()
    """Which incidents go where."""
    report: Report | None = None
    """The regular report."""
    templates: str = ""
    """A folder of the team's own message templates."""
    watch: Watch = Watch()
    """How the watch judges."""
    grouping: Grouping = Grouping()
    """How alerts become incidents."""
    analysis: AnalysisLimits = AnalysisLimits()
    """How an incident is investigated."""
    maintenance: tuple[Maintenance, ...] = ()
    """Windows in which nobody is paged."""
    scrape: Scrape = Scrape(interval=15.0)
    """How metrics are collected."""
    retention: Retention = Retention()
    """How long telemetry is kept."""
    kubernetes: Kubernetes = Kubernetes()
    """The cluster that manifests are generated for."""
    host: Host = Host()
    """The machine that Terraform makes."""
    images: dict[Name, str] = Field(default_factory=dict)
    """System → the image repository that it is pulled from, such as a mirror of the team's own."""
    notifier: Literal["bongsu", "alertmanager"] = "bongsu"
    """Who tells the channels of Prometheus' alerts: Bongsu, which groups and explains them; or the generated
    Alertmanager itself, which leaves Bongsu to record them and to tell of what it finds on its own."""
    heartbeat: Secret | None = None
    """A URL outside that is called as long as the alert chain works, and raises the alarm when calls stop."""

    @property
    def zone(self) -> ZoneInfo:
        """The catalog's time zone."""
        return ZoneInfo(self.timezone)
