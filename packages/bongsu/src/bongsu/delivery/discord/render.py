"""An incident's message as the body of a Discord webhook request: plain data, within every limit."""

from dataclasses import dataclass
from typing import Any

from bongsu.delivery import words
from bongsu.delivery.discord import limits
from bongsu.delivery.discord.escape import clip, fenced, link, plain
from bongsu.delivery.message import AlertLine, Mention, Message

CHART_FILE = "chart.png"
_ALERTS_ROOM, _SUSPECT_ROOM, _CHANGES_ROOM, _LOGS_ROOM, _LINKS_ROOM, _GAPS_ROOM = (
    1500,
    900,
    700,
    800,
    700,
    400,
)
_SHOWN_ALERTS, _SHOWN_REASONS, _SHOWN_CHANGES, _SHOWN_LINKS, _SHOWN_GAPS = 10, 4, 5, 8, 4


@dataclass(frozen=True, slots=True)
class _Field:
    """One field of the embed. ``rank`` says who gets room first when the whole would be too long."""

    name: str
    value: str
    rank: int
    inline: bool = False


def render(message: Message, *, chart: bool) -> dict[str, Any]:
    """The request body of a webhook execution or edit; ``chart`` says that the picture is attached.

    Pure. No address of the message is put where Discord validates it (an embed's ``url`` with a host that has
    no dot is refused, and with it the whole alert); links are text.
    """
    body: dict[str, Any] = {
        "content": _content(message),
        "embeds": [_embed(message, chart=chart)],
        "allowed_mentions": allowed_mentions(message.mention),
    }
    if chart:
        body["attachments"] = [{"id": "0", "filename": CHART_FILE, "description": _chart_text(message)}]
    return body


def allowed_mentions(mention: Mention | None) -> dict[str, list[str]]:
    """Nobody but the role and user that the catalog names, and everybody present only where it says so."""
    allowed: dict[str, list[str]] = {"parse": ["everyone"] if mention and mention.here else []}
    if mention and _snowflake(mention.role_id):
        allowed["roles"] = [mention.role_id]
    if mention and _snowflake(mention.user_id):
        allowed["users"] = [mention.user_id]
    return allowed


def _snowflake(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 20 and (text == "0" or text[0] != "0")


def _pills(mention: Mention | None) -> str:
    allowed = allowed_mentions(mention)
    pills = ["@here"] if mention and mention.here else []
    pills += [f"<@&{role}>" for role in allowed.get("roles", [])]
    return " ".join(pills + [f"<@{user}>" for user in allowed.get("users", [])])


def _content(message: Message) -> str:
    """The line that a phone's notification shows: who is called, how bad, where, what."""
    say = words.phrases(message.language)
    look = words.SEVERITIES[message.severity]
    match message.state:
        case "resolved":
            head = f"{words.RESOLVED_EMOJI} {_after(message)}"
        case "acknowledged":
            by = plain(message.acknowledged_by, 60)
            head = f"{look.emoji} {look.in_(message.language)} · " + (
                say.acknowledged_by.format(by) if by else say.acknowledged
            )
        case _:
            head = f"{look.emoji} {look.in_(message.language)}"
    lead = _lead(message)
    return clip(" ".join(filter(None, (_pills(message.mention), head, "·", lead))), limits.CONTENT)


def _lead(message: Message) -> str:
    """The worst broken condition in a sentence, or the title when there is none."""
    broken = next((alert for alert in message.alerts if alert.firing), None)
    if broken is None or message.state == "resolved":
        return f"#{message.number} {plain(message.title, 200)}"
    return _sentence(broken, message.language, strong=False)


def _after(message: Message) -> str:
    say = words.phrases(message.language)
    if message.resolved_at is None:
        return say.resolved
    return say.resolved_after.format(words.duration(message.resolved_at - message.since, message.language))


def _embed(message: Message, *, chart: bool) -> dict[str, Any]:
    look = words.SEVERITIES[message.severity]
    resolved = message.state == "resolved"
    embed: dict[str, Any] = {
        "title": _title(message),
        "color": words.RESOLVED_COLOUR if resolved else look.colour,
        "footer": {"text": "Bongsu 烽燧"},
    }
    room = limits.EMBED_TOTAL - len(embed["title"]) - len(embed["footer"]["text"])
    embed["description"] = _description(message)
    embed["fields"] = _fit(_fields(message), room - len(embed["description"]))
    if chart:
        embed["image"] = {"url": f"attachment://{CHART_FILE}"}
    return embed


def _title(message: Message) -> str:
    resolved = message.state == "resolved"
    emoji = words.RESOLVED_EMOJI if resolved else words.SEVERITIES[message.severity].emoji
    if message.state == "acknowledged":
        emoji += words.ACKNOWLEDGED_EMOJI
    head = f"{emoji} #{message.number} "
    wrap = "~~" if resolved else ""
    room = limits.TITLE - len(head) - 2 * len(wrap)
    text = _escaped_within(message.title or message.service, room)
    return f"{head}{wrap}{text}{wrap}" if text else head.strip()


def _escaped_within(text: str, room: int) -> str:
    """``text`` escaped, cut before the escaping so that no escape is cut in two."""
    shown = room
    while len(escaped := plain(text, shown)) > room:
        shown -= max(1, (len(escaped) - room) // 2)
    return escaped


def _description(message: Message) -> str:
    say = words.phrases(message.language)
    lines = [_alert_line(alert, message.language) for alert in message.alerts]
    return _lines(lines, _SHOWN_ALERTS, _ALERTS_ROOM, say.more)


def _alert_line(alert: AlertLine, language: str) -> str:
    if not alert.firing:
        return f"{words.RESOLVED_EMOJI} ~~{_sentence(alert, language, strong=False)}~~"
    return f"• {_sentence(alert, language, strong=True)}"


def _sentence(alert: AlertLine, language: str, *, strong: bool) -> str:
    mark = "**" if strong else ""
    where = plain(alert.service, 80)
    what = plain(alert.what, 200)
    value = words.number(alert.value, alert.unit, language)
    bound = words.limit(alert.value, alert.threshold, alert.unit, language)
    head = " · ".join(filter(None, (f"{mark}{where}{mark}" if where else "", what)))
    said = f"{head}: {mark}{value}{mark}" + (f" ({bound})" if bound else "")
    return " · ".join((said, *(plain(reason, 120) for reason in alert.reasons)))


def _fields(message: Message) -> list[_Field]:
    say = words.phrases(message.language)
    found = [
        *_when(message),
        _Field(say.owner, plain(message.owner, 100) or say.no_owner, 1, inline=True),
        _Field(say.state, _state(message), 2, inline=True),
        *_suspects(message),
        _Field(say.changes, _bullets(message.changes, _SHOWN_CHANGES, _CHANGES_ROOM, say.more), 6),
        _Field(say.logs, fenced(message.logs, _LOGS_ROOM), 7),
        _Field(say.links, _links(message), 3),
        _Field(say.gaps, _bullets(message.gaps, _SHOWN_GAPS, _GAPS_ROOM, say.more), 8),
    ]
    return [field for field in found if field.value]


def _when(message: Message) -> list[_Field]:
    say = words.phrases(message.language)
    since = round(message.since)
    local = words.local_time(message.since, message.timezone, message.language)
    fields = [_Field(say.since, f"<t:{since}:R>\n{local}", 0, inline=True)]
    if message.state == "resolved" and message.resolved_at is not None:
        lasted = words.duration(message.resolved_at - message.since, message.language)
        ended = words.local_time(message.resolved_at, message.timezone, message.language)
        fields.append(_Field(say.lasted, f"**{lasted}**\n{say.recovered_at}: {ended}", 0, inline=True))
    return fields


def _state(message: Message) -> str:
    look = words.SEVERITIES[message.severity]
    word = words.state_word(message.state, message.language)
    if message.state == "acknowledged" and message.acknowledged_by:
        word = words.phrases(message.language).acknowledged_by.format(plain(message.acknowledged_by, 60))
    return f"{look.in_(message.language)}\n{word}"


def _suspects(message: Message) -> list[_Field]:
    if not message.suspects:
        return []
    say = words.phrases(message.language)
    first, *others = message.suspects
    name = say.suspect.format(_escaped_within(first.service, 120))
    lines = [f"• {_escaped_within(reason, 400)}" for reason in first.reasons]
    value = _lines(lines, _SHOWN_REASONS, _SUSPECT_ROOM - 150, say.more)
    if others:
        names = ", ".join(_escaped_within(other.service, 40) for other in others[:3])
        value = "\n".join(filter(None, (value, say.other_suspects.format(names))))
    return [_Field(name, value or "–", 5)]


def _links(message: Message) -> str:
    lines = [link(item.label, item.url) for item in message.links]
    return _lines(lines, _SHOWN_LINKS, _LINKS_ROOM, "", joiner=" · ")


def _bullets(items: tuple[str, ...], shown: int, room: int, more: str) -> str:
    return _lines([f"• {_escaped_within(item, 240)}" for item in items], shown, room, more)


def _lines(lines: list[str], shown: int, room: int, more: str, joiner: str = "\n") -> str:
    """As many whole lines as fit, with ``more`` saying how many were left out; never part of a line."""
    kept = lines[:shown]
    while kept:
        left = len(lines) - len(kept)
        tail = [more.format(left)] if left and more else []
        text = joiner.join([*kept, *tail])
        if len(text) <= room:
            return text
        kept.pop()
    return more.format(len(lines)) if lines and more else ""


def _fit(fields: list[_Field], room: int) -> list[dict[str, Any]]:
    """The fields that fit into ``room``, the least important left out first, in their own order."""
    granted: set[int] = set()
    by_rank = sorted(range(len(fields)), key=lambda index: fields[index].rank)
    for index in by_rank[: limits.FIELDS]:
        size = len(fields[index].name) + len(fields[index].value)
        if size <= room:
            granted.add(index)
            room -= size
    return [
        {"name": field.name, "value": field.value, "inline": field.inline}
        for index, field in enumerate(fields)
        if index in granted
    ]


def _chart_text(message: Message) -> str:
    """What the picture shows, for those who cannot see it."""
    title = message.chart.title if message.chart else message.title
    text = words.phrases(message.language).chart_alt.format(title)
    return clip(plain(text, 300), limits.ATTACHMENT_DESCRIPTION)
