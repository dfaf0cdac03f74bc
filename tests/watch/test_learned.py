"""What is unlike what is usual is told, with what was expected; a fault does not become what is usual."""

import asyncio
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from bongsu.catalog import loads, resolve
from bongsu.incidents.model import Alert
from bongsu.signals.query import FleetQuery
from bongsu.sources.base import Series, Source
from bongsu.watch.judgement import Answers, Judgement
from bongsu.watch.reading import Reading

CATALOG = """
name: shop
watch: {learned: {pages_a_week: %s, severity: P4, signals: %s}}
services: {orders: {kind: fastapi}}
"""
STEP, DAY = 300.0, 86400.0
START = 1_699_228_800.0
"""A Monday, 00:00 in UTC."""
RANDOM = np.random.default_rng(7).normal(0, 2, 20_000)


def usual(at: float) -> float:
    """Some hundred requests a second by day, some ten by night, and a little noise."""
    hour = at % DAY / 3600
    return 100 + 80 * math.sin((hour - 6) / 24 * 2 * math.pi) + RANDOM[int(at / STEP) % len(RANDOM)]


class Remembers(Source):
    """The usual requests a second at every time that it is asked of."""

    async def range(self, query: FleetQuery, start: float, end: float, step: float) -> list[Series]:
        times = [start + i * step for i in range(round((end - start) / step) + 1)]
        return [Series("orders", times, [usual(at) for at in times])]


def judgement(signals: str = "request_rate", pages: str = "20") -> Judgement:
    catalog = loads(CATALOG % (pages, signals))
    return Judgement.of(catalog, resolve(catalog))


def play(judging: Judgement, values: Sequence[tuple[float, float]]) -> list[Alert]:
    told = []
    for at, value in values:
        asked = judging.ask(at)
        answers = Answers(
            [
                Reading(q.name, q.signal, {"orders": value if q.name == "request_rate" else None})
                for q in asked.signals
            ],
            [(silent(w.share), silent(w.events)) for w in asked.windows],
        )
        told += judging.step(asked, answers, at)
    return [alert for alert in told if alert.signal == "request_rate"]


def silent(query: FleetQuery) -> Reading:
    return Reading(query.name, query.signal, dict.fromkeys(query.services))


def hours(day: float, start: float, end: float, value: float | None = None) -> list[tuple[float, float]]:
    times = np.arange(START + day * DAY + start * 3600, START + day * DAY + end * 3600, STEP)
    return [(float(at), usual(at) if value is None else value) for at in times]


@pytest.fixture(scope="module")
def learned() -> Judgement:
    """After two weeks of history were read at once."""
    judging = judgement()
    assert judging.learned is not None
    asyncio.run(judging.learned.backfill(Remembers(), START + 28 * DAY))
    return judging


def copy(judging: Judgement) -> Judgement:
    again = judgement()
    assert judging.learned is not None
    assert again.learned is not None
    again.learned.restore(judging.learned.save())
    return again


def test_a_usual_day_is_told_of_by_nobody(learned: Judgement) -> None:
    assert play(copy(learned), hours(28, 0, 24)) == []


def test_an_outage_of_traffic_at_noon_is_told_with_what_was_expected(learned: Judgement) -> None:
    [alert] = play(copy(learned), [*hours(28, 0, 12), *hours(28, 12, 13, value=1.0)])
    [condition] = alert.conditions
    assert (condition.kind, alert.severity.value) == ("anomaly", "P4")
    assert condition.limit == pytest.approx(180, abs=40)
    assert alert.value == 1.0
    assert condition.detail["residual"] < -5


def test_what_was_learned_survives_a_restart(learned: Judgement) -> None:
    told = [
        play(judging, [*hours(28, 0, 12), *hours(28, 12, 13, value=1.0)])
        for judging in (copy(copy(learned)), copy(learned))
    ]
    assert [a.starts_at for a in told[0]] == [a.starts_at for a in told[1]] != []


def test_only_the_named_signals_are_learned() -> None:
    judging = judgement(signals="[error_ratio, latency_p95]")
    assert judging.learned is not None
    assert {query.name for query in judging.learned.queries} == {"error_ratio", "latency_p95"}


def test_a_person_can_say_that_a_page_was_false(learned: Judgement) -> None:
    judging: Any = copy(learned).learned
    assert judging.verdict("orders", "request_rate", real=False)
    assert not judging.verdict("orders", "nothing", real=False)


def test_nothing_is_learned_unless_the_catalog_says_so() -> None:
    catalog = loads("name: shop\nservices: {orders: {kind: fastapi}}\n")
    assert Judgement.of(catalog, resolve(catalog)).learned is None
