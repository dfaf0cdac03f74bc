"""Faults for tests: what the stand-in shall do wrong. Nothing of this can be reached over HTTP."""

import asyncio
import math
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from bongsu.demo.inbox.rules import RefusedError

Cut = Literal["before", "after"]


@dataclass(slots=True)
class InboxControl:
    """A fault is used up by that many requests to the webhook's endpoints, in the order it was asked for.

    ``rate`` is (requests, seconds) a route, as Discord limits webhooks; None lifts the limit.
    """

    rate: tuple[int, float] | None = (5, 2.0)
    seen: list[tuple[str, str, int]] = field(default_factory=list)
    """(method, path below the token, status) of every request; status 0 where no answer was sent."""
    _faults: deque[RefusedError | Cut] = field(default_factory=deque)
    _delays: deque[float] = field(default_factory=deque)
    _recent: dict[str, deque[float]] = field(default_factory=dict)

    def fail(self, times: int = 1, status: int = 500) -> None:
        """Answer ``status`` without doing anything."""
        body = {"message": f"{status}: Internal Server Error", "code": 0}
        self._faults.extend(RefusedError(status, body) for _ in range(times))

    def limit(self, times: int = 1, retry_after: float = 1.0, *, everywhere: bool = False) -> None:
        """Answer 429 asking for ``retry_after`` seconds."""
        self._faults.extend(too_many(retry_after, everywhere=everywhere) for _ in range(times))

    def cut(self, times: int = 1, *, accepted: bool = True) -> None:
        """Cut the connection instead of answering, after or before the request took effect."""
        self._faults.extend("after" if accepted else "before" for _ in range(times))

    def delay(self, seconds: float, times: int = 1) -> None:
        """Wait before anything else."""
        self._delays.extend(seconds for _ in range(times))

    async def before(self) -> Cut | None:
        """Wait, refuse, or say how the connection will be cut."""
        if self._delays:
            await asyncio.sleep(self._delays.popleft())
        if not self._faults:
            return None
        fault = self._faults.popleft()
        if isinstance(fault, RefusedError):
            raise fault
        return fault

    def count(self, route: str) -> dict[str, str]:
        """Take one request of ``route`` into account; its rate limit headers, or RefusedError (429)."""
        if self.rate is None:
            return {}
        most, seconds = self.rate
        now = time.monotonic()
        recent = self._recent.setdefault(route, deque())
        while recent and recent[0] <= now - seconds:
            recent.popleft()
        wait = recent[0] + seconds - now if recent else seconds
        if len(recent) >= most:
            raise too_many(round(wait, 3), most=most)
        recent.append(now)
        return _headers(most, most - len(recent), wait)


def _headers(most: int, left: int, wait: float) -> dict[str, str]:
    return {
        "X-RateLimit-Limit": str(most),
        "X-RateLimit-Remaining": str(left),
        "X-RateLimit-Reset": f"{time.time() + wait:.3f}",
        "X-RateLimit-Reset-After": f"{wait:.3f}",
        "X-RateLimit-Bucket": "webhook",
    }


def too_many(retry_after: float, *, everywhere: bool = False, most: int = 5) -> RefusedError:
    body = {"message": "You are being rate limited.", "retry_after": retry_after, "global": everywhere}
    headers = _headers(most, 0, retry_after) | {"Retry-After": str(math.ceil(retry_after))}
    headers["X-RateLimit-Scope"] = "global" if everywhere else "user"
    if everywhere:
        headers["X-RateLimit-Global"] = "true"
    return RefusedError(429, body, headers)
