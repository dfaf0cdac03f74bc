"""Alertmanager: groups what Prometheus finds and hands it to Bongsu, or tells the channels itself."""

from collections.abc import Iterator, Sequence
from typing import Any

from bongsu.signals.quantities import format_duration
from bongsu.stack.bongsu_server import INGEST_TOKEN
from bongsu.stack.files import HEADER, to_yaml
from bongsu.stack.hours import Period, maintenance, maintenance_name, weekly
from bongsu.stack.inhibition import inhibit_rules
from bongsu.stack.model import Stack, StackError
from bongsu.stack.notices import PATH, templates
from bongsu.stack.receivers import Mention, bearer, left_to_bongsu, mentions, receiver
from bongsu.stack.routing import Box, Piece, Telling, channel_pieces, interval_names, joined, muted
from bongsu.stack.rules import WATCHDOG
from bongsu.stack.systems import Version

__all__ = ["INGEST_TOKEN", "flags", "render"]

_BONGSU, _HEARTBEAT, _NOBODY = "bongsu", "heartbeat", "nobody"
_HEARTBEAT_SINCE = Version(0, 26)
_USUAL_MEMORY = 5 * 86400.0
_LEFT = {
    "en": "# {channel} is told by Bongsu: {reason}.\n",
    "ko": "# {channel} 채널에는 Bongsu가 직접 알립니다: {reason}.\n",
}

Told = tuple[str, Mention]
"""A channel, and who is called upon there."""


def render(stack: Stack) -> dict[str, str]:
    """``alertmanager.yml``, and the templates of its messages where it tells channels itself."""
    told = list(_told(stack))
    left = left_to_bongsu(stack) if stack.catalog.notifier == "alertmanager" else {}
    note = _LEFT[stack.catalog.language]
    notes = "".join(note.format(channel=channel, reason=reason) for channel, reason in left.items())
    text = to_yaml(_configuration(stack, told)).removeprefix(HEADER)
    files = {"alertmanager/alertmanager.yml": HEADER + notes + text}
    if told:
        files[PATH] = templates(stack.catalog)
    return files


def flags(stack: Stack) -> list[str]:
    """Arguments besides those that name files and addresses. One replica needs no gossip."""
    found = ["--cluster.listen-address="]
    repeat = stack.catalog.grouping.repeat
    if 2 * repeat > _USUAL_MEMORY:
        # What it has told is forgotten after this time, and told again.
        found.append(f"--data.retention={format_duration(2 * repeat)}")
    return found


def _configuration(stack: Stack, told: Sequence[tuple[Told, list[Piece]]]) -> dict[str, Any]:
    grouping = stack.catalog.grouping
    everything = joined(muted(stack, [(Box(), Telling())]))
    leaves = [_leaf(_BONGSU, piece) for piece in everything] if told or everything[0][1].mute else []
    leaves += [_leaf(_name(*who), piece) for who, pieces in told for piece in pieces]
    config: dict[str, Any] = {
        "route": {
            "receiver": _BONGSU,
            "group_by": list(grouping.by),
            "group_wait": format_duration(grouping.wait),
            "group_interval": format_duration(max(grouping.interval, 1.0)),
            "repeat_interval": format_duration(grouping.repeat),
            "routes": [_watchdog(stack), *leaves],
        },
        "receivers": list(_receivers(stack, [who for who, _ in told])),
        "inhibit_rules": inhibit_rules(stack),
    }
    intervals = _intervals(stack, leaves)
    if intervals:
        config["time_intervals"] = intervals
    return config | ({"templates": ["templates/*.tmpl"]} if told else {})


def _told(stack: Stack) -> Iterator[tuple[Told, list[Piece]]]:
    """Each channel that Alertmanager tells itself, apart by who is called upon."""
    if stack.catalog.notifier != "alertmanager":
        return
    left = left_to_bongsu(stack)
    for name, channel in stack.catalog.channels.items():
        by_mention: dict[Mention, list[Piece]] = {}
        for box, telling in channel_pieces(stack, name) if name not in left else ():
            mention = telling.mention if mentions(channel) else False
            by_mention.setdefault(mention, []).append((box, telling))
        for mention, pieces in by_mention.items():
            yield (name, mention), pieces


def _name(channel: str, mention: Mention) -> str:
    return f"channel/{channel}" + {True: "/owner", "here": "/here", False: ""}[mention]


def _leaf(name: str, piece: Piece) -> dict[str, Any]:
    """A route without others below, after which the search goes on: who else is told is no matter of its."""
    box, telling = piece
    leaf: dict[str, Any] = {"receiver": name}
    if box.matchers():
        leaf["matchers"] = box.matchers()
    if telling.during:
        leaf["active_time_intervals"] = list(telling.during)
    if telling.mute:
        leaf["mute_time_intervals"] = list(telling.mute)
    return leaf | {"continue": True}


def _watchdog(stack: Stack) -> dict[str, Any]:
    """The alert that always fires goes to who waits for it, and to nobody else."""
    route: dict[str, Any] = {"matchers": [f'alertname="{WATCHDOG}"']}
    if stack.catalog.heartbeat is None:
        return {"receiver": _NOBODY} | route
    pace = {"group_wait": "0s", "group_interval": "30s", "repeat_interval": "1m"}
    return {"receiver": _HEARTBEAT} | route | pace


def _receivers(stack: Stack, told: Sequence[Told]) -> Iterator[dict[str, Any]]:
    hook = {
        "url": f"{stack.url('bongsu')}/webhooks/alertmanager",
        "send_resolved": True,
        "http_config": bearer(stack, INGEST_TOKEN),
    }
    yield {"name": _BONGSU, "webhook_configs": [hook]}
    heartbeat = stack.catalog.heartbeat
    if heartbeat is None:
        yield {"name": _NOBODY}
    elif stack.version("alertmanager") < _HEARTBEAT_SINCE:
        raise StackError(
            f"Alertmanager {stack.version('alertmanager')} cannot read the URL of the heartbeat from a file: "
            f'declare alertmanager: "{_HEARTBEAT_SINCE.major}.{_HEARTBEAT_SINCE.minor}" or newer in targets, '
            "or leave heartbeat out"
        )
    else:
        calls = {"url_file": stack.secret_file(heartbeat), "send_resolved": False}
        yield {"name": _HEARTBEAT, "webhook_configs": [calls]}
    for channel, mention in told:
        key, config = receiver(stack, stack.catalog.channels[channel], mention)
        yield {"name": _name(channel, mention), key: [config]}


def _intervals(stack: Stack, leaves: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The time intervals that routes name, each once."""
    zone = stack.catalog.zone
    known: dict[str, list[Period]] = {
        name: weekly(hours, zone) for name, hours in interval_names(stack).items()
    }
    for window in stack.catalog.maintenance:
        known[maintenance_name(window, zone)] = maintenance(window, zone)
    used = {
        name
        for leaf in leaves
        for key in ("active_time_intervals", "mute_time_intervals")
        for name in leaf.get(key, ())
    }
    return [{"name": name, "time_intervals": known[name]} for name in known if name in used]
