"""Our thin port on the durable-execution library: workflows, steps, sleep, receive.

A workflow is an async function whose steps are checkpointed; after a crash it continues after its last
finished step. A step runs at least once, so every outward call looks up its own receipt first.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar

from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID

P = ParamSpec("P")
R = TypeVar("R")

APPLICATION_VERSION = "1"
"""Constant: the library's default hashes the code, and an upgrade would strand pending work."""


class Engine:
    """One per process; the library behind it is a global singleton.

    Register workflows before ``launch``; ``close`` leaves unfinished work for the next start.
    """

    def __init__(self, database: Path, *, executor: str = "bongsu-1", poll_seconds: float = 0.1) -> None:
        # Write-ahead logging has to be on before the library opens the file.
        database.parent.mkdir(parents=True, exist_ok=True)
        with sqlite3.connect(database) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        connection.close()
        config = DBOSConfig(
            name="bongsu",
            system_database_url=f"sqlite:///{database}",
            application_version=APPLICATION_VERSION,
            executor_id=executor,
            serializer=DBOSPortableJSONSerializer(),
            notification_listener_polling_interval_sec=poll_seconds,
            log_level="ERROR",
            enable_otlp=False,
        )
        self._dbos = DBOS(config=config)
        self._home: asyncio.AbstractEventLoop | None = None

    def workflow(self, name: str, function: Callable[P, Coroutine[Any, Any, None]]) -> "Workflow[P]":
        """Give ``function`` durability under a stable ``name``; its arguments must be JSON."""

        # The library marks what it is given, and a bound method cannot be marked.
        async def run(*args: P.args, **kwargs: P.kwargs) -> None:
            await function(*args, **kwargs)

        return Workflow(DBOS.workflow(name=name)(run))

    async def launch(self) -> None:
        """Start, and continue what an earlier process left unfinished."""
        self._home = asyncio.get_running_loop()
        await asyncio.to_thread(DBOS.launch)

    async def close(self) -> None:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(max_workers=1) as thread:
            await loop.run_in_executor(thread, DBOS.destroy)
        # The library had made its own, now closed, pool the loop's default one.
        loop.set_default_executor(ThreadPoolExecutor(thread_name_prefix="default"))

    async def step(
        self, name: str, function: Callable[P, Coroutine[Any, Any, R]], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run once and remember the answer (JSON); repeated only if the process died in it."""

        async def at_home() -> R:
            # Recovered workflows run on the library's own event loop; clients and locks belong to ours.
            home = self._home
            if home is None or home is asyncio.get_running_loop():
                return await function(*args, **kwargs)
            return await asyncio.wrap_future(
                asyncio.run_coroutine_threadsafe(function(*args, **kwargs), home)
            )

        return await DBOS.run_step_async({"name": name}, at_home)

    async def sleep(self, seconds: float) -> None:
        await DBOS.sleep_async(seconds)

    async def receive(self, topic: str, seconds: float) -> Any:
        """The next message to this workflow on ``topic``, or None after ``seconds``."""
        return await DBOS.recv_async(topic, timeout_seconds=seconds)

    async def send(self, workflow_id: str, topic: str, message: Any, *, key: str) -> None:
        """Hand a message to a workflow; the same ``key`` twice is delivered once."""
        await DBOS.send_async(workflow_id, message, topic, idempotency_key=key)


class Workflow(Generic[P]):
    """A registered workflow; ``start`` with an id that already ran, or runs, changes nothing."""

    def __init__(self, function: Callable[P, Coroutine[Any, Any, None]]) -> None:
        self._function = function

    async def start(self, workflow_id: str, *args: P.args, **kwargs: P.kwargs) -> None:
        with SetWorkflowID(workflow_id):
            await DBOS.start_workflow_async(self._function, *args, **kwargs)
