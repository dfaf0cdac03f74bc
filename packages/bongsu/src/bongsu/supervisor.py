"""Several servers kept running together: started in order, anew when one ends, stopped in reverse."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import httpx2

from bongsu.processes import Process, ProcessError
from bongsu.stack.local import Launch

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
STEADY_SECONDS = 60.0
"""Who has run for this long begins with the first pause again."""
_LOOK_SECONDS = 0.25
_HEALTH_SECONDS = 5.0


class Condition(StrEnum):
    STARTING = "starting"
    READY = "ready"
    SILENT = "silent"
    """It runs, but does not answer."""
    ENDED = "ended"
    """It ended by itself, and is started anew after a pause."""


@dataclass(slots=True)
class Child:
    """One supervised server."""

    launch: Launch
    process: Process
    condition: Condition = Condition.STARTING
    restarts: int = 0
    since: float = 0.0
    """When it was started, on the monotonic clock."""
    pause: float = FIRST_PAUSE
    again_at: float = 0.0
    looked_at: float = 0.0

    @property
    def system(self) -> str:
        return self.launch.system


@dataclass(slots=True)
class Supervisor:
    """``changed`` hears of every change of a child's condition."""

    launches: Sequence[Launch]
    logs: Path
    env: Mapping[str, str] = field(repr=False)
    changed: Callable[[Child], None] = lambda _: None
    ready_seconds: float = 60.0
    children: list[Child] = field(default_factory=list)

    async def start(self) -> None:
        """Start all, and wait until each is ready; ProcessError, with all stopped, when one is not."""
        try:
            for launch in self.launches:
                log = self.logs / f"{launch.system}.log"
                child = Child(launch, Process(launch.system, launch.argv, log=log, env=self.env))
                self.children.append(child)
                await self._start(child)
            for child in self.children:
                await child.process.ready(child.launch.ready, seconds=self.ready_seconds)
                self._become(child, Condition.READY)
        except BaseException:
            await self.stop()
            raise

    async def watch(self, stopping: asyncio.Event) -> None:
        """Until ``stopping``: start anew what ended, each time after a longer pause; see who answers."""
        async with httpx2.AsyncClient(timeout=2.0, trust_env=False) as client:
            while not stopping.is_set():
                for child in self.children:
                    await self._look(child, client)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), _LOOK_SECONDS)

    async def stop(self) -> None:
        """In the reverse order of the starts."""
        for child in reversed(self.children):
            await child.process.stop()

    async def reload(self, systems: Iterable[str]) -> None:
        """Let these take their changed configuration, each in its way."""
        wanted = set(systems)
        for child in self.children:
            pid = child.process.pid
            if child.system not in wanted or pid is None:
                continue
            if child.launch.reload == "signal":
                os.kill(pid, signal.SIGHUP)
            else:
                await child.process.stop()
                await self._start(child)

    async def _start(self, child: Child) -> None:
        await child.process.start()
        child.since = time.monotonic()
        self._become(child, Condition.STARTING)

    async def _look(self, child: Child, client: httpx2.AsyncClient) -> None:
        now = time.monotonic()
        if child.process.pid is None:
            if child.condition is not Condition.ENDED:
                if now - child.since > STEADY_SECONDS:
                    child.pause = FIRST_PAUSE
                child.again_at = now + child.pause
                self._become(child, Condition.ENDED)
            elif now >= child.again_at:
                child.pause = min(2 * child.pause, LONGEST_PAUSE)
                child.restarts += 1
                await self._start(child)
            return
        every = _LOOK_SECONDS if child.condition is Condition.STARTING else _HEALTH_SECONDS
        if now - child.looked_at < every:
            return
        child.looked_at = now
        answered = False
        with contextlib.suppress(httpx2.HTTPError):
            answered = (await client.get(child.launch.ready)).is_success
        if answered:
            self._become(child, Condition.READY)
        elif child.condition is Condition.READY:
            self._become(child, Condition.SILENT)

    def _become(self, child: Child, condition: Condition) -> None:
        if child.condition is not condition:
            child.condition = condition
            self.changed(child)


__all__ = ["Child", "Condition", "ProcessError", "Supervisor"]
