import json
from collections.abc import Callable

import httpx2
import pytest
from websockets.sync.client import connect

from shop.settings import SERVICES
from tests.shop.support import RunningShop

Buy = Callable[..., httpx2.Response]


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_says_that_it_is_healthy(shop: RunningShop, service: str) -> None:
    answer = httpx2.get(shop.shop.urls[service] + "/healthz").json()
    pid = shop.shop.pids[service]
    assert answer == {"status": "ok", "service": service, "version": "1.0.0", "pid": pid}


def test_product_comes_from_the_inventory(gateway: httpx2.Client) -> None:
    product = gateway.get("/products/cup-001").json()
    assert product["name"] == "Celadon cup"
    assert product["available"] > 0


def test_order_goes_through_all_services_and_is_remembered(gateway: httpx2.Client, buy: Buy) -> None:
    placed = buy()
    assert placed.status_code == 201
    assert placed.json()["total"] == "25.00"
    assert placed.json()["payment"].startswith("pay-")
    found = gateway.get(f"/orders/{placed.json()['id']}").json()
    assert found == {"id": placed.json()["id"], "customer": "c-0001", "total": "25.00", "status": "paid"}


def test_order_takes_from_the_stock(gateway: httpx2.Client, buy: Buy) -> None:
    before = gateway.get("/products/box-001").json()["available"]
    assert buy(product="box-001", quantity=3).status_code == 201
    assert gateway.get("/products/box-001").json()["available"] == before - 3


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"product": "tea-999"}, 404),
        ({"quantity": 5_000}, 409),
        ({"card": "card-expired"}, 402),
        ({"quantity": 0}, 422),
    ],
)
def test_customer_mistakes_are_not_server_errors(buy: Buy, changes: dict[str, object], status: int) -> None:
    assert buy(**changes).status_code == status


@pytest.mark.parametrize("path", ["/products/tea-999", "/orders/o-nothing"])
def test_unknown_things_are_not_found(gateway: httpx2.Client, path: str) -> None:
    assert gateway.get(path).status_code == 404


def test_updates_tell_of_new_orders(shop: RunningShop, buy: Buy) -> None:
    url = shop.shop.urls["gateway"].replace("http", "ws", 1) + "/ws/updates"
    with connect(url, proxy=None) as socket:
        order = buy().json()["id"]
        assert json.loads(socket.recv(timeout=5)) == {"order": order, "status": "paid"}


def test_fault_endpoint_refuses_what_it_does_not_know(shop: RunningShop) -> None:
    url = shop.shop.urls["payments"] + "/-/fault"
    assert httpx2.post(url, json={"kind": "latency"}).status_code == 404
    assert httpx2.post(url, content=b'{"kind": "error"}').status_code == 415
    assert httpx2.post(url, json=["error"]).status_code == 404
    assert httpx2.put(url).status_code == 405
    assert httpx2.get(url).json() == {"active": []}
