import re
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from shop.faults import FAULTS
from shop.settings import SERVICES
from shop.supervisor import ShopError
from tests.shop.support import RunningShop, until

Buy = Callable[..., httpx2.Response]
MIB = 1024 * 1024


def resident(pid: int | None) -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


def failing(buy: Buy) -> Callable[[], httpx2.Response | None]:
    def one() -> httpx2.Response | None:
        response = buy()
        return response if response.status_code >= 500 else None

    return one


def test_table_is_complete() -> None:
    assert set(FAULTS) >= {"error", "latency", "crash", "leak", "bad-deploy"}
    for name, fault in FAULTS.items():
        assert fault.name == name
        assert fault.service in SERVICES
        assert fault.summary["en"]
        assert re.search("[가-힣]", fault.summary["ko"])


def test_error_fails_most_charges_up_to_the_gateway(shop: RunningShop, buy: Buy) -> None:
    shop.run(shop.shop.inject("error"))
    assert shop.shop.active == ("error",)
    statuses = [buy().status_code for _ in range(30)]
    assert statuses.count(502) >= 15
    assert set(statuses) <= {201, 502}
    log = until(lambda: shop.sink.logs("card processor answered 503", service="payments"))[0]
    assert log.severity == "ERROR"
    assert re.match(r"charge of 25.00 EUR for order o-\w+ failed", log.body)
    assert log.attributes["order.id"].startswith("o-")
    assert log.attributes["exception.type"].endswith("CardProcessorError")
    until(lambda: shop.sink.logs("payments answered 503 to POST /charge", service="orders"))
    shop.run(shop.shop.clear("error"))
    assert [buy().status_code for _ in range(10)] == [201] * 10


def test_failed_order_is_remembered_as_failed(shop: RunningShop, gateway: httpx2.Client, buy: Buy) -> None:
    shop.run(shop.shop.inject("error"))
    until(failing(buy))
    line = until(lambda: shop.sink.logs("payments answered 503", service="orders"))[-1]
    order = re.search(r"order (o-\w+) of customer", line.body)
    assert order
    assert gateway.get(f"/orders/{order[1]}").json()["status"] == "failed"


def test_latency_slows_what_needs_the_inventory(shop: RunningShop, gateway: httpx2.Client) -> None:
    def seconds() -> float:
        began = time.monotonic()
        assert gateway.get("/products/tea-001").status_code == 200
        return time.monotonic() - began

    shop.run(shop.shop.inject("latency"))
    assert seconds() > 0.9
    shop.run(shop.shop.clear("latency"))
    assert seconds() < 0.5


def test_crash_stays_down_until_it_is_cleared(shop: RunningShop, buy: Buy) -> None:
    before = shop.shop.pids["payments"]
    shop.run(shop.shop.inject("crash"))
    assert shop.shop.pids["payments"] is None
    failed = buy()
    assert failed.status_code == 502
    assert "payments is unreachable" in failed.json()["detail"]
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(shop.shop.urls["payments"] + "/healthz")
    shop.run(shop.shop.clear("crash"))
    assert shop.shop.pids["payments"] not in {None, before}
    assert buy().status_code == 201


def test_leak_grows_and_gives_everything_back(shop: RunningShop) -> None:
    pid = shop.shop.pids["orders"]
    before = resident(pid)
    shop.run(shop.shop.inject("leak"))
    until(lambda: resident(pid) > before + 30 * MIB)
    assert shop.shop.pids["orders"] == pid
    shop.run(shop.shop.clear("leak"))
    assert resident(pid) < before + 5 * MIB


def test_bad_deploy_fails_guests_until_it_is_rolled_back(shop: RunningShop, buy: Buy) -> None:
    shop.run(shop.shop.inject("bad-deploy"))
    health = httpx2.get(shop.shop.urls["orders"] + "/healthz").json()
    assert health["version"] == shop.shop.versions["orders"] == "1.1.0"
    assert buy(tier="guest").status_code == 502
    assert buy(tier="gold").json()["total"] == "22.50"
    log = until(lambda: shop.sink.logs("KeyError('guest')", service="orders"))[0]
    assert log.severity == "ERROR"
    assert "pricing.py" in log.attributes["exception.stacktrace"]
    shop.run(shop.shop.clear("bad-deploy"))
    assert shop.shop.versions["orders"] == "1.0.0"
    assert buy(tier="guest").status_code == 201


def test_unknown_fault_is_refused_by_name(shop: RunningShop) -> None:
    with pytest.raises(ShopError, match="no fault 'flood'; there are error, latency"):
        shop.run(shop.shop.inject("flood"))
