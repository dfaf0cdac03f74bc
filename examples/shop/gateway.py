"""The shop's front door: products, checkout, orders, and live updates over a WebSocket."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import FastAPI, WebSocket
from pydantic import BaseModel, PositiveInt

from shop.common import Service, serve
from shop.errors import PeerError
from shop.peers import Json

log = logging.getLogger("shop.gateway")


class Basket(BaseModel):
    customer: str
    tier: str = "guest"
    product: str
    quantity: PositiveInt = 1
    card: str = "card-1"


class Feed:
    """Order updates for whoever listens; a listener that is too slow misses some."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[Json]] = set()

    def publish(self, update: Json) -> None:
        for queue in self._listeners:
            if not queue.full():
                queue.put_nowait(update)

    @contextmanager
    def listen(self) -> Iterator[asyncio.Queue[Json]]:
        queue: asyncio.Queue[Json] = asyncio.Queue(maxsize=100)
        self._listeners.add(queue)
        try:
            yield queue
        finally:
            self._listeners.discard(queue)


def build(service: Service) -> FastAPI:
    app = service.app()
    feed = Feed()
    orders = service.peer("orders", seconds=4)
    inventory = service.peer("inventory")

    @app.get("/products/{product}")
    async def product(product: str) -> Json:
        return await inventory.get(f"/stock/{product}")

    @app.post("/checkout", status_code=201)
    async def checkout(basket: Basket) -> Json:
        await service.switch.at("checkout")
        asked = basket.model_dump(exclude={"product"}) | {"sku": basket.product}
        try:
            order = await orders.post("/orders", asked)
        except PeerError as error:
            error.add_note(f"customer {basket.customer}, product {basket.product}")
            raise
        feed.publish({"order": order["id"], "status": order["status"]})
        log.info("checkout of customer %s done: order %s", basket.customer, order["id"])
        return order

    @app.get("/orders/{order}")
    async def find(order: str) -> Json:
        return await orders.get(f"/orders/{order}")

    @app.websocket("/ws/updates")
    async def updates(socket: WebSocket) -> None:
        await socket.accept()
        with feed.listen() as queue:
            relay = asyncio.create_task(_relay(queue, socket))
            try:
                async for _ in socket.iter_text():
                    pass
            finally:
                relay.cancel()

    return app


async def _relay(queue: asyncio.Queue[Json], socket: WebSocket) -> None:
    while True:
        await socket.send_json(await queue.get())


if __name__ == "__main__":
    serve("gateway", build)
