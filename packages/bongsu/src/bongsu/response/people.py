"""What people answer: a person has it, a note, do not tell me for a while."""

import secrets
import time
from typing import Protocol

import sqlalchemy as sa

from bongsu.incidents import tables
from bongsu.incidents.model import Event, Incident, IncidentStatus, Silence
from bongsu.incidents.store import Store, incident_of, insert_event


class Wakes(Protocol):
    async def changed(self, incident_id: str) -> None:
        """Show the incident anew wherever it is shown."""


async def acknowledge(store: Store, lifecycle: Wakes, incident_id: str, actor: str) -> Incident | None:
    """A person has it. None when there is no such incident or it is resolved; twice is once."""
    now = time.time()

    def change(connection: sa.Connection) -> Incident | None:
        table = tables.incidents
        open_one = (table.c.id == incident_id) & (table.c.status == IncidentStatus.OPEN.value)
        values = {
            "status": IncidentStatus.ACKNOWLEDGED.value,
            "acknowledged_at": now,
            "acknowledged_by": actor,
            "version": table.c.version + 1,
        }
        changed = connection.execute(sa.update(table).where(open_one).values(values))
        if changed.rowcount:
            event = Event(incident=incident_id, at=now, kind="acknowledged", actor=actor)
            insert_event(connection, event)
        row = connection.execute(sa.select(table).where(table.c.id == incident_id)).one_or_none()
        return incident_of(row) if row is not None else None

    incident = await store.write(change)
    if incident is None or incident.status is IncidentStatus.RESOLVED:
        return None
    await lifecycle.changed(incident_id)
    return incident


async def note(store: Store, lifecycle: Wakes, incident_id: str, actor: str, text: str) -> None:
    """Add a person's line to the timeline."""
    event = Event(incident=incident_id, at=time.time(), kind="note", text=text[:4000], actor=actor)
    await store.add_event(event)
    await lifecycle.changed(incident_id)


async def silence(store: Store, service: str, signal: str, seconds: float, actor: str) -> Silence:
    """Do not tell people of ``service`` (of one ``signal``, or all when empty) for ``seconds``."""
    now = time.time()
    made = Silence(
        id=secrets.token_hex(8),
        service=service,
        signal=signal,
        starts_at=now,
        ends_at=now + seconds,
        actor=actor,
    )
    await store.put_silence(made)
    return made
