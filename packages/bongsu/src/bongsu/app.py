"""The FastAPI app: the server's rooms as HTTP endpoints."""

import contextlib
from collections.abc import AsyncIterator

from fastapi import Depends, FastAPI
from fastapi.responses import JSONResponse

from bongsu import __version__
from bongsu.api import incidents_router, ingest_only, targets_router, watch_router, webhook_router
from bongsu.console.app import add_error_pages, console_router
from bongsu.incidents.intake.common import ServiceIndex
from bongsu.query_api import query_router
from bongsu.server import Server
from bongsu.sources.embedded.otlp import otlp_router
from bongsu.wiring import console_deps


def create_app(server: Server) -> FastAPI:
    """The app; its lifespan runs the server."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with server.run():
            yield

    app = FastAPI(
        title="Bongsu",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.state.server = server

    @app.get("/healthz", tags=["health"])
    async def healthz() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @app.get("/readyz", tags=["health"])
    async def readyz() -> JSONResponse:
        """The server takes alerts."""
        return JSONResponse({"ready": server.ready}, 200 if server.ready else 503)

    services = ServiceIndex({name: service.labels for name, service in server.services.items()})
    app.include_router(webhook_router(server.credentials, services, server.lifecycle))
    app.include_router(incidents_router(server.credentials, server.store, server.archive, server.lifecycle))
    app.include_router(query_router(server.credentials, server.services, server.source))
    app.include_router(targets_router(server.credentials, server.targets))
    app.include_router(watch_router(server.credentials, server.watch))
    if server.telemetry is not None:
        ingest = [Depends(ingest_only(server.credentials))]
        app.include_router(otlp_router(server.telemetry), dependencies=ingest)
    deps = console_deps(server)
    app.include_router(console_router(deps))
    add_error_pages(app, deps)
    return app
