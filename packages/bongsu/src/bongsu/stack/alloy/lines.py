"""How log lines are read: where an entry begins, its time, severity and trace, and what nobody may see."""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Literal

from bongsu.catalog import ResolvedService
from bongsu.stack.alloy.tree import Block, block

Format = Literal["application", "plain", "access"]
"""Entries with a known beginning, which stack traces follow; a line each; the access log of nginx."""

_WITH_STACK_TRACES = frozenset({"spring-boot", "fastapi", "starlette", "django", "flask"})
_UPPER = "TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL|FATAL|PANIC"
_WORDS = f"{_UPPER}|CRIT|ALERT|EMERG".lower()

FIRST_LINE = (
    r"^(?:\x1b\[[0-9;]*m)*"
    r"(?:\{|\[?\d{4}[-/]\d{2}[-/]\d{2}[T ]\d{2}:\d{2}:\d{2}|(?:" + _UPPER + r")\b)"
)
"""JSON, a time, or a severity: what follows until the next such line belongs to the entry."""
TIME = r"(?P<time>\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2}))"
"""A time with its zone. One without is left alone, as nobody knows which zone the writer was in."""
LEVEL = r"^.{0,60}?\b(?P<level>" + _UPPER + r")\b"
"""The severity of plain text."""
NAMED_LEVEL = (
    r'(?i)(?:"(?:log\.)?(?:level|severity)"\s*:\s*"|\b(?:level|severity)="?|\[)'
    r"(?P<level>" + _WORDS + r')(?:[\]"\s]|$)'
)
"""The severity of JSON, logfmt and nginx, which wins over a word of the message."""
TRACE = r'(?i)(?:trace[._-]?id"?\s*[=:]\s*"?|\[(?:[^\],]*,\s*)?)(?P<trace_id>[0-9a-f]{32})\b'
"""A trace named by its key, or in the brackets in which Spring Boot writes it."""
ACCESS = r'^\S+ \S+ \S+ \[(?P<time>[^\]]+)\] "(?P<method>[A-Z]+) [^"]*" (?P<status>\d{3}) '
"""The beginning of nginx's combined format."""
ACCESS_JSON = r'"status"\s*:\s*"?(?P<status>\d{3})\b'
BEARER = r"(?i)\bbearer\s+([\w.~+/=-]{16,})"
CREDENTIALS = r"://[^\s/:@]+:([^\s/@]+)@"

_LEVEL_NAMES = (
    "{{ with .level }}{{ $l := ToLower . }}"
    '{{ if eq $l "warning" }}warn'
    '{{ else if eq $l "notice" }}info'
    '{{ else if or (eq $l "critical") (eq $l "crit") (eq $l "alert") (eq $l "emerg") (eq $l "panic") }}fatal'
    "{{ else }}{{ $l }}{{ end }}{{ end }}"
)
_LEVEL_OF_STATUS = (
    '{{ with .status }}{{ if ge . "500" }}error{{ else if ge . "400" }}warn{{ else }}info{{ end }}{{ end }}'
)


def format_of(service: ResolvedService, path: str = "") -> Format:
    """How the service writes that file."""
    if not _WITH_STACK_TRACES.isdisjoint(service.spec.kind):
        return "application"
    if "nginx" in service.spec.kind and path and "error" not in PurePosixPath(path).name:
        return "access"
    return "plain"


def stages(form: Format) -> Iterator[Block]:
    """What is done with each line of that format."""
    if form == "application":
        yield multiline()
    yield from _access() if form == "access" else _entry()
    for pattern in (BEARER, CREDENTIALS):
        yield block("stage.replace", expression=pattern, replace="[redacted]")


def multiline() -> Block:
    """Puts stack traces together."""
    return block("stage.multiline", firstline=FIRST_LINE, max_wait_time="3s", max_lines=256)


def _entry() -> Iterator[Block]:
    for pattern in (TIME, LEVEL, NAMED_LEVEL, TRACE):
        yield block("stage.regex", expression=pattern)
    yield _timestamp("RFC3339Nano")
    yield block("stage.template", source="level", template=_LEVEL_NAMES)
    yield block("stage.labels", values={"level": ""})
    yield block("stage.structured_metadata", values={"trace_id": ""})


def _access() -> Iterator[Block]:
    for pattern in (ACCESS, ACCESS_JSON, TRACE):
        yield block("stage.regex", expression=pattern)
    yield _timestamp("02/Jan/2006:15:04:05 -0700")
    yield block("stage.template", source="level", template=_LEVEL_OF_STATUS)
    yield block("stage.labels", values={"level": ""})
    yield block("stage.structured_metadata", values={"method": "", "status": "", "trace_id": ""})


def _timestamp(form: str) -> Block:
    return block("stage.timestamp", source="time", format=form, action_on_failure="skip")
