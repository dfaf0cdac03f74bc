"""The sources that a catalog may declare: where telemetry is kept and asked for."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from bongsu.catalog.fields import Url
from bongsu.catalog.secrets import Secret
from bongsu.signals.model import Model
from bongsu.signals.quantities import Duration, Quantity


class EmbeddedSource(Model):
    """Bongsu's own store: it scrapes the services' targets and receives OTLP/HTTP."""

    type: Literal["embedded"]
    scrape_interval: Duration = 15.0
    """How often the services' targets are read."""
    retention: Duration = 3 * 86400.0
    """How long telemetry is kept."""
    max_size: Quantity = 2 * 2.0**30
    """How much of the disk it may take; the oldest goes first."""


class _Http(Model):
    ca_file: str = ""
    """The certificates to trust, where the backend's is not signed by a public authority."""


class PrometheusSource(_Http):
    """Prometheus, Mimir, Thanos or VictoriaMetrics."""

    type: Literal["prometheus"]
    url: str
    """Where its HTTP API is, without ``/api/v1``."""
    token: Secret | None = None
    """Sent as a bearer token."""
    tenant: str = ""
    """Sent as ``X-Scope-OrgID``, for Mimir."""
    timeout: Duration = 10.0
    """How long one query may take."""


class SignozSource(_Http):
    """SigNoz: metrics, traces and logs, over its HTTP API or its MCP server."""

    type: Literal["signoz"]
    url: Url
    """Where SigNoz is, or its MCP server when ``via`` is ``mcp``."""
    token: Secret
    """Its API key."""
    via: Literal["http", "mcp"] = "http"
    """Over which of its two interfaces it is asked."""
    command: str = ""
    """The program of the MCP server, started as a child, which is told ``url`` as SigNoz' own address."""
    args: tuple[str, ...] = ()
    """What the program is started with."""
    env: dict[str, str] = Field(default_factory=dict)
    """More of the program's environment, beside ``SIGNOZ_URL`` and ``SIGNOZ_API_KEY``; it inherits little."""
    timeout: Duration = 20.0
    """How long one query may take."""

    @model_validator(mode="after")
    def _command_of_mcp(self) -> "SignozSource":
        if self.command and self.via != "mcp":
            raise ValueError("command starts an MCP server; write via: mcp with it")
        if (self.args or self.env) and not self.command:
            raise ValueError(
                "args and env belong to a command; name the program of the MCP server in command"
            )
        return self


class DatadogSource(_Http):
    """Datadog: metrics."""

    type: Literal["datadog"]
    site: Literal[
        "datadoghq.com",
        "us3.datadoghq.com",
        "us5.datadoghq.com",
        "datadoghq.eu",
        "ap1.datadoghq.com",
        "ap2.datadoghq.com",
        "ddog-gov.com",
    ] = "datadoghq.com"
    """The Datadog site that holds the account."""
    url: Url | None = None
    """Where its API is instead, without ``/api``: a proxy before it."""
    api_key: Secret
    """Its API key."""
    application_key: Secret
    """Its application key."""
    timeout: Duration = 20.0
    """How long one query may take."""


class LokiSource(_Http):
    """Loki: logs."""

    type: Literal["loki"]
    url: Url
    """Where its HTTP API is, without ``/loki/api``."""
    token: Secret | None = None
    """Sent as a bearer token."""
    tenant: str = ""
    """Sent as ``X-Scope-OrgID``."""
    service_label: str = "service_name"
    """The stream label that names a service."""
    timeout: Duration = 20.0
    """How long one query may take."""


class TempoSource(_Http):
    """Grafana Tempo: traces."""

    type: Literal["tempo"]
    url: Url
    """Where its HTTP API is, without ``/api``."""
    token: Secret | None = None
    """Sent as a bearer token."""
    tenant: str = ""
    """Sent as ``X-Scope-OrgID``."""
    timeout: Duration = 20.0
    """How long one query may take."""


class JaegerSource(_Http):
    """Jaeger 2: traces."""

    type: Literal["jaeger"]
    url: Url
    """Where its query service is, without ``/api``."""
    token: Secret | None = None
    """Sent as a bearer token."""
    timeout: Duration = 20.0
    """How long one query may take."""


Source = Annotated[
    EmbeddedSource
    | PrometheusSource
    | SignozSource
    | DatadogSource
    | LokiSource
    | TempoSource
    | JaegerSource,
    Field(discriminator="type"),
]
