"""One process of the shop under the supervisor's hand."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import httpx2

from shop.orphans import PARENT_VARIABLE

EXAMPLES = Path(__file__).resolve().parent.parent
HEALTHY_WITHIN = 20.0
GONE_WITHIN = 3.0
LONGEST_BACKOFF = 5.0


class ShopError(Exception):
    """The shop could not do what it was asked."""


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process of the shop, which is to end with this one."""
    env = {**os.environ, **extra, PARENT_VARIABLE: str(os.getpid())}
    env["PYTHONPATH"] = os.pathsep.join(filter(None, (str(EXAMPLES), os.environ.get("PYTHONPATH"))))
    return env


async def launch(
    arguments: list[str], *, env: Mapping[str, str], log: Path, stdout: int | None = None
) -> asyncio.subprocess.Process:
    """Start `python -m …` in a process group of its own; what it prints goes to the log."""
    with log.open("ab") as file:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *arguments,
            env=dict(env),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=file if stdout is None else stdout,
            stderr=file,
            start_new_session=True,
        )


async def terminate(process: asyncio.subprocess.Process) -> None:
    """Ask the whole group to end, then make it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), GONE_WITHIN)


def last_lines(log: Path, count: int = 20) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-count:]) if log.exists() else ""


class Worker:
    """A service process that is started again when it ends by itself."""

    def __init__(self, name: str, *, port: int, env: Mapping[str, str], log: Path, version: str) -> None:
        self.name = name
        self.port = port
        self.log = log
        self.version = version
        self.restarts = 0
        self.on_restart: Callable[[str], Awaitable[None]] | None = None
        self._env = env
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process else None

    async def start(self) -> None:
        """Start the process, and return when it is healthy."""
        await self._spawn()
        self._keeper = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        await self.let_go()
        if self._process:
            await terminate(self._process)

    async def let_go(self) -> None:
        """Keep the process no longer: when it ends, it stays down."""
        if self._keeper:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
            self._keeper = None

    async def gone(self, seconds: float) -> None:
        """Wait until the process has ended by itself."""
        if self._process:
            await asyncio.wait_for(self._process.wait(), seconds)

    async def _spawn(self) -> None:
        self._refuse_taken_port()
        env = environment({**self._env, "SHOP_VERSION": self.version})
        self._process = await launch([f"shop.{self.name}", "--port", str(self.port)], env=env, log=self.log)
        try:
            await self._healthy(self._process)
        except BaseException:
            await terminate(self._process)
            raise

    async def _healthy(self, process: asyncio.subprocess.Process) -> None:
        deadline = asyncio.get_running_loop().time() + HEALTHY_WITHIN
        async with httpx2.AsyncClient(base_url=self.url, timeout=1.0, trust_env=False) as client:
            while True:
                if await self._answers(client, process.pid):
                    return
                if process.returncode is not None:
                    raise self._failed(f"ended with {process.returncode} instead of starting")
                if asyncio.get_running_loop().time() > deadline:
                    raise self._failed(f"is not healthy after {HEALTHY_WITHIN:g} s")
                await asyncio.sleep(0.05)

    async def _answers(self, client: httpx2.AsyncClient, pid: int) -> bool:
        """Whether the process is healthy; somebody else on its port does not count."""
        try:
            return bool((await client.get("/healthz")).json()["pid"] == pid)
        except (httpx2.HTTPError, ValueError, KeyError, TypeError):
            return False

    async def _keep(self) -> None:
        backoff = 0.5
        while self._process:
            await self._process.wait()
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, LONGEST_BACKOFF)
            self.restarts += 1
            with contextlib.suppress(ShopError):
                await self._spawn()
                backoff = 0.5
                if self.on_restart:
                    await self.on_restart(self.name)

    def _refuse_taken_port(self) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", self.port))
            except OSError as error:
                raise ShopError(f"{self.name} cannot listen on 127.0.0.1:{self.port}: {error}") from error

    def _failed(self, what: str) -> ShopError:
        return ShopError(f"{self.name} {what}; the end of {self.log}:\n{last_lines(self.log)}")
