"""Each source with a backend that is down, slow, empty or lying: an error that says where and why, or an
honest empty answer; never another exception, never a value that nobody gave, never a credential."""

import asyncio
import ipaddress
import json
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bongsu.catalog import loads
from bongsu.signals.query import FleetQuery
from bongsu.sources.base import Source, SourceError
from bongsu.sources.datadog import DatadogSource
from bongsu.sources.jaeger import JaegerSource
from bongsu.sources.loki import LokiSource
from bongsu.sources.opening import OPENING, open_sources
from bongsu.sources.prometheus import PrometheusSource
from bongsu.sources.signoz import SignozSource
from bongsu.sources.signoz.http import HttpInterface
from bongsu.sources.signoz.mcp import over_http
from bongsu.sources.tempo import TempoSource
from tests.live_servers import free_port
from tests.sources.fakes.server import Asked, Reply, serve
from tests.sources.generated import signal

NOW = 1_700_000_400.0
SECRET = "s3cret-0f-the-team"
FLEET = {"orders": {"job": "orders"}}
GAUGE = FleetQuery("depth", signal(form="gauge", metric="depth"), FLEET)
SPANS = FleetQuery("rate", signal(form="rate", metric="http_server_request_duration_seconds_count"), FLEET)

Open = Callable[..., Source]
Ask = Callable[[Source], Awaitable[Any]]

OPEN: dict[str, Open] = {
    "prometheus": lambda url, **o: PrometheusSource("main", url, token=SECRET, **o),
    "loki": lambda url, **o: LokiSource("main", url, token=SECRET, **o),
    "tempo": lambda url, **o: TempoSource("main", url, token=SECRET, **o),
    "jaeger": lambda url, **o: JaegerSource("main", url, token=SECRET, **o),
    "datadog": lambda url, **o: DatadogSource("main", url, api_key=SECRET, application_key=SECRET, **o),
    "signoz": lambda url, **o: SignozSource("main", HttpInterface("main", url, token=SECRET, **o)),
    "signoz-mcp": lambda url, **o: SignozSource("main", over_http("main", url, token=SECRET, **o)),
}
ASK: dict[str, Ask] = {
    "instant": lambda s: s.instant(GAUGE, NOW),
    "instant of spans": lambda s: s.instant(SPANS, NOW),
    "range": lambda s: s.range(GAUGE, NOW - 600, NOW, 60),
    "range of spans": lambda s: s.range(SPANS, NOW - 600, NOW, 60),
    "logs": lambda s: s.logs(["orders"], NOW - 60, NOW, errors_only=True, limit=50),
    "spans": lambda s: s.spans(NOW - 60, NOW, services=["orders"], limit=50),
    "trace": lambda s: s.trace("ab" * 16),
    "topology": lambda s: s.topology(NOW - 60, NOW),
    "changes": lambda s: s.changes(NOW - 60, NOW),
}
NEEDS = {"instant": "metrics", "range": "metrics", "trace": "spans"}


def able(source: Source, question: str) -> bool:
    return NEEDS.get(question.split(" of ")[0], question) in source.capabilities


def questions(kind: str) -> list[str]:
    source = OPEN[kind]("http://127.0.0.1:1")
    return [question for question in ASK if able(source, question)]


CASES = [(kind, question) for kind in OPEN for question in questions(kind)]


async def ask(source: Source, question: str) -> Any:
    """The answer, or the SourceError in its place, which is looked through for the credential."""
    (answer,) = await asyncio.gather(ASK[question](source), return_exceptions=True)
    await source.aclose()
    if isinstance(answer, BaseException) and not isinstance(answer, SourceError):
        raise answer
    assert SECRET not in str(answer)
    return answer


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bongsu.sources.http._FIRST_WAIT", 0.01)


@pytest.mark.parametrize("kind", OPEN)
def test_what_a_source_does_not_have_it_answers_with_nothing(kind: str) -> None:
    for question in ASK:
        source = OPEN[kind]("http://127.0.0.1:1")
        if not able(source, question):
            assert asyncio.run(ask(source, question)) == []


@pytest.mark.parametrize(("kind", "question"), CASES)
def test_down(kind: str, question: str) -> None:
    url = f"http://user:{SECRET}@127.0.0.1:{free_port()}"
    told = asyncio.run(ask(OPEN[kind](url), question))
    assert isinstance(told, SourceError)
    assert str(told).startswith(f"main: http://127.0.0.1:{url.rpartition(':')[2]}/")


@contextmanager
def never() -> Iterator[str]:
    """A server that takes questions and does not answer them."""
    over = threading.Event()

    def answer(_: Asked) -> Reply:
        over.wait(30)
        return Reply(200, {})

    with serve(answer) as server:
        try:
            yield server.url
        finally:
            over.set()


@pytest.mark.parametrize(("kind", "question"), CASES)
def test_slow(kind: str, question: str) -> None:
    with never() as url:
        told = asyncio.run(ask(OPEN[kind](url, timeout=0.2), question))
    assert isinstance(told, SourceError)
    assert "no answer within 0.2 s" in str(told) or "timed out" in str(told)
    assert url in str(told)


EMPTY: dict[str, Any] = {
    "prometheus": None,
    "loki": {"status": "success", "data": {"resultType": "streams", "result": []}},
    "tempo": {},
    "jaeger": {"services": [], "dependencies": [], "result": {}},
    "datadog": {"status": "ok", "series": []},
    "signoz": None,
}


@pytest.mark.parametrize(("kind", "question"), [case for case in CASES if case[0] in EMPTY])
def test_empty(kind: str, question: str) -> None:
    def answer(asked: Asked) -> Reply:
        if kind == "prometheus":
            what = "matrix" if asked.path.endswith("query_range") else "vector"
            return Reply(200, {"status": "success", "data": {"resultType": what, "result": []}})
        if kind == "signoz":
            if "dependency" in asked.path:
                return Reply(200, [])
            if "waterfall" in asked.path:
                return Reply(404, {"status": "error", "error": {"message": "trace not found"}})
            return Reply(200, {"status": "success", "data": {"type": "raw", "data": {"results": None}}})
        return Reply(200, EMPTY[kind])

    with serve(answer) as server:
        assert asyncio.run(ask(OPEN[kind](server.url), question)) == []


REFUSING = [
    Reply(200, b"<!doctype html><title>Sign in</title>", {"content-type": "text/html"}),
    Reply(200, b""),
    Reply(200, b"[" * 100_000),
    Reply(200, [1, 2]),
    Reply(302, b"", {"location": "https://login.example.com"}),
    Reply(401, {"error": {"message": f"the key {SECRET} is not known"}}),
    Reply(403, f"Bearer {SECRET} may not".encode()),
    Reply(500, {"message": "boom"}),
    Reply(429, b"slow down", {"retry-after": "60"}),
]


@pytest.mark.parametrize("reply", REFUSING, ids=lambda reply: f"{reply.status}-{str(reply.document)[:12]}")
@pytest.mark.parametrize(("kind", "question"), CASES)
def test_a_refusal_or_another_page_is_an_error_that_says_where(
    kind: str, question: str, reply: Reply
) -> None:
    with serve(lambda _: reply) as server:
        told = asyncio.run(ask(OPEN[kind](server.url), question))
    assert isinstance(told, SourceError), told
    assert str(told).startswith(f"main: {server.url}/")


FORMED: dict[str, list[Any]] = {
    "prometheus": [
        {"status": "success", "data": {"resultType": kind, "result": [row]}}
        for kind in ("vector", "matrix")
        for row in (1, {"metric": 1}, {"metric": {}, "value": [1, 2]}, {"metric": {}, "values": [[1]]})
    ],
    "loki": [
        {"status": "success", "data": {"resultType": "streams", "result": result}}
        for result in (None, [1], [{"stream": {}}], [{"stream": {}, "values": [["x", "y"]]}])
    ],
    "tempo": [
        {"traces": [1]},
        {"traces": [{"traceID": "ab" * 16}], "trace": {"resourceSpans": [{"scopeSpans": 1}]}},
        {"traces": [{"traceID": "../x"}], "trace": {"resourceSpans": [{"resource": []}]}},
    ],
    "jaeger": [
        {"services": 1, "dependencies": [{}], "result": {"resourceSpans": [{"scopeSpans": "x"}]}},
        {"services": ["a"], "dependencies": [{"parent": "a"}], "result": {"resourceSpans": {"a": 1}}},
    ],
    "datadog": [
        {"status": "ok", "series": series}
        for series in (
            1,
            [1],
            [{"pointlist": 1}],
            [{"pointlist": [[1, "x"]]}],
            [{"tag_set": 1, "pointlist": []}],
        )
    ],
    "signoz": [
        {"status": "success", "data": {"data": {"results": results}}}
        for results in (
            1,
            [1],
            [{"queryName": "R", "columns": [{"columnType": "group"}], "data": [[]]}],
            [{"queryName": "R", "aggregations": [{"series": [{"labels": [1]}]}]}],
            [{"queryName": "A", "rows": [{"timestamp": 1}]}],
            [{"queryName": "A", "rows": [{"timestamp": "x", "data": {}}]}],
        )
    ]
    + [{"status": "success"}, {"data": {}}],
}


@pytest.mark.parametrize(("kind", "question"), [case for case in CASES if case[0] in FORMED])
def test_answers_of_another_form_give_no_value(kind: str, question: str) -> None:
    for lie in FORMED[kind]:
        with serve(lambda _, lie=lie: Reply(200, lie)) as server:  # type: ignore[misc]
            told = asyncio.run(ask(OPEN[kind](server.url), question))
        assert isinstance(told, SourceError) or told == [], f"{lie}: {told}"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("status", "data", "result", "resultType", "results", "rows", "columns", "series"),
                    *("traces", "traceID", "trace", "resourceSpans", "scopeSpans", "spans", "dependencies"),
                    *("services", "stream", "values", "value", "metric", "pointlist", "tag_set", "labels"),
                    *("queryName", "aggregations", "timestamp", "callCount", "parent", "child", "error"),
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(document=JSON, case=st.sampled_from([c for c in CASES if c[0] != "signoz-mcp"]), wrapped=st.booleans())
def test_no_answer_whatever_it_is_ends_in_another_exception(
    document: Any, case: tuple[str, str], wrapped: bool
) -> None:
    kind, question = case
    body = json.dumps({"status": "success", "data": {"data": {"results": document}, "result": document}})
    text = (body if wrapped else json.dumps(document)).encode()
    with serve(lambda _: Reply(200, text)) as server:
        asyncio.run(ask(OPEN[kind](server.url), question))


@pytest.mark.parametrize(("kind", "question"), CASES)
def test_an_answer_without_end_is_cut_off(kind: str, question: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bongsu.sources.http.MAX_BYTES", 2**20)
    monkeypatch.setattr("bongsu.sources.signoz.mcp.MAX_BYTES", 2**20)
    with serve(lambda _: Reply(200, b"[" + b"1," * 2**20 + b"1]")) as server:
        told = asyncio.run(ask(OPEN[kind](server.url), question))
    assert isinstance(told, SourceError)
    assert "longer than 1 MiB" in str(told) or kind == "signoz-mcp"


@pytest.mark.parametrize("kind", [kind for kind in OPEN if kind != "signoz-mcp"])
def test_a_backend_that_is_busy_for_a_moment_is_asked_again(kind: str) -> None:
    busy = iter([Reply(503, b"starting")])

    with serve(lambda _: next(busy, None) or Reply(418, b"tea")) as server:
        told = asyncio.run(ask(OPEN[kind](server.url), questions(kind)[0]))
    assert "HTTP 418" in str(told)
    assert len(server.asked) >= 2


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for 127.0.0.1 that nobody signed but itself, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "backend")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = tmp_path_factory.mktemp("tls") / "backend.pem"
    file.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.mark.parametrize("kind", OPEN)
def test_a_certificate_is_trusted_that_ca_file_names_and_no_other(kind: str, certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serve(lambda _: Reply(418, b"tea"), tls=context) as server:
        trusting = asyncio.run(ask(OPEN[kind](server.url, ca_file=str(certificate)), questions(kind)[0]))
        asked = len(server.asked)
        doubting = asyncio.run(ask(OPEN[kind](server.url), questions(kind)[0]))
    assert asked > 0
    assert len(server.asked) == asked
    assert "HTTP 418" in str(trusting)
    assert "CERTIFICATE_VERIFY_FAILED" in str(doubting) or kind == "signoz-mcp"


@pytest.mark.parametrize("kind", [kind for kind in OPENING if kind != "datadog"])
def test_a_ca_file_that_is_not_there_is_told_when_the_source_is_asked(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", SECRET)
    spec = f"type: {kind}, url: 'https://127.0.0.1:1', token: {{env: TOKEN}}, ca_file: /no/such.pem"
    catalog = loads(f"name: t\nsources: {{main: {{{spec}}}}}\nservices: {{orders: {{kind: fastapi}}}}\n")
    told = asyncio.run(ask(open_sources(catalog, None).members["main"], "logs"))
    assert str(told) == "main: cannot use the certificates of ca_file /no/such.pem: No such file or directory"


def test_points_of_the_future_and_of_times_that_were_not_asked_are_no_values() -> None:
    later = {"values": [[NOW + 3600, "1"], [NOW - 86_400, "2"], [NOW, "3"]], "metric": {"job": "orders"}}
    document = {"status": "success", "data": {"resultType": "matrix", "result": [later, later]}}
    with serve(lambda _: Reply(200, document)) as server:
        (series,) = asyncio.run(OPEN["prometheus"](server.url).range(GAUGE, NOW - 60, NOW, 60))
    assert str(series.values) == "[nan, 3.0]"
