"""The services that send OTLP: listen for a while on loopback, then read who they are and whom they call."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterable

import uvicorn
from fastapi import FastAPI

from bongsu.catalog.discover import Seen
from bongsu.cli import say
from bongsu.cli.discovery import DiscoveryError
from bongsu.cli.discovery.pages import labels_by_metric
from bongsu.sources.embedded.otlp import otlp_router
from bongsu.sources.embedded.store import EmbeddedStore

_ROOM = 256 * 2**20
_CALLS = """
SELECT p.service, c.service, count(*) FROM spans c JOIN spans p
ON c.trace_id = p.trace_id AND c.parent_id = p.span_id
WHERE c.service <> p.service AND p.service <> '' AND c.service <> '' GROUP BY ALL
"""
_PEERS = """
SELECT service, peer, count(*) FROM spans AS s WHERE peer <> '' AND service <> '' AND NOT EXISTS (
    SELECT 1 FROM spans AS c
    WHERE c.trace_id = s.trace_id AND c.parent_id = s.span_id AND c.service <> s.service
) GROUP BY ALL
"""
_SERVICES = "SELECT service FROM spans UNION SELECT service FROM logs"
_SERIES = "SELECT metric, labels FROM series"


async def from_otlp(seconds: float, port: int) -> list[Seen]:
    """The services that sent something to ``127.0.0.1:port`` within ``seconds``."""
    store = EmbeddedStore(None, seconds + 3600, _ROOM)
    try:
        async with _listening(store, port):
            await asyncio.sleep(seconds)
        return await asyncio.to_thread(read, store)
    finally:
        store.close()


def read(store: EmbeddedStore) -> list[Seen]:
    """The services in the store, by name."""
    series: dict[str, list[tuple[str, Iterable[tuple[str, str]]]]] = {}
    for metric, labels in store.query(_SERIES):
        job = labels.get("job", "").rpartition("/")[2]
        own = [(name, value) for name, value in labels.items() if name not in {"job", "instance"}]
        series.setdefault(job, []).append((metric, own))
    names = {row[0] for row in store.query(_SERVICES)} | set(series)
    calls: dict[str, dict[str, int]] = {}
    for caller, callee, count in store.query(_CALLS):
        calls.setdefault(caller, {})[callee] = count
    for caller, peer, count in store.query(_PEERS):
        calls.setdefault(caller, {}).setdefault(peer, count)
    return [
        Seen(name, dict(labels_by_metric(series.get(name, ()))), calls=calls.get(name, {}))
        for name in sorted(names)
        if name
    ]


@contextlib.asynccontextmanager
async def _listening(store: EmbeddedStore, port: int) -> AsyncIterator[None]:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(otlp_router(store))
    listener = _bind(port)
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving
        listener.close()


def _bind(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        hint = say(
            "another program listens there; choose one with --listen PORT",
            "다른 프로그램이 쓰는 포트입니다. --listen으로 바꾸세요",
        )
        raise DiscoveryError(f"127.0.0.1:{port}: {error.strerror}; {hint}") from None
    return listener
