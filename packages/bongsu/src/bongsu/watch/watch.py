"""The watch: every interval, one fleet query a signal, judged, and the alerts handed on."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence

import msgspec
import structlog

from bongsu.incidents.model import Alert
from bongsu.incidents.store import Store
from bongsu.signals.query import FleetQuery
from bongsu.sources.base import Source, SourceError
from bongsu.watch.judge import Track
from bongsu.watch.judgement import Answers, Asked, Judgement, State
from bongsu.watch.learned import Saved
from bongsu.watch.missed import missed_rounds
from bongsu.watch.reading import Reading, key, worst

log = structlog.get_logger(__name__)

CONCURRENT = 8
"""So many questions are put at once: a watch must not be a load test of what it watches with."""
JITTER = 0.1
"""The share of an interval within which the first round begins, so that many watches do not beat together."""

LEARNED_SECONDS = 3600.0
"""How often what was learned is saved: more than this is not lost by a crash."""
_STATE_KEY, _LEARNED_KEY = "watch", "watch-learned"
_LEARNED = msgspec.msgpack.Decoder(Saved)
_STATE = msgspec.json.Decoder(State)


class Watch:
    """Reads, judges and hands on. What it holds pending survives a restart."""

    def __init__(
        self,
        source: Source,
        judgement: Judgement,
        store: Store,
        take: Callable[[Sequence[Alert]], Awaitable[object]],
    ) -> None:
        self._source = source
        self.judgement = judgement
        self._store = store
        self._take = take
        self._saved = b""
        self._learned_at = time.monotonic()
        self._asking = asyncio.Semaphore(CONCURRENT)
        self.readings: dict[str, Reading] = {}
        """The latest reading of each query, for the console."""
        self.seen_at: dict[str, float] = {}
        """When each service last had a value of any signal, Unix seconds."""

    async def run(self) -> None:
        """Rounds on a fixed beat until cancelled; a slow round skips beats, it never doubles up."""
        await self.restore()
        await self.learn()
        await asyncio.sleep(random.random() * JITTER * self.judgement.beat)  # noqa: S311 - no secret
        beat = time.monotonic()
        while True:
            try:
                now = time.time()
                await self.catch_up(now)
                await self.round(now)
            except Exception:
                # The watch outlives any one round; what failed is in the log.
                log.exception("a round of the watch failed")
            beat = max(beat + self.judgement.beat, time.monotonic())
            await asyncio.sleep(beat - time.monotonic())

    async def round(self, now: float) -> list[Alert]:
        """Read what is due once, judge it, and hand on what changed."""
        asked = self.judgement.ask(now)
        answers = await self.read(asked, now)
        for query, reading in zip(asked.signals, answers.signals, strict=True):
            self.readings[key(query)] = reading
            self.seen_at |= {service: now for service, value in reading.values.items() if value is not None}
        alerts = self.judgement.step(asked, answers, now)
        await self._take(alerts)
        await self._save()
        return alerts

    async def read(self, asked: Asked, now: float) -> Answers:
        """Put the questions of a round; one that cannot be answered says why."""
        queries = [*asked.signals, *(q for window in asked.windows for q in (window.share, window.events))]
        readings = await asyncio.gather(*(self._read(query, now) for query in queries))
        signals, rest = readings[: len(asked.signals)], readings[len(asked.signals) :]
        return Answers(signals, list(zip(rest[::2], rest[1::2], strict=True)))

    async def catch_up(self, now: float) -> None:
        """Judge what passed while nobody looked, from what the source still knows.

        What came and went is told as such; what lasts is told with its true beginning.
        """
        async with self._asking:
            rounds = await missed_rounds(self._source, self.judgement, now)
        alerts: list[Alert] = []
        for asked, answers, at in rounds:
            alerts += self.judgement.step(asked, answers, at)
            # A large fleet takes a while: the server goes on in between.
            await asyncio.sleep(0)
        if rounds:
            log.info("the watch was away", rounds=len(rounds), alerts=len(alerts))
            await self._take(alerts)

    async def _read(self, query: FleetQuery, now: float) -> Reading:
        async with self._asking:
            try:
                samples = await self._source.instant(query, now)
            except SourceError as error:
                before = self.readings.get(key(query))
                if before is None or before.error != str(error):
                    log.warning("no data", signal=query.name, error=str(error))
                nothing = dict.fromkeys(query.services)
                return Reading(query.name, query.signal, nothing, str(error), query.source)
        return Reading(query.name, query.signal, worst(query, samples), "", query.source)

    async def restore(self) -> None:
        """Take up what was pending."""
        learned = await self._store.get_state(_LEARNED_KEY)
        if learned is not None and self.judgement.learned is not None:
            self.judgement.learned.restore(_LEARNED.decode(learned))
        body = await self._store.get_state(_STATE_KEY)
        if body is not None:
            self.judgement.restore(_STATE.decode(body))
            self._saved = body
        # An alert made durable just before a crash counts, even if the watch's own note of it was lost.
        for alert in await self._store.firing("watch"):
            if alert.service:
                track = self.judgement.judge.tracks.setdefault(f"{alert.service}/{alert.signal}", Track())
                track.firing = track.firing or alert

    async def learn(self) -> None:
        """Learn what is usual from history, where nothing was learned before."""
        learned = self.judgement.learned
        if learned is None:
            return
        began = time.monotonic()
        days = await learned.backfill(self._source, time.time())
        if days:
            log.info("learned from history", days=days, seconds=round(time.monotonic() - began, 1))
            await self._save_learned()

    async def _save_learned(self) -> None:
        learned = self.judgement.learned
        if learned is not None:
            body = await asyncio.to_thread(lambda: msgspec.msgpack.encode(learned.save()))
            await self._store.put_state(_LEARNED_KEY, body)
            self._learned_at = time.monotonic()

    async def _save(self) -> None:
        if time.monotonic() - self._learned_at > LEARNED_SECONDS:
            await self._save_learned()
        body = msgspec.json.encode(self.judgement.state())
        if body != self._saved:
            await self._store.put_state(_STATE_KEY, body)
            self._saved = body
