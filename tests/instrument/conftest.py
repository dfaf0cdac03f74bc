"""Drivers and readers that the instrumentation's specifications share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from bongsu_instrument import Instrumentation

Labels = dict[str, str]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Scrape:
    """One rendering, read by the reference parser of each format."""

    def __init__(self, instrumentation: Instrumentation, *, openmetrics: bool = False) -> None:
        self.text = instrumentation.render(openmetrics).decode()
        self.families = list((parse_openmetrics if openmetrics else parse_text)(self.text))
        self.samples = [sample for family in self.families for sample in family.samples]

    def value(self, name: str, **labels: str) -> float:
        matching = [s for s in self.samples if s.name == name and labels.items() <= s.labels.items()]
        return sum(sample.value for sample in matching)

    def series(self, name: str) -> set[tuple[str, ...]]:
        return {tuple(s.labels.values()) for s in self.samples if s.name == name}


class Shop:
    """What the metrics of an application whose prefix is `shop` say."""

    def __init__(self, instrumentation: Instrumentation) -> None:
        self.instrumentation = instrumentation

    @property
    def requests(self) -> set[tuple[str, ...]]:
        """The label sets seen: (method, path, status)."""
        return Scrape(self.instrumentation).series("shop_http_requests_total")

    @property
    def active(self) -> float:
        return Scrape(self.instrumentation).value("shop_http_active_connections")

    @property
    def websockets(self) -> float:
        return Scrape(self.instrumentation).value("shop_websocket_connections")

    def value(self, name: str, **labels: str) -> float:
        return Scrape(self.instrumentation).value(f"shop_http_{name}", **labels)


class Server:
    """An ASGI server reduced to what a specification needs: it drives one scope by hand."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def request(
        self,
        path: str = "/",
        method: str = "GET",
        *,
        headers: Iterable[tuple[bytes, bytes]] = (),
        body: Iterable[bytes] = (),
        disconnect: bool = False,
        send: Callable[[Any], Awaitable[None]] | None = None,
        **scope: Any,
    ) -> list[Any]:
        """Send one request and return the messages of its response."""
        chunks = list(body)
        incoming = [
            {"type": "http.request", "body": chunk, "more_body": disconnect or index < len(chunks) - 1}
            for index, chunk in enumerate(chunks)
        ] or ([] if disconnect else [{"type": "http.request", "body": b"", "more_body": False}])
        sent: list[Any] = []

        async def receive() -> Any:
            return incoming.pop(0) if incoming else {"type": "http.disconnect"}

        async def collect(message: Any) -> None:
            sent.append(message)

        await self.app(self.scope(path, method, headers, **scope), receive, send or collect)
        return sent

    @staticmethod
    def scope(
        path: str, method: str = "GET", headers: Iterable[tuple[bytes, bytes]] = (), **extra: Any
    ) -> dict[str, Any]:
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"shop.test"), *headers],
            "client": ("127.0.0.1", 1),
            "server": ("shop.test", 80),
            "state": {},
            **extra,
        }


async def answer_ok(request: Request) -> Response:
    return Response("ok")


@pytest.fixture
def plain_app() -> Starlette:
    """An application with one route, `/orders/{id}`."""
    app = Starlette()
    app.add_route("/orders/{id}", answer_ok)
    return app


@pytest.fixture
def serve() -> type[Server]:
    return Server


@pytest.fixture
def read() -> type[Shop]:
    return Shop


@pytest.fixture
def scrape() -> type[Scrape]:
    return Scrape
