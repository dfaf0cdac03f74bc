"""SigNoz's filter expressions: ``service.name IN ('a', 'b') AND status REGEXP '^(?s:5..)$'``."""

import re
from collections.abc import Iterable, Sequence

from bongsu.signals.matchers import Matcher, identity_values, parse_matchers
from bongsu.signals.query import FleetQuery

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_/-]*(?:\.[A-Za-z_][A-Za-z0-9_/-]*)*")
_WORDS = frozenset(
    {
        *("and", "or", "not", "in", "like", "ilike", "between", "exist", "exists", "regexp", "contain"),
        *("contains", "has", "hasany", "hasall", "hastoken", "true", "false"),
    }
)


def fleet_filter(query: FleetQuery, match: dict[str, str]) -> str:
    """The services of ``query`` and the matchers of one metric, as one expression."""
    services = (one_of(name, values) for name, values in identity_values(query).items())
    return conjunction([*services, *(_condition(matcher) for matcher in parse_matchers(match))])


def conjunction(conditions: Iterable[str]) -> str:
    """All of ``conditions``."""
    return " AND ".join(conditions)


def one_of(name: str, values: Sequence[str]) -> str:
    """``name`` has one of ``values``."""
    if len(values) == 1:
        return f"{key(name)} = {quote(values[0])}"
    return f"{key(name)} IN ({', '.join(quote(value) for value in values)})"


def quote(text: str) -> str:
    """A string literal; SigNoz takes ``\\\\`` and ``\\'`` as escapes and every other character as it is."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def key(name: str) -> str:
    """``name``, once it is known to be nothing but a key. ValueError otherwise."""
    if not _KEY.fullmatch(name) or name.lower() in _WORDS:
        raise ValueError(
            f"{name!r} is not an attribute that it can filter or group by, which is made of letters, digits, "
            "'_', '-', '/' and dots between them"
        )
    return name


def _condition(matcher: Matcher) -> str:
    name = key(matcher.label)
    if matcher.op in ("=", "!="):
        return f"{name} {matcher.op} {quote(matcher.value)}"
    negation = "NOT " if matcher.op == "!~" else ""
    return f"{name} {negation}REGEXP {quote(f'^(?s:{matcher.value})$')}"
