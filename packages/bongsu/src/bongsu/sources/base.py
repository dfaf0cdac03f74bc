"""What every backend can be asked, and the small types it answers with. Times are Unix seconds (float)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

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


@dataclass(frozen=True, slots=True)
class Edge:
    """That one service called another, and how often, in the time that was asked about."""

    caller: str
    callee: str
    calls: float


Capability = Literal["metrics", "logs", "spans", "topology", "changes"]


class Source:
    """A backend that answers queries. Each method raises SourceError when the backend cannot answer.

    ``capabilities`` declares what it has; what it does not have it answers with nothing.
    """

    capabilities: frozenset[Capability] = frozenset()

    @property
    def name(self) -> str:
        """As the catalog calls it."""
        return type(self).__name__

    def able(self, capability: Capability) -> "Sequence[Source]":
        """The backends behind this source that have ``capability``: itself, or none."""
        return (self,) if capability in self.capabilities else ()

    async def instant(self, query: FleetQuery, at: float) -> list[Sample]:
        """The signal's value for each service that has one; *presence* answers for every service."""
        return []

    async def range(self, query: FleetQuery, start: float, end: float, step: float) -> list[Series]:
        """The signal's values at ``start``, ``start + step`` … ``end`` for each service that has any."""
        return []

    async def logs(
        self, services: Sequence[str], start: float, end: float, *, errors_only: bool, limit: int
    ) -> list[LogRecord]:
        """The newest ``limit`` records of the window, oldest first; no services means all."""
        return []

    async def spans(
        self, start: float, end: float, *, services: Sequence[str] = (), limit: int
    ) -> list[Span]:
        """Spans that started in the window, oldest first; beyond ``limit`` a choice of whole traces."""
        return []

    async def trace(self, trace_id: str) -> list[Span]:
        """Every span of one trace; none where it is not known."""
        return []

    async def topology(self, start: float, end: float) -> list[Edge]:
        """Who called whom in the window."""
        return []

    async def changes(self, start: float, end: float) -> list[Change]:
        """Deploys, restarts and the like in the window."""
        return []

    async def aclose(self) -> None:
        """Give up connections."""
