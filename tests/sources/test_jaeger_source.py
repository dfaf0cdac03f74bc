"""Jaeger 2 by its API v3; the fake checks questions and answers against Jaeger's OpenAPI."""

import urllib.request

import pytest

from bongsu.sources.base import Edge, SourceError
from bongsu.sources.jaeger import JaegerSource
from tests.sources.fakes.jaeger import SPEC, jaeger
from tests.sources.fakes.otlp import Recorded
from tests.sources.fakes.server import Reply, serve

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not SPEC.exists(), reason=f"CONTRACT NOT CHECKED: Jaeger's contract is not at {SPEC}"),
]

START = 1_700_000_000.25


def trace(number: int, *, at: float = 1.0) -> list[Recorded]:
    return [
        Recorded(number, 1, "orders", START + at, 0.5),
        Recorded(number, 2, "orders", START + at, 0.4, parent=1, kind="client"),
        Recorded(number, 3, "users", START + at, 0.3, parent=2, error=True),
    ]


async def test_traces_of_every_service_once_each() -> None:
    with jaeger([*trace(1), *trace(2)]) as server:
        found = await JaegerSource("jaeger", server.url).spans(START, START + 9, limit=99)
    assert len(found) == 6
    assert {span.trace_id for span in found} == {f"{1:032x}", f"{2:032x}"}
    assert sum(path == "/api/v3/traces" for path in server.paths()) == 2
    assert server.asked[1].query["query.startTimeMin"] == "2023-11-14T22:13:20.250000000Z"


async def test_traces_of_the_services_that_are_named() -> None:
    with jaeger([*trace(1), Recorded(5, 1, "another", START + 1)]) as server:
        source = JaegerSource("jaeger", server.url)
        found = await source.spans(START, START + 9, services=["users", "no traces"], limit=99)
        assert await source.spans(START + 5, START + 9, services=["users"], limit=99) == []
    assert {span.service for span in found} == {"orders", "users"}
    assert [span.error for span in found] == [False, False, True]


async def test_a_limit_is_shared_by_the_services() -> None:
    with jaeger([span for number in range(1, 100) for span in trace(number)]) as server:
        found = await JaegerSource("jaeger", server.url).spans(START, START + 9, limit=64)
    assert len(found) <= 64
    assert {asked.query.get("query.searchDepth") for asked in server.asked} == {None, "4"}


async def test_a_trace_is_found_by_its_id() -> None:
    with jaeger(trace(0xAB)) as server:
        source = JaegerSource("jaeger", server.url)
        assert len(await source.trace("ab")) == 3
        assert await source.trace("cd") == []
        with pytest.raises(SourceError, match="is no trace id"):
            await source.trace("../services")


async def test_who_calls_whom() -> None:
    with jaeger([*trace(1), *trace(2)]) as server:
        found = await JaegerSource("jaeger", server.url).topology(START, START + 9)
    assert found == [Edge("orders", "users", 2.0)]


async def test_a_url_that_is_not_jaegers_is_said_and_not_taken_for_an_empty_answer() -> None:
    told = "HTTP 404: 404 page not found; check the url of the source"
    with serve(lambda _: Reply(404, b"404 page not found")) as server:
        source = JaegerSource("jaeger", server.url)
        with pytest.raises(SourceError, match=told):
            await source.trace("1")


async def test_another_trace_than_was_asked_for_is_no_answer() -> None:
    with jaeger(trace(1)) as server, serve(lambda asked: Reply(200, _of(server.url))) as lying:
        assert await JaegerSource("jaeger", lying.url).trace("2") == []


def _of(url: str) -> bytes:
    with urllib.request.urlopen(f"{url}/api/v3/traces/1", timeout=10) as response:
        body: bytes = response.read()
    return body
