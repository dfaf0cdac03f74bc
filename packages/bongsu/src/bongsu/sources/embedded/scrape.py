"""Scraping ``/metrics``: every target on its own clock, so that a slow one delays nobody."""

import asyncio
import math
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import duckdb
import httpx2
import numpy as np
import structlog

from bongsu.sources.embedded.exposition import Exposition, ExpositionError, SeriesCache, parse
from bongsu.sources.embedded.store import EmbeddedStore, SeriesKey, series_key

_ACCEPT = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
_log = structlog.get_logger(__name__)
_REPORTED = ("up", "scrape_duration_seconds", "scrape_samples_scraped")


@dataclass(frozen=True, slots=True)
class Target:
    """Where one instance of a job shows its metrics. ``labels`` are added to all its series."""

    job: str
    instance: str
    url: str
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)

    def all_labels(self) -> dict[str, str]:
        return {**self.labels, "job": self.job, "instance": self.instance}


@dataclass(frozen=True, slots=True)
class TargetState:
    """The outcome of a target's last scrape; ``up`` is None before the first one."""

    target: Target
    up: bool | None = None
    at: float = 0.0
    duration: float = 0.0
    samples: int = 0
    error: str = ""
    """Why it is down, for people; empty when it is up."""


class _ScrapeError(Exception):
    pass


@dataclass(slots=True)
class _Memory:
    """What is kept of a target between scrapes: spellings of its series, and those seen last time."""

    state: TargetState
    cache: SeriesCache = field(default_factory=dict)
    seen: set[SeriesKey] = field(default_factory=set)


class Scraper:
    """Scrapes ``targets`` every ``interval`` seconds into ``store``; run it as a task, cancel to stop.

    Each target's scrapes fall on multiples of the interval plus an offset of its own. A scrape writes the
    target's samples with ``job`` and ``instance`` (labels of the same name that the target sent become
    ``exported_…``), ``up``, ``scrape_duration_seconds`` and ``scrape_samples_scraped``, and ends the series
    that are gone with stale markers. A target that does not answer 200 within ``timeout`` (default: the
    interval, 10 s at most), sends more than ``max_bytes`` or ``max_samples``, or breaks the format, is down:
    ``up`` 0, all its series end, and its state says why.
    """

    def __init__(
        self,
        store: EmbeddedStore,
        targets: Sequence[Target],
        interval: float,
        *,
        timeout: float | None = None,
        max_bytes: int = 16 * 2**20,
        max_samples: int = 50_000,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._store = store
        self._interval = interval
        self._timeout = min(interval, 10.0) if timeout is None else timeout
        self._max_bytes, self._max_samples = max_bytes, max_samples
        self._memory = {target: _Memory(TargetState(target)) for target in targets}
        self._client = httpx2.AsyncClient(
            timeout=self._timeout,
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=None),
            headers={"Accept": _ACCEPT, "User-Agent": "bongsu"},
            transport=transport,
            trust_env=False,
            follow_redirects=True,
        )

    @property
    def states(self) -> list[TargetState]:
        """The outcome of each target's last scrape."""
        return [memory.state for memory in self._memory.values()]

    async def run(self) -> None:
        """Scrape until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for target in self._memory:
                    group.create_task(self._repeat(target))
        finally:
            await self._client.aclose()

    async def scrape(self, target: Target, at: float) -> TargetState:
        """Scrape one of the targets now and write what it says with the time ``at``."""
        memory = self._memory[target]
        before = memory.state.error
        started = time.perf_counter()
        body, openmetrics, error = b"", False, ""
        try:
            async with asyncio.timeout(self._timeout):
                body, openmetrics = await self._fetch(target.url)
        except TimeoutError:
            error = f"no complete answer within {self._timeout:g} s"
        except _ScrapeError as failure:
            error = str(failure)
        except (httpx2.HTTPError, httpx2.InvalidURL) as failure:
            error = f"{type(failure).__name__}: {failure}" if str(failure) else type(failure).__name__
        state = replace(memory.state, at=at, duration=time.perf_counter() - started, error=error)
        try:
            memory.state = await asyncio.to_thread(self._ingest, memory, state, body, openmetrics)
        except duckdb.Error as failure:
            _log.error("scrape.not_stored", job=target.job, instance=target.instance, error=str(failure))
            memory.state = replace(state, error=f"the samples could not be stored: {failure}")
        if memory.state.error != before:
            _tell(memory.state)
        return memory.state

    async def _repeat(self, target: Target) -> None:
        offset = (
            zlib.crc32(f"{target.job}\0{target.instance}\0{target.url}".encode()) / 2**32 * self._interval
        )
        while True:
            now = time.time()
            due = (math.floor((now - offset) / self._interval) + 1) * self._interval + offset
            await asyncio.sleep(due - now)
            now = time.time()
            await self.scrape(target, due if abs(now - due) < self._interval / 100 else now)

    async def _fetch(self, url: str) -> tuple[bytes, bool]:
        async with self._client.stream("GET", url) as response:
            if response.status_code != 200:
                raise _ScrapeError(f"HTTP {response.status_code} {response.reason_phrase}".rstrip())
            chunks, size = [], 0
            async for chunk in response.aiter_bytes():
                chunks.append(chunk)
                size += len(chunk)
                if size > self._max_bytes:
                    raise _ScrapeError(f"the body is larger than {self._max_bytes} bytes")
            kind = response.headers.get("content-type", "")
        return b"".join(chunks), kind.startswith("application/openmetrics-text")

    def _ingest(self, memory: _Memory, state: TargetState, body: bytes, openmetrics: bool) -> TargetState:
        labels = state.target.all_labels()
        found = Exposition()
        if not state.error:
            try:
                found = parse(
                    body,
                    openmetrics=openmetrics,
                    cache=memory.cache,
                    relabel=lambda sent: _with_target(sent, labels),
                    max_samples=self._max_samples,
                )
            except ExpositionError as failure:
                state = replace(state, error=str(failure))
        state = replace(state, up=not state.error, samples=len(found.keys))
        self._write(memory, state, found, labels)
        if len(memory.cache) > 2 * len(found.keys) + 1000:
            memory.cache.clear()
        return state

    def _write(self, memory: _Memory, state: TargetState, found: Exposition, labels: dict[str, str]) -> None:
        times = np.array(found.times, dtype=np.float64)
        untimed = np.isnan(times)
        seen = {key for key, fresh in zip(found.keys, untimed.tolist(), strict=True) if fresh}
        gone = list(memory.seen.difference(found.keys))
        reported = [float(state.up or False), state.duration, float(state.samples)]
        keys = [*found.keys, *(series_key(name, labels) for name in _REPORTED), *gone]
        values = np.concatenate([np.array(found.values), reported, np.zeros(len(gone))])
        stale = np.zeros(len(keys), dtype=bool)
        stale[len(keys) - len(gone) :] = True
        rest = np.full(len(keys) - len(times), state.at)
        self._store.append_samples(
            keys, np.concatenate([np.where(untimed, state.at, times), rest]), values, stale
        )
        self._store.append_metadata(found.metadata)
        memory.seen = seen


def _with_target(sent: dict[str, str], target: Mapping[str, str]) -> dict[str, str]:
    """``sent`` with the target's labels; what they displace moves to ``exported_<name>``."""
    labels = {name: value for name, value in sent.items() if name not in target}
    for name, value in sent.items():
        if name in target and value:
            moved = f"exported_{name}"
            while moved in labels or moved in sent or moved in target:
                moved = f"exported_{moved}"
            labels[moved] = value
    return {**labels, **target}


def _tell(state: TargetState) -> None:
    """Say once that a scrape began to fail, fails for another reason, or works again."""
    where = {"job": state.target.job, "url": state.target.url}
    if state.error:
        _log.warning("scrape failed", **where, error=state.error)
    else:
        _log.info("scrape works again", **where)
