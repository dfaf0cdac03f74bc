"""From alerts to incidents in one transaction: join or open, escalate, reopen within cooldown, resolve."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import sqlalchemy as sa

from bongsu.catalog import Catalog, ResolvedService
from bongsu.incidents import tables
from bongsu.incidents.grouping import Graph, OpenIncident, choose, lead
from bongsu.incidents.model import Alert, AlertStatus, Detail, Event, Incident, IncidentStatus
from bongsu.incidents.store import incident_of, insert_event

_ALERT = msgspec.json.Decoder(Alert)
_LIVE = (IncidentStatus.OPEN.value, IncidentStatus.ACKNOWLEDGED.value)


@dataclass(frozen=True, slots=True)
class Policy:
    """What the catalog says of grouping. ``window`` and ``cooldown`` are seconds."""

    graph: Graph = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    window: float = 300.0
    cooldown: float = 1800.0


def policy_of(catalog: Catalog, services: Mapping[str, ResolvedService]) -> Policy:
    """How the catalog groups alerts."""
    return Policy(
        graph={name: service.depends_on for name, service in catalog.services.items()},
        owners={name: service.owner for name, service in services.items()},
        window=catalog.grouping.window,
        cooldown=catalog.watch.cooldown,
    )


def record(connection: sa.Connection, alerts: Sequence[Alert], policy: Policy, now: float) -> list[Incident]:
    """Store ``alerts`` and return the incidents that changed, as they now are.

    An alert that is already stored in the same state changes nothing, so a repeated webhook is harmless;
    a resolution of an alert that was never seen is ignored.
    """
    touched: dict[str, None] = {}
    for alert in alerts:
        change = _firing if alert.status is AlertStatus.FIRING else _resolved
        incident_id = change(connection, alert, policy, now)
        if incident_id is not None:
            touched[incident_id] = None
    return [_settle(connection, incident_id, policy, now) for incident_id in touched]


def _firing(connection: sa.Connection, alert: Alert, policy: Policy, now: float) -> str | None:
    known = _stored(connection, alert)
    if known is not None:
        before = _ALERT.decode(known.body)
        if before.status is AlertStatus.RESOLVED:
            _put(connection, known.id, alert)
            return str(known.incident)
        if before.severity == alert.severity:
            return _grown(connection, known, before, alert, now)
        _put(connection, known.id, alert)
        change: Detail = {"before": before.severity.value, "after": alert.severity.value}
        _note(connection, known.incident, now, "escalated", _of(alert) | change)
        return str(known.incident)
    incident_id, how, why = _place(connection, alert, policy, now)
    row = {
        "incident": incident_id,
        "source": alert.source,
        "fingerprint": alert.fingerprint,
        "starts_at": alert.starts_at,
        "ends_at": alert.ends_at,
        "status": alert.status.value,
        "body": msgspec.json.encode(alert),
    }
    connection.execute(sa.insert(tables.alerts).values(row))
    began = min(alert.starts_at, now) if how == "alert" else now
    _note(connection, incident_id, began, how, _of(alert) | why)
    return incident_id


def _grown(
    connection: sa.Connection, known: sa.Row[*tuple[Any, ...]], before: Alert, alert: Alert, now: float
) -> str | None:
    """A firing alert that is told again: it changes its incident when there is a further reason for it."""
    reasons = {condition.key for condition in before.conditions}
    new = [condition for condition in alert.conditions if condition.key not in reasons]
    if not new:
        return None
    _put(connection, known.id, alert)
    for condition in new:
        _note(connection, known.incident, now, "condition", _of(alert) | {"condition": condition.kind})
    return str(known.incident)


def _resolved(connection: sa.Connection, alert: Alert, policy: Policy, now: float) -> str | None:
    known = _stored(connection, alert)
    if known is None or known.status == AlertStatus.RESOLVED.value:
        return None
    before = _ALERT.decode(known.body)
    ended = alert.ends_at if alert.ends_at is not None else now
    _put(connection, known.id, msgspec.structs.replace(before, status=AlertStatus.RESOLVED, ends_at=ended))
    _note(connection, known.incident, now, "alert_resolved", _of(before))
    return str(known.incident)


def _stored(connection: sa.Connection, alert: Alert) -> sa.Row[*tuple[Any, ...]] | None:
    table = tables.alerts
    query = sa.select(table.c.id, table.c.incident, table.c.status, table.c.body).where(
        table.c.source == alert.source,
        table.c.fingerprint == alert.fingerprint,
        table.c.starts_at == alert.starts_at,
    )
    return connection.execute(query).one_or_none()


def _put(connection: sa.Connection, row_id: int, alert: Alert) -> None:
    values = {"status": alert.status.value, "ends_at": alert.ends_at, "body": msgspec.json.encode(alert)}
    connection.execute(sa.update(tables.alerts).where(tables.alerts.c.id == row_id).values(values))


def _place(connection: sa.Connection, alert: Alert, policy: Policy, now: float) -> tuple[str, str, Detail]:
    """``(incident, event kind, why)``: where a new alert goes."""
    earlier = _recent(connection, alert, policy, now)
    if earlier is not None:
        return earlier, "reopened", {}
    joined = choose(alert, _candidates(connection), policy.graph, policy.window)
    if joined is not None:
        return joined.incident.id, "joined", {"why": joined.why, "other": joined.other}
    return _open(connection, alert, policy, now), "alert", {}


def _recent(connection: sa.Connection, alert: Alert, policy: Policy, now: float) -> str | None:
    """The resolved incident that the same condition belonged to, if its cooldown still runs."""
    a, i = tables.alerts, tables.incidents
    query = (
        sa.select(i.c.id)
        .join(a, a.c.incident == i.c.id)
        .where(
            a.c.source == alert.source,
            a.c.fingerprint == alert.fingerprint,
            i.c.status == IncidentStatus.RESOLVED.value,
            i.c.resolved_at >= now - policy.cooldown,
        )
        .order_by(i.c.number.desc())
        .limit(1)
    )
    return connection.scalars(query).one_or_none()


def _candidates(connection: sa.Connection) -> list[OpenIncident]:
    i = tables.incidents
    live = sa.select(i).where(i.c.status.in_(_LIVE)).order_by(i.c.number.desc())
    result = []
    for row in connection.execute(live):
        alerts = _alerts(connection, row.id)
        services = frozenset(a.service for a in alerts if a.service)
        last = max((a.starts_at for a in alerts), default=row.opened_at)
        result.append(OpenIncident(incident_of(row), services, last))
    return result


def _alerts(connection: sa.Connection, incident_id: str) -> list[Alert]:
    query = sa.select(tables.alerts.c.body).where(tables.alerts.c.incident == incident_id)
    return [_ALERT.decode(body) for body in connection.scalars(query)]


def _open(connection: sa.Connection, alert: Alert, policy: Policy, now: float) -> str:
    highest = connection.scalar(sa.select(sa.func.max(tables.incidents.c.number))) or 0
    incident = Incident(
        id=secrets.token_hex(8),
        number=highest + 1,
        status=IncidentStatus.OPEN,
        severity=alert.severity,
        title=alert.summary or alert.name,
        service=alert.service,
        owner=policy.owners.get(alert.service, ""),
        since=alert.since or alert.starts_at,
        opened_at=now,
        version=0,
    )
    values = {
        **msgspec.structs.asdict(incident),
        "status": incident.status.value,
        "severity": incident.severity.value,
    }
    connection.execute(sa.insert(tables.incidents).values(values))
    _note(connection, incident.id, incident.since, "first_bad_sample", _of(alert))
    _note(connection, incident.id, now, "opened", _of(alert))
    return incident.id


def _settle(connection: sa.Connection, incident_id: str, policy: Policy, now: float) -> Incident:
    """Bring the incident in line with its alerts: lead, severity, status; its version grows by one."""
    table = tables.incidents
    row = connection.execute(sa.select(table).where(table.c.id == incident_id)).one()
    incident = incident_of(row)
    alerts = _alerts(connection, incident_id)
    firing = [a for a in alerts if a.status is AlertStatus.FIRING]
    values: dict[str, object] = {"version": incident.version + 1}
    if firing:
        first = lead(alerts, policy.graph)
        values |= {
            "service": first.service,
            "title": first.summary or first.name,
            "owner": policy.owners.get(first.service, ""),
            "severity": min((a.severity for a in alerts), key=lambda s: s.rank).value,
            "since": min([incident.since, *(a.since or a.starts_at for a in alerts)]),
        }
        if incident.status is IncidentStatus.RESOLVED:
            values |= {
                "status": IncidentStatus.OPEN.value,
                "resolved_at": None,
                "episode": incident.episode + 1,
            }
    elif incident.status is not IncidentStatus.RESOLVED:
        values |= {"status": IncidentStatus.RESOLVED.value, "resolved_at": now}
        _note(connection, incident_id, now, "resolved")
    connection.execute(sa.update(table).where(table.c.id == incident_id).values(values))
    return incident_of(connection.execute(sa.select(table).where(table.c.id == incident_id)).one())


def _of(alert: Alert) -> Detail:
    return {"alert": alert.summary or alert.name, "service": alert.service, "signal": alert.signal}


def _note(
    connection: sa.Connection, incident_id: str, at: float, kind: str, detail: Detail | None = None
) -> None:
    insert_event(connection, Event(incident=incident_id, at=at, kind=kind, detail=detail or {}))
