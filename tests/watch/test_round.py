"""What a round costs the source, and when rounds take place."""

import asyncio
import contextlib
import selectors
import urllib.request
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from bongsu.catalog import Catalog, loads, resolve
from bongsu.incidents.model import Alert
from bongsu.incidents.store import Store
from bongsu.signals.query import FleetQuery
from bongsu.sources.base import Sample, Series, Source
from bongsu.sources.opening import open_sources
from bongsu.watch.judgement import Judgement
from bongsu.watch.watch import CONCURRENT, JITTER, Watch
from tests.live_servers import prometheus

NOW, BEAT = 1_700_000_000.0, 60.0
HEAD = """\
name: fleet
owners: {{ops: {{}}}}
defaults: {{owner: ops}}
watch: {{interval: 60s}}
sources: {{main: {{type: prometheus, url: "{url}"}}}}
kinds:
  app:
    signals:
      up: {{form: presence, thresholds: {{P1: "< 1 for 2m"}}}}
      rate: {{form: rate, metric: requests_total}}
      errors: {{form: ratio, metric: requests_total, match: {{status: "5.."}}, thresholds: {{P2: "> 5%"}}}}
      p95: {{form: quantile, q: 0.95, metric: request_seconds}}
      memory: {{form: gauge, metric: memory_bytes}}
      cpu: {{form: rate, metric: cpu_seconds_total}}
services:
"""
SIGNALS = 6


def catalog(
    services: int, fields: Callable[[int], str] = lambda _: "", url: str = "http://localhost"
) -> Catalog:
    lines = [f"  service-{i}: {{kind: app, {fields(i)}}}\n" for i in range(services)]
    return loads(HEAD.format(url=url) + "".join(lines))


async def nobody(_: Sequence[Alert]) -> None: ...


def watching(folder: Path, source: Source, of: Catalog) -> tuple[Watch, Store]:
    store = Store(folder / "incidents.sqlite")
    return Watch(source, Judgement.of(of, resolve(of)), store, nobody), store


def answered(url: str, endpoint: str = "query") -> int:
    """How many queries of one kind the Prometheus has answered, by its own count."""
    with urllib.request.urlopen(f"{url}/metrics") as response:
        lines = response.read().decode().splitlines()
    name = f'prometheus_http_requests_total{{code="200",handler="/api/v1/{endpoint}"}}'
    return sum(int(float(line.rpartition(" ")[2])) for line in lines if line.startswith(name))


def own_threshold(i: int) -> str:
    return f"thresholds: {{memory: {{P3: '> {1 + i % 3} GiB'}}}}"


def objective(_: int) -> str:
    return "objectives: {answers: {signal: errors, target: 99.9%}}"


@pytest.mark.parametrize(
    ("fields", "questions"),
    [(lambda _: "", SIGNALS), (own_threshold, SIGNALS + 2)],
    ids=["of one kind", "with one of three thresholds of their own"],
)
def test_a_round_puts_one_question_a_distinct_signal_however_many_the_services(
    tmp_path: Path, fields: Callable[[int], str], questions: int
) -> None:
    with prometheus() as server:
        assert [asked(tmp_path, server.url, n, fields) for n in (3, 30, 300)] == [questions] * 3


def test_objectives_add_the_same_questions_however_many_the_services(tmp_path: Path) -> None:
    with prometheus() as server:
        few, many = (asked(tmp_path, server.url, n, objective) for n in (1, 300))
    assert few == many > SIGNALS


def asked(folder: Path, url: str, services: int, fields: Callable[[int], str]) -> int:
    """How many queries one round puts to the Prometheus."""

    async def run() -> None:
        of = catalog(services, fields, url)
        source = open_sources(of, None)
        watch, store = watching(folder, source, of)
        try:
            await watch.round(NOW)
            assert not [reading.error for reading in watch.readings.values() if reading.error]
        finally:
            await store.close()
            await source.aclose()

    before = answered(url)
    asyncio.run(run())
    return answered(url) - before


@pytest.mark.parametrize(("services", "parts"), [(3, 1), (30, 3)])
def test_the_past_of_a_larger_fleet_is_asked_for_in_more_parts(
    monkeypatch: pytest.MonkeyPatch, services: int, parts: int
) -> None:
    monkeypatch.setattr("bongsu.sources.prometheus.MOST_VALUES", 70)

    async def run(url: str) -> tuple[int, list[Series]]:
        of = catalog(services, url=url)
        [query] = [q for q in Judgement.of(of, resolve(of)).queries if q.name == "up"]
        source = open_sources(of, None)
        try:
            found = await source.range(query, NOW, NOW + 5 * BEAT, BEAT)
        finally:
            await source.aclose()
        return answered(url, "query_range"), found

    past = "".join(
        f'up{{job="service-{i}"}} {i} {NOW + t * BEAT}\n' for i in range(services) for t in range(6)
    )
    with prometheus(openmetrics=f"{past}# EOF\n") as server:
        asked_parts, found = asyncio.run(run(server.url))
    assert asked_parts == parts
    assert {one.service: one.values for one in found} == {f"service-{i}": [i] * 6 for i in range(services)}


class Gated(Source):
    """Answers nothing before its gate opens, and knows how many questions stood before it."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.full = asyncio.Event()
        self.waiting = self.most = self.asked = 0

    async def instant(self, query: FleetQuery, at: float) -> list[Sample]:
        self.asked += 1
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        if self.waiting >= CONCURRENT:
            self.full.set()
        await self.gate.wait()
        self.waiting -= 1
        return []


def test_so_many_questions_are_open_at_once_and_no_more(tmp_path: Path) -> None:
    signals = 3 * CONCURRENT

    async def run() -> tuple[int, int]:
        of = catalog(signals, lambda i: f"thresholds: {{memory: {{P3: '> {1 + i} GiB'}}}}")
        source = Gated()
        watch, store = watching(tmp_path, source, of)
        try:
            round_ = asyncio.create_task(watch.round(NOW))
            await asyncio.wait_for(source.full.wait(), 30)
            source.gate.set()
            await round_
        finally:
            await store.close()
        return source.asked, source.most

    assert asyncio.run(run()) == (SIGNALS - 1 + signals, CONCURRENT)


class Clock(selectors.DefaultSelector):
    """Time that passes only while everybody waits for it, and then at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return NOW + self.now

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(None if timeout is None else 0)
        if not ready and timeout is not None:
            self.now += max(timeout, 0)
        return ready


class Timed(Source):
    """Notes when each round begins, and takes as long over it as told; a quick one takes a second."""

    def __init__(self, clock: Clock, rounds: int, slow: dict[int, float]) -> None:
        self._clock, self._rounds, self._slow = clock, rounds, slow
        self.done = asyncio.Event()
        self.begun: list[float] = []
        self.open = self.most = 0

    async def instant(self, query: FleetQuery, at: float) -> list[Sample]:
        if query.name != "up":
            return []
        self.begun.append(self._clock.now)
        self.open += 1
        self.most = max(self.most, self.open)
        await asyncio.sleep(self._slow.get(len(self.begun) - 1, 1.0))
        self.open -= 1
        if len(self.begun) == self._rounds:
            self.done.set()
        return []


def lived(
    folder: Path, monkeypatch: pytest.MonkeyPatch, rounds: int, slow: dict[int, float] | None = None
) -> tuple[list[float], int]:
    """When the rounds of a running watch begin, in beats since it was started; how many ran at once."""
    clock = Clock()
    loop = asyncio.SelectorEventLoop(clock)
    monkeypatch.setattr(loop, "time", clock.monotonic)
    monkeypatch.setattr("bongsu.watch.watch.time", clock)

    async def run() -> tuple[list[float], int]:
        started = clock.now
        source = Timed(clock, rounds, slow or {})
        watch, store = watching(folder, source, catalog(2))
        task = asyncio.create_task(watch.run())
        await source.done.wait()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await store.close()
        return [(at - started) / BEAT for at in source.begun], source.most

    with contextlib.closing(loop):
        return loop.run_until_complete(run())


def test_the_first_round_begins_at_a_moment_of_its_own_and_the_rest_keep_the_beat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    firsts = set()
    for i in range(10):
        folder = tmp_path / str(i)
        folder.mkdir()
        begun, _ = lived(folder, monkeypatch, rounds=4)
        firsts.add(begun[0])
        assert 0 <= begun[0] <= JITTER
        assert [at - begun[0] for at in begun] == pytest.approx([0, 1, 2, 3], abs=1e-6)
    assert len(firsts) > 1


@pytest.mark.parametrize("beats", [1.7, 4.2])
def test_a_slow_round_skips_beats_and_is_not_made_up_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beats: float
) -> None:
    begun, at_once = lived(tmp_path, monkeypatch, rounds=5, slow={1: beats * BEAT})
    gaps = [after - before for before, after in pairwise(begun)]
    assert gaps == pytest.approx([1, beats, 1, 1], abs=1e-6)
    assert at_once == 1
