"""What the console is given of the server."""

import time
from collections.abc import AsyncIterator, Mapping

from bongsu.console.deps import ConsoleDeps, ServiceHealth, ServiceInfo
from bongsu.incidents.model import AlertStatus, Incident, IncidentStatus
from bongsu.response.people import acknowledge, note, silence
from bongsu.server import Server
from bongsu.signals.model import Severity, Text

LIVE = (IncidentStatus.OPEN, IncidentStatus.ACKNOWLEDGED)


def console_deps(server: Server) -> ConsoleDeps:
    catalog = server.catalog

    async def acknowledged(incident_id: str, actor: str) -> Incident:
        found = await acknowledge(server.store, server.lifecycle, incident_id, actor)
        return found if found is not None else await _incident(server, incident_id)

    async def noted(incident_id: str, actor: str, text: str) -> None:
        await note(server.store, server.lifecycle, incident_id, actor, text)

    async def silenced(service: str, signal: str, seconds: float, actor: str) -> None:
        await silence(server.store, service, signal, seconds, actor)

    async def changes() -> AsyncIterator[str]:
        queue = server.lifecycle.listen()
        try:
            while True:
                yield await queue.get()
        finally:
            server.lifecycle.unlisten(queue)

    def signal_text(service: str, name: str) -> Text:
        signal = server.signal_of(service, name)
        return signal.help if signal is not None else Text(en="")

    def trouble_text(service: str, name: str) -> Text:
        signal = server.signal_of(service, name)
        return signal.trouble if signal is not None else Text(en="")

    def services() -> list[ServiceInfo]:
        return [
            ServiceInfo(s.name, ", ".join(s.spec.kind), s.owner, s.spec.tier, s.spec.depends_on)
            for s in server.services.values()
        ]

    return ConsoleDeps(
        store=server.store,
        evidence=server.archive.evidence,
        analysis=server.archive.analysis,
        acknowledge=acknowledged,
        note=noted,
        silence=silenced,
        changes=changes,
        signal_text=signal_text,
        trouble_text=trouble_text,
        recent=server.recent.metrics,
        services=services,
        service_health=lambda: _health(server),
        sign_in=lambda token: "admin" if server.credentials.may_admin(token) else None,
        timezone=catalog.timezone,
        catalog_name=catalog.name,
        language=catalog.language,
        secret=server.credentials.session_key(),
        stopping=lambda: server.stopping(),
    )


async def _incident(server: Server, incident_id: str) -> Incident:
    found = await server.store.incident(incident_id)
    if found is None:
        raise LookupError(incident_id)
    return found


async def _health(server: Server) -> Mapping[str, ServiceHealth]:
    """The worst firing alert of each service, and when the watch last had a value of it."""
    worst: dict[str, Severity] = {}
    for incident in await server.store.list_incidents(status=LIVE, limit=500):
        for alert in await server.store.alerts(incident.id):
            if alert.status is AlertStatus.FIRING and alert.service:
                before = worst.get(alert.service, alert.severity)
                worst[alert.service] = min(before, alert.severity, key=lambda s: s.rank)
    silences = await server.store.silences(time.time())
    until = {s.service: s.ends_at for s in silences if not s.signal}
    problems = {s.target.job: s.error for s in server.targets() if s.error}
    return {
        name: ServiceHealth(
            worst.get(name),
            server.watch.seen_at.get(name),
            until.get(name),
            problems.get(service.labels.get("job", name), ""),
        )
        for name, service in server.services.items()
    }
