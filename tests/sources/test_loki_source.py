"""Loki: which lines are asked for, in which pages, and what is made of them."""

import pytest

from bongsu.sources.base import SourceError
from bongsu.sources.loki import LokiSource
from tests.sources.fakes.loki import Line, loki
from tests.sources.fakes.server import Server

pytestmark = pytest.mark.anyio

SECOND = 10**9
START = 1_700_000_000


def line(at: int, text: str, service: str = "orders", **metadata: str) -> Line:
    """``at`` is in nanoseconds after START."""
    return Line(
        START * SECOND + at,
        service,
        text,
        {"level": metadata.pop("level")} if "level" in metadata else {},
        metadata,
    )


async def bodies(server: Server, *, errors_only: bool = False, limit: int = 100, **options: str) -> list[str]:
    source = LokiSource("loki", server.url, **options)  # type: ignore[arg-type]
    found = await source.logs(["orders", "a.b"], START, START + 60, errors_only=errors_only, limit=limit)
    await source.aclose()
    return [record.body for record in found]


async def test_the_lines_of_services_oldest_first() -> None:
    lines = [line(2, "b"), line(1, "a", "a.b"), line(3, "c", "another"), line(4, "d", "axb")]
    with loki([*lines, Line((START + 60) * SECOND, "orders", "later")]) as server:
        assert await bodies(server) == ["a", "b"]


async def test_a_name_is_no_expression_and_may_hold_quotes() -> None:
    with loki([line(1, "a", 'it`s "x"')]) as server:
        source = LokiSource("loki", server.url)
        found = await source.logs(['it`s "x"'], START, START + 1, errors_only=False, limit=1)
        every = await source.logs([], START, START + 1, errors_only=False, limit=1)
    assert [record.service for record in found + every] == ['it`s "x"'] * 2


async def test_the_newest_lines_are_kept_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bongsu.sources.loki.PAGE", 3)
    with loki([line(i, f"{i}") for i in range(20)]) as server:
        assert await bodies(server, limit=8) == [str(i) for i in range(12, 20)]
    assert len(server.asked) > 2
    assert all(int(asked.query["limit"]) <= 3 for asked in server.asked)


async def test_lines_of_one_nanosecond_are_lost_at_no_edge_of_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bongsu.sources.loki.PAGE", 3)
    lines = [line(i // 2, f"{i:02}") for i in range(12)]
    with loki(lines) as server:
        assert await bodies(server, limit=50) == [f"{i:02}" for i in range(12)]


async def test_errors_are_told_by_loki_by_the_sender_and_by_what_they_say() -> None:
    lines = [
        line(1, "no stock", detected_level="error"),
        line(2, "payment failed: ValueError exception"),
        line(3, "0 errors", detected_level="info"),
        line(4, "the word error, but told otherwise", level="warning"),
        line(5, "all well"),
    ]
    with loki(lines) as server:
        assert await bodies(server, errors_only=True) == ["no stock", "payment failed: ValueError exception"]


async def test_what_a_line_carries() -> None:
    with loki([line(5, "x", level="warn", trace_id="ab", pod="p")]) as server:
        (record,) = await LokiSource("loki", server.url).logs(
            [], START, START + 1, errors_only=False, limit=9
        )
    assert (record.severity, record.trace_id, record.attributes["pod"]) == ("WARN", "ab", "p")
    assert record.time == pytest.approx(START)


async def test_a_tenant_has_its_own_lines_and_a_label_its_own_name() -> None:
    with loki([line(1, "a")], tenant="team", label="app") as server:
        assert await bodies(server, tenant="team", service_label="app") == ["a"]
        with pytest.raises(SourceError, match=r"loki: http.*query_range: logs: HTTP 401: no org id"):
            await bodies(server, service_label="app")


async def test_a_refusal_is_told_in_lokis_words() -> None:
    told = "logs: HTTP 400: parse error : syntax error"
    with loki([], label="app") as server, pytest.raises(SourceError, match=told):
        await bodies(server)
