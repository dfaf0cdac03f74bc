"""Making text from telemetry harmless in Discord: it shows as written, and does nothing."""

import re
import unicodedata
from collections.abc import Sequence
from urllib.parse import quote, urlsplit

ZERO_WIDTH_SPACE = "\u200b"
"""Ours alone, to break what a backslash cannot; every one that comes from outside is removed first."""

_BLANK_LETTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0\u17b4\u17b5\u034f")
_MAX_MARKS = 3
_INLINE = re.compile(r"([\\`*_~|<>\[\]])")
_LINE_START = re.compile(r"^(\d*)(?=[#+.)-])")
_SCHEME = re.compile(r"(?<=[A-Za-z0-9+.-]):(?=\\?/)")
_INVITE = re.compile(r"(?i)(discord(?:app)?\.(?:gg|com|me|io))/")
_EMOJI = re.compile(r":(?=[A-Za-z0-9_+\\-]+:)")
_PING = re.compile(r"(?i)@(?=everyone|here|[&!]|\d)")
_MARKUP = re.compile(r"(?i)<(?=@|#|:|/|a:|t:|id:|https?:|mailto:|tel:)")
_FENCE = re.compile(r"`(?=`)")


def visible(text: str, limit: int) -> str:
    """``text`` in one line without what a reader cannot see, cut to ``limit`` code points with an ellipsis.

    Controls, zero-width and bidirectional characters go, lone surrogates become U+FFFD, runs of combining
    marks are shortened, and white space is one space.
    """
    read = limit * 4 + 64
    kept: list[str] = []
    marks = 0
    for char in text[:read]:
        category = unicodedata.category(char)
        marks = marks + 1 if category in {"Mn", "Me"} else 0
        if marks <= _MAX_MARKS:
            kept.append(_seen(char, category))
    return clip(" ".join("".join(kept).split()), limit, cut=len(text) > read)


def _seen(char: str, category: str) -> str:
    if char in _BLANK_LETTERS:
        return ""
    if char.isspace():
        return " "
    if category in {"Cc", "Cf", "Co", "Cn"}:
        return ""
    return "\ufffd" if category == "Cs" else char


def clip(text: str, limit: int, *, cut: bool = False) -> str:
    """At most ``limit`` code points, the last an ellipsis where text was lost (here, or before: ``cut``)."""
    if len(text) <= limit and not cut:
        return text
    return text[: limit - 1] + "…" if limit > 0 else ""


def plain(text: str, limit: int = 300) -> str:
    """One line that Discord shows as it was written: no ping, link, emoji or markup.

    ``limit`` bounds the code points that are seen; backslashes come on top of it.
    """
    safe = visible(text, limit)
    safe = _PING.sub("@" + ZERO_WIDTH_SPACE, safe)
    safe = _MARKUP.sub("<" + ZERO_WIDTH_SPACE, safe)
    safe = _INLINE.sub(r"\\\1", safe)
    safe = _LINE_START.sub(r"\1\\", safe)
    safe = _SCHEME.sub(r"\\:", safe)
    safe = _INVITE.sub(r"\1\\/", safe)
    return _EMOJI.sub(r"\\:", safe)


def fenced(lines: Sequence[str], limit: int, *, line_limit: int = 240, count: int = 5) -> str:
    """A code block of at most ``count`` lines and ``limit`` code points; empty without a line to show."""
    kept: list[str] = []
    room = limit - len("```\n\n```")
    for line in lines[:count]:
        text = _FENCE.sub("`" + ZERO_WIDTH_SPACE, visible(line, min(line_limit, max(room, 0))))
        text = _PING.sub("@" + ZERO_WIDTH_SPACE, _MARKUP.sub("<" + ZERO_WIDTH_SPACE, text))
        if text.endswith("`"):
            text += ZERO_WIDTH_SPACE
        if not text or len(text) > room:
            continue
        kept.append(text)
        room -= len(text) + 1
    return "```\n" + "\n".join(kept) + "\n```" if kept else ""


def link(label: str, url: str, limit: int = 512) -> str:
    """``[label](url)``; the label alone where the address is no plain http(s) address or is too long."""
    text = plain(label.replace("://", " "), 80) or "link"
    address = safe_url(url)
    if not address or len(address) + len(text) + 4 > limit:
        return text
    return f"[{text}]({address})"


def safe_url(url: str) -> str:
    """``url`` with everything quoted that could end a link early; empty unless it is http or https."""
    if any(unicodedata.category(char)[0] in "CZ" for char in url):
        return ""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        return ""
    return quote(url, safe="%/:?#&=+,;@!$'~.-_[]").replace("[", "%5B").replace("]", "%5D")
