"""The level of a log line, from what its sender called it or from the line itself."""

import re

LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
_WORDS = {
    "WARNING": "WARN",
    "ERR": "ERROR",
    "EXCEPTION": "ERROR",
    "SEVERE": "ERROR",
    "CRITICAL": "FATAL",
    "CRIT": "FATAL",
    "ALERT": "FATAL",
    "EMERG": "FATAL",
    "EMERGENCY": "FATAL",
    "PANIC": "FATAL",
    "NOTICE": "INFO",
    "INFORMATION": "INFO",
    "VERBOSE": "TRACE",
}
_STATED = re.compile(
    r"""(?:\blevel["']?\s*[=:]\s*["']?|\bseverity["']?\s*[=:]\s*["']?|\[|^|\s)"""
    r"""(trace|debug|info|notice|warn|warning|error|err|critical|crit|fatal|panic|emerg|alert)\b""",
    re.IGNORECASE,
)
_FAILING = re.compile(r"\b(?:error|exception|traceback|fatal|panic)\b|(?:Error|Exception)\b", re.IGNORECASE)
_HEAD = 300
"""Characters of a line in which its level is looked for."""


def level_of(word: str, line: str) -> str:
    """One of ``LEVELS``: what ``word`` says, else what the line states, else what it reads like."""
    known = named(word)
    if known:
        return known
    stated = _STATED.search(line[:_HEAD])
    if stated is not None:
        return named(stated[1])
    return "ERROR" if _FAILING.search(line) else "INFO"


def telling(level: str) -> bool:
    """Whether a line of this level tells of a failure."""
    return level in ("ERROR", "FATAL")


def named(word: str) -> str:
    """The level that a logger's own word stands for; empty for one that stands for none."""
    word = word.strip().upper().rstrip("0123456789")
    word = _WORDS.get(word, word)
    return word if word in LEVELS else ""
