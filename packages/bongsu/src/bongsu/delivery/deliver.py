"""Keeps one channel showing one incident: sends once, edits afterwards, and stores every outcome."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import msgspec

from bongsu.analysis.archive import Archive
from bongsu.analysis.recent import Recent
from bongsu.catalog import Catalog
from bongsu.catalog.models import Route
from bongsu.delivery.base import Destination, MessageGoneError, PermanentError, Shown, TemporaryError
from bongsu.delivery.compose import Calls, Known, SignalOf, compose
from bongsu.incidents.model import Alert, Delivery, DeliveryState, Detail, Event, Incident, IncidentStatus
from bongsu.incidents.store import Store
from bongsu.stack.receivers import told_directly

ALERTMANAGER = "alertmanager"
"""The source of the alerts that Alertmanager's webhook brings."""
RETRY_SECONDS = (1.0, 2.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0)


class Deliverer:
    """Composes messages and hands them to the destinations that the catalog's routes name."""

    def __init__(
        self,
        catalog: Catalog,
        store: Store,
        archive: Archive,
        destinations: Mapping[str, Destination],
        recent: Recent,
        signal_of: SignalOf,
    ) -> None:
        self._catalog = catalog
        self._store = store
        self._archive = archive
        self._destinations = destinations
        self._recent = recent
        self._signal_of = signal_of
        self._told_directly = told_directly(catalog)

    def channels(self, incident: Incident, alerts: Sequence[Alert] = ()) -> list[str]:
        """The channels whose routes take this incident, each once, in the catalog's order.

        Those that Alertmanager has told are left out, as long as all ``alerts`` of the incident are its own.
        """
        named = dict.fromkeys(name for route in self._routes(incident) for name in route.to)
        told = bool(alerts) and all(alert.source == ALERTMANAGER for alert in alerts)
        return [name for name in named if not (told and name in self._told_directly)]

    def _routes(self, incident: Incident) -> list[Route]:
        opened = datetime.fromtimestamp(incident.opened_at, self._catalog.zone)
        return [route for route in self._catalog.routes if _takes(route, incident, opened)]

    async def show(self, incident_id: str, channel: str) -> Shown:
        """Make the channel show the latest version.

        A crash between the destination's answer and our receipt is the one case in which a destination
        without look-up (a webhook) may show a message twice.
        """
        incident = await self._store.incident(incident_id)
        if incident is None:
            return Shown(0, final=True)
        kind = self._catalog.channels[channel].type if channel in self._catalog.channels else "unknown"
        delivery = await self._store.delivery(incident_id, channel) or Delivery(
            incident=incident_id, channel=channel, kind=kind, state=DeliveryState.PENDING
        )
        final = incident.status is IncidentStatus.RESOLVED
        if delivery.version >= incident.version:
            return Shown(delivery.version, final=final)
        if not delivery.receipt and await self._silenced(incident):
            quiet = msgspec.structs.replace(
                delivery, state=DeliveryState.SILENCED, version=incident.version, updated_at=time.time()
            )
            await self._store.put_delivery(quiet)
            return Shown(incident.version, final=final)
        if delivery.state is not DeliveryState.PENDING:
            delivery = msgspec.structs.replace(delivery, attempts=0)
        try:
            receipt = await self._tell(incident, channel, delivery.receipt)
        except TemporaryError as error:
            return await self._failed(delivery, str(error), error.retry_after)
        except PermanentError as error:
            return await self._refused(delivery, incident, str(error))
        shown = msgspec.structs.replace(
            delivery,
            state=DeliveryState.DELIVERED,
            receipt=receipt,
            version=incident.version,
            attempts=delivery.attempts + 1,
            error="",
            updated_at=time.time(),
        )
        await self._store.put_delivery(shown)
        if not delivery.receipt:
            key = f"delivered-{incident_id}-{channel}"
            await self._event(incident_id, "delivered", {"channel": channel}, key=key)
        return Shown(incident.version, final=final)

    async def _tell(self, incident: Incident, channel: str, receipt: str) -> str:
        destination = self._destinations.get(channel)
        if destination is None:
            raise PermanentError(f"channel {channel!r} cannot be used; see the log of the start")
        declared = self._catalog.channels[channel]
        alerts = await self._store.alerts(incident.id)
        known = Known(
            incident=incident,
            alerts=alerts,
            evidence=await self._archive.evidence(incident.id),
            analysis=await self._archive.analysis(incident.id),
            recent=await self._recent.metrics(incident, alerts),
        )
        message = compose(
            known,
            self._catalog,
            self._signal_of,
            language=declared.language or self._catalog.language,
            mention=self._mentions(incident, channel),
        )
        if not receipt:
            return (await destination.send(message)).id
        try:
            return (await destination.edit(receipt, message)).id
        except MessageGoneError:
            # Somebody deleted the message: an open incident is told again, without calling on people anew.
            return (await destination.send(replace(message, mention=None))).id

    def _mentions(self, incident: Incident, channel: str) -> Calls:
        calls = [route.mention for route in self._routes(incident) if channel in route.to]
        return "here" if "here" in calls else any(calls)

    async def _silenced(self, incident: Incident) -> bool:
        alerts = await self._store.alerts(incident.id)
        silences = await self._store.silences(time.time())
        return bool(alerts) and all(
            any(s.service == a.service and s.signal in ("", a.signal) for s in silences) for a in alerts
        )

    async def _failed(self, delivery: Delivery, error: str, retry_after: float | None) -> Shown:
        attempts = delivery.attempts + 1
        wait = retry_after or RETRY_SECONDS[min(attempts, len(RETRY_SECONDS)) - 1]
        await self._store.put_delivery(
            msgspec.structs.replace(
                delivery, state=DeliveryState.PENDING, attempts=attempts, error=error, updated_at=time.time()
            )
        )
        return Shown(delivery.version, final=False, retry_after=wait)

    async def _refused(self, delivery: Delivery, incident: Incident, error: str) -> Shown:
        refused = msgspec.structs.replace(
            delivery,
            state=DeliveryState.REFUSED,
            attempts=delivery.attempts + 1,
            error=error,
            updated_at=time.time(),
        )
        await self._store.put_delivery(refused)
        key = f"refused-{incident.id}-{delivery.channel}-{incident.version}"
        detail: Detail = {"channel": delivery.channel, "error": error}
        await self._event(incident.id, "refused", detail, key=key)
        return Shown(delivery.version, final=True)

    async def _event(self, incident_id: str, kind: str, detail: Detail, *, key: str) -> None:
        event = Event(incident=incident_id, at=time.time(), kind=kind, detail=detail)
        await self._store.add_event(event, key=key)


def _takes(route: Route, incident: Incident, opened: datetime) -> bool:
    return (
        (not route.severity or incident.severity in route.severity)
        and (not route.services or incident.service in route.services)
        and (not route.owners or incident.owner in route.owners)
        and (not route.during or any(opened in hours for hours in route.during))
    )
