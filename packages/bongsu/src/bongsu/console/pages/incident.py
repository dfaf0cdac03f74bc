"""One incident: what broke, why perhaps, what was read, what was done; and the buttons to answer it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from bongsu.analysis.model import Analysis, Evidence, MetricEvidence
from bongsu.console.charts import charts
from bongsu.console.exhibits import anchor, exhibits
from bongsu.console.guard import field
from bongsu.console.headline import headline, what_broke
from bongsu.console.session import Session
from bongsu.console.timeline import said
from bongsu.console.view import SECURITY_HEADERS, Console, answer
from bongsu.delivery.message import ChartSpec
from bongsu.incidents.model import Alert, Delivery, Event, Incident
from bongsu.incidents.telling import ordered

SILENCE_SECONDS = 3600.0
LONGEST_NOTE = 4000


@dataclass(frozen=True, slots=True)
class Case:
    """All that is stored of one incident."""

    incident: Incident
    alerts: list[Alert]
    events: list[Event]
    deliveries: list[Delivery]
    evidence: Evidence | None
    recent: Sequence[MetricEvidence]
    analysis: Analysis | None

    def silenceable(self) -> list[tuple[str, str]]:
        """What a person may silence from here: each alerting signal, and each whole service."""
        pairs = [(a.service, a.signal) for a in self.alerts if a.service]
        return list(dict.fromkeys([*((s, "") for s, _ in pairs), *(p for p in pairs if p[1])]))


def add(router: APIRouter, console: Console) -> None:
    deps = console.deps

    @router.get("/incidents/{incident_id}")
    async def incident_page(request: Request, incident_id: str) -> Response:
        case = await _case(console, incident_id)
        return console.page(request, "incident.html", _context(console, request, case))

    @router.get("/incidents/{incident_id}/charts.json")
    async def incident_charts(request: Request, incident_id: str) -> Response:
        case = await _case(console, incident_id)
        body = msgspec.json.encode(_charts(console, request, case))
        return answer(request, body, "application/json")

    @router.post("/incidents/{incident_id}/acknowledge")
    async def acknowledge(request: Request, incident_id: str) -> Response:
        await _known(console, incident_id)
        await deps.acknowledge(incident_id, _actor(request))
        return _back(incident_id)

    @router.post("/incidents/{incident_id}/notes")
    async def add_note(request: Request, incident_id: str) -> Response:
        await _known(console, incident_id)
        text = field(request, "text")
        if len(text) > LONGEST_NOTE:
            raise HTTPException(413)
        if text:
            await deps.note(incident_id, _actor(request), text)
        return _back(incident_id)

    @router.post("/incidents/{incident_id}/silence")
    async def silence(request: Request, incident_id: str) -> Response:
        case = await _case(console, incident_id)
        service, _, signal = field(request, "target").partition("|")
        if (service, signal) not in case.silenceable():
            raise HTTPException(400)
        await deps.silence(service, signal, SILENCE_SECONDS, _actor(request))
        return _back(incident_id)


def _back(incident_id: str) -> Response:
    return RedirectResponse(f"/incidents/{incident_id}", 303, headers=SECURITY_HEADERS)


def _actor(request: Request) -> str:
    session: Session = request.state.session
    return session.actor


async def _known(console: Console, incident_id: str) -> Incident:
    incident = await console.deps.store.incident(incident_id)
    if incident is None:
        raise HTTPException(404)
    return incident


async def _case(console: Console, incident_id: str) -> Case:
    incident = await _known(console, incident_id)
    deps = console.deps
    alerts, events, deliveries, evidence, analysis = await asyncio.gather(
        deps.store.alerts(incident_id),
        deps.store.events(incident_id),
        deps.store.deliveries(incident_id),
        deps.evidence(incident_id),
        deps.analysis(incident_id),
    )
    recent = await deps.recent(incident, alerts)
    return Case(incident, ordered(incident, alerts), events, deliveries, evidence, recent, analysis)


def _charts(console: Console, request: Request, case: Case) -> list[ChartSpec]:
    return charts(
        case.incident,
        case.alerts,
        case.evidence,
        case.recent,
        console.deps.signal_text,
        language=console.reader(request).language,
        timezone=console.deps.timezone,
    )


def _context(console: Console, request: Request, case: Case) -> dict[str, object]:
    signal_text = console.deps.signal_text
    language = console.reader(request).language
    drawn = max((m.times[-1] for m in case.recent if m.times), default=0.0)
    newest = drawn or (case.evidence.collected_at if case.evidence else 0.0)
    return {
        "case": case,
        "incident": case.incident,
        "title": headline(case.incident, case.alerts, console.deps.trouble_text, language),
        "what": lambda alert: what_broke(alert, signal_text, language),
        "signal_name": lambda service, signal: signal_text(service, signal).in_(language) or signal,
        "charts": _charts(console, request, case),
        "charts_version": f"{case.incident.version}-{newest:.0f}-{language}",
        "found": exhibits(case.evidence, case.analysis),
        "anchor": anchor,
        "events": list(reversed(case.events)),
        "said": lambda event: said(event, console.deps, language),
    }
