import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

from tests.shop.otlp_sink import Sink
from tests.shop.support import RunningShop


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningShop]:
    with Sink() as sink:
        running = RunningShop(sink, tmp_path_factory.mktemp("logs"))
        running.start()
        try:
            yield running
        finally:
            running.stop()


@pytest.fixture
def shop(running: RunningShop) -> Iterator[RunningShop]:
    """The running shop, without faults before and after."""
    yield running
    running.run(running.shop.clear())


@pytest.fixture
def gateway(shop: RunningShop) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=shop.shop.urls["gateway"], timeout=10, trust_env=False) as client:
        yield client


@pytest.fixture
def buy(gateway: httpx2.Client) -> Callable[..., httpx2.Response]:
    def checkout(**changes: Any) -> httpx2.Response:
        basket = {"customer": "c-0001", "product": "tea-001", "quantity": 2, "card": "card-1"}
        return gateway.post("/checkout", json=basket | changes)

    return checkout
