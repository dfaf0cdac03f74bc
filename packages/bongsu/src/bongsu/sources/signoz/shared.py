"""Questions that are the same are put once."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Ask = Callable[[Mapping[str, Any], str], Awaitable[Mapping[str, Any]]]


class Shared:
    """Asks each question once while its answer is on its way, and for ``seconds`` after.

    At most ``kept`` answers are held. What failed is asked again by whoever comes next; who asked at the same
    time shares the failure.
    """

    def __init__(self, ask: Ask, *, kept: int = 16, seconds: float = 30.0) -> None:
        self._ask = ask
        self._kept = kept
        self._seconds = seconds
        self._asked: dict[str, tuple[float, asyncio.Task[Mapping[str, Any]]]] = {}

    async def __call__(self, body: Mapping[str, Any], what: str) -> Mapping[str, Any]:
        key = json.dumps(body, sort_keys=True)
        self._forget()
        if key not in self._asked:
            task = asyncio.ensure_future(self._put(key, body, what))
            self._asked[key] = time.monotonic(), task
        # Who is cancelled must not take the answer from the others.
        return await asyncio.shield(self._asked[key][1])

    async def aclose(self) -> None:
        """Give up what is on its way."""
        tasks = [task for _, task in self._asked.values()]
        self._asked.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _put(self, key: str, body: Mapping[str, Any], what: str) -> Mapping[str, Any]:
        try:
            return await self._ask(body, what)
        except BaseException:
            self._asked.pop(key, None)
            raise

    def _forget(self) -> None:
        now = time.monotonic()
        old = [
            key
            for i, (key, (since, task)) in enumerate(reversed(self._asked.items()))
            if task.done() and (now - since > self._seconds or i >= self._kept)
        ]
        for key in old:
            del self._asked[key]
