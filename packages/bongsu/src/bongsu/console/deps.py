"""What the console needs from the rest of the server, and nothing more."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bongsu.analysis.model import Analysis, Evidence, MetricEvidence
from bongsu.incidents.model import Alert, Delivery, Event, Incident, IncidentStatus
from bongsu.signals.model import Severity, Text


class IncidentReader(Protocol):
    """The incident store, as far as pages read it."""

    async def list_incidents(
        self,
        *,
        status: Sequence[IncidentStatus] | None = None,
        service: str | None = None,
        severity: Sequence[Severity] | None = None,
        limit: int = 50,
        before: int | None = None,
    ) -> list[Incident]:
        """Newest first; ``before`` is the number of the last incident of the page before."""
        ...

    async def incident(self, incident_id: str, /) -> Incident | None: ...
    async def alerts(self, incident_id: str, /) -> list[Alert]: ...
    async def events(self, incident_id: str, /) -> list[Event]: ...
    async def deliveries(self, incident_id: str, /) -> list[Delivery]: ...


@dataclass(frozen=True, slots=True)
class ServiceInfo:
    """A service as its catalog declares it."""

    name: str
    kind: str
    owner: str = ""
    tier: int = 2
    depends_on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceHealth:
    """How a service is now. ``severity`` of its worst firing alert; ``seen_at`` of its newest sample."""

    severity: Severity | None = None
    seen_at: float | None = None
    silenced_until: float | None = None
    problem: str = ""
    """Why its telemetry cannot be read, in the words of who tried."""


async def _nothing_recent(_: Incident, __: Sequence[Alert]) -> Sequence[MetricEvidence]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleDeps:
    store: IncidentReader
    evidence: Callable[[str], Awaitable[Evidence | None]]
    analysis: Callable[[str], Awaitable[Analysis | None]]
    recent: Callable[[Incident, Sequence[Alert]], Awaitable[Sequence[MetricEvidence]]] = _nothing_recent
    """The alerting signals up to now; where there are none, charts show the stored evidence."""
    acknowledge: Callable[[str, str], Awaitable[Incident]]
    """``(incident, actor)``."""
    note: Callable[[str, str, str], Awaitable[None]]
    """``(incident, actor, text)``."""
    silence: Callable[[str, str, float, str], Awaitable[None]]
    """``(service, signal, seconds, actor)``; an empty signal is the whole service."""
    changes: Callable[[], AsyncIterator[str]]
    """Ids of incidents as they change; one iterator an open page."""
    signal_text: Callable[[str, str], Text]
    """``(service, signal)`` → what is measured."""
    trouble_text: Callable[[str, str], Text]
    """``(service, signal)`` → what to call it when it is bad."""
    services: Callable[[], Sequence[ServiceInfo]]
    service_health: Callable[[], Awaitable[Mapping[str, ServiceHealth]]]
    sign_in: Callable[[str], str | None]
    """``token`` → who it belongs to."""
    timezone: str = "UTC"
    catalog_name: str = ""
    language: str = "en"
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    """Signs sessions; keep it across restarts and replicas, or people have to sign in again."""
    stopping: Callable[[], bool] = lambda: False
    """True once the server wants to stop: open streams then end (``lambda: server.should_exit``)."""
    secure_cookies: bool | None = None
    """Whether cookies are for HTTPS only; by default as the request came."""
