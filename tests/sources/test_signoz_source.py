"""SigNoz over HTTP: what it is asked, and what is made of its answers. The fake keeps its contract."""

import asyncio
import math
from typing import Any

import numpy as np
import pytest

from bongsu.catalog import fleet_queries, loads, resolve
from bongsu.signals.query import FleetQuery
from bongsu.sources.base import Edge, SourceError
from bongsu.sources.signoz import SignozSource
from bongsu.sources.signoz.http import HttpInterface
from bongsu.sources.signoz.rows import nanoseconds
from tests.signals import signoz_evaluator as evaluator
from tests.sources.fakes.otlp import Recorded
from tests.sources.fakes.server import Asked, Reply, Server, serve
from tests.sources.fakes.signoz import KEY, SPEC, Record, Signoz, signoz
from tests.sources.generated import signal

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(
        not SPEC.exists(), reason=f"CONTRACT NOT CHECKED: SigNoz's openapi.yml is not at {SPEC}"
    ),
]

NOW = 1_700_000_400.0
FLEET = {"orders": {"job": "orders"}, "users": {"job": "users"}}
CATALOG = """
name: team
sources: {signoz: {type: signoz, url: "http://127.0.0.1:1", token: {env: KEY}}}
defaults: {window: 15m}
services:
  orders: {kind: otel-http}
  users: {kind: otel-http, thresholds: {latency_p95: {P2: "> 1s"}}}
"""


def source(server: Server, **options: Any) -> SignozSource:
    return SignozSource("signoz", HttpInterface("signoz", server.url, **{"token": KEY, **options}))


def queries() -> list[FleetQuery]:
    return fleet_queries(resolve(loads(CATALOG)).values())


def requests(
    service: str, count: int, *, failed: int = 0, end: float = NOW, seconds: float = 900
) -> list[Recorded]:
    """``count`` server spans evenly over the ``seconds`` before ``end``, a tenth of a second each."""
    first = sum(map(ord, service)) * 10**6
    return [
        Recorded(
            first + i,
            1,
            service,
            end - seconds * (i + 0.5) / count,
            error=i < failed,
            attributes={"http.route": "/orders"},
        )
        for i in range(count)
    ]


def counter(service: str, per_minute: float, *, minutes: int = 40) -> evaluator.Series:
    times = np.arange(NOW - minutes * 60, NOW + 1, 30) * 1000
    values = np.arange(len(times)) * per_minute / 2
    return evaluator.Series("jobs_total", {"service.name": service}, times.astype(int), values)


async def values(asked: SignozSource, query: FleetQuery) -> dict[str, float]:
    return {sample.service: sample.value for sample in await asked.instant(query, NOW)}


async def test_a_metric_of_the_whole_fleet_is_one_request() -> None:
    stored = Signoz(series=[counter("orders", 60), counter("users", 6)])
    query = FleetQuery("jobs", signal(form="rate", metric="jobs_total"), FLEET)
    with signoz(stored) as server:
        found = await values(source(server), query)
    assert server.paths() == ["/api/v5/query_range"]
    assert found == {"orders": pytest.approx(1.0), "users": pytest.approx(0.1)}


async def test_services_are_told_by_what_their_job_became_in_opentelemetry() -> None:
    with signoz(Signoz(series=[counter("orders", 60)])) as server:
        await values(source(server), FleetQuery("jobs", signal(form="rate", metric="jobs_total"), FLEET))
    spec = server.asked[0].json()["compositeQuery"]["queries"][0]["spec"]
    assert spec["filter"]["expression"] == "service.name IN ('orders', 'users')"


async def test_a_round_of_the_watch_reads_requests_errors_and_latency_with_two_requests() -> None:
    stored = Signoz(spans=[*requests("orders", 900, failed=90), *requests("users", 450)])
    wanted = [q for q in queries() if q.signal.form in ("rate", "ratio", "quantile")]
    assert len(wanted) > 5
    with signoz(stored) as server:
        asked = source(server)
        answers = await asyncio.gather(*(values(asked, query) for query in wanted))
        await asked.aclose()
    found: dict[str, dict[str, float]] = {}
    for query, answer in zip(wanted, answers, strict=True):
        found.setdefault(query.name, {}).update(answer)
    assert found["request_rate"] == {"orders": pytest.approx(1.0), "users": pytest.approx(0.5)}
    assert found["error_ratio"] == {"orders": pytest.approx(0.1), "users": 0.0}
    assert found["latency_p95"] == {"orders": pytest.approx(0.1), "users": pytest.approx(0.1)}
    # Requests count wherever they went; errors and latency without health checks.
    assert len(server.asked) == 2


async def test_a_route_that_signoz_has_never_seen_excludes_nothing() -> None:
    spans = [Recorded(i, 1, "orders", NOW - 1 - i, error=i < 30) for i in range(1, 601)]
    (query,) = [q for q in queries() if q.name == "error_ratio"]
    with signoz(Signoz(spans=spans, attributes=frozenset())) as server:
        asked = source(server)
        assert await values(asked, query) == {"orders": pytest.approx(29 / 600)}
        await asked.instant(query, NOW + 1)
        await asked.aclose()
    assert len(server.asked) == 3, "refused once, then asked without; the next round knows"


async def test_too_little_traffic_has_no_error_ratio() -> None:
    (query,) = [q for q in queries() if q.name == "error_ratio"]
    with signoz(Signoz(spans=requests("orders", 80, failed=80))) as server:
        assert await values(source(server), query) == {}


async def test_a_range_of_spans_adds_up_the_window_before_each_time() -> None:
    rate = signal(form="rate", metric="http_server_request_duration_seconds_count", window="5m")
    spans = [Recorded(i, 1, "orders", NOW - 3600 + i * 2) for i in range(1800)]
    with signoz(Signoz(spans=spans)) as server:
        (series,) = await source(server).range(FleetQuery("rate", rate, FLEET), NOW - 1800, NOW, 60)
    assert list(series.times) == [NOW - 1800 + 60 * i for i in range(31)]
    assert series.values == pytest.approx([0.5] * 31)
    assert len(server.asked) == 1


async def test_a_range_lies_on_the_times_that_were_asked() -> None:
    query = FleetQuery("jobs", signal(form="rate", metric="jobs_total", window="5m"), FLEET)
    with signoz(Signoz(series=[counter("orders", 60)])) as server:
        (series,) = await source(server).range(query, NOW - 603.7, NOW - 3.7, 43.373)
    assert series.times[1] - series.times[0] == pytest.approx(43.373)
    assert len(series.times) == 14
    assert series.values == pytest.approx([1.0] * 14)


async def test_a_time_without_points_is_a_gap() -> None:
    gauge = evaluator.Series(
        "depth",
        {"service.name": "orders"},
        np.array([NOW - 590, NOW - 30]).astype(int) * 1000,
        np.array([1.0, 2.0]),
    )
    query = FleetQuery("depth", signal(form="gauge", metric="depth"), FLEET)
    with signoz(Signoz(series=[gauge])) as server:
        (series,) = await source(server).range(query, NOW - 600, NOW, 60)
    assert [v for v in series.values if not math.isnan(v)] == [1.0, 2.0]


async def test_logs_come_in_pages_newest_kept_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bongsu.sources.signoz.source.PAGE", 4)
    logs = [Record(round((NOW - 100 + i) * 1e9), "orders", f"line {i}", "INFO", 9) for i in range(10)]
    with signoz(Signoz(logs=[*logs, Record(round(NOW * 1e9), "orders", "later")])) as server:
        found = await source(server).logs(["orders"], NOW - 100, NOW, errors_only=False, limit=6)
    assert [record.body for record in found] == [f"line {i}" for i in range(4, 10)]
    assert [asked.json()["compositeQuery"]["queries"][0]["spec"]["limit"] for asked in server.asked] == [4, 2]


async def test_errors_are_told_by_number_by_word_and_by_what_they_say() -> None:
    at = round((NOW - 10) * 1e9)
    logs = [
        Record(at, "orders", "no stock", "", 17),
        Record(at + 1, "orders", "Traceback (most recent call last)"),
        Record(at + 2, "orders", "0 errors found", "INFO", 9),
        Record(at + 3, "orders", {"message": "payment error"}, "FATAL"),
        Record(at + 4, "users", "ERROR of another"),
        Record(at + 5, "orders", "all well", "INFO"),
    ]
    with signoz(Signoz(logs=logs)) as server:
        found = await source(server).logs(["orders"], NOW - 60, NOW, errors_only=True, limit=10)
    assert [(record.severity, record.body) for record in found] == [
        ("ERROR", "no stock"),
        ("ERROR", "Traceback (most recent call last)"),
        ("FATAL", '{"message": "payment error"}'),
    ]
    assert found[0].time == pytest.approx(NOW - 10)


def shop(trace: int = 7, at: float = NOW - 30) -> list[Recorded]:
    route = {"http.route": "/orders", "server.address": "users"}
    return [
        Recorded(trace, 1, "orders", at, 0.5, attributes=route),
        Recorded(trace, 2, "orders", at + 0.1, 0.3, parent=1, kind="client", attributes=route),
        Recorded(trace, 3, "users", at + 0.15, 0.2, parent=2, error=True),
    ]


async def test_spans_are_whole_traces_failed_ones_among_them() -> None:
    quiet = [span for i in range(20, 60) for span in shop(i, NOW - 20 + i / 10)]
    fine = [Recorded(s.trace, s.span, s.service, s.start, s.duration, s.parent, kind=s.kind) for s in quiet]
    with signoz(Signoz(spans=[*shop(7), *fine])) as server:
        found = await source(server).spans(NOW - 60, NOW, services=["orders", "users"], limit=24)
    traces = {span.trace_id for span in found}
    assert f"{7:032x}" in traces, "the only failed one, though not among the newest"
    assert 1 < len(traces) <= 24 // 3
    assert all(sum(span.trace_id == trace for span in found) == 3 for trace in traces)
    client = next(span for span in found if span.kind == "client" and span.trace_id == f"{7:032x}")
    assert (client.peer, client.parent_id, client.duration) == ("users", f"{1:016x}", pytest.approx(0.3))
    failed = next(span for span in found if span.error)
    assert (failed.service, failed.attributes["status.message"]) == ("users", "boom")


async def test_a_trace_has_what_its_spans_say_of_themselves() -> None:
    with signoz(Signoz(spans=shop())) as server:
        asked = source(server)
        found = await asked.trace("7")
        assert await asked.trace("8") == []
    assert [span.span_id for span in found] == [f"{i:016x}" for i in (1, 2, 3)]
    assert found[0].attributes["http.route"] == "/orders"
    assert found[0].attributes["service.version"] == "1.2"
    assert found[0].start == pytest.approx(NOW - 30)


async def test_a_signoz_without_the_waterfall_is_searched_for_the_trace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bongsu.sources.signoz.source.time.time", lambda: NOW)
    stored = Signoz(spans=shop())

    def older(asked: Asked) -> Reply:
        if "waterfall" in asked.path:
            return Reply(200, b"<!doctype html>", {"content-type": "text/html"})
        return Reply(200, stored.query_range(asked.json()))

    with serve(older) as server:
        assert len(await source(server).trace("7")) == 3


async def test_who_calls_whom() -> None:
    with signoz(Signoz(spans=shop())) as server:
        found = await source(server).topology(NOW - 60, NOW)
    assert found == [Edge("orders", "users", 1.0)]
    assert server.asked[0].json()["start"] == "1700000340000000000"


async def test_another_key_is_refused_and_not_shown() -> None:
    with signoz(Signoz()) as server, pytest.raises(SourceError) as caught:
        await source(server, token="a-wrong-key").logs([], 0, NOW, errors_only=False, limit=1)
    told = "logs: HTTP 401: invalid api key; check the token of the source"
    assert str(caught.value) == f"signoz: {server.url}/api/v5/query_range: {told}"


async def test_what_signoz_cannot_say_is_said_before_anything_is_asked() -> None:
    query = FleetQuery("custom", signal(form="expr", expr="up"), FLEET)
    with (
        signoz(Signoz()) as server,
        pytest.raises(SourceError, match="signoz: custom: SigNoz cannot answer 'custom'"),
    ):
        await source(server).instant(query, NOW)
    assert server.asked == []


async def test_what_was_asked_at_the_same_time_fails_together_and_is_asked_again() -> None:
    answers = iter([Reply(400, {"status": "error", "error": {"message": "no"}})])
    stored = Signoz(spans=requests("orders", 900))

    def once(asked: Asked) -> Reply:
        return next(answers, None) or Reply(200, stored.query_range(asked.json()))

    (query,) = [q for q in queries() if q.name == "request_rate"]
    with serve(once) as server:
        asked = source(server)
        both = await asyncio.gather(
            asked.instant(query, NOW), asked.instant(query, NOW), return_exceptions=True
        )
        assert [type(answer) for answer in both] == [SourceError, SourceError]
        assert len(await asked.instant(query, NOW)) == 1
        await asked.aclose()
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("text", "nanos"),
    [
        ("2023-11-14T22:20:00.123456789Z", 1_700_000_400_123_456_789),
        ("2023-11-15T07:20:00+09:00", 1_700_000_400_000_000_000),
        ("2023-11-14T22:20:00.5Z", 1_700_000_400_500_000_000),
    ],
)
def test_times_keep_their_nanoseconds(text: str, nanos: int) -> None:
    assert nanoseconds(text) == nanos
