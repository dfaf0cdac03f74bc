"""The list of incidents, by status, severity and service."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from bongsu.console.headline import headline
from bongsu.console.view import Console
from bongsu.incidents.model import Incident, IncidentStatus
from bongsu.signals.model import Severity

PAGE = 25
STATUSES: dict[str, tuple[IncidentStatus, ...] | None] = {
    "live": (IncidentStatus.OPEN, IncidentStatus.ACKNOWLEDGED),
    "resolved": (IncidentStatus.RESOLVED,),
    "all": None,
}


@dataclass(frozen=True, slots=True)
class Row:
    incident: Incident
    title: str
    services: tuple[str, ...]
    """Every service that alerted, the incident's own first."""


@dataclass(frozen=True, slots=True)
class Filters:
    status: str
    severities: tuple[Severity, ...]
    service: str

    @property
    def narrow(self) -> bool:
        return self.status != "all" or bool(self.severities) or bool(self.service)

    def query(self, **more: str) -> str:
        pairs = [("status", self.status), *(("severity", s.value) for s in self.severities)]
        if self.service:
            pairs.append(("service", self.service))
        return "?" + urlencode([*pairs, *more.items()])


def add(router: APIRouter, console: Console) -> None:
    deps = console.deps

    @router.get("/incidents")
    async def incident_list(request: Request) -> Response:
        filters, before = _asked(request)
        found = await deps.store.list_incidents(
            status=STATUSES[filters.status],
            severity=filters.severities or None,
            service=filters.service or None,
            limit=PAGE + 1,
            before=before,
        )
        shown = found[:PAGE]
        context: dict[str, object] = {
            "filters": filters,
            "rows": await rows(console, shown, console.reader(request).language),
            "services": sorted({s.name for s in deps.services()} | ({filters.service} - {""})),
            "severities": list(Severity),
            "statuses": list(STATUSES),
            "before": before,
            "older": filters.query(before=str(shown[-1].number)) if len(found) > PAGE else "",
            "newest": filters.query(),
        }
        return console.page(request, "incidents.html", context)


async def rows(console: Console, incidents: Sequence[Incident], language: str) -> list[Row]:
    alerts = await asyncio.gather(*(console.deps.store.alerts(i.id) for i in incidents))
    return [
        Row(
            incident,
            headline(incident, own, console.deps.trouble_text, language),
            tuple(dict.fromkeys([incident.service, *(a.service for a in own if a.service)])),
        )
        for incident, own in zip(incidents, alerts, strict=True)
    ]


def _asked(request: Request) -> tuple[Filters, int | None]:
    """What the address asks for; values that mean nothing are passed over."""
    query = request.query_params
    status = query.get("status", "all")
    known = {s.value: s for s in Severity}
    severities = tuple(known[s] for s in dict.fromkeys(query.getlist("severity")) if s in known)
    before = query.get("before", "")
    filters = Filters(status if status in STATUSES else "all", severities, query.get("service", "")[:200])
    return filters, int(before) if before.isascii() and before.isdigit() and len(before) < 16 else None
