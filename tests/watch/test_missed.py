"""After a pause the watch judges what passed, and tells what it would have told."""

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
from bongsu.sources.base import Sample, Series, Source, SourceError
from bongsu.watch.burn_rate import BurnRate
from bongsu.watch.health import Health
from bongsu.watch.judge import Judge
from bongsu.watch.judgement import Judgement
from bongsu.watch.watch import Watch
from tests.sources.generated import signal

START, INTERVAL = 1_699_272_000.0, 60.0


class Remembering(Source):
    """The value of ``a`` by the minute, from ``START``; ``forgetful`` cannot be asked for the past, and with
    ``others`` a second service is well all the time."""

    def __init__(self, minutes: Sequence[float], *, forgetful: bool = False, others: bool = False) -> None:
        self._minutes = minutes
        self._forgetful = forgetful
        self.others = others

    def _at(self, at: float) -> float:
        return self._minutes[int((at - START) / 60)]

    async def instant(self, query: FleetQuery, at: float) -> list[Sample]:
        samples = [] if math.isnan(self._at(at)) else [Sample("a", self._at(at))]
        return [*samples, Sample("b", 0.0)] if self.others else samples

    async def range(self, query: FleetQuery, start: float, end: float, step: float) -> list[Series]:
        if self._forgetful:
            raise SourceError("no history")
        times = [start + i * step for i in range(int((end - start) / step) + 1)]
        found = [Series("a", times, [self._at(at) for at in times])]
        return [*found, Series("b", times, [0.0] * len(times))] if self.others else found


def away(folder: Path, source: Remembering, minutes: int, **fields: Any) -> list[tuple[str, float, float]]:
    """What is told after the first round and a pause: status, and the minutes of beginning and end."""

    async def run() -> list[tuple[str, float, float]]:
        told: list[Alert] = []

        async def take(alerts: Sequence[Alert]) -> None:
            told.extend(alerts)

        measured = signal(form="gauge", metric="m", thresholds={"P2": "> 5 for 2m"}, **fields)
        services = {"a": {"job": "a"}, "b": {"job": "b"}} if source.others else {"a": {"job": "a"}}
        asked = FleetQuery("q", measured, services)
        judgement = Judgement([asked], Judge(60.0), Health(1e9, UTC), BurnRate([], INTERVAL), INTERVAL)
        store = Store(folder / "incidents.sqlite")
        watch = Watch(source, judgement, store, take)
        try:
            await watch.round(START)
            now = START + minutes * 60
            await watch.catch_up(now)
            await watch.round(now)
        finally:
            await store.close()
        return [
            (a.status.value, (a.starts_at - START) / 60, ((a.ends_at or START) - START) / 60) for a in told
        ]

    return asyncio.run(run())


def test_what_lasts_is_told_with_its_true_beginning(tmp_path: Path) -> None:
    assert away(tmp_path, Remembering([0, 0, 9, 9, 9, 9, 9, 9, 9]), 8) == [("firing", 4, 0)]


def test_what_came_and_went_is_told_with_both(tmp_path: Path) -> None:
    told = away(tmp_path, Remembering([0, 9, 9, 9, 9, 0, 0, 0, 0]), 8)
    assert told == [("firing", 3, 0), ("resolved", 3, 5)]


def test_a_value_that_did_not_last_is_not_told_though_both_ends_of_the_pause_were_bad(tmp_path: Path) -> None:
    assert away(tmp_path, Remembering([9, 0, 0, 0, 0, 0, 0, 9, 9]), 8) == []


def test_a_source_without_history_is_judged_from_now_on(tmp_path: Path) -> None:
    forgetful = Remembering([0, 0, 9, 9, 9, 9, 9, 9, 9], forgetful=True)
    assert away(tmp_path, forgetful, 8) == []


def test_a_time_of_which_the_source_knows_nothing_is_no_outage(tmp_path: Path) -> None:
    nothing = float("nan")
    gone = Remembering([0, nothing, nothing, nothing, nothing, nothing, nothing, 0, 0])
    assert away(tmp_path, gone, 8, absent="alert") == []


def test_a_service_that_alone_has_no_value_was_down(tmp_path: Path) -> None:
    nothing = float("nan")
    down = Remembering([0, 0, nothing, nothing, nothing, nothing, nothing, 0, 0], others=True)
    assert away(tmp_path, down, 8, absent="alert") == [("firing", 4, 0), ("resolved", 4, 7)]


@pytest.mark.parametrize("minutes", [1, 3])
def test_a_round_that_is_a_little_late_is_no_pause(tmp_path: Path, minutes: int) -> None:
    assert away(tmp_path, Remembering([0, 9, 9, 9]), minutes) == []
