"""Tempo: traces found by TraceQL, failed ones among them, and read one by one."""

import urllib.parse
import urllib.request

import pytest

from bongsu.sources.base import SourceError
from bongsu.sources.tempo import TempoSource
from tests.sources.fakes.otlp import Recorded
from tests.sources.fakes.server import Asked, Reply, serve
from tests.sources.fakes.tempo import tempo

pytestmark = pytest.mark.anyio

START = 1_700_000_000.0


def trace(number: int, *, at: float = 1.0, error: bool = False) -> list[Recorded]:
    return [
        Recorded(number, 1, "orders", START + at, 0.5),
        Recorded(
            number, 2, "orders", START + at, 0.4, parent=1, kind="client", attributes={"server.address": "db"}
        ),
        Recorded(number, 3, "users", START + at, 0.3, parent=2, error=error),
    ]


async def test_a_trace_is_found_by_its_id() -> None:
    with tempo([*trace(0xAB), *trace(2)]) as server:
        source = TempoSource("tempo", server.url)
        found = await source.trace("ab")
        assert await source.trace("cd") == []
    assert [(s.span_id, s.parent_id, s.kind, s.service, s.peer) for s in found] == [
        (f"{1:016x}", "", "server", "orders", ""),
        (f"{2:016x}", f"{1:016x}", "client", "orders", "db"),
        (f"{3:016x}", f"{2:016x}", "server", "users", ""),
    ]
    assert {s.trace_id for s in found} == {f"{0xAB:032x}"}
    assert found[0].duration == pytest.approx(0.5)


async def test_failed_traces_are_among_those_that_are_read() -> None:
    fine = [span for number in range(1, 200) for span in trace(number)]
    with tempo([*fine, *trace(999, error=True)]) as server:
        found = await TempoSource("tempo", server.url).spans(
            START, START + 9, services=["orders", "users"], limit=80
        )
    traces = {span.trace_id for span in found}
    assert f"{999:032x}" in traces
    assert len(traces) <= 80 // 8
    assert all(sum(span.trace_id == one for span in found) == 3 for one in traces)
    assert len(server.asked) <= 12


async def test_a_window_and_a_service_choose_traces_and_keep_them_whole() -> None:
    with tempo([*trace(1), *trace(2, at=100.0)]) as server:
        source = TempoSource("tempo", server.url)
        assert {s.trace_id for s in await source.spans(START, START + 9, limit=99)} == {f"{1:032x}"}
        assert len(await source.spans(START, START + 9, services=["users"], limit=99)) == 3
        assert await source.spans(START, START + 9, services=['"} || {'], limit=99) == []


async def test_one_trace_that_cannot_be_read_does_not_take_the_others() -> None:
    with tempo([*trace(1), *trace(2)]) as healthy:

        def one_fails(asked: Asked) -> Reply:
            if asked.path.endswith("/2"):
                return Reply(500, b"block not found")
            url = f"{healthy.url}{asked.path}?{urllib.parse.urlencode(asked.query)}"
            with urllib.request.urlopen(url, timeout=10) as response:
                return Reply(200, response.read())

        with serve(one_fails) as server:
            found = await TempoSource("tempo", server.url).spans(START, START + 9, limit=99)
            with pytest.raises(SourceError, match="trace: HTTP 500: block not found"):
                await TempoSource("tempo", server.url).trace("2")
    assert {span.trace_id for span in found} == {f"{1:032x}"}


async def test_a_tenant_and_a_token() -> None:
    with tempo(trace(1), tenant="team") as server:
        assert len(await TempoSource("tempo", server.url, tenant="team", token="t").trace("1")) == 3
        assert server.asked[0].headers["authorization"] == "Bearer t"
        with pytest.raises(SourceError, match=r"tempo: http.*: trace: HTTP 401: no org id"):
            await TempoSource("tempo", server.url).trace("1")


async def test_what_is_no_trace_id_is_not_asked_for() -> None:
    with tempo([]) as server:
        for wrong in ("../../metrics", "xyz", "", "1" * 33):
            with pytest.raises(SourceError, match="is no trace id"):
                await TempoSource("tempo", server.url).trace(wrong)
    assert server.asked == []
