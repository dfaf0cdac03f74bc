"""Matchers as Datadog's tag filters: ``service IN (a, b) AND NOT path:/health*``.

Datadog filters by exact values and by values with ``*`` at the beginning, at the end, or at both. A regular
expression becomes a list of such values where it says no more than they do, else it is refused.
"""

import re
from collections.abc import Sequence

from bongsu.signals.matchers import Matcher

_KEY = re.compile(r"[a-z_][a-z0-9_./-]*")
_PIECE = re.compile(r"[\w./:-]*")
_WORDS = frozenset({"and", "or", "not", "in", "by"})
_MOST = 64
_STATUS = re.compile(r"([1-5])\.\.|\[([1-5])-([1-5])\]\.\.|\[([1-5]+)\]\.\.")
_LONGEST = 200

Pattern = tuple[str, ...]
"""Literal pieces, with ``*`` between them."""


def filter_text(conditions: Sequence[str]) -> str:
    """The inside of the braces."""
    return " AND ".join(conditions) or "*"


def one_of(key: str, values: Sequence[str]) -> str:
    """``key`` has one of ``values``."""
    checked = [_value(key, value) for value in values]
    return f"{tag(key)}:{checked[0]}" if len(checked) == 1 else f"{tag(key)} IN ({','.join(checked)})"


def condition(matcher: Matcher) -> str | None:
    """``matcher`` as a filter; None when everything fulfils it. ValueError for what Datadog cannot filter."""
    patterns = [(matcher.value,)] if matcher.op in ("=", "!=") else patterns_of(matcher.value)
    negated = matcher.op.startswith("!")
    if ("", "") in patterns:
        if negated:
            raise ValueError(f"{matcher.label}: '!{matcher.value}' leaves nothing")
        return None
    exact = sorted({pattern[0] for pattern in patterns if len(pattern) == 1})
    wild = sorted({"*".join(pattern) for pattern in patterns if len(pattern) > 1})
    found = ([one_of(matcher.label, exact)] if exact else []) + [f"{tag(matcher.label)}:{w}" for w in wild]
    if negated:
        return " AND ".join(_not(part) for part in found)
    return found[0] if len(found) == 1 else f"({' OR '.join(found)})"


def tag(key: str) -> str:
    """``key``, once it is known to be nothing but a tag's key. ValueError otherwise."""
    if not _KEY.fullmatch(key) or key in _WORDS:
        raise ValueError(f"{key!r} is no tag of Datadog; write small letters, digits, '_', '-', '.' and '/'")
    return key


def patterns_of(expression: str) -> list[Pattern]:
    """The values, with wildcards, that an RE2 expression stands for. ValueError when it says more."""
    status = _STATUS.fullmatch(expression)
    if status:
        return [(digit, "") for digit in _digits(status)]
    parser = _Parser(expression)
    patterns = [_merged(pattern) for pattern in parser.alternatives()]
    if parser.rest:
        raise _refusal(expression, f"{parser.rest[0]!r} has no counterpart")
    for pattern in patterns:
        if len(pattern) > 3 or (len(pattern) == 3 and (pattern[0] or pattern[2])):
            raise _refusal(expression, "a wildcard may only stand at the beginning and at the end")
        if len(pattern) == 2 and all(pattern):
            raise _refusal(expression, "a wildcard may only stand at the beginning and at the end")
        if not all(_PIECE.fullmatch(piece) and piece == piece.lower() for piece in pattern):
            raise _refusal(expression, "tags hold small letters, digits, '_', '-', '.', '/' and ':'")
        if pattern == ("",):
            raise _refusal(expression, "a tag that is missing cannot be asked for")
    return patterns


def _digits(status: re.Match[str]) -> list[str]:
    """HTTP status codes have three digits, so that ``5..`` says as much as ``5*``."""
    one, first, last, listed = status.groups()
    if first:
        return [str(n) for n in range(int(first), int(last) + 1)]
    return sorted(set(one or listed))


def _merged(pieces: Sequence[str | None]) -> Pattern:
    """Pieces of text and wildcards (None) as a pattern."""
    found = [""]
    for piece in pieces:
        if piece is None:
            if found[-1] or len(found) == 1:
                found.append("")
        else:
            found[-1] += piece
    return tuple(found)


class _Parser:
    """Literals, ``.*``, groups, ``?``, ``|`` and small character classes, expanded into alternatives."""

    def __init__(self, expression: str) -> None:
        self.expression, self.rest = expression, expression

    def alternatives(self) -> list[list[str | None]]:
        found = self._sequence()
        while self.rest.startswith("|"):
            self.rest = self.rest[1:]
            found += self._sequence()
        return found

    def _sequence(self) -> list[list[str | None]]:
        found: list[list[str | None]] = [[]]
        while self.rest and self.rest[0] not in "|)":
            choices = self._atom()
            if self.rest.startswith("?"):
                self.rest = self.rest[1:]
                choices = [*choices, []]
            if self.rest[:1] in tuple("*+{?"):
                raise _refusal(self.expression, f"{self.rest[0]!r} is only known as '.*'")
            found = [[*before, *choice] for before in found for choice in choices]
            if len(found) > _MOST:
                raise _refusal(self.expression, f"it stands for more than {_MOST} values")
        return found

    def _atom(self) -> list[list[str | None]]:
        first, self.rest = self.rest[0], self.rest[1:]
        if first == "." and self.rest.startswith("*"):
            self.rest = self.rest[1:]
            return [[None]]
        if first == "(":
            return self._group()
        if first == "[":
            return self._class()
        if first == "\\" and self.rest and not self.rest[0].isalnum():
            first, self.rest = self.rest[0], self.rest[1:]
            return [[first]]
        if first in ".*+?{}[]^$\\":
            raise _refusal(self.expression, f"{first!r} has no counterpart")
        return [[first]]

    def _group(self) -> list[list[str | None]]:
        self.rest = self.rest.removeprefix("?:")
        found = self.alternatives()
        if not self.rest.startswith(")"):
            raise _refusal(self.expression, "a parenthesis is open")
        self.rest = self.rest[1:]
        return found

    def _class(self) -> list[list[str | None]]:
        inside, closed, self.rest = self.rest.partition("]")
        parts = re.findall(r"([a-z0-9])-([a-z0-9])|([\w./:-])", inside)
        spelled = "".join(f"{low}-{high}" if low else one for low, high, one in parts)
        if not closed or spelled != inside:
            raise _refusal(self.expression, f"the class [{inside}] has no counterpart")
        return [[char] for low, high, one in parts for char in (one or _range(low, high))]


def _range(low: str, high: str) -> str:
    return "".join(chr(code) for code in range(ord(low), ord(high) + 1))


def _not(part: str) -> str:
    key, listed, rest = part.partition(" IN ")
    return f"{key} NOT IN {rest}" if listed else f"NOT {part}"


def _value(key: str, value: str) -> str:
    fits = value and value == value.lower() and _PIECE.fullmatch(value) and value not in _WORDS
    if not fits or len(key) + 1 + len(value) > _LONGEST:
        raise ValueError(
            f"{key}: {value!r} is no value that a tag of Datadog can have; write it as Datadog stores it: "
            f"small letters, digits, '_', '-', '.', '/' and ':', at most {_LONGEST} characters with its key"
        )
    return value


def _refusal(expression: str, reason: str) -> ValueError:
    return ValueError(f"{expression!r}: {reason} among Datadog's tag filters")
