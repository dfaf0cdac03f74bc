"""Discord, by an incoming webhook: messages with a chart, edited as the incident goes on."""

from bongsu.delivery.discord.client import DiscordWebhook
from bongsu.delivery.discord.render import render

__all__ = ["DiscordWebhook", "render"]
