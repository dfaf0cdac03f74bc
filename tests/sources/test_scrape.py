"""What a scrape writes when targets answer, change, misbehave or fall silent."""

import asyncio
import time
from collections.abc import Callable
from itertools import pairwise

import duckdb
import httpx2
import pytest

from bongsu.sources.embedded import EmbeddedStore, Scraper, Target

AT = 1_700_000_000.0
TARGET = Target("orders", "o:80", "http://o/metrics", {"env": "prod"})
BASE = {"job": "orders", "instance": "o:80", "env": "prod"}


@pytest.fixture
def store():
    store = EmbeddedStore(None, 1e12, 2**30)
    yield store
    store.close()


def scraper(store: EmbeddedStore, answer: Callable, **options) -> Scraper:
    return Scraper(store, [TARGET], 1.0, transport=httpx2.MockTransport(answer), **options)


def scrape(store: EmbeddedStore, bodies: list, **options) -> list:
    """Scrape once for each body (bytes, a response, or an exception); the states."""
    left = list(bodies)

    def answer(request: httpx2.Request) -> httpx2.Response:
        item = left.pop(0)
        if isinstance(item, Exception):
            raise item
        return item if isinstance(item, httpx2.Response) else httpx2.Response(200, content=item)

    async def run() -> list:
        subject = scraper(store, answer, **options)
        return [await subject.scrape(TARGET, AT + i) for i in range(len(bodies))]

    return asyncio.run(run())


def values(store: EmbeddedStore, metric: str) -> list:
    sql = (
        "SELECT ts / 1000 - $at, value FROM samples JOIN series USING (series) WHERE metric = $m ORDER BY ts"
    )
    return store.query(sql, {"m": metric, "at": AT})


def labels(store: EmbeddedStore, metric: str) -> dict:
    ((found,),) = store.query("SELECT labels FROM series WHERE metric = $m", {"m": metric})
    return found


def test_a_scrape_writes_samples_and_its_own_report(store: EmbeddedStore) -> None:
    (state,) = scrape(store, [b'# TYPE a gauge\na{x="y"} 4\nb 5\n'])
    assert (state.up, state.samples, state.error, state.at) == (True, 2, "", AT)
    assert values(store, "a") == [(0, 4)]
    assert values(store, "up") == [(0, 1)]
    assert values(store, "scrape_samples_scraped") == [(0, 2)]
    assert values(store, "scrape_duration_seconds")[0][1] > 0
    assert labels(store, "a") == BASE | {"x": "y"}
    assert labels(store, "up") == BASE
    assert store.metadata("a").type == "gauge"


def test_labels_that_the_target_claims_for_itself_are_moved_aside(store: EmbeddedStore) -> None:
    scrape(store, [b'a{job="mine",instance="i",exported_job="e"} 1\n'])
    assert labels(store, "a") == BASE | {
        "exported_job": "e",
        "exported_exported_job": "mine",
        "exported_instance": "i",
    }


def test_a_series_that_is_gone_ends(store: EmbeddedStore) -> None:
    scrape(store, [b"a 1\nb 1\n", b"a 2\n", b"a 3\nb 3\n"])
    assert values(store, "a") == [(0, 1), (1, 2), (2, 3)]
    assert values(store, "b") == [(0, 1), (1, None), (2, 3)]


def test_series_with_their_own_timestamps_do_not_end(store: EmbeddedStore) -> None:
    scrape(store, [f"a 1 {int(AT - 5) * 1000}\n".encode(), b""])
    assert values(store, "a") == [(-5, 1)]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx2.Response(503), "HTTP 503 Service Unavailable"),
        (httpx2.ConnectError("refused"), "ConnectError: refused"),
        (b"a 1\n\nthis is {bad\n", "line 3 column 6: a value is missing"),
        (b"a 1\n" * 4, "line 4 column 1: the body has more than 3 samples"),
        (b"#" * 1001, "the body is larger than 1000 bytes"),
    ],
)
def test_a_target_that_fails_is_down_and_its_series_end(store: EmbeddedStore, answer, error: str) -> None:
    states = scrape(store, [b"a 1\n", answer, b"a 3\n"], max_samples=3, max_bytes=1000)
    assert [state.up for state in states] == [True, False, True]
    if isinstance(answer, bytes) and b"bad" in answer:
        assert states[1].error.startswith("line 3 column ")
    else:
        assert states[1].error == error
    assert states[2].error == ""
    assert values(store, "a") == [(0, 1), (1, None), (2, 3)]
    assert values(store, "up") == [(0, 1), (1, 0), (2, 1)]
    assert values(store, "scrape_samples_scraped") == [(0, 1), (1, 0), (2, 1)]


def test_openmetrics_is_recognised_by_its_content_type(store: EmbeddedStore) -> None:
    headers = {"content-type": "application/openmetrics-text; version=1.0.0; charset=utf-8"}
    body = b'a_total{x="1"} 5 # {trace_id="t"} 0.5 1.0\n# EOF\n'
    (good, cut) = scrape(store, [httpx2.Response(200, headers=headers, content=c) for c in (body, body[:-6])])
    assert good.up
    assert values(store, "a_total")[0] == (0, 5)
    assert "# EOF" in cut.error


def test_a_slow_target_delays_no_other(store: EmbeddedStore) -> None:
    targets = [Target("slow", "s:80", "http://slow/metrics"), Target("fast", "f:80", "http://fast/metrics")]

    async def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.host == "slow":
            await asyncio.sleep(5)
        return httpx2.Response(200, content=b"a 1\n")

    async def run() -> Scraper:
        subject = Scraper(store, targets, 0.2, transport=httpx2.MockTransport(answer))
        task = asyncio.create_task(subject.run())
        await asyncio.sleep(1.5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return subject

    subject = asyncio.run(run())
    up = (
        "SELECT count(*), max(value) FROM samples JOIN series USING (series) "
        "WHERE metric = 'up' AND labels['job'] = $j"
    )
    ((fast, fast_up),) = store.query(up, {"j": "fast"})
    ((slow, slow_up),) = store.query(up, {"j": "slow"})
    assert fast >= 4
    assert fast_up == 1
    assert slow >= 1
    assert slow_up == 0
    assert subject.states[0].error == "no complete answer within 0.2 s"


def test_scrapes_fall_on_an_even_grid(store: EmbeddedStore) -> None:
    async def run() -> None:
        subject = scraper(store, lambda request: httpx2.Response(200, content=b"a 1\n"))
        subject._interval = 0.25
        task = asyncio.create_task(subject.run())
        await asyncio.sleep(1.4)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    before = time.time()
    asyncio.run(run())
    times = [
        row[0] for row in store.query("SELECT ts FROM samples JOIN series USING (series) WHERE metric = 'a'")
    ]
    assert len(times) >= 3
    assert all(before * 1000 <= at <= time.time() * 1000 for at in times)
    gaps = [(b - a) / 250 for a, b in pairwise(times)]
    assert all(abs(gap - round(gap)) < 0.4 for gap in gaps)


def test_a_store_that_cannot_write_does_not_stop_the_scraping(store: EmbeddedStore, monkeypatch) -> None:
    append, failures = store.append_samples, [1]

    def failing(*arguments) -> int:
        if failures:
            failures.pop()
            raise duckdb.IOException("disk full")
        return append(*arguments)

    monkeypatch.setattr(store, "append_samples", failing)
    lost, kept = scrape(store, [b"a 1\n", b"a 2\n"])
    assert lost.error == "the samples could not be stored: disk full"
    assert kept.error == ""
    assert values(store, "a") == [(1, 2)]
