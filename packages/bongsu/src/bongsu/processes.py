"""Child processes that are waited for until they answer, and that never outlive us."""

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import httpx2

_PR_SET_PDEATHSIG = 1
_STOP_SECONDS = 8.0


class ProcessError(Exception):
    """A child did not start, or ended; the text has its last lines."""


class Process:
    """One child in a process group of its own, with its output in a log file.

    On Linux the kernel kills it when we die, even by SIGKILL.
    """

    def __init__(
        self, name: str, argv: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = log
        self._argv = list(argv)
        self._env = dict(os.environ if env is None else env)
        self._child: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None and self._child.returncode is None else None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._child = await asyncio.create_subprocess_exec(
                *self._argv,
                env=self._env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )

    async def ready(self, url: str, *, seconds: float = 30.0) -> None:
        """Wait until ``url`` answers 2xx; ProcessError when the child ends first or takes too long."""
        deadline = time.monotonic() + seconds
        async with httpx2.AsyncClient(timeout=2.0, trust_env=False) as client:
            while time.monotonic() < deadline:
                if self._child is None or self._child.returncode is not None:
                    raise ProcessError(f"{self.name} ended while starting:\n{self.tail()}")
                with contextlib.suppress(httpx2.HTTPError):
                    if (await client.get(url)).is_success:
                        return
                await asyncio.sleep(0.05)
        raise ProcessError(f"{self.name} did not answer at {url} within {seconds:g} s:\n{self.tail()}")

    async def stop(self) -> None:
        """Ask the group to end, then make it."""
        child = self._child
        if child is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            if child.returncode is not None:
                return
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(child.wait(), _STOP_SECONDS)

    async def kill(self) -> None:
        """End it as a power cut would."""
        if self._child is not None and self._child.returncode is None:
            os.killpg(self._child.pid, signal.SIGKILL)
            await self._child.wait()

    def tail(self, lines: int = 15) -> str:
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
