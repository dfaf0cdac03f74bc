"""A shop whose loop runs in a thread, and waiting with a deadline."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from shop.supervisor import Shop
from tests.shop.otlp_sink import Sink

T = TypeVar("T")


class RunningShop:
    """A shop whose event loop runs in a thread, with the sink that its telemetry goes to."""

    def __init__(self, sink: Sink, logs: Path) -> None:
        self.sink = sink
        quick = {"OTEL_BSP_SCHEDULE_DELAY": "100", "OTEL_BLRP_SCHEDULE_DELAY": "100"}
        self.shop = Shop(sink.url, logs_dir=logs, env=quick)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def run(self, work: Coroutine[Any, Any, T], seconds: float = 20) -> T:
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(seconds)

    def start(self) -> None:
        self._thread.start()
        self.run(self.shop.__aenter__())

    def stop(self) -> None:
        self.run(self.shop.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()


def until(condition: Callable[[], T], *, seconds: float = 8, every: float = 0.03) -> T:
    """What the condition returns once it is true."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(every)
