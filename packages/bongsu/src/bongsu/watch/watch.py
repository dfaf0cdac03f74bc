"""The watch: every interval, one fleet query a signal, judged, and the alerts handed on."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import structlog

from bongsu.incidents.model import Alert
from bongsu.incidents.store import Store
from bongsu.signals.model import AnySignal
from bongsu.signals.query import FleetQuery
from bongsu.sources.base import Sample, Source, SourceError
from bongsu.watch.threshold import Judge, Track

log = structlog.get_logger(__name__)

_STATE_KEY = "watch"
_TRACKS = msgspec.json.Decoder(dict[str, Track])


@dataclass(frozen=True, slots=True)
class Reading:
    """What one round read of one signal: the worst value of each service, None where there was none, and NaN
    where there was nothing else."""

    name: str
    signal: AnySignal
    values: Mapping[str, float | None]
    error: str = ""


class Watch:
    """Reads, judges and hands on. What it holds pending survives a restart."""

    def __init__(
        self,
        source: Source,
        queries: Sequence[FleetQuery],
        judge: Judge,
        store: Store,
        take: Callable[[Sequence[Alert]], Awaitable[object]],
        *,
        interval: float,
    ) -> None:
        self._source = source
        self._queries = queries
        self._judge = judge
        self._store = store
        self._take = take
        self._interval = interval
        self._saved = b""
        self.readings: dict[str, Reading] = {}
        """The latest reading of each query, for the console."""
        self.seen_at: dict[str, float] = {}
        """When each service last had a value of any signal, Unix seconds."""

    async def run(self) -> None:
        """Rounds on a fixed beat until cancelled; a slow round skips beats, it never doubles up."""
        await self._restore()
        beat = time.monotonic()
        while True:
            try:
                await self.round(time.time())
            except Exception:
                # The watch outlives any one round; what failed is in the log.
                log.exception("a round of the watch failed")
            beat = max(beat + self._interval, time.monotonic())
            await asyncio.sleep(beat - time.monotonic())

    async def round(self, now: float) -> list[Alert]:
        """Read every signal once, judge it, and hand on what changed."""
        readings = await asyncio.gather(*(self._read(query, now) for query in self._queries))
        alerts: list[Alert] = []
        for query, reading in zip(self._queries, readings, strict=True):
            self.readings[_key(query)] = reading
            self.seen_at |= {service: now for service, value in reading.values.items() if value is not None}
            # Outside a signal's hours an alert ends even while the source does not answer.
            known = not reading.error or not self._judge.awake(query.signal, now)
            if known and query.signal.thresholds:
                alerts += self._judge.step(query.name, query.signal, reading.values, now)
        await self._take(alerts)
        await self._save()
        return alerts

    async def _read(self, query: FleetQuery, now: float) -> Reading:
        try:
            samples = await self._source.instant(query, now)
        except SourceError as error:
            before = self.readings.get(_key(query))
            if before is None or before.error != str(error):
                log.warning("no data", source=self._source.name, signal=query.name, error=str(error))
            return Reading(query.name, query.signal, dict.fromkeys(query.services), str(error))
        return Reading(query.name, query.signal, _worst(query, samples))

    async def _restore(self) -> None:
        body = await self._store.get_state(_STATE_KEY)
        if body is not None:
            self._judge.tracks = _TRACKS.decode(body)
            self._saved = body
        # An alert made durable just before a crash counts, even if the watch's own note of it was lost.
        for alert in await self._store.firing("watch"):
            track = self._judge.tracks.setdefault(f"{alert.service}/{alert.signal}", Track())
            track.firing = track.firing or alert

    async def _save(self) -> None:
        body = msgspec.json.encode(self._judge.tracks)
        if body != self._saved:
            await self._store.put_state(_STATE_KEY, body)
            self._saved = body


def _worst(query: FleetQuery, samples: Sequence[Sample]) -> dict[str, float | None]:
    worst: dict[str, float | None] = dict.fromkeys(query.services)
    pick = max if query.signal.worse == "up" else min
    for sample in samples:
        if sample.service not in worst:
            continue
        before = worst[sample.service]
        if before is None or math.isnan(before):
            worst[sample.service] = sample.value
        elif not math.isnan(sample.value):
            worst[sample.service] = pick(before, sample.value)
    return worst


def _key(query: FleetQuery) -> str:
    return f"{query.name}:{next(iter(query.services), '')}"
