"""Everything that judges, as one function of what was read: the watch lives it, a backtest replays it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from bongsu.catalog import Catalog, ResolvedService, fleet_queries
from bongsu.incidents.model import Alert, Condition
from bongsu.signals.query import FleetQuery
from bongsu.watch.burn_rate import BurnRate, Question
from bongsu.watch.health import Health, Silence
from bongsu.watch.judge import Judge, Track
from bongsu.watch.learned import Learned
from bongsu.watch.reading import Reading, key

SOURCE_MISSES = 2
"""So many intervals a source may fail before people are told."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be read in a round."""

    signals: Sequence[FleetQuery]
    windows: Sequence[Question]


@dataclass(frozen=True, slots=True)
class Answers:
    """What was read: one reading for each question, in its order."""

    signals: Sequence[Reading]
    windows: Sequence[tuple[Reading, Reading]] = ()


class State(msgspec.Struct, kw_only=True):
    """What survives a restart."""

    tracks: dict[str, Track] = {}
    down: dict[str, Silence] = {}
    last: float = 0.0
    """When the last round was, Unix seconds."""


@dataclass(slots=True)
class Judgement:
    """``ask`` says what a round has to read, ``step`` makes alerts of the answers. Times must grow."""

    queries: Sequence[FleetQuery]
    judge: Judge
    health: Health
    burn: BurnRate
    interval: float
    learned: Learned | None = None
    last: float = 0.0
    _next: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, catalog: Catalog, services: Mapping[str, ResolvedService]) -> "Judgement":
        known = list(services.values())
        watch = catalog.watch
        queries = fleet_queries(known, by_source=True)
        return cls(
            queries,
            Judge(watch.resolve_after, catalog.language, catalog.zone),
            Health(SOURCE_MISSES * watch.interval, catalog.zone, catalog.language),
            BurnRate(known, watch.interval),
            watch.interval,
            Learned(watch.learned, queries, watch.interval) if watch.learned is not None else None,
        )

    @property
    def beat(self) -> float:
        """Seconds from one round to the next."""
        return min([self.interval, *(q.signal.every for q in self.queries if q.signal.every)])

    def ask(self, now: float) -> Asked:
        """What is due: each signal at its own pace."""
        due = [query for query in self.queries if now >= self._next.get(key(query), now) - self.beat / 2]
        return Asked(due, self.burn.due(now))

    def step(self, asked: Asked, answers: Answers, now: float) -> list[Alert]:
        """The alerts that begin, change or end now."""
        for question, (share, events) in zip(asked.windows, answers.windows, strict=True):
            self.burn.learn(question, share, events, now)
        read = [*answers.signals, *(reading for pair in answers.windows for reading in pair)]
        alerts = self.health.step(read, now)
        found = self.burn.found()
        if self.learned is not None:
            self.learned.step(asked.signals, answers.signals, self._troubled(), now)
            for at, condition in self.learned.found().items():
                found.setdefault(at, []).append(condition)
        for query, reading in zip(asked.signals, answers.signals, strict=True):
            self._next[key(query)] = now + (query.signal.every or self.interval)
            alerts += self._judged(query, reading, found, now)
        self.last = now
        return alerts

    def _judged(
        self,
        query: FleetQuery,
        reading: Reading,
        found: Mapping[tuple[str, str], Sequence[Condition]],
        now: float,
    ) -> list[Alert]:
        # Outside a signal's hours an alert ends even while the source does not answer.
        if reading.error and self.judge.awake(query.signal, now):
            return []
        more = {s: found[s, query.name] for s in query.services if (s, query.name) in found}
        if not query.signal.thresholds and not more and not self._tracked(query):
            return []
        return self.judge.step(query.name, query.signal, reading.values, now, more)

    def _troubled(self) -> dict[tuple[str, str], Alert]:
        """What fires for another reason than being unusual: a fault must not become what is usual."""
        firing = (track.firing for track in self.judge.tracks.values() if track.firing is not None)
        return {
            (alert.service, alert.signal): alert
            for alert in firing
            if any(condition.kind != "anomaly" for condition in alert.conditions)
        }

    def _tracked(self, query: FleetQuery) -> bool:
        return any(f"{service}/{query.name}" in self.judge.tracks for service in query.services)

    def state(self) -> State:
        return State(tracks=self.judge.tracks, down=self.health.down, last=self.last)

    def restore(self, state: State) -> None:
        self.judge.tracks = state.tracks
        self.health.down = state.down
        self.last = state.last
