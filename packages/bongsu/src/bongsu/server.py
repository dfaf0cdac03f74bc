"""Assembles the server: the rooms, wired together, behind one FastAPI app."""

import asyncio
import contextlib
import gc
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from typing import Any
from urllib.parse import urlsplit

import structlog

from bongsu.analysis.archive import Archive
from bongsu.analysis.investigate import Investigator, finest_step
from bongsu.analysis.recent import Recent
from bongsu.catalog import Catalog, ResolvedService, resolve
from bongsu.catalog.models import EmbeddedSource as EmbeddedSpec
from bongsu.delivery.chart import warm_up
from bongsu.delivery.deliver import Deliverer
from bongsu.delivery.destinations import open_destinations
from bongsu.engine import Engine
from bongsu.folder import DataFolder
from bongsu.incidents.record import policy_of
from bongsu.incidents.store import Store
from bongsu.lifecycle import Lifecycle
from bongsu.security import load_credentials
from bongsu.settings import Settings
from bongsu.signals.model import AnySignal
from bongsu.sources.embedded.scrape import Scraper, Target, TargetState
from bongsu.sources.embedded.store import EmbeddedStore
from bongsu.sources.opening import open_sources
from bongsu.watch.judgement import Judgement
from bongsu.watch.watch import Watch

log = structlog.get_logger(__name__)

PRUNE_SECONDS = 300.0
HOLDING_METRICS = ("prometheus", "signoz", "datadog")
"""Sources that make a store of our own unnecessary."""


class Server:
    """Everything that runs in one process, from one catalog. ``run`` starts it and ends it in order."""

    def __init__(self, catalog: Catalog, settings: Settings) -> None:
        self.catalog = catalog
        self.settings = settings
        data = settings.data
        self.folder = DataFolder(data)
        self.credentials = load_credentials(data)
        self.services = resolve(catalog)
        judgement = Judgement.of(catalog, self.services)
        self.queries = judgement.queries
        self.store = Store(data / "incidents.sqlite")
        self.archive = Archive(self.store)
        self.engine = Engine(data / "engine.sqlite")
        self.telemetry = self._open_telemetry()
        self.source = open_sources(catalog, self.telemetry)
        self.recent = Recent(self.source, self.queries, finest=finest_step(catalog))
        self.destinations = open_destinations(catalog.channels)
        self.investigator = Investigator(catalog, self.store, self.archive, self.source, self.queries)
        deliverer = Deliverer(
            catalog, self.store, self.archive, self.destinations, self.recent, self.signal_of
        )
        self.lifecycle = Lifecycle(
            self.engine,
            self.store,
            policy_of(catalog, self.services),
            gather_seconds=catalog.grouping.wait,
            investigate=self.investigator.investigate,
            delivering=deliverer,
        )
        self.watch = Watch(self.source, judgement, self.store, self.lifecycle.take)
        self.scraper: Scraper | None = None
        self.ready = False
        self.stopping: Callable[[], bool] = lambda: False
        """True once the process wants to stop, so that open streams can end."""

    def signal_of(self, service: str, signal: str) -> AnySignal | None:
        """The signal, where the catalog knows it."""
        resolved = self.services.get(service)
        return resolved.signals.get(signal) if resolved is not None else None

    def targets(self) -> list[TargetState]:
        """How the last scrape of each target went."""
        return self.scraper.states if self.scraper is not None else []

    @contextlib.asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        # The catalog lives as long as the process: the collector need not walk it again and again.
        gc.collect()
        gc.freeze()
        await self.engine.launch()
        await self.lifecycle.resume()
        tasks = [asyncio.create_task(job) for job in self._jobs()]
        self.ready = True
        try:
            yield
        finally:
            self.ready = False
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.engine.close()
            await self.source.aclose()
            for destination in self.destinations.values():
                await destination.close()
            await self.store.close()
            if self.telemetry is not None:
                await asyncio.to_thread(self.telemetry.close)
            self.folder.close()

    def _jobs(self) -> list[Coroutine[Any, Any, None]]:
        jobs: list[Coroutine[Any, Any, None]] = [warm_up()]
        if self.settings.watch:
            jobs.append(self.watch.run())
        if self.telemetry is not None:
            jobs += [self._scrape(self.telemetry), self._prune(self.telemetry)]
        return jobs

    async def _scrape(self, store: EmbeddedStore) -> None:
        spec = self._embedded_spec()
        targets = scrape_targets(self.services.values())
        if spec is not None and targets:
            self.scraper = Scraper(store, targets, interval=spec.scrape_interval)
            await self.scraper.run()

    async def _prune(self, store: EmbeddedStore) -> None:
        while True:
            await asyncio.sleep(PRUNE_SECONDS)
            await asyncio.to_thread(store.prune, time.time())

    def _open_telemetry(self) -> EmbeddedStore | None:
        spec = self._embedded_spec()
        if spec is None and any(s.type in HOLDING_METRICS for s in self.catalog.sources.values()):
            return None
        spec = spec or EmbeddedSpec(type="embedded")
        path = self.settings.data / "telemetry.duckdb"
        return EmbeddedStore(path, spec.retention, int(spec.max_size))

    def _embedded_spec(self) -> EmbeddedSpec | None:
        return next((s for s in self.catalog.sources.values() if isinstance(s, EmbeddedSpec)), None)


def scrape_targets(services: Iterable[ResolvedService]) -> list[Target]:
    """Where the embedded source scrapes each service; its selecting labels go onto all its series."""
    targets = []
    for service in services:
        for address in service.spec.targets:
            url = address if "://" in address else f"http://{address}"
            parts = urlsplit(url)
            if parts.path in {"", "/"}:
                url = f"{parts.scheme}://{parts.netloc}/metrics"
            others = {name: value for name, value in service.labels.items() if name != "job"}
            job = service.labels.get("job", service.name)
            targets.append(Target(job=job, instance=parts.netloc, url=url, labels=others))
    return targets
