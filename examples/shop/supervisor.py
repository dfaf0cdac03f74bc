"""Starts the shop, keeps it running, puts load on it and breaks it on request."""

import asyncio
import contextlib
import json
import random
import shutil
import signal
import socket
import tempfile
from collections.abc import Coroutine, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2

from shop.faults import FAULTS, Fault
from shop.settings import SERVICES, STABLE_VERSION, port_variable, url_variable
from shop.switch import ADMIN_PATH
from shop.worker import ShopError, Worker, environment, last_lines, launch, terminate

_EXPORT = {
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_EXPORTER_OTLP_TIMEOUT": "2",
    "OTEL_BSP_SCHEDULE_DELAY": "500",
    "OTEL_BLRP_SCHEDULE_DELAY": "500",
}


def free_ports() -> dict[str, int]:
    """A free loopback port for each service.

    They lie below the range from which outgoing connections get theirs: a service that is down
    for a while would otherwise find its port taken, or be answered by its own caller.
    """
    ports: dict[str, int] = {}
    for port in random.sample(range(20_000, 30_000), 200):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            ports[SERVICES[len(ports)]] = port
        if len(ports) == len(SERVICES):
            return ports
    raise ShopError("no free loopback ports between 20000 and 30000")


class Shop:
    """The four services as subprocesses; leaving the context stops them all.

    The subprocesses also end when this process, or the thread that runs its event loop, does.
    """

    def __init__(
        self,
        otlp_endpoint: str | None = None,
        *,
        ports: Mapping[str, int] | None = None,
        logs_dir: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._given_ports = ports
        self._given_logs = logs_dir
        self._env = {**_EXPORT, **(env or {}), "SHOP_FAULTS": "1"}
        if otlp_endpoint:
            self._env["OTEL_EXPORTER_OTLP_ENDPOINT"] = otlp_endpoint
        self._workers: dict[str, Worker] = {}
        self._switched: set[tuple[str, str]] = set()
        self._active: list[str] = []
        self._load: asyncio.subprocess.Process | None = None
        self._changing = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._directory = Path(tempfile.mkdtemp(prefix="shop-"))
        self.logs_dir = self._given_logs or self._directory
        self.logs_dir.mkdir(parents=True, exist_ok=True)
        self._client = httpx2.AsyncClient(timeout=5.0, trust_env=False)
        try:
            self._workers = self._hire({**free_ports(), **(self._given_ports or {})})
            await _all([worker.start() for worker in self._workers.values()])
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stop()

    @property
    def ports(self) -> dict[str, int]:
        return {name: worker.port for name, worker in self._workers.items()}

    @property
    def urls(self) -> dict[str, str]:
        return {name: worker.url for name, worker in self._workers.items()}

    @property
    def pids(self) -> dict[str, int | None]:
        """The process of each service, None while it is down."""
        return {name: worker.pid for name, worker in self._workers.items()}

    @property
    def versions(self) -> dict[str, str]:
        return {name: worker.version for name, worker in self._workers.items()}

    @property
    def restarts(self) -> dict[str, int]:
        """How often each service came back after it had ended by itself."""
        return {name: worker.restarts for name, worker in self._workers.items()}

    @property
    def active(self) -> tuple[str, ...]:
        """The faults injected and not yet cleared."""
        return tuple(self._active)

    async def inject(self, name: str) -> Fault:
        """Start a fault of the table; one that is active stays so."""
        fault = _fault(name)
        async with self._changing:
            if name not in self._active:
                await fault.start(self, fault)
                self._active.append(name)
        return fault

    async def clear(self, name: str | None = None) -> None:
        """Stop one fault, or all of them."""
        wanted = [_fault(name).name] if name else list(reversed(self._active))
        async with self._changing:
            for one in wanted:
                if one in self._active:
                    await FAULTS[one].stop(self, FAULTS[one])
                    self._active.remove(one)

    async def start_load(self, *, rate: float = 12.0, seed: int = 1, websockets: int = 2) -> None:
        if self._load:
            raise ShopError("the load is running already")
        options = {"url": self.urls["gateway"], "rate": rate, "seed": seed, "websockets": websockets}
        self._load = await launch(
            ["shop.load", *(f"--{name}={value}" for name, value in options.items())],
            env=environment(self._env),
            log=self.logs_dir / "load.log",
            stdout=asyncio.subprocess.PIPE,
        )

    async def stop_load(self) -> dict[str, Any]:
        """Stop the load, and return its summary; empty if it had not begun."""
        load, self._load = self._load, None
        if not load:
            return {}
        await terminate(load)
        if load.returncode == -signal.SIGTERM:
            return {}
        printed = await load.stdout.read() if load.stdout else b""
        try:
            summary: dict[str, Any] = json.loads(printed)
        except ValueError as error:
            tail = last_lines(self.logs_dir / "load.log")
            raise ShopError(f"the load ended with {load.returncode}:\n{tail}") from error
        return summary

    async def switch_on(self, service: str, kind: str) -> None:
        self._switched.add((service, kind))
        # A service that is down gets it when it is back.
        with contextlib.suppress(httpx2.TransportError):
            await self._switch_on(service, kind)

    async def switch_off(self, service: str, kind: str) -> None:
        self._switched.discard((service, kind))
        # A service that is down has nothing switched on.
        with contextlib.suppress(httpx2.TransportError):
            url = self.urls[service] + ADMIN_PATH
            (await self._client.delete(url, params={"kind": kind})).raise_for_status()

    async def crash(self, service: str, kind: str) -> None:
        await self._workers[service].let_go()
        with contextlib.suppress(httpx2.TransportError):
            await self._switch_on(service, kind)
        await self._workers[service].gone(5.0)

    async def restore(self, service: str) -> None:
        await self._workers[service].start()
        await self._switch_again(service)

    async def deploy(self, service: str, version: str) -> None:
        worker = self._workers[service]
        await worker.stop()
        worker.version = version
        await worker.start()
        await self._switch_again(service)

    async def _switch_on(self, service: str, kind: str) -> None:
        url = self.urls[service] + ADMIN_PATH
        response = await self._client.post(url, json={"kind": kind})
        if response.is_error:
            raise ShopError(f"{url} refused {kind}: {response.status_code} {response.text}")

    async def _switch_again(self, service: str) -> None:
        """A fault lasts until it is cleared, whatever becomes of the process that has it."""
        for at, kind in tuple(self._switched):
            if at == service:
                with contextlib.suppress(httpx2.HTTPError, ShopError):
                    await self._switch_on(service, kind)

    def _hire(self, ports: Mapping[str, int]) -> dict[str, Worker]:
        env = {
            **self._env,
            **{port_variable(name): str(port) for name, port in ports.items()},
            **{url_variable(name): f"http://127.0.0.1:{port}" for name, port in ports.items()},
            "SHOP_DATABASE": str(self._directory / "orders.db"),
        }
        workers = {}
        for name in SERVICES:
            log = self.logs_dir / f"{name}.log"
            worker = Worker(name, port=ports[name], env=env, log=log, version=STABLE_VERSION)
            worker.on_restart = self._switch_again
            workers[name] = worker
        return workers

    async def _stop(self) -> None:
        stops = [worker.stop() for worker in self._workers.values()]
        if self._load:
            stops.append(terminate(self._load))
        await asyncio.gather(*stops)
        self._load = None
        await self._client.aclose()
        shutil.rmtree(self._directory, ignore_errors=True)


def _fault(name: str) -> Fault:
    if name not in FAULTS:
        raise ShopError(f"no fault {name!r}; there are {', '.join(FAULTS)}")
    return FAULTS[name]


async def _all(starts: list[Coroutine[Any, Any, None]]) -> None:
    """Wait for all to start; when one fails, the others stop trying."""
    tasks = [asyncio.ensure_future(start) for start in starts]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


__all__ = ["Shop", "ShopError", "free_ports"]
