"""What a user declares. Every model is closed: an unknown key is an error."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field, field_validator, model_validator

from bongsu.catalog.secrets import Secret
from bongsu.signals.model import Model, Severity, Signal, Text, Threshold
from bongsu.signals.quantities import Duration, Quantity


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str | dict) else value


def _zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"{name!r} is not a time zone; write it like Asia/Seoul or UTC")
    return name


TimeZone = Annotated[str, AfterValidator(_zone)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)]
Thresholds = dict[str, dict[Severity, Threshold | Literal["none"]]]
"""Signal → severity → condition; ``none`` takes an inherited one away."""


class DiscordIdentity(Model):
    user: str = Field(default="", pattern=r"^\d*$")
    role: str = Field(default="", pattern=r"^\d*$")


class Rotation(Model):
    """Who is on call: members take turns of ``weeks`` weeks from ``start``; or an iCal file says."""

    members: tuple[str, ...] = ()
    start: date | None = None
    weeks: int = Field(default=1, ge=1)
    ical: str = ""


class Owner(Model):
    """A person or a team."""

    name: str = ""
    discord: DiscordIdentity = DiscordIdentity()
    slack: str = ""
    email: str = ""
    oncall: Rotation | None = None


class Objective(Model):
    """An SLO: ``target`` of events over ``period`` must be good by ``signal`` (a ratio or quantile)."""

    signal: str
    target: Quantity = Field(gt=0, lt=1)
    period: Duration = 30 * 86400.0


class Kind(Model):
    """A sort of service, as a set of signals. Kinds build on others through ``extends``."""

    title: Text = Text(en="")
    extends: tuple[str, ...] = ()
    signals: dict[str, Signal] = Field(default_factory=dict)
    defaults: dict[str, str] = Field(default_factory=dict)
    """Default values of the placeholders that metric names may use, such as ``prefix``."""


class Service(Model):
    kind: Annotated[tuple[str, ...], Field(min_length=1)]
    title: Text = Text(en="")
    owner: str = ""
    tier: int = Field(default=2, ge=1, le=4)
    depends_on: tuple[str, ...] = ()
    prefix: str = Field(default="", pattern=r"^[a-zA-Z_:]?[a-zA-Z0-9_:]*$")
    """What the service's own metric names begin with; ``shop`` for ``shop_http_requests_total``."""
    targets: tuple[str, ...] = ()
    """Where ``/metrics`` is: ``host:port`` or a URL."""
    addresses: tuple[str, ...] = ()
    """Other ``host:port`` names by which callers know it."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels that select its telemetry; ``{job: <name>}`` unless given."""
    source: str = ""
    runbook: str = ""
    runbooks: dict[str, str] = Field(default_factory=dict)
    dashboard: str = ""
    signals: dict[str, Signal] = Field(default_factory=dict)
    thresholds: Thresholds = Field(default_factory=dict)
    objectives: dict[str, Objective] = Field(default_factory=dict)

    _kinds = field_validator("kind", mode="before")(_one_or_many)
    _targets = field_validator("targets", mode="before")(_one_or_many)


class EmbeddedSource(Model):
    """Bongsu's own store: it scrapes the services' targets and receives OTLP/HTTP."""

    type: Literal["embedded"]
    scrape_interval: Duration = 15.0
    retention: Duration = 3 * 86400.0
    max_size: Quantity = 2 * 2.0**30


class PrometheusSource(Model):
    """Prometheus, Mimir, Thanos or VictoriaMetrics."""

    type: Literal["prometheus"]
    url: str
    token: Secret | None = None
    timeout: Duration = 10.0


Source = Annotated[EmbeddedSource | PrometheusSource, Field(discriminator="type")]


class DiscordChannel(Model):
    type: Literal["discord"]
    webhook: Secret
    language: Literal["en", "ko"] | None = None


Channel = Annotated[DiscordChannel, Field()]


class Route(Model):
    """Which incidents go to which channels. All conditions given must hold; none given means every one."""

    to: Annotated[tuple[str, ...], Field(min_length=1)]
    severity: tuple[Severity, ...] = ()
    services: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    mention: bool = True

    _to = field_validator("to", mode="before")(_one_or_many)
    _severity = field_validator("severity", mode="before")(_one_or_many)
    _services = field_validator("services", mode="before")(_one_or_many)


class Watch(Model):
    """How the watch judges: how often, and how it keeps repeats from paging again."""

    interval: Duration = 300.0
    resolve_after: Duration = 60.0
    """A condition must be clear for this long before its alert resolves."""
    cooldown: Duration = 1800.0
    """A condition that comes back within this time reopens its incident instead of a new page."""


class Grouping(Model):
    wait: Duration = 5.0
    """How long an incident gathers its first alerts before it is told."""
    window: Duration = 300.0
    """An alert of a neighbouring service joins an incident whose last alert is at most this old."""


class AnalysisLimits(Model):
    """How long an investigation may take, and how much of the newest telemetry it leaves out."""

    deadline: Duration = 20.0
    settle: Duration = 5.0


class Defaults(Model):
    """What holds for every service unless its own entry says otherwise."""

    thresholds: Thresholds = Field(default_factory=dict)
    window: Duration | None = None
    """Over how long the shipped kinds' signals look back; each has its own unless given here."""
    owner: str = ""
    source: str = ""


class Maintenance(Model):
    """A window in which alerts of these services do not page."""

    services: tuple[str, ...] = ()
    start: datetime
    end: datetime
    reason: str = ""

    @model_validator(mode="after")
    def _ordered(self) -> "Maintenance":
        if self.end <= self.start:
            raise ValueError("a maintenance window must end after it starts")
        return self


class Catalog(Model):
    """One ``bongsu.yaml``: services, owners, sources, channels and routes."""

    name: Name
    language: Literal["en", "ko"] = "en"
    timezone: TimeZone = "UTC"
    url: str = ""
    """Where people reach the console; links in messages begin with it."""
    defaults: Defaults = Defaults()
    owners: dict[Name, Owner] = Field(default_factory=dict)
    sources: dict[Name, Source] = Field(default_factory=dict)
    kinds: dict[Name, Kind] = Field(default_factory=dict)
    services: dict[Name, Service] = Field(default_factory=dict)
    channels: dict[Name, Channel] = Field(default_factory=dict)
    routes: tuple[Route, ...] = ()
    watch: Watch = Watch()
    grouping: Grouping = Grouping()
    analysis: AnalysisLimits = AnalysisLimits()
    maintenance: tuple[Maintenance, ...] = ()

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)
