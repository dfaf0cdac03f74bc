"""The HTTP API for programs: webhooks in, incidents out. Every call but health needs a credential."""

import time
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool

from bongsu.analysis.archive import Archive
from bongsu.incidents.intake import alertmanager
from bongsu.incidents.intake.common import IntakeError, ServiceIndex
from bongsu.incidents.model import Alert, IncidentStatus
from bongsu.incidents.store import Store
from bongsu.lifecycle import Lifecycle
from bongsu.response.people import acknowledge
from bongsu.security import Credentials, bearer
from bongsu.sources.embedded.scrape import TargetState
from bongsu.watch.table import rows
from bongsu.watch.watch import Watch

MAX_BODY = 8 * 2**20
"""Bytes of a webhook; 50,000 grouped alerts are split by their sender long before."""


def admin_only(credentials: Credentials) -> Callable[[Request], None]:
    """A dependency that answers 401 without the admin token."""

    def check(request: Request) -> None:
        if not credentials.may_admin(bearer(request.headers.get("authorization", ""))):
            raise HTTPException(401, "an admin token is needed: Authorization: Bearer <token>")

    return check


def ingest_only(credentials: Credentials) -> Callable[[Request], None]:
    """A dependency that answers 401 without a token that may bring telemetry."""

    def check(request: Request) -> None:
        if not credentials.may_ingest(bearer(request.headers.get("authorization", ""))):
            raise HTTPException(401, "an ingest token is needed: Authorization: Bearer <token>")

    return check


def webhook_router(credentials: Credentials, services: ServiceIndex, lifecycle: Lifecycle) -> APIRouter:
    """``POST /webhooks/alertmanager`` and ``/webhooks/grafana``: 200 only after the alerts are durable."""
    router = APIRouter(prefix="/webhooks", tags=["webhooks"])

    async def authorised_body(request: Request) -> bytes:
        body = await limited_body(request)
        signature = request.headers.get("x-grafana-alerting-signature", "")
        timestamp = request.headers.get("x-grafana-alerting-timestamp", "")
        by_token = credentials.may_ingest(bearer(request.headers.get("authorization", "")))
        if not by_token and not (signature and credentials.signed(body, signature, timestamp)):
            raise HTTPException(
                401, "a webhook needs the ingest token, or Grafana's signature with a timestamp"
            )
        return body

    async def take(body: bytes, source: str, version: str) -> dict[str, Any]:
        try:
            alerts: Sequence[Alert] = await run_in_threadpool(
                alertmanager.decode, body, source=source, version=version, services=services
            )
        except IntakeError as error:
            raise HTTPException(400, str(error)) from None
        incidents = await lifecycle.take(alerts)
        return {"alerts": len(alerts), "incidents": [incident.number for incident in incidents]}

    @router.post("/alertmanager")
    async def from_alertmanager(body: Annotated[bytes, Depends(authorised_body)]) -> dict[str, Any]:
        """Alertmanager webhook, version 4."""
        return await take(body, "alertmanager", "4")

    @router.post("/grafana")
    async def from_grafana(body: Annotated[bytes, Depends(authorised_body)]) -> dict[str, Any]:
        """Grafana webhook contact point, version 1."""
        return await take(body, "grafana", "1")

    return router


async def limited_body(request: Request) -> bytes:
    """The raw body; 413 as soon as it grows beyond what any sender sends."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise HTTPException(413, f"a webhook may have at most {MAX_BODY} bytes")
    return bytes(body)


def incidents_router(
    credentials: Credentials, store: Store, archive: Archive, lifecycle: Lifecycle
) -> APIRouter:
    router = APIRouter(
        prefix="/api/incidents", tags=["incidents"], dependencies=[Depends(admin_only(credentials))]
    )

    @router.get("")
    async def list_incidents(
        status: IncidentStatus | None = None, service: str | None = None, limit: int = 50
    ) -> Response:
        """Newest first."""
        wanted = [status] if status is not None else None
        found = await store.list_incidents(status=wanted, service=service, limit=max(1, min(limit, 500)))
        return _json(found)

    @router.get("/{incident_id}")
    async def incident(incident_id: str) -> Response:
        """The incident with its alerts, timeline, suspects and deliveries."""
        found = await store.incident(incident_id)
        if found is None:
            raise HTTPException(404, "there is no such incident")
        document = {
            "incident": found,
            "alerts": await store.alerts(incident_id),
            "events": await store.events(incident_id),
            "deliveries": await store.deliveries(incident_id),
            "analysis": await archive.analysis(incident_id),
        }
        return _json(document)

    @router.post("/{incident_id}/acknowledge")
    async def acknowledge_incident(incident_id: str, actor: str = "api") -> Response:
        """A person has it."""
        found = await acknowledge(store, lifecycle, incident_id, actor)
        if found is None:
            raise HTTPException(404, "there is no such incident, or it is resolved")
        return _json(found)

    return router


def targets_router(credentials: Credentials, targets: Callable[[], Sequence[TargetState]]) -> APIRouter:
    router = APIRouter(prefix="/api", tags=["sources"], dependencies=[Depends(admin_only(credentials))])

    @router.get("/targets")
    async def list_targets() -> Response:
        """Every target that is scraped, with the reason when it cannot be read."""
        rows = [
            {
                "service": state.target.job,
                "url": state.target.url,
                "up": state.up,
                "at": state.at,
                "samples": state.samples,
                "error": state.error,
            }
            for state in targets()
        ]
        return _json(rows)

    return router


def watch_router(credentials: Credentials, watch: Watch) -> APIRouter:
    router = APIRouter(prefix="/api", tags=["watch"], dependencies=[Depends(admin_only(credentials))])

    @router.get("/watch")
    async def read_and_judged() -> Response:
        """The latest value of every signal that is judged, and what was made of it."""
        now = time.time()
        return _json({"at": now, "rows": rows(watch.judgement, watch.readings, now)})

    @router.post("/watch/verdict")
    async def verdict(service: str, signal: str, real: bool) -> Response:
        """Whether what the watch found unusual was real: a false alarm makes it less eager for a while."""
        learned = watch.judgement.learned
        if learned is None or not learned.verdict(service, signal, real=real):
            raise HTTPException(404, "this signal of this service is not learned")
        return _json({"service": service, "signal": signal, "real": real})

    return router


def _json(document: object) -> Response:
    return Response(msgspec.json.encode(document), media_type="application/json")
