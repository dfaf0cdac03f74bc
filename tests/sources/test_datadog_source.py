"""Datadog's metrics by its v1 contract: what is asked, and what is made of the answers."""

import math
from collections.abc import Callable

import pytest

from bongsu.catalog import loads
from bongsu.signals.query import FleetQuery
from bongsu.sources.base import SourceError
from bongsu.sources.datadog import DatadogSource
from bongsu.sources.opening import open_sources
from tests.sources.fakes.datadog import KEYS, SPEC, Points, datadog
from tests.sources.fakes.server import Asked, Reply, Server, serve
from tests.sources.generated import signal

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(
        not SPEC.exists(), reason=f"CONTRACT NOT CHECKED: Datadog's contract is not at {SPEC}"
    ),
]

NOW = 1_700_000_430.0
BEGIN = 1_700_000_400.0
"""Of the minute that lasts at NOW."""
FLEET = {"orders": {"job": "orders"}, "users": {"job": "users"}}
GAUGE = FleetQuery("depth", signal(form="gauge", metric="queue.depth"), FLEET)
RATE = FleetQuery("rate", signal(form="rate", metric="requests", window="5m"), FLEET)


def source(server: Server) -> DatadogSource:
    keys = {"api_key": KEYS["dd-api-key"], "application_key": KEYS["dd-application-key"]}
    return DatadogSource("dd", server.url, **keys)


def points(row: dict[float, float | None], tag: str = "service:orders") -> Callable[[str], Points]:
    return lambda _: {(tag,): row}


async def values(answer: Callable[[str], Points], query: FleetQuery = GAUGE) -> dict[str, float]:
    with datadog(answer) as server:
        return {sample.service: sample.value for sample in await source(server).instant(query, NOW)}


async def test_a_fleet_is_one_query_grouped_by_service() -> None:
    with datadog(lambda _: {}) as server:
        assert await source(server).instant(RATE, NOW) == []
    (asked,) = server.asked
    assert asked.query["query"] == (
        "sum:requests{service IN (orders,users)} by {service}.as_rate().rollup(sum, 300)"
    )
    assert (int(asked.query["from"]), int(asked.query["to"])) == (
        BEGIN // 300 * 300 - 300,
        BEGIN // 300 * 300,
    )


async def test_an_instant_is_that_of_the_last_interval_that_has_ended() -> None:
    row: dict[float, float | None] = {BEGIN - 120: 1.0, BEGIN - 60: 2.0, BEGIN: 3.0}
    assert await values(points(row)) == {"orders": 2.0}


async def test_a_gauge_that_went_silent_is_gone_after_five_minutes() -> None:
    assert await values(points({BEGIN - 300: 4.0})) == {"orders": 4.0}
    assert await values(points({BEGIN - 360: 4.0})) == {}


async def test_intervals_without_a_value_and_services_of_others_are_no_samples() -> None:
    assert await values(points({BEGIN - 60: None, BEGIN - 120: 1.0})) == {"orders": 1.0}
    assert await values(points({BEGIN - 60: 1.0}, "service:another")) == {}


async def test_a_range_lies_on_the_times_that_were_asked() -> None:
    row: dict[float, float | None] = {BEGIN - 60 * i: float(i) for i in range(1, 11)} | {BEGIN - 300: None}
    with datadog(points(row)) as server:
        (series,) = await source(server).range(GAUGE, BEGIN - 240, BEGIN, 30)
    assert len(series.times) == 9
    assert [v for v in series.values if not math.isnan(v)] == [4.0, 4.0, 3.0, 3.0, 2.0, 2.0, 1.0]
    assert math.isnan(series.values[0])


async def test_more_points_than_datadog_keeps_apart_are_asked_in_parts() -> None:
    with datadog(points({BEGIN - 60: 1.0})) as server:
        (series,) = await source(server).range(GAUGE, BEGIN - 86_400, BEGIN, 600)
    assert series.values[-1] == 1.0
    spans = [(int(a.query["from"]), int(a.query["to"])) for a in server.asked]
    assert len(spans) == 2
    assert spans[0][1] == spans[1][0]
    assert max(last - first for first, last in spans) == 60_000


async def test_other_keys_are_refused_and_not_shown() -> None:
    with datadog(points({})) as server, pytest.raises(SourceError) as caught:
        await DatadogSource("dd", server.url, api_key="wrong-key", application_key="k").instant(GAUGE, NOW)
    told = f"dd: {server.url}/api/v1/query: depth: HTTP 403: "
    assert str(caught.value).startswith(told)
    assert "wrong-key" not in str(caught.value)


async def test_a_limit_of_questions_is_kept_until_it_is_reset() -> None:
    def limited(_: Asked) -> Reply:
        return Reply(
            429, {"errors": ["Rate limit"]}, {"x-ratelimit-reset": "37", "x-ratelimit-remaining": "0"}
        )

    with serve(limited) as server:
        subject = source(server)
        with pytest.raises(SourceError, match=r"HTTP 429: .*Rate limit.*; it is asked too often"):
            await subject.instant(GAUGE, NOW)
        with pytest.raises(SourceError, match=r"depth: asked too often; not asked again for 3\d s"):
            await subject.instant(GAUGE, NOW)
    assert len(server.asked) == 1


async def test_a_query_that_failed_is_an_error_and_no_empty_answer() -> None:
    failure = Reply(200, {"status": "error", "error": "Query took too long"})
    told = "depth: Datadog: Query took too long"
    with serve(lambda _: failure) as server, pytest.raises(SourceError, match=told):
        await source(server).instant(GAUGE, NOW)


async def test_what_datadog_cannot_say_is_said_before_anything_is_asked() -> None:
    query = FleetQuery("custom", signal(form="expr", expr="up"), FLEET)
    with datadog(lambda _: {}) as server, pytest.raises(SourceError, match="Datadog cannot answer 'custom'"):
        await source(server).instant(query, NOW)
    assert server.asked == []


async def test_the_catalog_names_the_site_or_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A", KEYS["dd-api-key"])
    monkeypatch.setenv("B", KEYS["dd-application-key"])
    text = (
        "name: t\nsources: {dd: {type: datadog, api_key: {env: A}, application_key: {env: B}, url: 'URL'}}\n"
    )
    text += "services: {orders: {kind: otel-http}}\n"
    with datadog(points({BEGIN - 60: 2.0})) as server:
        sources = open_sources(loads(text.replace("URL", server.url)), None)
        assert [sample.value for sample in await sources.instant(GAUGE, NOW)] == [2.0]
        await sources.aclose()
