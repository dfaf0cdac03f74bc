"""From the catalog's channels to destinations: the one place where a destination is registered."""

from collections.abc import Mapping

import structlog

from bongsu.catalog.models import Channel, DiscordChannel
from bongsu.catalog.secrets import SecretError
from bongsu.delivery.base import Destination
from bongsu.delivery.discord.client import DiscordWebhook

log = structlog.get_logger(__name__)


def open_destinations(channels: Mapping[str, Channel]) -> dict[str, Destination]:
    """A destination for each channel; one whose secret is missing or wrong is left out, as the log says."""
    opened: dict[str, Destination] = {}
    for name, channel in channels.items():
        try:
            opened[name] = _open(channel)
        except (SecretError, ValueError) as error:
            log.error("channel cannot be used", channel=name, error=str(error))
    return opened


def _open(channel: Channel) -> Destination:
    match channel:
        case DiscordChannel():
            return DiscordWebhook(channel.webhook.reveal())
        case _:
            raise ValueError(f"nothing is sent to channels of type {channel.type} yet")
