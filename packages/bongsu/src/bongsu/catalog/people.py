"""Who answers for services, and who is on call."""

from datetime import date

from pydantic import Field

from bongsu.catalog.fields import TimeOfDay
from bongsu.signals.model import Model


class DiscordIdentity(Model):
    """Whom to mention on Discord, by numeric id."""

    user: str = Field(default="", pattern=r"^\d*$")
    """A person."""
    role: str = Field(default="", pattern=r"^\d*$")
    """A role, such as on-call."""


class Rotation(Model):
    """Who is on call: members take turns of ``weeks`` weeks from ``start``; or an iCal file says."""

    members: tuple[str, ...] = ()
    """Owners, in their order."""
    start: date | None = None
    """The first day of the first member's turn."""
    weeks: int = Field(default=1, ge=1)
    """How long a turn lasts."""
    handover: TimeOfDay = "09:00"
    """When a turn ends on its last day."""
    ical: str = ""
    """A file or URL of a calendar whose events name the person on call."""


class Owner(Model):
    """A person or a team."""

    name: str = ""
    """As messages call them."""
    members: tuple[str, ...] = ()
    """The owners that a team consists of."""
    discord: DiscordIdentity = DiscordIdentity()
    """Whom to mention on Discord."""
    slack: str = ""
    """The id of a Slack user (``U…``) or user group (``S…``)."""
    email: str = ""
    """Where mail reaches them."""
    oncall: Rotation | None = None
    """Who of the team is called upon now."""
