"""Traces and logs reach an OTLP collector: one server span a request, linked, with its logs."""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import gzip
import logging
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from opentelemetry import _logs, trace
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from opentelemetry.util._once import Once
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from bongsu_instrument import Instrumentation, TracedTransport, instrument, instrument_client, tracing

pytestmark = pytest.mark.anyio

SERVER, CLIENT = SpanMessage.SPAN_KIND_SERVER, SpanMessage.SPAN_KIND_CLIENT
KINDS = [Starlette, FastAPI]
log = logging.getLogger("shop.orders")


class Item:
    """A span or a log record as it arrived, with its attributes and its service."""

    def __init__(self, resource: dict[str, Any], message: Any) -> None:
        self.resource = resource
        self.service = resource.get("service.name")
        self.message = message
        self.attributes = attributes(message.attributes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.message, name)


def attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


class Collector:
    """A loopback OTLP/HTTP collector that keeps what it receives."""

    def __init__(self) -> None:
        self.spans: list[Item] = []
        self.logs: list[Item] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                collector.receive(self.path, body)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def receive(self, path: str, body: bytes) -> None:
        if path == "/v1/traces":
            for group in ExportTraceServiceRequest.FromString(body).resource_spans:
                resource = attributes(group.resource.attributes)
                self.spans += [Item(resource, span) for scope in group.scope_spans for span in scope.spans]
        elif path == "/v1/logs":
            for group in ExportLogsServiceRequest.FromString(body).resource_logs:
                resource = attributes(group.resource.attributes)
                self.logs += [Item(resource, record) for s in group.scope_logs for record in s.log_records]

    def kind(self, kind: int) -> list[Item]:
        return [span for span in self.spans if span.kind == kind]


@pytest.fixture
def clean_telemetry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """OpenTelemetry as in a new process, and again afterwards."""
    for module, names in (
        (trace, ("_TRACER_PROVIDER",)),
        (_logs._internal, ("_LOGGER_PROVIDER",)),
    ):
        for name in names:
            monkeypatch.setattr(module, name, None)
            monkeypatch.setattr(module, f"{name}_SET_ONCE", Once())
    monkeypatch.setattr(tracing, "_telemetries", {})
    monkeypatch.setattr(tracing, "_default", None)
    monkeypatch.setattr(tracing, "_warned", False)
    for name in ("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_EXPORTER_OTLP_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    root = logging.getLogger()
    level, handlers = root.level, root.handlers.copy()
    root.setLevel(logging.INFO)
    monkeypatch.setattr(logging.getLogger("httpx2"), "disabled", True)
    yield
    root.setLevel(level)
    root.handlers[:] = handlers
    for telemetry in tracing._telemetries.values():
        for provider in (telemetry.tracer_provider, telemetry.logger_provider):
            if provider is not None:
                provider.shutdown()  # type: ignore[union-attr]


@pytest.fixture
def collector(clean_telemetry: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    collector = Collector()
    thread = threading.Thread(target=collector.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    yield collector
    for telemetry in tracing._telemetries.values():
        telemetry.force_flush()
    collector.server.shutdown()
    thread.join()
    collector.server.server_close()


def client(app: Any, **options: Any) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    return httpx2.AsyncClient(transport=transport, base_url="http://orders.test", **options)


async def ok(request: Request) -> Response:
    log.info("order %s read", request.path_params.get("id"), extra={"order": 7})
    return PlainTextResponse("ok")


async def fail(request: Request) -> Response:
    raise LookupError("no such order")


def service(kind: Any, name: str = "orders") -> tuple[Any, Instrumentation]:
    app = kind()
    app.add_route("/orders/{id}", ok)
    app.add_route("/fail", fail)
    return app, instrument(app, name, version="1.2.3")


@pytest.mark.parametrize("kind", KINDS)
async def test_one_server_span_a_request(kind: Any, collector: Collector) -> None:
    app, instrumentation = service(kind)
    async with client(app) as http:
        await http.get("/orders/1")
        await http.get("/orders/2")
    instrumentation.force_flush()
    spans = collector.kind(SERVER)
    assert [span.name for span in spans] == ["GET /orders/{id}"] * 2
    assert spans[0].resource["service.name"] == "orders"
    assert spans[0].resource["service.version"] == "1.2.3"
    assert spans[0].attributes["http.route"] == "/orders/{id}"
    assert spans[0].attributes["http.response.status_code"] == 200
    assert spans[0].status.code != Status.STATUS_CODE_ERROR
    assert spans[0].trace_id != spans[1].trace_id


@pytest.mark.parametrize("kind", KINDS)
async def test_logs_carry_the_trace_and_the_span_they_were_written_in(
    kind: Any, collector: Collector
) -> None:
    app, instrumentation = service(kind)
    async with client(app) as http:
        await http.get("/orders/1")
    log.warning("outside of any request")
    instrumentation.force_flush()
    inside, outside = collector.logs
    (span,) = collector.kind(SERVER)
    assert inside.body.string_value == "order 1 read"
    assert (inside.severity_text, inside.attributes["order"]) == ("INFO", 7)
    assert inside.trace_id == span.trace_id
    assert inside.span_id in {span.span_id for span in collector.spans}
    assert inside.service == "orders"
    assert outside.body.string_value == "outside of any request"
    assert outside.trace_id in {b"", bytes(16)}


@pytest.mark.parametrize("kind", KINDS)
async def test_an_unhandled_exception_is_an_error_span_and_a_log_of_it(
    kind: Any, collector: Collector
) -> None:
    app, instrumentation = service(kind)
    async with client(app) as http:
        assert (await http.get("/fail")).status_code == 500
    instrumentation.force_flush()
    (span,) = collector.kind(SERVER)
    assert span.status.code == Status.STATUS_CODE_ERROR
    assert span.attributes["error.type"] == "LookupError"
    (record,) = collector.logs
    assert record.attributes["exception.message"] == "no such order"
    assert "LookupError" in record.attributes["exception.stacktrace"]
    assert (record.trace_id, record.span_id) == (span.trace_id, span.span_id)


@pytest.mark.parametrize("outer", KINDS)
@pytest.mark.parametrize("inner", KINDS)
async def test_a_request_across_two_services_is_one_trace(
    outer: Any, inner: Any, collector: Collector
) -> None:
    orders, orders_instrumentation = service(inner, "orders")
    http = instrument_client(client(orders))
    gateway = outer()

    async def forward(request: Request) -> Response:
        log.info("forwarding")
        response = await http.get("/orders/5", params={"secret": "x"})
        return JSONResponse(response.text)

    gateway.add_route("/buy", forward)
    gateway_instrumentation = instrument(gateway, "gateway")
    async with client(gateway) as browser:
        await browser.get("/buy")
    await http.aclose()
    for instrumentation in (orders_instrumentation, gateway_instrumentation):
        instrumentation.force_flush()

    servers = {span.service: span for span in collector.kind(SERVER)}
    (call,) = collector.kind(CLIENT)
    assert len(collector.kind(SERVER)) == 2
    assert set(servers) == {"orders", "gateway"}
    assert call.service == "gateway"
    assert call.trace_id == servers["gateway"].trace_id == servers["orders"].trace_id
    assert servers["orders"].parent_span_id == call.span_id
    ancestors = {span.span_id: span.parent_span_id for span in collector.spans if span.service == "gateway"}
    parent = call.parent_span_id
    while parent != servers["gateway"].span_id:
        parent = ancestors[parent]
    assert servers["gateway"].parent_span_id == b""
    assert call.attributes["server.address"] == call.attributes["peer.service"] == "orders.test"
    assert call.attributes["url.full"] == "http://orders.test/orders/5"
    assert {record.service: record.body.string_value for record in collector.logs} == {
        "gateway": "forwarding",
        "orders": "order 5 read",
    }
    assert {record.trace_id for record in collector.logs} == {call.trace_id}


@pytest.mark.parametrize("inner", KINDS)
@pytest.mark.parametrize("outer", KINDS)
async def test_a_mounted_service_opens_no_second_server_span(
    outer: Any, inner: Any, collector: Collector
) -> None:
    orders, instrumentation = service(inner)
    app = outer()
    app.mount("/svc", orders)
    gateway = instrument(app, "gateway")
    async with client(app) as http:
        await http.get("/svc/orders/1")
    instrumentation.force_flush()
    gateway.force_flush()
    (span,) = collector.kind(SERVER)
    # FastAPI's own telemetry sees a mounted Starlette only as a mount.
    native = hasattr(app, "_native_telemetry")
    fastapi_only_sees_the_mount = native and inner is Starlette
    assert span.name == ("GET /svc/{path}" if fastapi_only_sees_the_mount else "GET /svc/orders/{id}")
    assert span.service == "gateway"


@pytest.mark.parametrize("kind", KINDS)
async def test_the_span_continues_a_caller_s_trace(kind: Any, collector: Collector) -> None:
    app, instrumentation = service(kind)
    header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with client(app) as http:
        await http.get("/orders/1", headers={"traceparent": header})
    instrumentation.force_flush()
    (span,) = collector.kind(SERVER)
    assert span.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert span.parent_span_id.hex() == "b7ad6b7169203331"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sampled", [True, False])
async def test_exemplars_name_sampled_server_spans_only(
    kind: Any, sampled: bool, collector: Collector, scrape: Any
) -> None:
    app, instrumentation = service(kind)
    header = f"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0{int(sampled)}"
    async with client(app) as http:
        await http.get("/orders/1", headers={"traceparent": header})
    instrumentation.force_flush()
    found = [s.exemplar.labels for s in scrape(instrumentation, openmetrics=True).samples if s.exemplar]
    assert found == [
        {"trace_id": span.trace_id.hex(), "span_id": span.span_id.hex()} for span in collector.kind(SERVER)
    ]
    assert len(found) == sampled
    assert "trace_id" not in scrape(instrumentation).text


@pytest.mark.parametrize("kind", KINDS)
async def test_scrapes_are_not_traced(kind: Any, collector: Collector) -> None:
    app, instrumentation = service(kind)
    async with client(app) as http:
        await http.get("/metrics")
    instrumentation.force_flush()
    assert collector.spans == []


@pytest.mark.parametrize("kind", KINDS)
async def test_unknown_paths_do_not_name_spans(kind: Any, collector: Collector) -> None:
    app, instrumentation = service(kind)
    async with client(app) as http:
        await http.get("/nothing/1")
        await http.request("JUNK", "/orders/1")
    instrumentation.force_flush()
    assert [span.name for span in collector.kind(SERVER)] == ["GET", "HTTP /orders/{id}"]


async def test_background_work_is_not_part_of_the_server_span(collector: Collector) -> None:
    ended: list[bool] = []

    async def handler(request: Request) -> Response:
        span: Any = trace.get_current_span()
        return Response("ok", background=BackgroundTask(lambda: ended.append(span.end_time is not None)))

    app = Starlette()
    app.add_route("/x", handler)
    instrument(app, "orders")
    async with client(app) as http:
        await http.get("/x")
    assert ended == [True]


@pytest.mark.parametrize("kind", KINDS)
async def test_shutdown_exports_what_is_queued(kind: Any, collector: Collector) -> None:
    app, _ = service(kind)
    async with client(app) as http:
        await http.get("/orders/1")
    incoming = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    exported: dict[str, int] = {}

    async def receive() -> Any:
        return incoming.pop(0)

    async def send(message: Any) -> None:
        exported[message["type"]] = len(collector.spans)

    await app({"type": "lifespan", "state": {}, "asgi": {"version": "3.0"}}, receive, send)
    assert exported["lifespan.startup.complete"] == 0
    assert exported["lifespan.shutdown.complete"] >= 1
    assert len(collector.logs) == 1


async def test_flushing_gives_up_on_a_collector_that_does_not_answer(
    clean_telemetry: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    monkeypatch.setattr(tracing, "_FLUSH_SECONDS", 0.05)
    telemetry = tracing.Telemetry("orders", None, None, owned=True)
    monkeypatch.setattr(telemetry, "force_flush", release.wait)
    await asyncio.wait_for(telemetry.flush(), 5)
    release.set()


class TestClients:
    @pytest.fixture
    def instrumentation(self, collector: Collector) -> Instrumentation:
        return instrument(Starlette(), "caller")

    @pytest.mark.parametrize(("status", "error"), [(200, False), (404, False), (500, True), (503, True)])
    async def test_5xx_answers_are_errors(
        self, status: int, error: bool, collector: Collector, instrumentation: Instrumentation
    ) -> None:
        mock = httpx2.MockTransport(lambda request: httpx2.Response(status))
        async with httpx2.AsyncClient(transport=TracedTransport(mock, peer_service="stock")) as http:
            await http.get("https://stock.test:8443/items?token=secret")
        instrumentation.force_flush()
        (span,) = collector.kind(CLIENT)
        assert span.attributes["http.response.status_code"] == status
        assert (span.status.code == Status.STATUS_CODE_ERROR) is error
        assert span.attributes["server.port"] == 8443
        assert span.attributes["peer.service"] == "stock"
        assert "secret" not in str(span.attributes)

    @pytest.mark.parametrize("asynchronous", [True, False])
    async def test_exceptions_are_errors_and_are_raised(
        self, asynchronous: bool, collector: Collector, instrumentation: Instrumentation
    ) -> None:
        def refuse(request: httpx2.Request) -> httpx2.Response:
            raise httpx2.ConnectError("refused")

        transport = TracedTransport(httpx2.MockTransport(refuse))
        request = httpx2.Request("GET", "http://stock.test/")
        with pytest.raises(httpx2.ConnectError):  # noqa: PT012
            if asynchronous:
                await transport.handle_async_request(request)
            else:
                transport.handle_request(request)
        instrumentation.force_flush()
        (span,) = collector.kind(CLIENT)
        assert span.status.code == Status.STATUS_CODE_ERROR
        assert span.attributes["error.type"] == "ConnectError"

    def test_a_synchronous_client_and_its_mounts_send_the_trace_along(
        self, collector: Collector, instrumentation: Instrumentation
    ) -> None:
        seen: list[str] = []

        def answer(request: httpx2.Request) -> httpx2.Response:
            seen.append(request.headers["traceparent"])
            return httpx2.Response(200)

        mounts = {"http://stock.test": httpx2.MockTransport(answer), "http://direct.test": None}
        with httpx2.Client(transport=httpx2.MockTransport(answer), mounts=mounts) as http:
            assert instrument_client(http, peer_service={"stock.test": "stock"}) is http
            instrument_client(http)
            http.get("http://stock.test/")
            http.get("http://other.test/")
        instrumentation.force_flush()
        spans = collector.kind(CLIENT)
        assert [span.attributes["peer.service"] for span in spans] == ["stock", "other.test"]
        assert [header.split("-")[2] for header in seen] == [span.span_id.hex() for span in spans]


class TestSwitches:
    def test_nothing_is_set_up_without_an_endpoint(self, clean_telemetry: None) -> None:
        assert instrument(Starlette(), "orders").telemetry is None
        assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)

    def test_nothing_is_set_up_when_telemetry_is_off(self, collector: Collector) -> None:
        assert instrument(Starlette(), "orders", telemetry=False).telemetry is None

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("OTEL_SDK_DISABLED", "true"),
            ("OTEL_TRACES_EXPORTER", "none"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc"),
        ],
    )
    def test_the_environment_switches_traces_off(
        self, name: str, value: str, collector: Collector, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(name, value)
        telemetry = instrument(Starlette(), "orders").telemetry
        assert telemetry is None or telemetry.tracer_provider is None

    def test_a_signal_has_its_own_endpoint(
        self, collector: Collector, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", f"{collector.url}/v1/logs")
        instrumentation = instrument(Starlette(), "orders")
        assert instrumentation.telemetry is not None
        assert instrumentation.telemetry.tracer_provider is None
        log.info("hello")
        instrumentation.force_flush()
        assert [record.body.string_value for record in collector.logs] == ["hello"]

    def test_resource_attributes_of_the_environment_are_sent(
        self, collector: Collector, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=env,deployment.environment.name=test")
        instrumentation = instrument(Starlette(), "orders")
        log.info("hello")
        instrumentation.force_flush()
        (record,) = collector.logs
        assert record.service == "env"
        assert record.resource["deployment.environment.name"] == "test"

    async def test_a_provider_that_the_application_chose_is_used_and_kept(
        self, collector: Collector, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT")
        memory, provider = InMemorySpanExporter(), TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(memory))
        trace.set_tracer_provider(provider)
        app, _ = service(Starlette)
        async with client(app) as http:
            await http.get("/orders/1")
        assert [span.name for span in memory.get_finished_spans()] == ["GET /orders/{id}"]
        assert trace.get_tracer_provider() is provider

    async def test_fastapi_s_own_exporters_are_not_doubled(
        self, collector: Collector, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pytest.importorskip("fastapi.telemetry", reason="FastAPI has no telemetry before 0.142")
        app = FastAPI(telemetry={"auto_configure": True, "metrics": False})
        app.add_route("/orders/{id}", ok)
        instrumentation = instrument(app, "orders")
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(app.router.lifespan_context(app))
            from fastapi.telemetry._runtime import _configure_from_environment

            _configure_from_environment(app._telemetry)
            async with client(app) as http:
                await http.get("/orders/1")
            instrumentation.force_flush()
        assert len(collector.kind(SERVER)) == 1

    async def test_without_the_extra_there_is_one_warning_and_metrics_still_work(
        self,
        collector: Collector,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        read: Any,
    ) -> None:
        real = builtins.__import__

        def without_sdk(name: str, *arguments: Any, **options: Any) -> Any:
            if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter")):
                raise ImportError(name)
            return real(name, *arguments, **options)

        monkeypatch.delitem(sys.modules, "bongsu_instrument.providers", raising=False)
        monkeypatch.delattr("bongsu_instrument.providers", raising=False)
        monkeypatch.setattr(builtins, "__import__", without_sdk)
        app, instrumentation = service(Starlette)
        service(Starlette, "second")
        assert caplog.text.count("pip install 'bongsu-instrument[otel]'") == 1
        async with client(app) as http:
            assert (await http.get("/orders/1")).status_code == 200
        shop = instrumentation.render().decode()
        assert 'orders_http_requests_total{method="GET",path="/orders/{id}",status="200"} 1' in shop


def test_the_core_imports_without_any_dependency() -> None:
    import subprocess

    code = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name.partition('.')[0] in {'starlette', 'fastapi', 'opentelemetry', 'httpx2'}:\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "from bongsu_instrument import BongsuMiddleware, Instrumentation\n"
        "assert Instrumentation('shop').render(openmetrics=True).endswith(b'# EOF\\n')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
