"""Discord's markdown as safe HTML: everything is escaped, and only these few forms become markup."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from urllib.parse import urlsplit

_BLOCK = re.compile(r"```(?:[A-Za-z0-9+_-]*\n)?(.*?)\n?```", re.DOTALL)
_INLINE = re.compile(
    r"""
      \\(?P<escaped>[^0-9A-Za-z\s])
    | `(?P<code>[^`\n]+)`
    | <t:(?P<time>-?\d{1,13})(?::(?P<style>[tTdDfFR]))?>
    | <@&(?P<role>\d+)> | <@!?(?P<user>\d+)> | <\#(?P<channel>\d+)>
    | (?P<everyone>@everyone|@here)
    | \[(?P<label>(?:\\.|[^\[\]\\\n])+)\]\((?P<target>https?://[^\s()<>]+)\)
    | (?P<bare>https?://[^\s<>]*[^\s<>.,:;"')\]])
    | \*\*\*(?P<bolditalic>(?:\\.|[^\n])+?)\*\*\*
    | \*\*(?P<bold>(?:\\.|[^\n])+?)\*\*
    | __(?P<underline>(?:\\.|[^\n])+?)__
    | \*(?P<italic>(?:\\.|[^*\n])+?)\*
    | (?<![A-Za-z0-9])_(?P<italic2>(?:\\.|[^_\n])+?)_(?![A-Za-z0-9])
    | ~~(?P<struck>(?:\\.|[^\n])+?)~~
    | \|\|(?P<spoiler>(?:\\.|[^\n])+?)\|\|
    """,
    re.VERBOSE,
)
_WRAPPED = {
    "bolditalic": "<strong><em>{}</em></strong>",
    "bold": "<strong>{}</strong>",
    "underline": "<u>{}</u>",
    "italic": "<em>{}</em>",
    "italic2": "<em>{}</em>",
    "struck": "<s>{}</s>",
    "spoiler": '<span class="spoiler">{}</span>',
}
_HEADING = re.compile(r"(#{1,3}) +(\S.*)")
_SMALL = re.compile(r"-# +(\S.*)")
_ITEM = re.compile(r"\s*[-*] +(\S.*)")
_QUOTE = re.compile(r"> (.*)")


_DISC = '<circle cx="18" cy="18" r="17" fill="{}"/>'
_EYE = (
    '<ellipse cx="{0}" cy="18" rx="8" ry="13" fill="#f5f8fa"/>'
    '<circle cx="{1}" cy="20" r="4.5" fill="#292f33"/>'
)
_TICK = '<path d="M8 19l7 7L28 9" fill="none" stroke="#fff" stroke-width="5" stroke-linecap="round"/>'
_EMOJI = {
    "🔴": _DISC.format("#dd2e44"),
    "🟠": _DISC.format("#f4900c"),
    "🟡": _DISC.format("#fdcb58"),
    "🔵": _DISC.format("#55acee"),
    "✅": f'<rect width="36" height="36" rx="5" fill="#77b255"/>{_TICK}',
    "👀": _EYE.format(9, 11) + _EYE.format(27, 29),
}
_EMOJI_CHARS = re.compile("|".join(_EMOJI))


@dataclass(frozen=True, slots=True)
class Names:
    """What ids are called; an unknown id is shown as Discord shows one."""

    roles: Mapping[str, str] = field(default_factory=dict)
    users: Mapping[str, str] = field(default_factory=dict)


def _drawn(match: re.Match[str]) -> str:
    # Discord draws emoji itself; a machine without an emoji font would show boxes.
    shape = _EMOJI[match[0]]
    return f'<svg class="emoji" viewBox="0 0 36 36" role="img" aria-label="{match[0]}">{shape}</svg>'


def _text(text: str) -> str:
    return _EMOJI_CHARS.sub(_drawn, escape(text))


def html(text: str, names: Names, *, pings: bool = False) -> str:
    """``text`` as HTML; ``pings`` lets @everyone and @here show as the mentions that they are in content."""
    out: list[str] = []
    position = 0
    for block in _BLOCK.finditer(text):
        out.append(_lines(text[position : block.start()], names, pings))
        out.append(f"<pre><code>{escape(block[1])}</code></pre>")
        position = block.end()
    out.append(_lines(text[position:], names, pings))
    return "".join(out)


def _lines(text: str, names: Names, pings: bool) -> str:
    return "<br>".join(_line(line, names, pings) for line in text.strip("\n").split("\n")) if text else ""


def _line(line: str, names: Names, pings: bool) -> str:
    for pattern, template in (
        (_SMALL, "<small>{}</small>"),
        (_ITEM, '<span class="item">{}</span>'),
        (_QUOTE, '<span class="quote">{}</span>'),
    ):
        if match := pattern.fullmatch(line):
            return template.format(_inline(match[1], names, pings))
    if match := _HEADING.fullmatch(line):
        return f'<span class="h{len(match[1])}">{_inline(match[2], names, pings)}</span>'
    return _inline(line, names, pings)


def _inline(text: str, names: Names, pings: bool) -> str:
    out: list[str] = []
    position = 0
    for match in _INLINE.finditer(text):
        out.append(_text(text[position : match.start()]))
        out.append(_token(match, names, pings))
        position = match.end()
    out.append(_text(text[position:]))
    return "".join(out)


def _token(match: re.Match[str], names: Names, pings: bool) -> str:
    kind = match.lastgroup or ""
    value = match[kind]
    if kind in _WRAPPED:
        return _WRAPPED[kind].format(_inline(value, names, pings))
    if kind == "target":
        return _link(value, _inline(match["label"], names, False))
    if match["time"] is not None:
        return _time(int(match["time"]), match["style"] or "f")
    simple: dict[str, Callable[[str], str]] = {
        "escaped": escape,
        "code": lambda v: f"<code>{escape(v)}</code>",
        "role": lambda v: _pill("@" + names.roles.get(v, "unknown-role")),
        "user": lambda v: _pill("@" + names.users.get(v, "unknown-user")),
        "channel": lambda _: _pill("#unknown"),
        "everyone": lambda v: _pill(v) if pings else escape(v),
        "bare": lambda v: _link(v, escape(v)),
    }
    return simple[kind](value)


def _pill(text: str) -> str:
    return f'<span class="mention">{escape(text)}</span>'


def _link(address: str, shown: str) -> str:
    try:
        host = urlsplit(address).hostname
    except ValueError:
        host = None
    if not host:
        return shown
    return f'<a href="{escape(address)}" rel="noreferrer noopener nofollow" target="_blank">{shown}</a>'


def _time(at: int, style: str) -> str:
    """The server's rendering; the page's script makes it local and keeps it moving."""
    try:
        moment = datetime.fromtimestamp(at, UTC)
    except (ValueError, OverflowError, OSError):
        return escape(f"<t:{at}>")
    stamp = moment.isoformat().replace("+00:00", "Z")
    return f'<time datetime="{stamp}" data-at="{at}" data-style="{style}">{moment:%Y-%m-%d %H:%M} UTC</time>'
