"""The words of programs and of their error messages, so that the two can be compared."""

import re

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d{2,}")
_SHORTEST = 3
_EVERYWHERE = """
    and are args bool byte call class client code com config const context ctx data def default else
    err error false feat fix float for from func get github handle handler has http https import int
    into item json key let list main map message method name new none not object off old only org
    out path per pkg public put refactor req request resp response result return self server service
    set src str string struct test that the then this time true type url use user value var void was
    were when will with www yet
"""
COMMON = frozenset(_EVERYWHERE.split())
"""Words of every program, which tell nothing."""

SYNONYMS = {
    word: group[0]
    for group in (
        ("timeout", "deadline", "timed"),
        ("retry", "retrie", "attempt", "backoff"),
        ("connection", "conn"),
        ("query", "select", "sql"),
        ("certificate", "cert", "tls"),
        ("null", "nil"),
        ("memory", "heap", "oom"),
        ("auth", "authentication", "authorization", "unauthorized", "token"),
        ("database", "postgre", "mysql"),
    )
    for word in group
}
"""Words that mean the same in a program and in its messages → one of them."""


def words(text: str) -> list[str]:
    """The telling words of prose and of identifiers in any style: lower case, without plural endings, each
    synonym by its first name, numbers of two digits or more."""
    found = (word.lower() for word in _WORD.findall(text))
    short = (w[:-1] if w.endswith("s") and len(w) > _SHORTEST + 1 else w for w in found)
    kept = (w for w in short if (len(w) >= _SHORTEST or w.isdigit()) and w not in COMMON)
    return [SYNONYMS.get(w, w) for w in kept]
