"""An open-loop load on the shop: requests start on time whether or not earlier ones have ended."""

import argparse
import asyncio
import json
import random
import signal
import time
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from typing import Any

import httpx2
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from shop.orphans import die_with_parent
from shop.settings import PORTS

PRODUCTS = ("tea-001", "tea-002", "cup-001", "cup-002", "pot-001", "box-001")
TIERS = (("guest", 70), ("silver", 20), ("gold", 10))
MIX = (("product", 45), ("checkout", 30), ("order", 22), ("unknown", 3))
EXPIRED_SHARE = 0.01
MOST_IN_FLIGHT = 300
PATIENCE = 8.0


class Tally:
    def __init__(self) -> None:
        self.started = time.monotonic()
        self.statuses: Counter[int] = Counter()
        self.unanswered = 0
        self.skipped = 0
        self.updates = 0
        self.latencies: deque[float] = deque(maxlen=100_000)

    def summary(self) -> dict[str, Any]:
        seconds = time.monotonic() - self.started
        answered = self.statuses.total()
        return {
            "seconds": round(seconds, 1),
            "requests": answered + self.unanswered,
            "rate": round((answered + self.unanswered) / seconds, 2) if seconds else 0.0,
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "server_errors": sum(count for status, count in self.statuses.items() if status >= 500),
            "unanswered": self.unanswered,
            "skipped": self.skipped,
            "updates": self.updates,
            **self._quantiles(),
        }

    def _quantiles(self) -> dict[str, float]:
        ordered = sorted(self.latencies) or [0.0]
        return {
            f"p{percent}_ms": round(ordered[(len(ordered) - 1) * percent // 100] * 1000, 1)
            for percent in (50, 95, 99)
        }


class Load:
    def __init__(self, url: str, *, rate: float, seed: int) -> None:
        self.tally = Tally()
        self._url = url
        self._interval = 1 / rate
        self._random = random.Random(seed)
        self._orders: deque[str] = deque(["o-00000000"], maxlen=200)
        self._client = httpx2.AsyncClient(base_url=url, timeout=PATIENCE, trust_env=False)
        self._in_flight: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Start one request each interval, for ever."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            await asyncio.sleep(max(0.0, due - loop.time()))
            self._start(self._next())
            due += self._interval

    def _start(self, request: tuple[str, str, dict[str, Any] | None]) -> None:
        if len(self._in_flight) >= MOST_IN_FLIGHT:
            self.tally.skipped += 1
            return
        task = asyncio.create_task(self._send(*request))
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)

    def _next(self) -> tuple[str, str, dict[str, Any] | None]:
        kind = self._pick(MIX)
        if kind == "checkout":
            return "POST", "/checkout", self._basket()
        if kind == "order":
            return "GET", f"/orders/{self._random.choice(self._orders)}", None
        if kind == "unknown":
            return "GET", "/products/tea-999", None
        return "GET", f"/products/{self._random.choice(PRODUCTS)}", None

    def _basket(self) -> dict[str, Any]:
        customer = self._random.randrange(1, 400)
        expired = self._random.random() < EXPIRED_SHARE
        return {
            "customer": f"c-{customer:04}",
            "tier": self._pick(TIERS),
            "product": self._random.choice(PRODUCTS),
            "quantity": self._random.choice((1, 1, 1, 2, 3)),
            "card": "card-expired" if expired else f"card-{customer}",
        }

    def _pick(self, weighted: tuple[tuple[str, int], ...]) -> str:
        names, weights = zip(*weighted, strict=True)
        return str(self._random.choices(names, weights)[0])

    async def _send(self, method: str, path: str, body: dict[str, Any] | None) -> None:
        began = time.monotonic()
        try:
            response = await self._client.request(method, path, json=body)
        except httpx2.HTTPError:
            self.tally.unanswered += 1
            return
        self.tally.latencies.append(time.monotonic() - began)
        self.tally.statuses[response.status_code] += 1
        if response.status_code == 201:
            self._orders.append(response.json()["id"])

    async def listen(self) -> None:
        """Follow the live updates, and come back whenever the gateway does."""
        url = self._url.replace("http", "ws", 1) + "/ws/updates"
        while True:
            try:
                async with connect(url, proxy=None) as socket:
                    async for _ in socket:
                        self.tally.updates += 1
            except (OSError, TimeoutError, WebSocketException):
                pass
            await asyncio.sleep(0.5)

    async def close(self) -> None:
        for task in self._in_flight:
            task.cancel()
        await asyncio.gather(*self._in_flight, return_exceptions=True)
        await self._client.aclose()


async def drive(load: Load, *, websockets: int, seconds: float | None) -> dict[str, Any]:
    """Run the load until the time is over or a signal asks to stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    work: list[Callable[[], Coroutine[Any, Any, None]]] = [load.run, *[load.listen] * websockets]
    tasks = [asyncio.create_task(one()) for one in work]
    waiting = asyncio.create_task(stop.wait())
    await asyncio.wait([waiting, *tasks], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in [waiting, *tasks]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    await load.close()
    for result in results:
        if isinstance(result, Exception):
            raise result
    return load.tally.summary()


def main() -> None:
    die_with_parent()
    parser = argparse.ArgumentParser(prog="python -m shop.load", description=__doc__)
    parser.add_argument("--url", default=f"http://127.0.0.1:{PORTS['gateway']}")
    parser.add_argument("--rate", type=float, default=12.0, help="requests a second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--websockets", type=int, default=2)
    parser.add_argument("--seconds", type=float, help="stop after so long (default: when told to)")
    given = parser.parse_args()
    summary = asyncio.run(_main(given))
    print(json.dumps(summary), flush=True)


async def _main(given: argparse.Namespace) -> dict[str, Any]:
    load = Load(given.url, rate=given.rate, seed=given.seed)
    return await drive(load, websockets=given.websockets, seconds=given.seconds)


if __name__ == "__main__":
    main()
