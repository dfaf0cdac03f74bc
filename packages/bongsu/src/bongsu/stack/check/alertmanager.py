"""What Alertmanager would refuse of its configuration, or take and do wrong."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from bongsu.catalog.errors import nearest
from bongsu.stack.check.model import Finding
from bongsu.stack.check.shapes import braces, duration, entries, mapping, unknown_keys, words
from bongsu.stack.systems import Version

CONFIGURATION = "alertmanager/alertmanager.yml"

_TOP = words("global templates route receivers inhibit_rules mute_time_intervals time_intervals tracing")
_ROUTE = words(
    "receiver group_by continue match match_re matchers group_wait group_interval repeat_interval "
    "mute_time_intervals active_time_intervals routes"
)
_INHIBIT = words(
    "name source_match source_match_re source_matchers target_match target_match_re target_matchers equal "
    "sources"
)
_COMMON = frozenset({"send_resolved"})
_RECEIVERS: Mapping[str, frozenset[str]] = {
    "webhook_configs": words("url url_file http_config max_alerts timeout payload"),
    "email_configs": words(
        "to from smarthost hello auth_username auth_password auth_password_file auth_secret "
        "auth_secret_file auth_identity require_tls force_implicit_tls tls_config html text headers "
        "threading"
    ),
    "slack_configs": words(
        "api_url api_url_file app_token app_token_file app_url http_config channel icon_emoji icon_url "
        "link_names username actions callback_id color fallback fields footer mrkdwn_in pretext short_fields "
        "text title title_link image_url thumb_url footer_icon timeout message_text update_message"
    ),
    "pagerduty_configs": words(
        "routing_key routing_key_file service_key service_key_file url http_config client client_url "
        "description severity source class component group details images links timeout"
    ),
    "discord_configs": words(
        "webhook_url webhook_url_file http_config title message content username avatar_url"
    ),
}
_OTHERS = {
    "opsgenie_configs": Version(0),
    "victorops_configs": Version(0),
    "pushover_configs": Version(0),
    "wechat_configs": Version(0),
    "sns_configs": Version(0, 23),
    "telegram_configs": Version(0, 24),
    "webex_configs": Version(0, 25),
    "msteams_configs": Version(0, 26),
    "msteamsv2_configs": Version(0, 28),
    "jira_configs": Version(0, 28),
    "rocketchat_configs": Version(0, 28),
    "mattermost_configs": Version(0, 29),
    "incidentio_configs": Version(0, 29),
}
_SINCE = {
    ("", "discord_configs"): Version(0, 25),
    ("webhook_configs", "url_file"): Version(0, 26),
    ("webhook_configs", "timeout"): Version(0, 28),
    ("discord_configs", "webhook_url_file"): Version(0, 28),
    ("discord_configs", "username"): Version(0, 28),
    ("discord_configs", "content"): Version(0, 28),
    ("discord_configs", "avatar_url"): Version(0, 28),
    **{("", name): since for name, since in _OTHERS.items()},
}
"""``(integration, key)`` → the first version that knows it (its changelog)."""
_MATCHER = re.compile(
    r'\s*(?:"(?:[^"\\]|\\.)+"|[^\s=!~"{}]+)\s*(?:=~|!~|!=|=)\s*(?:"(?:[^"\\]|\\.)*"|[^"{}]*)\s*'
)
_HINTS = {"body": "e-mail text goes into html or text"}


def check(files: Mapping[str, str], version: Version) -> list[Finding]:
    """What is wrong with ``alertmanager/alertmanager.yml`` for that version."""
    if CONFIGURATION not in files:
        return []
    document, broken = mapping(CONFIGURATION, files[CONFIGURATION])
    return broken or list(_configuration(document, version))


def routes(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every route with its place, the root first."""
    root = document.get("route")
    stack = [("route", root)] if isinstance(root, dict) else []
    while stack:
        where, route = stack.pop()
        yield where, route
        below = [(f"{where}.routes[{i}]", r) for i, r in enumerate(entries(route.get("routes")))]
        stack.extend(reversed(below))


def _configuration(document: Mapping[str, Any], version: Version) -> Iterator[Finding]:
    file = CONFIGURATION
    yield from unknown_keys(file, "", document, _TOP)
    receivers = entries(document.get("receivers"))
    names = [str(receiver.get("name", "")) for receiver in receivers]
    for name, count in Counter(names).items():
        if count > 1 or not name:
            yield Finding(file, "receivers", f"the receiver name {name!r} must be given, and once only")
    if not isinstance(document.get("route"), dict):
        yield Finding(file, "route", "there is no route", "write route: {receiver: …}")
    periods = {
        str(entry.get("name", ""))
        for key in ("time_intervals", "mute_time_intervals")
        for entry in entries(document.get(key))
    }
    for where, route in routes(document):
        yield from _route(where, route, names, periods)
    shared = document.get("global") or {}
    for receiver in receivers:
        yield from _receiver(f"receivers[{receiver.get('name', '?')}]", receiver, shared, version)
    for number, rule in enumerate(entries(document.get("inhibit_rules"))):
        where = f"inhibit_rules[{number}]"
        yield from unknown_keys(file, where, rule, _INHIBIT)
        for key in ("source_matchers", "target_matchers"):
            yield from _matchers(f"{where}.{key}", rule.get(key))


def _route(
    where: str, route: Mapping[str, Any], receivers: list[str], periods: set[str]
) -> Iterator[Finding]:
    file = CONFIGURATION
    yield from unknown_keys(file, where, route, _ROUTE)
    receiver = route.get("receiver")
    if receiver is None and where == "route":
        yield Finding(file, where, "the first route has no receiver")
    elif receiver is not None and receiver not in receivers:
        message = f"there is no receiver {receiver!r}"
        yield Finding(file, f"{where}.receiver", message, nearest(str(receiver), receivers))
    for key in ("match", "match_re"):
        if key in route:
            yield Finding(file, f"{where}.{key}", f"{key} is deprecated", "write matchers")
    if where == "route" and route.get("matchers"):
        yield Finding(file, where, "the first route must take every alert", "put matchers below routes")
    yield from _matchers(f"{where}.matchers", route.get("matchers"))
    for key, zero in (("group_wait", True), ("group_interval", False), ("repeat_interval", False)):
        if key in route:
            yield from duration(file, f"{where}.{key}", route[key], zero=zero)
    labels = list(route.get("group_by") or ())
    if len(labels) != len(set(labels)):
        yield Finding(file, f"{where}.group_by", "a label stands twice")
    for key in ("mute_time_intervals", "active_time_intervals"):
        for period in route.get(key) or ():
            if period not in periods:
                message = f"there is no time interval {period!r}"
                yield Finding(file, f"{where}.{key}", message, nearest(str(period), periods))


def _matchers(where: str, given: object) -> Iterator[Finding]:
    for text in given if isinstance(given, list) else ():
        if not isinstance(text, str) or not all(_MATCHER.fullmatch(part) for part in _apart(text)):
            yield Finding(
                CONFIGURATION, where, f"{text!r} is not a matcher", 'write it like severity="critical"'
            )


def _apart(text: str) -> list[str]:
    """The matchers of ``{a="1",b="2"}``, or the one of ``a="1"``."""
    inside = text.strip()
    if inside.startswith("{") and inside.endswith("}"):
        inside = inside[1:-1]
    return re.findall(r'(?:[^,"]|"(?:[^"\\]|\\.)*"?)+', inside) or [inside]


def _receiver(
    where: str, receiver: Mapping[str, Any], shared: Mapping[str, Any], version: Version
) -> Iterator[Finding]:
    file = CONFIGURATION
    yield from unknown_keys(file, where, receiver, {"name", *_RECEIVERS, *_OTHERS})
    for kind, entries_ in receiver.items():
        yield from _too_new(where, "", str(kind), version)
        if kind not in _RECEIVERS:
            continue
        for number, given in enumerate(entries(entries_)):
            place = f"{where}.{kind}[{number}]"
            for finding in unknown_keys(file, place, given, _RECEIVERS[kind] | _COMMON):
                key = finding.where.rsplit(".", 1)[-1]
                yield Finding(file, finding.where, finding.message, _HINTS.get(key, finding.fix))
            for key, value in given.items():
                yield from _too_new(place, kind, str(key), version)
                if isinstance(value, str):
                    yield from braces(file, f"{place}.{key}", value)
            yield from _destination(place, kind, given, shared)


def _too_new(where: str, kind: str, key: str, version: Version) -> Iterator[Finding]:
    since = _SINCE.get((kind, key))
    if since is not None and version < since:
        message = f"{key} needs Alertmanager {since.major}.{since.minor}, declared is {version}"
        yield Finding(CONFIGURATION, f"{where}.{key}", message, "declare the newer version, or leave it out")


def _destination(
    where: str, kind: str, given: Mapping[str, Any], shared: Mapping[str, Any]
) -> Iterator[Finding]:
    """Each integration says where it sends to exactly once; a few may take it from ``global``."""
    needed = {
        "webhook_configs": ({"url", "url_file"}, set[str]()),
        "email_configs": ({"smarthost"}, {"smtp_smarthost"}),
        "slack_configs": (
            {"api_url", "api_url_file", "app_token", "app_token_file"},
            {"slack_api_url", "slack_api_url_file", "slack_app_token", "slack_app_token_file"},
        ),
        "pagerduty_configs": ({"routing_key", "routing_key_file", "service_key", "service_key_file"}, set()),
        "discord_configs": ({"webhook_url", "webhook_url_file"}, set()),
    }
    own, common = needed[kind]
    named = sorted(own & given.keys())
    if not named and not common & shared.keys():
        yield Finding(CONFIGURATION, where, f"it does not say where to send: one of {', '.join(sorted(own))}")
    if len(named) > 1:
        yield Finding(CONFIGURATION, where, f"only one of {', '.join(named)} may be given")
    if kind == "email_configs":
        if not given.get("to"):
            yield Finding(CONFIGURATION, f"{where}.to", "an e-mail needs an address to go to")
        if "from" not in given and "smtp_from" not in shared:
            yield Finding(CONFIGURATION, f"{where}.from", "an e-mail needs a sender")
