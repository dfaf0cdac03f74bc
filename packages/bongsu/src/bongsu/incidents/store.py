"""The incident store: SQLite (write-ahead log) behind one writer thread.

All methods are safe to call from any task, and return only after their change is durable.
"""

import asyncio
import sqlite3
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa

from bongsu.incidents import tables
from bongsu.incidents.model import Alert, Delivery, DeliveryState, Event, Incident, IncidentStatus, Silence
from bongsu.signals.model import Severity

T = TypeVar("T")


class Store:
    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": 30})
        sa.event.listen(self._engine, "connect", _configure)
        tables.metadata.create_all(self._engine)
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="incident-writer")

    async def close(self) -> None:
        await asyncio.to_thread(self._writer.shutdown)
        self._engine.dispose()

    async def write(self, change: Callable[[sa.Connection], T]) -> T:
        """Run ``change`` in one transaction of the writer thread."""

        def transaction() -> T:
            with self._engine.begin() as connection:
                return change(connection)

        return await asyncio.get_running_loop().run_in_executor(self._writer, transaction)

    async def read(self, query: Callable[[sa.Connection], T]) -> T:
        def transaction() -> T:
            with self._engine.connect() as connection:
                return query(connection)

        return await asyncio.to_thread(transaction)

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
        table = tables.incidents
        query = sa.select(table).order_by(table.c.number.desc()).limit(limit)
        if status is not None:
            query = query.where(table.c.status.in_([s.value for s in status]))
        if severity is not None:
            query = query.where(table.c.severity.in_([s.value for s in severity]))
        if service is not None:
            query = query.where(table.c.service == service)
        if before is not None:
            query = query.where(table.c.number < before)
        return await self.read(lambda c: [incident_of(row) for row in c.execute(query)])

    async def incident(self, incident_id: str) -> Incident | None:
        query = sa.select(tables.incidents).where(tables.incidents.c.id == incident_id)
        row = await self.read(lambda c: c.execute(query).one_or_none())
        return incident_of(row) if row is not None else None

    async def alerts(self, incident_id: str) -> list[Alert]:
        table = tables.alerts
        query = sa.select(table.c.body).where(table.c.incident == incident_id).order_by(table.c.id)
        return await self.read(lambda c: [_ALERT.decode(body) for body in c.scalars(query)])

    async def firing(self, source: str) -> list[Alert]:
        """Every alert of ``source`` that has not resolved."""
        table = tables.alerts
        query = sa.select(table.c.body).where(table.c.source == source, table.c.status == "firing")
        return await self.read(lambda c: [_ALERT.decode(body) for body in c.scalars(query)])

    async def events(self, incident_id: str) -> list[Event]:
        table = tables.events
        query = sa.select(table).where(table.c.incident == incident_id).order_by(table.c.at, table.c.id)
        return await self.read(lambda c: [_event_of(row) for row in c.execute(query)])

    async def add_event(self, event: Event, *, key: str | None = None) -> None:
        """Add a line to the timeline; with a ``key`` that is already there, nothing happens."""
        await self.write(lambda c: insert_event(c, event, key=key))

    async def deliveries(self, incident_id: str) -> list[Delivery]:
        table = tables.deliveries
        query = sa.select(table).where(table.c.incident == incident_id).order_by(table.c.channel)
        return await self.read(lambda c: [_delivery_of(row) for row in c.execute(query)])

    async def delivery(self, incident_id: str, channel: str) -> Delivery | None:
        return next((d for d in await self.deliveries(incident_id) if d.channel == channel), None)

    async def put_delivery(self, delivery: Delivery) -> None:
        row = {**msgspec.structs.asdict(delivery), "state": delivery.state.value}
        await self.write(lambda c: _upsert(c, tables.deliveries, ("incident", "channel"), row))

    async def put_document(self, incident_id: str, kind: str, body: bytes) -> None:
        """Keep what was read or concluded; an earlier one of the same ``kind`` is replaced."""
        row = {"incident": incident_id, "kind": kind, "body": zlib.compress(body, 3)}
        await self.write(lambda c: _upsert(c, tables.documents, ("incident", "kind"), row))

    async def document(self, incident_id: str, kind: str) -> bytes | None:
        table = tables.documents
        query = sa.select(table.c.body).where(table.c.incident == incident_id, table.c.kind == kind)
        body = await self.read(lambda c: c.scalars(query).one_or_none())
        return zlib.decompress(body) if body is not None else None

    async def put_silence(self, silence: Silence) -> None:
        await self.write(lambda c: _upsert(c, tables.silences, ("id",), msgspec.structs.asdict(silence)))

    async def silences(self, at: float) -> list[Silence]:
        """The silences in force at ``at``."""
        table = tables.silences
        query = sa.select(table).where(table.c.starts_at <= at, table.c.ends_at > at)
        return await self.read(lambda c: [Silence(**row._mapping) for row in c.execute(query)])

    async def get_state(self, key: str) -> bytes | None:
        query = sa.select(tables.state.c.value).where(tables.state.c.key == key)
        return await self.read(lambda c: c.scalars(query).one_or_none())

    async def put_state(self, key: str, value: bytes) -> None:
        await self.write(lambda c: _upsert(c, tables.state, ("key",), {"key": key, "value": value}))


_ALERT = msgspec.json.Decoder(Alert)


def _configure(connection: sqlite3.Connection, _: object) -> None:
    # FULL: an intake answers 2xx only after the alert would survive a power cut.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
        connection.execute(f"PRAGMA {pragma}")


def incident_of(row: sa.Row[Any]) -> Incident:
    values = dict(row._mapping)
    return Incident(
        **{**values, "status": IncidentStatus(values["status"]), "severity": Severity(values["severity"])}
    )


def _event_of(row: sa.Row[Any]) -> Event:
    return Event(
        incident=row.incident,
        at=row.at,
        kind=row.kind,
        text=row.text,
        actor=row.actor,
        detail=msgspec.json.decode(row.detail),
    )


def _delivery_of(row: sa.Row[Any]) -> Delivery:
    values = dict(row._mapping)
    return Delivery(**{**values, "state": DeliveryState(values["state"])})


def insert_event(connection: sa.Connection, event: Event, *, key: str | None = None) -> None:
    """Within a transaction of the writer."""
    if key is not None:
        known = sa.select(tables.events.c.id).where(tables.events.c.key == key)
        if connection.execute(known).first() is not None:
            return
    row = {**msgspec.structs.asdict(event), "detail": msgspec.json.encode(event.detail), "key": key}
    connection.execute(sa.insert(tables.events).values(row))


def _upsert(connection: sa.Connection, table: sa.Table, keys: tuple[str, ...], row: dict[str, Any]) -> None:
    where = sa.and_(*(table.c[key] == row[key] for key in keys))
    changed = connection.execute(sa.update(table).where(where).values(row))
    if changed.rowcount == 0:
        connection.execute(sa.insert(table).values(row))
