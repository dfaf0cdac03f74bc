"""An investigation: collect evidence of an incident from a source, analyse it, keep both."""

import asyncio
import time
from collections.abc import Mapping, Sequence

from bongsu.analysis.archive import Archive
from bongsu.analysis.collect import collect
from bongsu.analysis.model import Analysis, Window
from bongsu.analysis.rank import analyse
from bongsu.analysis.request import CollectRequest, Limits
from bongsu.catalog import Catalog
from bongsu.catalog.models import EmbeddedSource
from bongsu.incidents.model import Event
from bongsu.incidents.store import Store
from bongsu.signals.query import FleetQuery
from bongsu.sources.base import Source


class Investigator:
    def __init__(
        self, catalog: Catalog, store: Store, archive: Archive, source: Source, queries: Sequence[FleetQuery]
    ) -> None:
        self._graph = {name: service.depends_on for name, service in catalog.services.items()}
        self._addresses = addresses(catalog)
        self._limits = Limits(
            seconds=catalog.analysis.deadline,
            per_read=catalog.analysis.deadline / 2,
            settle=catalog.analysis.settle,
            step=finest_step(catalog),
        )
        self._store = store
        self._archive = archive
        self._source = source
        self._queries = queries

    async def investigate(self, incident_id: str) -> Analysis | None:
        """Read and conclude; the timeline says so. None when there is no such incident."""
        incident = await self._store.incident(incident_id)
        if incident is None:
            return None
        request = CollectRequest(
            incident=incident_id,
            alerts=await self._store.alerts(incident_id),
            onset=incident.since,
            now=time.time(),
            depends_on=self._graph,
            queries=self._queries,
            addresses=self._addresses,
            busy=await self._busy(incident_id),
            limits=self._limits,
        )
        evidence = await collect(request, self._source)
        analysis = await asyncio.to_thread(analyse, evidence)
        await self._archive.put(evidence, analysis)
        first = analysis.suspects[0].service if analysis.suspects else None
        event = Event(incident=incident_id, at=time.time(), kind="analysed", detail={"suspect": first})
        await self._store.add_event(event)
        return analysis

    async def _busy(self, incident_id: str) -> list[Window]:
        others = await self._store.list_incidents(limit=50)
        return [Window(o.since, o.resolved_at or time.time()) for o in others if o.id != incident_id]


def finest_step(catalog: Catalog) -> float:
    """Seconds between the points that are read: as fine as the telemetry, but no finer than a second."""
    scraped = [s.scrape_interval for s in catalog.sources.values() if isinstance(s, EmbeddedSource)]
    return max(1.0, min([Limits().step, *scraped]))


def addresses(catalog: Catalog) -> Mapping[str, str]:
    """``host:port`` → service, from the catalog's targets and addresses."""
    found = {}
    for name, service in catalog.services.items():
        for target in (*service.targets, *service.addresses):
            host = target.split("://", 1)[-1].split("/", 1)[0]
            found[host] = name
    return found
