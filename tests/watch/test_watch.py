"""What the watch makes of a round's answers."""

import asyncio
import math
from collections.abc import Sequence
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from bongsu.incidents.model import Alert
from bongsu.incidents.store import Store
from bongsu.signals.query import FleetQuery
from bongsu.sources.base import Sample, SourceError
from bongsu.watch.burn_rate import BurnRate
from bongsu.watch.health import Health
from bongsu.watch.judge import Judge
from bongsu.watch.judgement import Judgement
from bongsu.watch.watch import Watch
from tests.sources.generated import signal

NOON, EVENING = 1_699_272_000.0, 1_699_300_000.0
"""Monday, 6 November 2023: 12:00 and 19:46 in UTC."""


class Scripted:
    """A source that gives one prepared answer after another; None means that it is down."""

    name = "scripted"

    def __init__(self, answers: Sequence[list[Sample] | None]) -> None:
        self._answers = iter(answers)

    async def instant(self, query: FleetQuery, at: float) -> list[Sample]:
        answer = next(self._answers)
        if answer is None:
            raise SourceError("scripted: down")
        return answer


def rounds(
    folder: Path, answers: Sequence[list[Sample] | None], times: Sequence[float], **fields: Any
) -> tuple[list[list[tuple[str, str]]], Watch]:
    """What is told in each round, as (service, status)."""

    async def run() -> tuple[list[list[tuple[str, str]]], Watch]:
        async def take(alerts: Sequence[Alert]) -> None:
            told.append([(alert.service, alert.status.value) for alert in alerts])

        told: list[list[tuple[str, str]]] = []
        services = {name: {"job": name} for name in ("a", "b")}
        asked = FleetQuery("q", signal(form="gauge", metric="m", **fields), services)
        store = Store(folder / "incidents.sqlite")
        source: Any = Scripted(answers)
        judgement = Judgement([asked], Judge(resolve_after=10), Health(1e9, UTC), BurnRate([], 15), 15)
        watch = Watch(source, judgement, store, take)
        try:
            for now in times:
                await watch.round(now)
        finally:
            await store.close()
        return told, watch

    return asyncio.run(run())


def test_a_service_without_a_sample_is_absent_and_one_that_is_no_number_is_not(tmp_path: Path) -> None:
    answers = [[Sample("a", math.nan)], [Sample("a", 1), Sample("b", math.nan)]]
    told, watch = rounds(tmp_path, answers, [NOON, NOON + 15], absent="alert", thresholds={"P2": "> 5"})
    assert told == [[("b", "firing")], []]
    assert watch.readings["q:a"].values["a"] == 1


@pytest.mark.parametrize(("worse", "expected"), [("up", 7), ("down", 2)])
def test_the_worst_number_of_a_service_counts(tmp_path: Path, worse: str, expected: float) -> None:
    samples = [Sample("a", value) for value in (math.nan, 2, math.nan, 7, 3)]
    _, watch = rounds(tmp_path, [samples], [NOON], worse=worse)
    assert watch.readings["q:a"].values == {"a": expected, "b": None}


def test_a_source_that_does_not_answer_says_nothing_about_absence(tmp_path: Path) -> None:
    told, _ = rounds(tmp_path, [None, None], [NOON, NOON + 15], absent="alert", thresholds={"P2": "> 5"})
    assert told == [[], []]


def test_an_alert_ends_outside_the_hours_even_while_the_source_is_down(tmp_path: Path) -> None:
    both = [Sample("a", 9), Sample("b", 1)]
    times = [NOON, NOON + 15, EVENING, EVENING + 15]
    told, watch = rounds(
        tmp_path, [both, None, None, both], times, active="09:00-18:00", thresholds={"P2": "> 5"}
    )
    assert told == [[("a", "firing")], [], [], [("a", "resolved")]]
    assert watch.readings["q:a"].values["a"] == 9, "it is read all the same"
