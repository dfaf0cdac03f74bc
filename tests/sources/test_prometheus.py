"""The Prometheus source: what it sends, and what it makes of every kind of answer."""

import asyncio
import math
from collections.abc import Callable
from urllib.parse import parse_qs

import httpx2
import pytest

from bongsu.signals.query import FleetQuery
from bongsu.sources.base import SourceError
from bongsu.sources.prometheus import PrometheusSource
from tests.sources.generated import signal

QUERY = FleetQuery("up", signal(form="presence", by=["zone"]), {"orders": {"job": "o"}, "pay": {"job": "p"}})


def source(answer: Callable | httpx2.Response, sent: list | None = None, **options) -> PrometheusSource:
    def handle(request: httpx2.Request) -> httpx2.Response:
        if sent is not None:
            form = {k: v[0] for k, v in parse_qs(request.content.decode()).items()}
            sent.append((request.method, request.url.path, form, request.headers))
        return answer(request) if callable(answer) else answer

    url = "http://user:secret@prom:9090/base"
    return PrometheusSource("main", url, transport=httpx2.MockTransport(handle), **options)


def vector(*rows: tuple[dict, str], **more) -> httpx2.Response:
    result = [{"metric": labels, "value": [1, value]} for labels, value in rows]
    return httpx2.Response(
        200, json={"status": "success", "data": {"resultType": "vector", "result": result}, **more}
    )


def test_an_instant_query_is_one_form_post() -> None:
    sent: list = []
    answer = vector(
        ({"job": "o", "zone": "z"}, "1"), ({"job": "o"}, "NaN"), ({"job": "?"}, "1"), warnings=["w"]
    )
    samples = asyncio.run(source(answer, sent, token="t").instant(QUERY, 1.5))
    ((method, path, form, headers),) = sent
    assert (method, path) == ("POST", "/base/api/v1/query")
    assert form == {"query": 'max by (job, zone) (up{job=~"o|p"})', "time": "1.500"}
    assert headers["authorization"] == "Bearer t"
    assert [(s.service, dict(s.labels)) for s in samples] == [
        ("orders", {"zone": "z"}),
        ("orders", {}),
        ("pay", {}),
    ]
    assert samples[0].value == 1
    assert math.isnan(samples[1].value)
    assert samples[2].value == 0


@pytest.mark.parametrize(("text", "value"), [("+Inf", math.inf), ("-Inf", -math.inf), ("1e-3", 0.001)])
def test_values_are_strings(text: str, value: float) -> None:
    assert asyncio.run(source(vector(({"job": "o"}, text))).instant(QUERY, 0))[0].value == value


def test_a_range_has_a_value_or_nan_at_every_step() -> None:
    row = {"metric": {"job": "o"}, "values": [[10, "1"], [30.0, "+Inf"]]}
    body = {"status": "success", "data": {"resultType": "matrix", "result": [row]}}
    sent: list = []
    subject = source(lambda request: httpx2.Response(200, json=body), sent)
    (series,) = asyncio.run(subject.range(QUERY, 10, 39, 10))
    assert series.times == [10, 20, 30]
    assert str(series.values) == "[1.0, nan, inf]"
    assert sent[0][2] | {"query": ""} == {"query": "", "start": "10.000", "end": "30.000", "step": "10.000"}


def test_more_steps_than_prometheus_allows_are_asked_in_parts() -> None:
    sent: list = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        form = parse_qs(request.content.decode())
        row = {
            "metric": {"job": "o"},
            "values": [[float(form["start"][0]), "1"], [float(form["end"][0]), "2"]],
        }
        return httpx2.Response(
            200, json={"status": "success", "data": {"resultType": "matrix", "result": [row]}}
        )

    (series,) = asyncio.run(source(answer, sent).range(QUERY, 0, 11_000, 1))
    assert [(s[2]["start"], s[2]["end"]) for s in sent] == [
        ("0.000", "10999.000"),
        ("11000.000", "11000.000"),
    ]
    assert len(series.values) == 11_001
    assert (series.values[0], series.values[10_999], series.values[11_000]) == (1, 2, 2)


def refuse(request: httpx2.Request) -> httpx2.Response:
    raise httpx2.ConnectError("connection refused")


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (refuse, "no answer: connection refused"),
        (
            httpx2.Response(400, json={"status": "error", "errorType": "bad_data", "error": "parse error"}),
            "HTTP 400: bad_data: parse error",
        ),
        (
            httpx2.Response(502, text="<html>Bad\nGateway</html>"),
            "HTTP 502, not an API answer: <html>Bad Gateway",
        ),
        (httpx2.Response(200, json=[1]), "HTTP 200, not an API answer"),
        (httpx2.Response(200, json={"status": "success", "data": None}), "without a result"),
        (
            httpx2.Response(
                200, json={"status": "success", "data": {"resultType": "string", "result": [1, "x"]}}
            ),
            "gives a string, where a vector is needed",
        ),
    ],
)
def test_errors_name_the_source_the_endpoint_and_the_query(answer, text: str) -> None:
    with pytest.raises(SourceError) as caught:
        asyncio.run(source(answer).instant(QUERY, 0))
    message = str(caught.value)
    assert message.startswith("main: http://prom:9090/base/api/v1/query: up: ")
    assert text in message
    assert "secret" not in message


def test_what_prometheus_does_not_keep_is_empty() -> None:
    subject = source(refuse)

    async def all_of_them() -> list:
        return [
            await subject.logs(["orders"], 0, 1, errors_only=False, limit=1),
            await subject.spans(0, 1, limit=1),
            await subject.trace("t"),
            await subject.changes(0, 1),
            await subject.instant(FleetQuery("q", signal(form="presence"), {}), 0),
        ]

    assert asyncio.run(all_of_them()) == [[], [], [], [], []]
