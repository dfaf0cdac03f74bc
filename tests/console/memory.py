"""An in-memory incident store, and a console's needs over it."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from bongsu.analysis.model import Analysis, Evidence
from bongsu.console.deps import ConsoleDeps, ServiceHealth, ServiceInfo
from bongsu.incidents.model import Alert, Delivery, Event, Incident, IncidentStatus
from bongsu.signals.model import Severity, Text

TOKEN = "beacon-on-namsan"
SIGNALS = {
    "error_ratio": Text(en="share of requests that fail (5xx)", ko="실패한 요청의 비율 (5xx)"),
    "latency_p95": Text(en="95th percentile of response time", ko="응답 시간 95백분위"),
    "request_rate": Text(en="requests per second", ko="초당 요청 수"),
    "memory": Text(en="resident memory", ko="메모리 사용량"),
    "up": Text(en="at least one target answers its scrape", ko="하나 이상의 대상이 수집에 응답함"),
}
SERVICES = [
    ServiceInfo("gateway", "fastapi", "Storefront team", 1, ("orders", "inventory")),
    ServiceInfo("orders", "fastapi", "Storefront team", 2, ("payments", "inventory")),
    ServiceInfo("payments", "fastapi", "Payments team", 1),
    ServiceInfo("inventory", "fastapi", "Storefront team", 2),
]


@dataclass
class Shop:
    """An in-memory incident store whose changes can be listened to."""

    incidents: dict[str, Incident] = field(default_factory=dict)
    by_alerts: dict[str, list[Alert]] = field(default_factory=dict)
    by_events: dict[str, list[Event]] = field(default_factory=dict)
    by_deliveries: dict[str, list[Delivery]] = field(default_factory=dict)
    by_evidence: dict[str, Evidence] = field(default_factory=dict)
    by_analysis: dict[str, Analysis] = field(default_factory=dict)
    health: dict[str, ServiceHealth] = field(default_factory=dict)
    silences: list[tuple[str, str, float, str]] = field(default_factory=list)
    listeners: set[asyncio.Queue[str]] = field(default_factory=set)
    stopping: bool = False

    async def list_incidents(
        self,
        *,
        status: Sequence[IncidentStatus] | None = None,
        service: str | None = None,
        severity: Sequence[Severity] | None = None,
        limit: int = 50,
        before: int | None = None,
    ) -> list[Incident]:
        found = [
            i
            for i in sorted(self.incidents.values(), key=lambda i: -i.number)
            if (status is None or i.status in status)
            and (service is None or i.service == service)
            and (severity is None or i.severity in severity)
            and (before is None or i.number < before)
        ]
        return found[:limit]

    async def incident(self, incident_id: str) -> Incident | None:
        return self.incidents.get(incident_id)

    async def alerts(self, incident_id: str) -> list[Alert]:
        return self.by_alerts.get(incident_id, [])

    async def events(self, incident_id: str) -> list[Event]:
        return sorted(self.by_events.get(incident_id, []), key=lambda e: e.at)

    async def deliveries(self, incident_id: str) -> list[Delivery]:
        return self.by_deliveries.get(incident_id, [])

    async def evidence(self, incident_id: str) -> Evidence | None:
        return self.by_evidence.get(incident_id)

    async def analysis(self, incident_id: str) -> Analysis | None:
        return self.by_analysis.get(incident_id)

    def change(self, incident_id: str, **changes: object) -> Incident:
        before = self.incidents[incident_id]
        after = msgspec.structs.replace(before, version=before.version + 1, **changes)
        self.incidents[incident_id] = after
        for queue in self.listeners:
            queue.put_nowait(incident_id)
        return after

    def tell(self, incident_id: str, kind: str, text: str = "", actor: str = "") -> None:
        event = Event(incident=incident_id, at=time.time(), kind=kind, text=text, actor=actor)
        self.by_events.setdefault(incident_id, []).append(event)

    async def acknowledge(self, incident_id: str, actor: str) -> Incident:
        self.tell(incident_id, "acknowledged", actor=actor)
        return self.change(
            incident_id,
            status=IncidentStatus.ACKNOWLEDGED,
            acknowledged_by=actor,
            acknowledged_at=time.time(),
        )

    async def note(self, incident_id: str, actor: str, text: str) -> None:
        self.tell(incident_id, "note", text, actor)
        self.change(incident_id)

    async def silence(self, service: str, signal: str, seconds: float, actor: str) -> None:
        self.silences.append((service, signal, seconds, actor))

    async def changes(self) -> AsyncIterator[str]:
        queue: asyncio.Queue[str] = asyncio.Queue()
        self.listeners.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self.listeners.discard(queue)

    async def service_health(self) -> Mapping[str, ServiceHealth]:
        return self.health

    def deps(self, **changes: object) -> ConsoleDeps:
        values: dict[str, object] = {
            "store": self,
            "evidence": self.evidence,
            "analysis": self.analysis,
            "acknowledge": self.acknowledge,
            "note": self.note,
            "silence": self.silence,
            "changes": self.changes,
            "signal_text": lambda service, signal: SIGNALS.get(signal, Text(en="")),
            "trouble_text": lambda service, signal: SIGNALS.get(signal, Text(en="")),
            "services": lambda: SERVICES,
            "service_health": self.service_health,
            "sign_in": lambda token: "jihye" if token == TOKEN else None,
            "timezone": "Asia/Seoul",
            "catalog_name": "shop",
            "secret": b"x" * 32,
            "stopping": lambda: self.stopping,
            **changes,
        }
        return ConsoleDeps(**values)  # type: ignore[arg-type]
