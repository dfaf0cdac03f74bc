"""When a watch that began at some time would have put each of its questions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from bongsu.signals.query import FleetQuery
from bongsu.watch.burn_rate import Question
from bongsu.watch.judgement import Answers, Asked, Judgement
from bongsu.watch.reading import Reading, key

T = TypeVar("T")

Paced = tuple[T, int]
"""What is asked, and every how many rounds."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """``rounds`` rounds, the first at ``start`` (Unix seconds), ``beat`` seconds apart."""

    start: float
    beat: float
    rounds: int
    signals: Sequence[Paced[FleetQuery]]
    """Those that are judged: with thresholds, or with an objective."""
    windows: Sequence[Paced[Question]]

    def at(self, number: int) -> float:
        """When a round takes place."""
        return self.start + number * self.beat

    @property
    def seconds(self) -> float:
        return self.rounds * self.beat


def schedule(judgement: Judgement, start: float, end: float) -> Schedule:
    """The rounds from ``start`` up to ``end``. ``judgement`` must be fresh and is used up.

    The live ``ask`` is rehearsed with answers that say nothing until each question came twice.
    """
    beat = judgement.beat
    rounds = max(0, int((end - start) / beat + 1e-9) + 1)
    first: dict[str | int, int] = {}
    paces: dict[str | int, int] = {}
    windows: dict[int, Question] = {}
    for number in range(rounds):
        now = start + number * beat
        asked = judgement.ask(now)
        windows |= {id(question): question for question in asked.windows}
        names: list[str | int] = [*map(key, asked.signals), *map(id, asked.windows)]
        for name in names:
            if name not in first:
                first[name] = number
            else:
                paces.setdefault(name, number - first[name])
        if number and len(paces) == len(first):
            break
        judgement.step(asked, _nothing(asked), now)
    # What comes up only once in so short a time comes up at its beginning.
    signals = [(query, paces.get(key(query), rounds)) for query in judged(judgement)] if rounds else []
    return Schedule(
        start, beat, rounds, signals, [(question, paces.get(i, rounds)) for i, question in windows.items()]
    )


def judged(judgement: Judgement) -> list[FleetQuery]:
    """The queries whose answers can lead to an alert."""
    aims = {
        (service.name, objective.signal)
        for service in judgement.burn.services
        for objective in service.spec.objectives.values()
    }
    lessons = learned(judgement)
    return [
        query
        for query in judgement.queries
        if query.signal.thresholds
        or key(query) in lessons
        or any((service, query.name) in aims for service in query.services)
    ]


def learned(judgement: Judgement) -> set[str]:
    """The keys of the queries of which every value counts, as something learns from it."""
    return {key(query) for query in judgement.learned.queries} if judgement.learned is not None else set()


def _nothing(asked: Asked) -> Answers:
    def silent(query: FleetQuery) -> Reading:
        return Reading(query.name, query.signal, {}, "", query.source)

    return Answers(
        [silent(query) for query in asked.signals],
        [(silent(window.share), silent(window.events)) for window in asked.windows],
    )
