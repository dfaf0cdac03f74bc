"""The catalog's channels as receivers of Alertmanager, as far as its version allows.

A secret is only ever named by a file, and since when a receiver can do so differs from one to the next: the
key and its first version are those of Alertmanager's changelog.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from bongsu.catalog import Catalog
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
from bongsu.catalog.secrets import Secret
from bongsu.signals.model import Text
from bongsu.stack.model import Stack
from bongsu.stack.notices import by_severity
from bongsu.stack.rules import WORDS
from bongsu.stack.systems import Version

Mention = bool | Literal["here"]
Config = dict[str, Any]

_OLD = Text(
    en="Alertmanager can do this from {} on; the catalog declares {}",
    ko="Alertmanager {} 이상이 필요하지만 카탈로그에는 {} 버전으로 선언되어 있습니다",
)
_SIGNED = Text(
    en="Alertmanager cannot sign what it posts", ko="Alertmanager는 보내는 내용에 서명할 수 없습니다"
)
_TLS = Text(
    en="Alertmanager speaks TLS from the start on port 465 only",
    ko="Alertmanager는 465 포트에서만 처음부터 TLS로 통신합니다",
)
_SINCE: Mapping[type[Channel], Version] = {
    SlackChannel: Version(0, 22),
    EmailChannel: Version(0, 25),
    PagerDutyChannel: Version(0, 25),
    WebhookChannel: Version(0, 22),
    DiscordChannel: Version(0, 28),
    TeamsChannel: Version(0, 28),
    JiraChannel: Version(0, 28),
}
_JIRA_CLOUD = Version(0, 29)
"""Jira Cloud has taken away the search that earlier versions ask."""
_IMPLICIT_TLS_PORT = "465"
_PAGERDUTY = {
    "us": "https://events.pagerduty.com/v2/enqueue",
    "eu": "https://events.eu.pagerduty.com/v2/enqueue",
}
_SLACK_API = "https://slack.com/api/chat.postMessage"


def told_directly(catalog: Catalog) -> frozenset[str]:
    """The channels that the generated Alertmanager tells itself, so that nobody else has to."""
    stack = Stack(catalog)
    if catalog.notifier != "alertmanager" or not stack.has("alertmanager"):
        return frozenset()
    return frozenset(catalog.channels) - frozenset(left_to_bongsu(stack))


def left_to_bongsu(stack: Stack) -> dict[str, str]:
    """The channels that this Alertmanager cannot tell, and why, in the catalog's language."""
    version = stack.version("alertmanager")
    found = {}
    for name, channel in stack.catalog.channels.items():
        reason = _obstacle(channel, version)
        if reason is not None:
            found[name] = reason.in_(stack.catalog.language)
    return found


def receiver(stack: Stack, channel: Channel, mention: Mention) -> tuple[str, Config]:
    """``(key, configuration)`` of the channel's entry in a receiver."""
    return _BUILDERS[type(channel)](stack, channel, mention)


def mentions(channel: Channel) -> bool:
    """Whether a message on this channel can call on somebody."""
    return isinstance(channel, SlackChannel | DiscordChannel)


def bearer(stack: Stack, secret: Secret) -> Config:
    return {"authorization": {"type": "Bearer", "credentials_file": stack.secret_file(secret)}}


def _obstacle(channel: Channel, version: Version) -> Text | None:
    since = _SINCE[type(channel)]
    if isinstance(channel, JiraChannel) and channel.email:
        since = _JIRA_CLOUD
    if version < since:
        needed = f"{since.major}.{since.minor}"
        return Text(en=_OLD.en.format(needed, version), ko=_OLD.ko.format(needed, version))
    if isinstance(channel, WebhookChannel) and channel.sign is not None:
        return _SIGNED
    if isinstance(channel, EmailChannel) and channel.tls == "tls":
        return None if channel.smtp.endswith(f":{_IMPLICIT_TLS_PORT}") else _TLS
    return None


def _text(part: str, stack: Stack, channel: Channel) -> str:
    return f'{{{{ template "bongsu.{part}.{channel.language or stack.catalog.language}" . }}}}'


def _slack(stack: Stack, channel: SlackChannel, mention: Mention) -> tuple[str, Config]:
    config: Config = {"send_resolved": True}
    if channel.webhook is not None:
        config["api_url_file"] = stack.secret_file(channel.webhook)
    elif channel.token is not None:
        config |= {"api_url": _SLACK_API, "http_config": bearer(stack, channel.token)}
        config["channel"] = channel.channel
    config |= {
        "color": '{{ template "bongsu.colour" . }}',
        "title": _text("slack.title", stack, channel),
        "title_link": stack.catalog.url,
        "text": _text("slack.text", stack, channel),
        "fallback": _text("slack.title", stack, channel),
        "footer": stack.catalog.name,
    }
    if mention:
        call = "slack.here" if mention == "here" else "slack.mention"
        config["pretext"] = f'{{{{ template "bongsu.{call}" . }}}}'
    else:
        config["pretext"] = ""
    return "slack_configs", config


def _discord(stack: Stack, channel: DiscordChannel, mention: Mention) -> tuple[str, Config]:
    config: Config = {
        "send_resolved": True,
        "webhook_url_file": stack.secret_file(channel.webhook),
        "title": _text("discord.title", stack, channel),
        "message": _text("discord.text", stack, channel),
    }
    if mention:
        call = "discord.here" if mention == "here" else "discord.mention"
        config["content"] = f'{{{{ template "bongsu.{call}" . }}}}'
    return "discord_configs", config


def _email(stack: Stack, channel: EmailChannel, mention: Mention) -> tuple[str, Config]:
    config: Config = {
        "send_resolved": True,
        "to": ", ".join(channel.to),
        "from": channel.from_,
        "smarthost": channel.smtp,
        "require_tls": channel.tls == "starttls",
    }
    if channel.username:
        config["auth_username"] = channel.username
    if channel.password is not None:
        config["auth_password_file"] = stack.secret_file(channel.password)
    config["headers"] = {"Subject": _text("plain.title", stack, channel)}
    config["html"] = _text("email.html", stack, channel)
    config["text"] = _text("plain.text", stack, channel)
    return "email_configs", config


def _pagerduty(stack: Stack, channel: PagerDutyChannel, mention: Mention) -> tuple[str, Config]:
    config: Config = {
        "send_resolved": True,
        "routing_key_file": stack.secret_file(channel.routing_key),
        "url": _PAGERDUTY[channel.region],
        "client": "Bongsu",
        "description": _text("plain.title", stack, channel),
        "severity": '{{ template "bongsu.pagerduty" . }}',
        "class": "{{ .CommonLabels.signal }}",
        "component": "{{ .CommonLabels.service }}",
        "group": stack.catalog.name,
        "details": {
            "alerts": _text("plain.text", stack, channel),
            "runbook": "{{ .CommonAnnotations.runbook_url }}",
        },
    }
    if stack.catalog.url:
        config["client_url"] = stack.catalog.url
    return "pagerduty_configs", config


def _webhook(stack: Stack, channel: WebhookChannel, mention: Mention) -> tuple[str, Config]:
    config: Config = {"send_resolved": True, "url": channel.url}
    if channel.token is not None:
        config["http_config"] = bearer(stack, channel.token)
    return "webhook_configs", config


def _teams(stack: Stack, channel: TeamsChannel, mention: Mention) -> tuple[str, Config]:
    return "msteamsv2_configs", {
        "send_resolved": True,
        "webhook_url_file": stack.secret_file(channel.webhook),
        "title": _text("plain.title", stack, channel),
        "text": _text("plain.text", stack, channel),
    }


def _jira(stack: Stack, channel: JiraChannel, mention: Mention) -> tuple[str, Config]:
    secret = stack.secret_file(channel.token)
    sign_in: Config = bearer(stack, channel.token)
    if channel.email:
        sign_in = {"basic_auth": {"username": channel.email, "password_file": secret}}
    priorities = {WORDS[severity]: name for severity, name in channel.priorities.items()}
    return "jira_configs", {
        "send_resolved": True,
        "api_url": f"{channel.url.rstrip('/')}/rest/api/2/",
        "http_config": sign_in,
        "project": channel.project,
        "issue_type": channel.issue_type,
        "summary": _text("plain.title", stack, channel),
        "description": _text("plain.text", stack, channel),
        "labels": list(channel.labels),
        "priority": by_severity(priorities) if priorities else "",
    }


_BUILDERS: Mapping[type[Channel], Callable[[Stack, Any, Mention], tuple[str, Config]]] = {
    SlackChannel: _slack,
    DiscordChannel: _discord,
    EmailChannel: _email,
    PagerDutyChannel: _pagerduty,
    WebhookChannel: _webhook,
    TeamsChannel: _teams,
    JiraChannel: _jira,
}
