"""The first page: is all well, and if not, what burns."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from bongsu.console.deps import ServiceHealth, ServiceInfo
from bongsu.console.pages.incidents import Row, rows
from bongsu.console.relay import relay
from bongsu.console.view import FIRES, Console
from bongsu.incidents.model import Incident, IncidentStatus

MOST_OPEN = 50
RECENT = 5
STALE_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class ServiceRow:
    info: ServiceInfo
    health: ServiceHealth
    state: str
    """A severity, or ``well``, ``silenced``, ``silent`` (no data)."""


def add(router: APIRouter, console: Console) -> None:
    deps = console.deps

    @router.get("/")
    async def overview(request: Request) -> Response:
        reader = console.reader(request)
        live, resolved, health = await asyncio.gather(
            deps.store.list_incidents(
                status=[IncidentStatus.OPEN, IncidentStatus.ACKNOWLEDGED], limit=MOST_OPEN
            ),
            deps.store.list_incidents(status=[IncidentStatus.RESOLVED], limit=RECENT),
            deps.service_health(),
        )
        live.sort(key=lambda i: (i.severity.rank, -i.number))
        services = service_rows(deps.services(), health, reader.now)
        open_rows, recent_rows = await asyncio.gather(
            rows(console, live, reader.language), rows(console, resolved, reader.language)
        )
        context: dict[str, object] = {
            "open": open_rows,
            "recent": recent_rows,
            "worst": live[0].severity if live else None,
            "lit": FIRES[live[0].severity] if live else 1,
            "unattended": _unattended(open_rows),
            "services": services,
            "relay": relay(services),
        }
        return console.page(request, "overview.html", context)


def service_rows(
    services: Sequence[ServiceInfo], health: Mapping[str, ServiceHealth], now: float
) -> list[ServiceRow]:
    """The worst first, then by tier and name."""
    found = []
    for info in services:
        own = health.get(info.name, ServiceHealth())
        found.append(ServiceRow(info, own, _state(own, now)))
    return sorted(found, key=lambda r: (_rank(r.state), r.info.tier, r.info.name))


def _state(health: ServiceHealth, now: float) -> str:
    if health.severity is not None:
        return health.severity.value
    if health.seen_at is None or health.seen_at < now - STALE_SECONDS:
        return "silent"
    return "silenced" if health.silenced_until and health.silenced_until > now else "well"


def _rank(state: str) -> int:
    return {"P1": 1, "P2": 2, "P3": 3, "P4": 4, "silent": 5, "silenced": 6}.get(state, 7)


def _unattended(open_rows: Sequence[Row]) -> int:
    incidents: list[Incident] = [row.incident for row in open_rows]
    return sum(1 for incident in incidents if incident.status is IncidentStatus.OPEN)
