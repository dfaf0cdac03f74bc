"""The life of an incident, as durable functions of steps.

An incident's workflow gathers its first alerts, investigates, and starts one delivery workflow a channel;
each of these keeps its channel showing the incident's latest version until it is closed. A crash anywhere
loses nothing: finished steps are not repeated, and a delivery with a receipt is edited, never sent again.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import structlog

from bongsu.delivery.base import Shown
from bongsu.engine import Engine
from bongsu.incidents.model import Alert, DeliveryState, Detail, Event, Incident, IncidentStatus
from bongsu.incidents.record import Policy, record
from bongsu.incidents.store import Store

log = structlog.get_logger(__name__)

WAKE_SECONDS = 600.0
"""How often a workflow looks again when nobody wakes it."""


class Delivering(Protocol):
    def channels(self, incident: Incident, alerts: Sequence[Alert]) -> list[str]: ...

    async def show(self, incident_id: str, channel: str) -> Shown: ...


class Lifecycle:
    """The one entrance for alerts, whoever judged them, and the only place that starts work about them."""

    def __init__(
        self,
        engine: Engine,
        store: Store,
        policy: Policy,
        *,
        gather_seconds: float,
        investigate: Callable[[str], Awaitable[object]],
        delivering: Delivering,
    ) -> None:
        self._engine = engine
        self._store = store
        self._policy = policy
        self._gather_seconds = gather_seconds
        self._investigate = investigate
        self._delivering = delivering
        self._listeners: set[asyncio.Queue[str]] = set()
        self._incident = engine.workflow("incident", self._incident_workflow)
        self._delivery = engine.workflow("delivery", self._delivery_workflow)

    async def take(self, alerts: Sequence[Alert]) -> list[Incident]:
        """Make ``alerts`` durable, then start or wake the work on the incidents they touch."""
        if not alerts:
            return []
        now = time.time()
        changed = await self._store.write(lambda c: record(c, alerts, self._policy, now))
        for incident in changed:
            await self._wake(incident)
        return changed

    async def resume(self) -> None:
        """Wake every live incident: a crash may have fallen between a commit and its wake-up."""
        live = await self._store.list_incidents(
            status=[IncidentStatus.OPEN, IncidentStatus.ACKNOWLEDGED], limit=100_000
        )
        recent = await self._store.list_incidents(status=[IncidentStatus.RESOLVED], limit=200)
        for incident in [*live, *recent]:
            await self._wake(incident)

    async def changed(self, incident_id: str) -> None:
        """A person changed the incident (acknowledged it, added a note): show it."""
        incident = await self._store.incident(incident_id)
        if incident is not None:
            await self._wake(incident)

    async def settled(self, seconds: float = 120.0) -> bool:
        """Wait until every channel shows the latest version of its incidents, but no longer than ``seconds``;
        whether it does."""
        queue = self.listen()
        deadline = time.monotonic() + seconds
        try:
            while not await self._all_shown():
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(queue.get(), min(left, 1.0))
            return True
        finally:
            self.unlisten(queue)

    async def _all_shown(self) -> bool:
        recent = await self._store.list_incidents(limit=200)
        for incident in recent:
            shown = {d.channel: d for d in await self._store.deliveries(incident.id)}
            for channel in await self._channels(incident):
                delivery = shown.get(channel)
                if delivery is None or (
                    delivery.version < incident.version and delivery.state is not DeliveryState.REFUSED
                ):
                    return False
        return True

    def listen(self) -> asyncio.Queue[str]:
        """Ids of incidents as they change in this process, for live pages; give it back with ``unlisten``."""
        queue: asyncio.Queue[str] = asyncio.Queue(maxsize=1000)
        self._listeners.add(queue)
        return queue

    def unlisten(self, queue: asyncio.Queue[str]) -> None:
        self._listeners.discard(queue)

    def _announce(self, incident_id: str) -> None:
        for queue in self._listeners:
            if not queue.full():
                queue.put_nowait(incident_id)

    async def _wake(self, incident: Incident) -> None:
        workflow_id = _incident_workflow_id(incident.id, incident.episode)
        await self._incident.start(workflow_id, incident.id, incident.episode)
        await self._engine.send(
            workflow_id, "changed", incident.version, key=f"{workflow_id}-v{incident.version}"
        )
        self._announce(incident.id)

    async def _incident_workflow(self, incident_id: str, episode: int) -> None:
        """1. Gather the first alerts. 2. Investigate. 3. Start a delivery a channel.

        4. At each change look again: investigate what has grown, wake the deliveries; end when resolved.
        """
        engine = self._engine
        await engine.sleep(self._gather_seconds)
        known = await engine.step("look", self._look, incident_id)
        await engine.step("investigate", self._investigate_step, incident_id)
        channels = await self._start_deliveries(incident_id, episode)
        while True:
            state = await engine.step("look", self._look, incident_id)
            if state["version"] > known["version"]:
                if state["alerts"] > known["alerts"]:
                    await engine.step("investigate", self._investigate_step, incident_id)
                # A worse severity may go to channels that had nothing to do with the incident before.
                channels = list(
                    dict.fromkeys([*channels, *await self._start_deliveries(incident_id, episode)])
                )
                for channel in channels:
                    workflow_id = _delivery_id(incident_id, episode, channel)
                    key = f"{workflow_id}-v{state['version']}"
                    await engine.send(workflow_id, "changed", state["version"], key=key)
                known = state
            if state["resolved"] or state["episode"] > episode:
                await engine.step("close", self._close, incident_id, episode)
                return
            await engine.receive("changed", WAKE_SECONDS)

    async def _start_deliveries(self, incident_id: str, episode: int) -> list[str]:
        """A delivery workflow for each channel of the incident as it now is; one that runs goes on."""
        channels = await self._engine.step("route", self._route, incident_id)
        for channel in channels:
            workflow_id = _delivery_id(incident_id, episode, channel)
            await self._delivery.start(workflow_id, incident_id, channel, episode)
        return channels

    async def _delivery_workflow(self, incident_id: str, channel: str, episode: int) -> None:
        """Keep the channel showing the latest version: try, then wait for a change or for the retry."""
        while True:
            shown = await self._engine.step("show", self._show, incident_id, channel, episode)
            if shown["final"]:
                return
            await self._engine.receive("changed", shown["retry_after"] or WAKE_SECONDS)

    async def _look(self, incident_id: str) -> dict[str, Any]:
        incident = await self._store.incident(incident_id)
        if incident is None:
            return {"version": 0, "alerts": 0, "resolved": True, "episode": 0}
        return {
            "version": incident.version,
            "alerts": len(await self._store.alerts(incident_id)),
            "resolved": incident.status is IncidentStatus.RESOLVED,
            "episode": incident.episode,
        }

    async def _investigate_step(self, incident_id: str) -> None:
        try:
            await self._investigate(incident_id)
        except Exception as error:
            # People are told on time even when the analysis cannot be made.
            log.exception("analysis failed", incident=incident_id)
            await self._event(incident_id, "analysis_failed", {"error": type(error).__name__})
        self._announce(incident_id)

    async def _route(self, incident_id: str) -> list[str]:
        incident = await self._store.incident(incident_id)
        return await self._channels(incident) if incident is not None else []

    async def _channels(self, incident: Incident) -> list[str]:
        return self._delivering.channels(incident, await self._store.alerts(incident.id))

    async def _show(self, incident_id: str, channel: str, episode: int) -> dict[str, Any]:
        shown = await self._delivering.show(incident_id, channel)
        if shown.final:
            await self._close(incident_id, episode)
        self._announce(incident_id)
        return {"version": shown.version, "final": shown.final, "retry_after": shown.retry_after}

    async def _close(self, incident_id: str, episode: int) -> None:
        incident = await self._store.incident(incident_id)
        if incident is None or incident.status is not IncidentStatus.RESOLVED:
            return
        deliveries = {d.channel: d for d in await self._store.deliveries(incident_id)}
        told = dict.fromkeys([*deliveries, *await self._channels(incident)])
        known = [deliveries.get(channel) for channel in told]
        if all(d is not None and (d.version >= incident.version or d.state == "refused") for d in known):
            await self._event(incident_id, "closed", {}, f"closed-{incident_id}-{episode}")

    async def _event(self, incident_id: str, kind: str, detail: Detail, key: str | None = None) -> None:
        event = Event(incident=incident_id, at=time.time(), kind=kind, detail=detail)
        await self._store.add_event(event, key=key)


def _incident_workflow_id(incident_id: str, episode: int) -> str:
    return f"incident-{incident_id}-{episode}"


def _delivery_id(incident_id: str, episode: int, channel: str) -> str:
    return f"delivery-{incident_id}-{episode}-{channel}"
