"""The channels that a catalog may declare: where people are told."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from bongsu.catalog.fields import Url, one_or_many
from bongsu.catalog.secrets import Secret
from bongsu.signals.model import Model, Severity


class _Channel(Model):
    language: Literal["en", "ko"] | None = None
    """The language of its messages; the catalog's unless given."""


class DiscordChannel(_Channel):
    """A Discord channel, through its webhook."""

    type: Literal["discord"]
    webhook: Secret
    """The webhook's URL."""


class SlackChannel(_Channel):
    """A Slack channel, through an app (which edits and threads its messages) or an incoming webhook."""

    type: Literal["slack"]
    webhook: Secret | None = None
    """The incoming webhook's URL."""
    token: Secret | None = None
    """The app's bot token, ``xoxb-…``."""
    channel: str = ""
    """Where the app writes: ``#alerts`` or a channel id. A webhook has its own."""

    @model_validator(mode="after")
    def _one_way(self) -> "SlackChannel":
        if (self.webhook is None) == (self.token is None):
            raise ValueError("a Slack channel has either a webhook, or an app's token and a channel")
        if self.token is not None and not self.channel:
            raise ValueError("an app's token needs a channel to write to")
        return self


class JiraChannel(_Channel):
    """Issues in a Jira project, one for each incident."""

    type: Literal["jira"]
    url: Url
    """``https://<team>.atlassian.net``."""
    project: str = Field(pattern=r"^[A-Z][A-Z0-9_]+$")
    """The project's key."""
    email: str = ""
    """Whose token it is; empty for a personal access token of Jira Data Center."""
    token: Secret
    """The API token."""
    issue_type: str = "Bug"
    """Which type the issues have."""
    labels: tuple[str, ...] = ("bongsu",)
    """What every issue is labelled with."""
    priorities: dict[Severity, str] = Field(default_factory=dict)
    """Severity → the name of a Jira priority; the project's default for those left out."""


class PagerDutyChannel(_Channel):
    """A PagerDuty service, through the Events API v2."""

    type: Literal["pagerduty"]
    routing_key: Secret
    """The integration key of the service."""
    region: Literal["us", "eu"] = "us"
    """Where the account is."""


class EmailChannel(_Channel):
    """Mail through an SMTP server."""

    type: Literal["email"]
    smtp: str = Field(pattern=r"^[A-Za-z0-9.-]+:\d{1,5}$")
    """The mail server, ``host:port``."""
    from_: str = Field(alias="from")
    """The sender's address."""
    to: Annotated[tuple[str, ...], Field(min_length=1)]
    """The recipients' addresses."""
    username: str = ""
    """For servers that want a sign-in."""
    password: Secret | None = None
    """Goes with ``username``."""
    tls: Literal["starttls", "tls", "none"] = "starttls"
    """How the connection is kept private."""

    _to = field_validator("to", mode="before")(one_or_many)


class TeamsChannel(_Channel):
    """A Microsoft Teams channel, through a workflow's webhook."""

    type: Literal["teams"]
    webhook: Secret
    """The workflow's URL."""


class WebhookChannel(_Channel):
    """Any program that takes a JSON document by POST."""

    type: Literal["webhook"]
    url: Url
    """Where the document is posted."""
    token: Secret | None = None
    """Sent as a bearer token."""
    sign: Secret | None = None
    """The key of an HMAC-SHA256 signature over timestamp and body."""


Channel = Annotated[
    DiscordChannel
    | SlackChannel
    | JiraChannel
    | PagerDutyChannel
    | EmailChannel
    | TeamsChannel
    | WebhookChannel,
    Field(discriminator="type"),
]
