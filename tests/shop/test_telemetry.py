import re
from collections.abc import Callable
from functools import partial

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from shop.settings import SERVICES
from tests.shop.otlp_sink import Span
from tests.shop.support import RunningShop, until

Buy = Callable[..., httpx2.Response]
SERVER, CLIENT = 2, 3
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def traced_checkout(shop: RunningShop, gateway: httpx2.Client, trace: str) -> tuple[str, list[Span]]:
    basket = {"customer": "c-0001", "product": "tea-001"}
    header = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    order = gateway.post("/checkout", json=basket, headers=header).json()["id"]

    def complete() -> list[Span]:
        spans = shop.sink.trace(trace)
        ended = {span.service for span in spans if span.kind == SERVER}
        return spans if ended == set(SERVICES) else []

    return order, until(complete)


def test_one_trace_links_all_services(shop: RunningShop, gateway: httpx2.Client) -> None:
    _, spans = traced_checkout(shop, gateway, TRACE)
    servers = {span.service: span for span in spans if span.kind == SERVER}
    assert set(servers) == set(SERVICES)
    assert len([span for span in spans if span.kind == SERVER]) == 4
    by_id = {span.span: span for span in spans}
    callers = {name: by_id[span.parent] for name, span in servers.items() if name != "gateway"}
    assert {name: caller.service for name, caller in callers.items()} == {
        "orders": "gateway",
        "payments": "orders",
        "inventory": "orders",
    }
    assert {caller.kind for caller in callers.values()} == {CLIENT}
    assert {name: caller.attributes["peer.service"] for name, caller in callers.items()} == {
        name: name for name in callers
    }
    assert {span.version for span in spans} == {"1.0.0"}


def test_database_has_client_spans_of_its_own(shop: RunningShop, gateway: httpx2.Client) -> None:
    _, spans = traced_checkout(shop, gateway, TRACE[::-1])
    database = {span.name: span for span in spans if span.attributes.get("db.system")}
    assert set(database) == {"INSERT orders", "UPDATE orders"}
    for span in database.values():
        assert span.kind == CLIENT
        assert span.service == "orders"
        assert span.attributes["db.system"] == "sqlite"
        assert span.attributes["db.query.text"].startswith(span.name.split()[0])


def test_logs_carry_the_trace_they_were_written_in(shop: RunningShop, gateway: httpx2.Client) -> None:
    trace = TRACE.replace("4", "5")
    order, _ = traced_checkout(shop, gateway, trace)
    for service in SERVICES:
        records = until(partial(shop.sink.logs, order, service=service))
        assert {record.trace for record in records} == {trace}
        assert {record.severity for record in records} == {"INFO"}


@pytest.mark.parametrize("service", SERVICES)
def test_metrics_have_the_five_names_and_labels(shop: RunningShop, buy: Buy, service: str) -> None:
    buy()
    httpx2.get(shop.shop.urls["gateway"] + "/products/tea-001")
    text = httpx2.get(shop.shop.urls[service] + "/metrics").text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    for name, kind in {
        "shop_http_requests": "counter",
        "shop_http_request_duration_seconds": "histogram",
        "shop_http_active_connections": "gauge",
        "shop_http_request_size_bytes": "histogram",
        "shop_http_response_size_bytes": "histogram",
        "process_resident_memory_bytes": "gauge",
    }.items():
        assert families[name].type == kind, name
    for sample in families["shop_http_requests"].samples:
        assert set(sample.labels) == {"method", "path", "status"}
    build = families["shop_build_info"].samples[0].labels
    assert build == {"service": service, "version": "1.0.0"}


def test_paths_are_templates(shop: RunningShop, gateway: httpx2.Client) -> None:
    gateway.get("/products/tea-001")
    gateway.get("/orders/o-nothing")
    paths = set(re.findall(r'shop_http_requests_total{.*path="([^"]+)"', gateway.get("/metrics").text))
    assert {"/products/{product}", "/orders/{order}"} <= paths
    assert paths <= {"/products/{product}", "/orders/{order}", "/checkout", "/healthz"}


def test_fault_switches_leave_no_trace(shop: RunningShop, buy: Buy) -> None:
    shop.run(shop.shop.inject("error"))
    shop.run(shop.shop.clear("error"))
    order = buy().json()["id"]
    until(lambda: shop.sink.logs(order, service="payments"))
    assert "/-/fault" not in httpx2.get(shop.shop.urls["payments"] + "/metrics").text
    seen = [span for span in shop.sink.spans if span.service == "payments" and span.kind == SERVER]
    assert {span.name for span in seen} == {"POST /charge"}
