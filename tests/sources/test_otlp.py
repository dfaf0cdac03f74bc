"""OTLP/HTTP as exporters send it: both encodings, every kind of metric, and everything that can be wrong."""

import asyncio
import gzip
import json
import time
from typing import Any

import duckdb
import httpx2
import pytest
from fastapi import Depends, FastAPI, HTTPException
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from bongsu.sources.base import LogRecord, Span
from bongsu.sources.embedded import EmbeddedStore, otlp_router
from bongsu.sources.embedded.otlp_names import label_name, metric_name
from bongsu.sources.embedded.otlp_records import severity
from bongsu.sources.embedded.records import read_logs, read_spans

T = 1_700_000_000
NANO = 10**9
PROTOBUF, JSON = {"content-type": "application/x-protobuf"}, {"content-type": "application/json"}


@pytest.fixture
def store():
    store = EmbeddedStore(None, 1e12, 2**30)
    yield store
    store.close()


def send(store: EmbeddedStore, *requests: tuple[str, bytes, dict], **options: Any) -> list[httpx2.Response]:
    app = FastAPI()
    app.include_router(otlp_router(store, **options))

    async def run() -> list[httpx2.Response]:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://b") as client:
            return [
                await client.post(path, content=body, headers=headers) for path, body, headers in requests
            ]

    return asyncio.run(run())


def attributes(**pairs: Any) -> list[dict]:
    kinds = {str: "stringValue", bool: "boolValue", int: "intValue", float: "doubleValue"}
    return [{"key": k.replace("__", "."), "value": {kinds[type(v)]: v}} for k, v in pairs.items()]


RESOURCE = {
    "attributes": attributes(
        service__name="orders", service__namespace="shop", service__instance__id="i1", service__version="1.2"
    )
}


def metrics(*found: dict, resource: dict = RESOURCE) -> dict:
    return {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": list(found)}]}]}


def send_metrics(store: EmbeddedStore, *bodies: dict) -> list[dict]:
    responses = send(store, *(("/v1/metrics", json.dumps(body).encode(), JSON) for body in bodies))
    assert [r.status_code for r in responses] == [200] * len(bodies)
    return [r.json() for r in responses]


def series(store: EmbeddedStore) -> dict:
    """``name{labels without job and instance}`` → [(seconds after T, value)]."""
    sql = "SELECT metric, labels, ts / 1000 - $t, value FROM samples JOIN series USING (series) ORDER BY ts"
    found: dict = {}
    for metric, labels, at, value in store.query(sql, {"t": T}):
        own = ",".join(f"{k}={v}" for k, v in labels.items() if k not in ("job", "instance"))
        found.setdefault(f"{metric}{{{own}}}", []).append((at, value))
    found.pop("target_info{service_version=1.2}", None)
    return found


def at(seconds: float) -> dict:
    return {"timeUnixNano": str(round((T + seconds) * NANO))}


@pytest.mark.parametrize(
    ("name", "unit", "kind", "expected"),
    [
        ("http.server.duration", "ms", "", "http_server_duration_milliseconds"),
        ("http.server.request.duration", "s", "", "http_server_request_duration_seconds"),
        ("http.server.requests", "{request}", "counter", "http_server_requests_total"),
        ("requests_total", "1", "counter", "requests_total"),
        ("requests.total.count", "", "counter", "requests_count_total"),
        ("system.cpu.utilization", "1", "gauge", "system_cpu_utilization_ratio"),
        ("process.memory.usage", "By", "gauge", "process_memory_usage_bytes"),
        ("disk.io", "By", "counter", "disk_io_bytes_total"),
        ("network.io", "By/s", "gauge", "network_io_bytes_per_second"),
        ("queue.rate", "{job}/m", "gauge", "queue_rate_per_minute"),
        ("temperature", "Cel", "gauge", "temperature_celsius"),
        ("usage", "%", "gauge", "usage_percent"),
        ("memory_bytes", "By", "gauge", "memory_bytes"),
        ("(lambda).function.executions(#)", "", "", "lambda_function_executions"),
        ("2xx", "", "", "_2xx"),
        ("a", "widgets", "", "a_widgets"),
        ("한글", "", "", ""),
    ],
)
def test_names_are_translated_as_prometheus_does(name: str, unit: str, kind: str, expected: str) -> None:
    assert metric_name(name, unit, counter=kind == "counter", gauge=kind == "gauge") == expected


def test_label_names_are_made_valid() -> None:
    assert [label_name(name) for name in ("http.route", "2xx", "_x", "__x", "a-b")] == [
        "http_route",
        "key_2xx",
        "key_x",
        "__x",
        "a_b",
    ]


def test_a_resource_becomes_job_instance_and_target_info(store: EmbeddedStore) -> None:
    point = at(1) | {"asInt": "5", "attributes": attributes(http__route="/a", job="mine")}
    send_metrics(store, metrics({"name": "g", "gauge": {"dataPoints": [point]}}))
    rows = dict(store.query("SELECT metric, labels FROM series"))
    base = {"job": "shop/orders", "instance": "i1"}
    assert rows == {"g": base | {"http_route": "/a"}, "target_info": base | {"service_version": "1.2"}}


def test_sums_and_gauges(store: EmbeddedStore) -> None:
    send_metrics(
        store,
        metrics(
            {
                "name": "c",
                "sum": {
                    "isMonotonic": True,
                    "aggregationTemporality": 2,
                    "dataPoints": [at(1) | {"asDouble": 2.5}],
                },
            },
            {"name": "u", "sum": {"aggregationTemporality": 2, "dataPoints": [at(1) | {"asInt": "-3"}]}},
            {
                "name": "g",
                "unit": "1",
                "gauge": {"dataPoints": [at(1) | {"asDouble": 0.5}, at(2) | {"flags": 1}]},
            },
        ),
    )
    assert series(store) == {
        "c_total{}": [(1, 2.5)],
        "u{}": [(1, -3)],
        "g_ratio{}": [(1, 0.5), (2, None)],
    }
    assert store.metadata("c_total").type == "counter"


def test_delta_sums_are_added_up_and_a_repeated_request_changes_nothing(store: EmbeddedStore) -> None:
    def delta(second: int, value: int) -> dict:
        point = at(second) | {"asInt": str(value)}
        return metrics(
            {"name": "c", "sum": {"isMonotonic": True, "aggregationTemporality": 1, "dataPoints": [point]}}
        )

    send_metrics(store, delta(1, 5), delta(2, 7), delta(2, 7), delta(3, 1))
    assert series(store) == {"c_total{}": [(1, 5), (2, 12), (3, 13)]}


def test_delta_state_is_untouched_when_the_write_fails(store: EmbeddedStore, monkeypatch) -> None:
    from bongsu.sources.embedded import Receiver

    receiver, append, failures = Receiver(store), store.append_samples, [1]

    def failing(*arguments: Any) -> int:
        if failures:
            failures.pop()
            raise duckdb.IOException("disk full")
        return append(*arguments)

    monkeypatch.setattr(store, "append_samples", failing)
    point = at(1) | {"asInt": "5"}
    body = metrics(
        {"name": "c", "sum": {"isMonotonic": True, "aggregationTemporality": 1, "dataPoints": [point]}}
    )
    request = json_format.ParseDict(body, ExportMetricsServiceRequest())
    with pytest.raises(duckdb.IOException):
        receiver.metrics(request)
    receiver.metrics(request)
    assert series(store) == {"c_total{}": [(1, 5)]}


def test_explicit_histograms_become_classic_buckets(store: EmbeddedStore) -> None:
    def histogram(temporality: int) -> dict:
        points = [
            at(i) | {"count": "6", "sum": 4.5, "bucketCounts": ["1", "2", "3"], "explicitBounds": [0.5, 10]}
            for i in (1, 2)
        ]
        name = "cumulative" if temporality == 2 else "delta"
        return {
            "name": name,
            "unit": "s",
            "histogram": {"aggregationTemporality": temporality, "dataPoints": points},
        }

    send_metrics(store, metrics(histogram(2), histogram(1)))
    found = series(store)
    assert found["cumulative_seconds_bucket{le=0.5}"] == [(1, 1), (2, 1)]
    assert found["cumulative_seconds_bucket{le=10}"] == [(1, 3), (2, 3)]
    assert found["cumulative_seconds_bucket{le=+Inf}"] == [(1, 6), (2, 6)]
    assert found["cumulative_seconds_sum{}"] == [(1, 4.5), (2, 4.5)]
    assert found["delta_seconds_bucket{le=10}"] == [(1, 3), (2, 6)]
    assert found["delta_seconds_count{}"] == [(1, 6), (2, 12)]


def exponential(scale: int, offset: int, counts: list[int], second: int, **more: Any) -> dict:
    point = at(second) | {
        "count": str(sum(counts) + more.get("zeroCount", 0)),
        "sum": 1.0,
        "scale": scale,
        "positive": {"offset": offset, "bucketCounts": [str(c) for c in counts]},
        **more,
    }
    return metrics(
        {"name": "h", "exponentialHistogram": {"aggregationTemporality": 2, "dataPoints": [point]}}
    )


def test_exponential_histograms_become_buckets_on_a_ladder_of_root_two(store: EmbeddedStore) -> None:
    # Scale 3 has eight buckets to a power of two: (1, 2] holds 8 of them, four to each rung.
    send_metrics(store, exponential(3, 0, [1] * 8, 1, zeroCount=2))
    found = series(store)
    assert found.pop("h_bucket{le=1.4142135623730951}") == [(1, 6)]
    assert found.pop("h_bucket{le=2}") == [(1, 10)]
    assert found.pop("h_bucket{le=+Inf}") == [(1, 10)]
    assert sorted(found) == ["h_count{}", "h_sum{}"]


def test_the_ladder_only_widens(store: EmbeddedStore) -> None:
    send_metrics(store, exponential(1, 0, [5], 1), exponential(1, 2, [5], 2), exponential(1, 0, [7], 3))
    found = series(store)
    assert found["h_bucket{le=1.4142135623730951}"] == [(1, 5), (2, 0), (3, 7)]
    assert found["h_bucket{le=2.8284271247461903}"] == [(2, 5), (3, 7)]


@pytest.mark.parametrize(
    ("scale", "offset"), [(20, 2**31 - 1), (20, -(2**31)), (-10, 2**30), (-(2**31), 5), (0, -(2**31))]
)
def test_absurd_exponential_histograms_cost_little(store: EmbeddedStore, scale: int, offset: int) -> None:
    send_metrics(store, exponential(0, 0, [1], 1), exponential(scale, offset, [1, 1], 2))
    assert len(series(store)) < 200


def test_summaries_keep_their_quantiles(store: EmbeddedStore) -> None:
    point = at(1) | {"count": "4", "sum": 8, "quantileValues": [{"quantile": 0.5, "value": 2}]}
    send_metrics(store, metrics({"name": "s", "summary": {"dataPoints": [point]}}))
    assert series(store) == {"s{quantile=0.5}": [(1, 2)], "s_sum{}": [(1, 8)], "s_count{}": [(1, 4)]}


def test_what_cannot_be_used_is_counted_in_the_answer(store: EmbeddedStore) -> None:
    sound = {"name": "g", "gauge": {"dataPoints": [at(1) | {"asInt": "1"}]}}
    vague = {"name": "v", "sum": {"dataPoints": [at(1) | {"asInt": "1"}] * 2}}
    empty = {"name": "e"}
    first, again = send_metrics(store, metrics(sound, vague, empty), metrics(sound))
    assert first["partialSuccess"]["rejectedDataPoints"] == "3"
    assert "does not say its temporality" in first["partialSuccess"]["errorMessage"]
    assert again["partialSuccess"]["rejectedDataPoints"] == "1"
    assert series(store) == {"g{}": [(1, 1)]}


SPAN = {
    "traceId": "5B8EFFF798038103D269B633813FC60C",
    "spanId": "EEE19B7EC3C1B174",
    "parentSpanId": "EEE19B7EC3C1B173",
    "name": "POST /pay",
    "kind": 3,
    "startTimeUnixNano": str(T * NANO),
    "endTimeUnixNano": str(T * NANO + 250_000_000),
    "attributes": attributes(server__address="pay", server__port=8080, ok=True),
    "events": [{"name": "exception", "attributes": attributes(exception__type="TimeoutError")}],
    "status": {"code": 2, "message": "timed out"},
}


def traces(*spans: dict) -> dict:
    return {"resourceSpans": [{"resource": RESOURCE, "scopeSpans": [{"spans": list(spans)}]}]}


EXPECTED = Span(
    trace_id="5b8efff798038103d269b633813fc60c",
    span_id="eee19b7ec3c1b174",
    parent_id="eee19b7ec3c1b173",
    service="orders",
    operation="POST /pay",
    kind="client",
    start=float(T),
    duration=0.25,
    error=True,
    peer="pay:8080",
    attributes={
        "service.version": "1.2",
        "service.instance.id": "i1",
        "service.namespace": "shop",
        "server.address": "pay",
        "server.port": "8080",
        "ok": "true",
        "exception.type": "TimeoutError",
        "status.message": "timed out",
    },
)


def test_json_spans_have_hex_ids(store: EmbeddedStore) -> None:
    (response,) = send(store, ("/v1/traces", json.dumps(traces(SPAN)).encode(), JSON))
    assert (response.status_code, response.json(), response.headers["content-type"]) == (
        200,
        {},
        "application/json",
    )
    assert read_spans(store, (), T - 1, T + 1, 9) == [EXPECTED]


def protobuf_traces(*spans: dict) -> bytes:
    request = ExportTraceServiceRequest()
    for span in spans:
        raw = {k: v for k, v in span.items() if not k.endswith("Id")}
        json_format.ParseDict(traces(raw), parsed := ExportTraceServiceRequest())
        target = parsed.resource_spans[0].scope_spans[0].spans[0]
        target.trace_id, target.span_id = bytes.fromhex(span["traceId"]), bytes.fromhex(span["spanId"])
        target.parent_span_id = bytes.fromhex(span["parentSpanId"])
        request.MergeFrom(parsed)
    return request.SerializeToString()


def test_protobuf_and_gzip_say_the_same(store: EmbeddedStore) -> None:
    body = gzip.compress(protobuf_traces(SPAN), mtime=0)
    headers = PROTOBUF | {"content-encoding": "gzip"}
    (response,) = send(
        store, ("/v1/traces", body, headers), resolve_peer=lambda peer: peer.partition(":")[0] + "ment"
    )
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-type"] == "application/x-protobuf"
    (span,) = read_spans(store, (), T - 1, T + 1, 9)
    assert (span.trace_id, span.peer) == (EXPECTED.trace_id, "payment")


def test_spans_without_ids_are_left_out_and_counted(store: EmbeddedStore) -> None:
    (response,) = send(store, ("/v1/traces", protobuf_traces(SPAN, SPAN | {"spanId": "00" * 8}), PROTOBUF))
    answer = ExportTraceServiceResponse.FromString(response.content)
    assert answer.partial_success.rejected_spans == 1
    assert len(read_spans(store, (), T - 1, T + 1, 9)) == 1


@pytest.mark.parametrize(
    ("given_", "peer"),
    [
        ({"peer__service": "pay", "server__address": "x"}, "pay"),
        ({"server__address": "10.0.0.1"}, "10.0.0.1"),
        ({"net__peer__name": "db", "net__peer__port": 5432}, "db:5432"),
        ({}, ""),
    ],
)
def test_a_client_span_says_whom_it_calls(store: EmbeddedStore, given_: dict, peer: str) -> None:
    body = traces(SPAN | {"attributes": attributes(**given_)})
    send(store, ("/v1/traces", json.dumps(body).encode(), JSON))
    assert read_spans(store, (), T - 1, T + 1, 9)[0].peer == peer


def test_a_service_that_sends_only_traces_still_shows_its_version(store: EmbeddedStore) -> None:
    send(store, *[("/v1/traces", json.dumps(traces(SPAN)).encode(), JSON)] * 2)
    rows = store.query(
        "SELECT metric, labels['service_version'], ts / 1000 FROM samples JOIN series USING (series)"
    )
    ((metric, version, seen),) = rows
    assert (metric, version) == ("target_info", "1.2")
    assert abs(seen - time.time()) < 60


def test_logs(store: EmbeddedStore) -> None:
    records = [
        {
            "timeUnixNano": str(T * NANO),
            "severityNumber": 17,
            "body": {"stringValue": "failed"},
            "traceId": SPAN["traceId"],
            "spanId": SPAN["spanId"],
            "attributes": attributes(order=7),
        },
        {
            "observedTimeUnixNano": str((T + 1) * NANO),
            "severityText": "warning",
            "body": {"kvlistValue": {"values": attributes(a=1)}},
        },
    ]
    body = {"resourceLogs": [{"resource": RESOURCE, "scopeLogs": [{"logRecords": records}]}]}
    (response,) = send(store, ("/v1/logs", json.dumps(body).encode(), JSON))
    assert (response.status_code, response.json()) == (200, {})
    first, second = read_logs(store, ["orders"], T, T + 9, False, 9)
    place = {"service.version": "1.2", "service.instance.id": "i1", "service.namespace": "shop"}
    ids = (EXPECTED.trace_id, EXPECTED.span_id)
    assert first == LogRecord(float(T), "orders", "ERROR", "failed", *ids, place | {"order": "7"})
    assert (second.time, second.severity, second.body) == (T + 1, "WARN", '{"a": 1}')


@pytest.mark.parametrize(
    ("number", "words", "expected"),
    [
        (1, "", "TRACE"),
        (8, "", "DEBUG"),
        (9, "ERROR", "INFO"),
        (16, "", "WARN"),
        (20, "", "ERROR"),
        (24, "", "FATAL"),
        (0, "Critical", "FATAL"),
        (0, "error2", "ERROR"),
        (0, "notice", "INFO"),
        (0, "", "INFO"),
        (99, "WARN", "WARN"),
    ],
)
def test_severities(number: int, words: str, expected: str) -> None:
    assert severity(number, words) == expected


@pytest.mark.parametrize(
    ("body", "headers", "status", "message"),
    [
        (b"{}", {"content-type": "text/plain"}, 415, "'text/plain' is not OTLP"),
        (b"{}", {}, 415, "'(none)' is not OTLP"),
        (b"{}", JSON | {"content-encoding": "br"}, 415, "'br' is not supported"),
        (b"not gzip", JSON | {"content-encoding": "gzip"}, 400, "is not gzip"),
        (gzip.compress(b"{}" * 99, mtime=0)[:-9], JSON | {"content-encoding": "gzip"}, 400, "cut short"),
        (
            gzip.compress(b" " * 5000, mtime=0),
            JSON | {"content-encoding": "gzip"},
            413,
            "larger than 4000 bytes",
        ),
        (b" " * 5000, JSON, 413, "larger than 4000 bytes"),
        (b"{", JSON, 400, "not an OTLP ExportTraceServiceRequest"),
        (b"[1]", JSON, 400, "not an OTLP ExportTraceServiceRequest"),
        (b'{"resourceSpans": 5}', JSON, 400, "not an OTLP ExportTraceServiceRequest"),
        (json.dumps(traces(SPAN | {"traceId": "zz"})).encode(), JSON, 400, "'zz' is not a hexadecimal id"),
        (b"\xff" * 9, JSON, 400, "not an OTLP ExportTraceServiceRequest"),
        (b"[" * 3000, JSON, 400, "not an OTLP ExportTraceServiceRequest"),
    ],
)
def test_a_bad_request_is_refused_with_the_reason(
    store, body: bytes, headers: dict, status: int, message: str
) -> None:
    (response,) = send(store, ("/v1/traces", body, headers), max_bytes=4000)
    assert response.status_code == status
    assert message in response.json()["message"]
    assert store.query("FROM spans") == []


def test_a_bad_protobuf_request_is_refused_in_protobuf(store: EmbeddedStore) -> None:
    (response,) = send(store, ("/v1/metrics", b"\xff\xff", PROTOBUF))
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/x-protobuf"
    assert response.content[:3] == b"\x08\x03\x12"
    assert b"this is not an OTLP ExportMetricsServiceRequest" in response.content


def test_a_store_that_cannot_write_asks_the_exporter_to_come_again(store: EmbeddedStore) -> None:
    store.close()
    (response,) = send(store, ("/v1/traces", json.dumps(traces(SPAN)).encode(), JSON))
    assert response.status_code == 503
    assert response.headers["retry-after"] == "5"


def test_routes_are_guarded_by_what_they_are_given(store: EmbeddedStore) -> None:
    def refuse() -> None:
        raise HTTPException(401)

    (response,) = send(store, ("/v1/traces", b"{}", JSON), dependencies=[Depends(refuse)])
    assert response.status_code == 401


@given(st.binary(max_size=200))
@settings(max_examples=60, deadline=None)
def test_no_bytes_break_the_receiver(body: bytes) -> None:
    store = EmbeddedStore(None, 1e12, 2**30)
    paths = ("/v1/traces", "/v1/metrics", "/v1/logs")
    for response in send(store, *((path, body, kind) for path in paths for kind in (JSON, PROTOBUF))):
        assert response.status_code in (200, 400)
    store.close()


def test_the_opentelemetry_sdk_is_understood(store: EmbeddedStore) -> None:
    encoder = pytest.importorskip("opentelemetry.exporter.otlp.proto.common.metrics_encoder")
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.resources import Resource

    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], Resource({"service.name": "orders"}))
    meter = provider.get_meter("m")
    meter.create_counter("hits", unit="{hit}").add(3, {"route": "/a"})
    meter.create_histogram("http.server.request.duration", unit="s").record(0.2)
    request = encoder.encode_metrics(reader.get_metrics_data())
    (response,) = send(store, ("/v1/metrics", request.SerializeToString(), PROTOBUF))
    provider.shutdown()
    assert ExportMetricsServiceResponse.FromString(response.content) == ExportMetricsServiceResponse()
    rows = dict(store.query("SELECT metric, list(DISTINCT labels['job']) FROM series GROUP BY metric"))
    assert rows["hits_total"] == rows["http_server_request_duration_seconds_bucket"] == ["orders"]


def test_a_request_may_be_empty(store: EmbeddedStore) -> None:
    body = ExportLogsServiceRequest().SerializeToString()
    (response,) = send(store, ("/v1/logs", body, PROTOBUF))
    assert (response.status_code, response.content) == (200, b"")
