"""What every backend can be asked, and the small types it answers with. Times are Unix seconds (float)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bongsu.signals.query import FleetQuery


class SourceError(Exception):
    """A backend could not answer; the message names the source and endpoint, and says what to do."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The value of a signal for one service at one instant. ``labels`` are those of the signal's ``by``."""

    service: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Series:
    """A signal of one service over time; ``times`` (Unix s) and ``values`` are as long, NaN where absent."""

    service: str
    times: Sequence[float]
    values: Sequence[float]
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LogRecord:
    time: float
    service: str
    severity: str
    """TRACE, DEBUG, INFO, WARN, ERROR or FATAL."""
    body: str
    trace_id: str = ""
    span_id: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Span:
    trace_id: str
    span_id: str
    parent_id: str
    """Empty for a root."""
    service: str
    operation: str
    kind: str
    """server, client, internal, producer or consumer."""
    start: float
    duration: float
    """Seconds."""
    error: bool
    peer: str = ""
    """The service that a client span calls, where the span says so."""
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """A deploy, restart, flag or configuration change that a source saw."""

    time: float
    service: str
    kind: str
    """deploy, restart, config or flag."""
    summary: str
    before: str = ""
    after: str = ""


class Source(Protocol):
    """A backend that answers queries. Each method raises SourceError when it cannot."""

    @property
    def name(self) -> str: ...

    async def instant(self, query: FleetQuery, at: float) -> list[Sample]: ...

    async def range(self, query: FleetQuery, start: float, end: float, step: float) -> list[Series]: ...

    async def logs(
        self, services: Sequence[str], start: float, end: float, *, errors_only: bool, limit: int
    ) -> list[LogRecord]: ...

    async def spans(
        self, start: float, end: float, *, services: Sequence[str] = (), limit: int
    ) -> list[Span]: ...

    async def trace(self, trace_id: str) -> list[Span]: ...

    async def changes(self, start: float, end: float) -> list[Change]: ...
