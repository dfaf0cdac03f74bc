"""The one call: what it installs, and that it can be repeated and combined."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient

from bongsu_instrument import Instrumentation, instrument

pytestmark = pytest.mark.anyio


async def ok(request: Request) -> Response:
    return Response("ok")


def client(app: Any) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://shop.test")


async def test_metrics_are_served_as_prometheus_text_by_default(plain_app: Starlette) -> None:
    instrument(plain_app, "shop")
    async with client(plain_app) as http:
        response = await http.get("/metrics")
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "# EOF" not in response.text


async def test_metrics_are_served_as_openmetrics_when_prometheus_asks(plain_app: Starlette) -> None:
    accept = (
        "application/openmetrics-text;version=1.0.0;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,"
        "text/plain;version=0.0.4;q=0.4,*/*;q=0.1"
    )
    instrument(plain_app, "shop")
    async with client(plain_app) as http:
        response = await http.get("/metrics", headers={"accept": accept})
    assert response.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert response.text.endswith("# EOF\n")


async def test_metrics_are_compressed_when_the_scraper_can_read_it(plain_app: Starlette) -> None:
    instrument(plain_app, "shop")
    async with client(plain_app) as http:
        packed = await http.get("/metrics", headers={"accept-encoding": "gzip"})
        plain = await http.get("/metrics", headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert "shop_build_info" in packed.text
    assert "shop_build_info" in plain.text


@pytest.mark.parametrize("root_path", ["", "/api"])
async def test_scrapes_are_not_measured(root_path: str, plain_app: Starlette, serve: Any, read: Any) -> None:
    shop = read(instrument(plain_app, "shop"))
    await serve(plain_app).request(root_path + "/metrics", root_path=root_path)
    await serve(plain_app).request("/not/metrics")
    assert shop.requests == {("GET", "NOT_FOUND", "404")}


async def test_the_path_of_the_metrics_can_be_chosen(plain_app: Starlette) -> None:
    instrument(plain_app, "shop", metrics_path="/internal/metrics")
    async with client(plain_app) as http:
        assert (await http.get("/internal/metrics")).status_code == 200
        assert (await http.get("/metrics")).status_code == 404


async def test_metrics_are_not_in_the_api_s_schema() -> None:
    app = FastAPI()
    instrument(app, "shop")
    assert "/metrics" not in app.openapi()["paths"]


async def test_instrumenting_twice_changes_nothing(plain_app: Starlette, serve: Any, read: Any) -> None:
    instrumentation = instrument(plain_app, "shop")
    assert instrument(plain_app, "shop") is instrumentation
    await serve(plain_app).request("/orders/1")
    assert read(instrumentation).value("requests_total") == 1
    assert [route.path for route in plain_app.routes].count("/metrics") == 1  # type: ignore[attr-defined]


async def test_a_rebuilt_middleware_stack_counts_once(plain_app: Starlette, serve: Any, read: Any) -> None:
    shop = read(instrument(plain_app, "shop"))
    await serve(plain_app).request("/orders/1")
    plain_app.middleware_stack = None
    await serve(plain_app).request("/orders/1")
    assert shop.value("requests_total") == 2


async def test_an_application_that_already_serves_is_refused(plain_app: Starlette, serve: Any) -> None:
    await serve(plain_app).request("/orders/1")
    with pytest.raises(RuntimeError, match="before it serves"):
        instrument(plain_app, "shop")


async def test_two_applications_of_a_process_keep_their_counts_apart(serve: Any, scrape: Any) -> None:
    gateway, orders = Starlette(), FastAPI()
    orders.add_route("/orders/{id}", ok)
    gateway.mount("/svc", orders)
    outer = instrument(gateway, "gateway")
    inner = instrument(orders, "orders")
    await serve(gateway).request("/svc/orders/1")
    assert scrape(outer).series("gateway_http_requests_total") == {("GET", "/svc/orders/{id}", "200")}
    assert scrape(inner).series("orders_http_requests_total") == {("GET", "/orders/{id}", "200")}
    assert "orders_http" not in scrape(outer).text


async def test_one_application_can_have_two_prefixes(plain_app: Starlette, serve: Any, scrape: Any) -> None:
    first = instrument(plain_app, "a")
    second = instrument(plain_app, "b", metrics_path="/metrics-b")
    await serve(plain_app).request("/orders/1")
    assert scrape(first).value("a_http_requests_total", path="/orders/{id}") == 1
    assert scrape(second).value("b_http_requests_total", path="/orders/{id}") == 1


@pytest.mark.parametrize("prefix", ["", "with space", "9lives", 'q"'])
def test_a_prefix_must_begin_a_metric_name(prefix: str) -> None:
    with pytest.raises(ValueError, match="not a metric name"):
        Instrumentation(prefix)


def test_build_info_names_the_service(scrape: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"):
        monkeypatch.delenv(name, raising=False)
    assert scrape(Instrumentation("shop")).series("shop_build_info") == {("shop", "")}
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=by%20attribute,service.version=1.2,x")
    assert scrape(Instrumentation("shop")).series("shop_build_info") == {("by attribute", "1.2")}
    monkeypatch.setenv("OTEL_SERVICE_NAME", "by-name")
    assert scrape(Instrumentation("shop")).series("shop_build_info") == {("by-name", "1.2")}
    assert scrape(Instrumentation("shop", service="given", version="3")).series("shop_build_info") == {
        ("given", "3")
    }


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="no /proc")  # noqa: PTH110
def test_the_process_is_measured(scrape: Any) -> None:
    seen = scrape(Instrumentation("shop"))
    assert seen.value("process_resident_memory_bytes") > 1_000_000
    assert seen.value("process_cpu_seconds_total") > 0
    assert seen.value("process_open_fds") >= 3
    assert seen.value("process_start_time_seconds") > 1_600_000_000


def test_the_process_is_left_out_where_there_is_no_proc(tmp_path: Any) -> None:
    from bongsu_instrument.process import ProcessMetrics

    assert list(ProcessMetrics(tmp_path).render(openmetrics=False)) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_a_forked_worker_starts_from_zero(plain_app: Starlette, serve: Any, read: Any) -> None:
    shop = read(instrument(plain_app, "shop"))
    await serve(plain_app).request("/orders/1")
    pid = os.fork()
    if pid == 0:
        os._exit(int(shop.value("requests_total")))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0  # noqa: ASYNC222
    assert shop.value("requests_total") == 1


class TestWebSockets:
    def shop(self, read: Any, handler: Any) -> tuple[Any, Any]:
        app = FastAPI()
        app.add_api_websocket_route("/ws", handler)
        return app, read(instrument(app, "shop"))

    def test_an_accepted_connection_is_counted_while_it_is_open(self, read: Any) -> None:
        async def handler(websocket: WebSocket) -> None:
            await websocket.accept()
            await websocket.receive_text()
            await websocket.send_text(str(int(shop.websockets)))
            with suppress(WebSocketDisconnect):
                await websocket.receive_text()

        app, shop = self.shop(read, handler)
        with TestClient(app) as http, http.websocket_connect("/ws") as session:
            session.send_text("how many?")
            assert session.receive_text() == "1"
            session.close()
        assert shop.websockets == 0

    def test_a_rejected_connection_is_never_counted(self, read: Any) -> None:
        async def handler(websocket: WebSocket) -> None:
            await websocket.close(1008)

        app, shop = self.shop(read, handler)
        with (
            pytest.raises(WebSocketDisconnect),
            TestClient(app) as http,
            http.websocket_connect("/ws") as session,
        ):
            session.receive_text()
        assert shop.websockets == 0

    @pytest.mark.parametrize("accepted", [True, False])
    def test_a_handler_that_fails_leaves_the_gauge_at_zero(self, accepted: bool, read: Any) -> None:
        async def handler(websocket: WebSocket) -> None:
            if accepted:
                await websocket.accept()
            raise RuntimeError("boom")

        app, shop = self.shop(read, handler)
        with pytest.raises(RuntimeError), TestClient(app) as http, http.websocket_connect("/ws") as session:
            session.receive_text()
        assert shop.websockets == 0
