"""Judgement by objective: how fast the error budget of a service burns, over several windows at once.

The windows, factors and severities are those of the generated rules (``catalog/objectives.py``).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bongsu.catalog import ResolvedService
from bongsu.catalog.objectives import LEAST_FAILURES, URGENCIES, Slo, bucket_pattern, objectives_of
from bongsu.incidents.model import Condition
from bongsu.signals.model import Increase, Quantile, Ratio
from bongsu.signals.query import FleetQuery
from bongsu.watch.reading import Reading

READS_A_WINDOW = 60
"""A window is read this often while it lasts: the share over three days hardly changes in five minutes."""


@dataclass(frozen=True, slots=True)
class Question:
    """What has to be read of one window of objectives that are measured alike."""

    window: float
    share: FleetQuery
    events: FleetQuery
    good: bool
    """Whether ``share`` counts good events."""
    objectives: Mapping[str, tuple[str, ...]]
    """Service → the objectives that are measured so."""


@dataclass(slots=True)
class BurnRate:
    """The objectives of all services. ``due`` says what to read, ``learn`` takes the answers, ``found`` says
    which conditions are met by what is known."""

    services: Sequence[ResolvedService]
    interval: float
    """Of the watch, in seconds."""
    _slos: dict[tuple[str, str], Slo] = field(default_factory=dict)
    _tiers: dict[str, int] = field(default_factory=dict)
    _questions: list[Question] = field(default_factory=list)
    _next: dict[int, float] = field(default_factory=dict)
    _known: dict[tuple[str, str, float], tuple[float, float]] = field(default_factory=dict)
    """(service, objective, window) → share of bad events, all events."""

    def __post_init__(self) -> None:
        sources = {service.name: service.source for service in self.services}
        self._tiers = {service.name: service.spec.tier for service in self.services}
        self._slos = {(slo.service, slo.name): slo for slo in objectives_of(self.services)}
        self._questions = list(_questions(self._slos.values(), sources))

    def due(self, now: float) -> list[Question]:
        """The windows that have to be read anew."""
        return [q for i, q in enumerate(self._questions) if now >= self._next.get(i, now)]

    def learn(self, question: Question, share: Reading, events: Reading, now: float) -> None:
        """Keep what was read. A source that does not answer leaves what was known, and is asked again."""
        if share.error or events.error:
            return
        number = self._questions.index(question)
        self._next[number] = now + max(self.interval, question.window / READS_A_WINDOW) - self.interval / 2
        for service, names in question.objectives.items():
            part, whole = share.values.get(service), events.values.get(service) or 0.0
            bad = 0.0 if part is None else 1 - part if question.good else part
            for name in names:
                self._known[service, name, question.window] = (bad, whole)

    def found(self) -> dict[tuple[str, str], list[Condition]]:
        """(service, signal) → the conditions that are met: of each objective the fastest burn."""
        met: dict[tuple[str, str], list[Condition]] = {}
        for slo in self._slos.values():
            condition = next(self._met(slo), None)
            if condition is not None:
                met.setdefault((slo.service, slo.objective.signal), []).append(condition)
        return met

    def _met(self, slo: Slo) -> Iterator[Condition]:
        for urgency in URGENCIES:
            for pair in slo.pairs(urgency):
                short = self._known.get((slo.service, slo.name, pair.short))
                long = self._known.get((slo.service, slo.name, pair.long))
                if short is None or long is None or long[0] * long[1] < LEAST_FAILURES:
                    continue
                if min(short[0], long[0]) > pair.limit:
                    yield Condition(
                        kind="burn_rate",
                        severity=slo.severity(urgency, self._tiers[slo.service]),
                        value=long[0] / slo.budget,
                        limit=pair.factor,
                        detail={"objective": slo.name, "short": pair.short, "long": pair.long},
                    )


def _questions(slos: Iterable[Slo], sources: Mapping[str, str]) -> Iterable[Question]:
    """Objectives that differ in nothing but their service and target are measured by the same queries."""
    alike: dict[tuple[str, str, str, float | None, tuple[str, ...]], list[Slo]] = {}
    for slo in slos:
        key = slo.query.signal.model_dump_json(exclude={"help"})
        source = sources[slo.service]
        alike.setdefault((source, slo.query.name, key, slo.objective.below, slo.query.identity), []).append(
            slo
        )
    for (source, name, *_), members in alike.items():
        labels = {slo.service: slo.query.services[slo.service] for slo in members}
        objectives: dict[str, tuple[str, ...]] = {}
        for slo in members:
            objectives[slo.service] = (*objectives.get(slo.service, ()), slo.name)
        for window in sorted({w for slo in members for w in slo.windows()}):
            share, events, good = _measured(members[0], window)
            yield Question(
                window,
                FleetQuery(name, share, labels, source),
                FleetQuery(name, events, labels, source),
                good,
                objectives,
            )


def _measured(slo: Slo, window: float) -> tuple[Ratio, Increase, bool]:
    """The share of events within ``window``, how many they are, and whether the share is of good ones."""
    signal = slo.query.signal
    if isinstance(signal, Quantile):
        assert slo.objective.below is not None
        count = f"{signal.metric}_count"
        share = Ratio(
            form="ratio",
            metric=f"{signal.metric}_bucket",
            match={**signal.match, "le": bucket_pattern(slo.objective.below)},
            of=count,
            of_match=signal.match,
            window=window,
            select=signal.select,
        )
        events = Increase(
            form="increase", metric=count, match=signal.match, window=window, select=signal.select
        )
        return share, events, True
    assert isinstance(signal, Ratio)
    whole = signal.of or signal.metric
    share = signal.model_copy(update={"window": window, "floor": 0.0, "by": ()})
    events = Increase(
        form="increase", metric=whole, match=signal.of_match, window=window, select=signal.select
    )
    return share, events, signal.worse == "down"
