"""What the four services share: the application, its telemetry, its peers, and how it is run."""

import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx2
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from shop import telemetry
from shop.errors import PeerError
from shop.orphans import die_with_parent
from shop.peers import Peer
from shop.settings import Settings
from shop.switch import Admin, Switch


class Service:
    """One running service: its settings, its fault switch and its peers."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.switch = Switch(settings.service)
        self._log = logging.getLogger(f"shop.{settings.service}")
        self._clients: list[httpx2.AsyncClient] = []
        self._closers: list[Callable[[], None]] = []

    def app(self) -> FastAPI:
        """A FastAPI application with telemetry, `/healthz` and an answer to failing peers."""
        app = FastAPI(
            title=f"shop {self.settings.service}",
            version=self.settings.version,
            lifespan=self._lifespan,
            openapi_url=None,
            telemetry=telemetry.FASTAPI,
        )
        app.add_exception_handler(PeerError, self._peer_failed)

        @app.get("/healthz")
        async def healthz() -> dict[str, str | int]:
            return {
                "status": "ok",
                "service": self.settings.service,
                "version": self.settings.version,
                "pid": os.getpid(),
            }

        telemetry.attach(app, service=self.settings.service, version=self.settings.version)
        return app

    def peer(self, name: str, *, seconds: float = 2.0) -> Peer:
        client = telemetry.client(name)
        self._clients.append(client)
        return Peer(name, self.settings.peers[name], client, seconds=seconds)

    def on_stop(self, close: Callable[[], None]) -> None:
        self._closers.append(close)

    async def _peer_failed(self, request: Request, error: Exception) -> JSONResponse:
        details = "; ".join([str(error), *getattr(error, "__notes__", ())])
        self._log.error("%s %s failed: %s", request.method, request.url.path, details)
        return JSONResponse({"detail": str(error)}, getattr(error, "status", 500))

    @asynccontextmanager
    async def _lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        self._log.info("%s %s started", self.settings.service, self.settings.version)
        yield
        for client in self._clients:
            await client.aclose()
        for close in self._closers:
            close()
        self._log.info("%s %s stopped", self.settings.service, self.settings.version)


def serve(name: str, build: Callable[[Service], FastAPI]) -> None:
    """Run one service until it is told to stop."""
    die_with_parent()
    service = Service(Settings.read(name))
    app = build(service)
    settings = service.settings
    uvicorn.run(
        Admin(app, service.switch) if settings.faults else app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        log_config=None,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
    )
