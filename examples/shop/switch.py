"""The service's side of fault injection: what is switched on here, and the endpoint that switches it."""

import asyncio
import ipaddress
import json

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from shop.faults import FAULTS

ADMIN_PATH = "/-/fault"


class Switch:
    def __init__(self, service: str) -> None:
        self._known = {name: fault for name, fault in FAULTS.items() if fault.service == service}
        self._on: dict[str, asyncio.Task[None] | None] = {}

    @property
    def active(self) -> list[str]:
        return sorted(self._on)

    def knows(self, kind: str) -> bool:
        return kind in self._known

    def turn_on(self, kind: str) -> None:
        if kind not in self._on:
            run = self._known[kind].run
            self._on[kind] = asyncio.ensure_future(run()) if run else None

    async def turn_off(self, kind: str) -> None:
        task = self._on.pop(kind, None)
        if task:
            task.cancel()
            await asyncio.wait([task])

    async def at(self, point: str) -> None:
        """Called by the service where something may go wrong."""
        for kind in tuple(self._on):
            effect = self._known[kind].at.get(point)
            if effect:
                await effect()


class Admin:
    """Answers the fault endpoint in front of the application, so that its telemetry never sees it."""

    def __init__(self, app: ASGIApp, switch: Switch) -> None:
        self.app = app
        self.switch = switch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == ADMIN_PATH and _on_loopback(scope):
            response = await self.answer(Request(scope, receive))
            await response(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def answer(self, request: Request) -> JSONResponse:
        if request.method == "POST":
            # A page in a browser cannot send this type across origins without asking first.
            if request.headers.get("content-type") != "application/json":
                return JSONResponse({"detail": "send application/json"}, 415)
            kind = _kind(await request.body())
            if not self.switch.knows(kind):
                return JSONResponse({"detail": "no such fault in this service"}, 404)
            self.switch.turn_on(kind)
        elif request.method == "DELETE":
            asked = request.query_params.get("kind")
            for kind in [asked] if asked else self.switch.active:
                await self.switch.turn_off(kind)
        elif request.method != "GET":
            return JSONResponse({"detail": "GET, POST or DELETE"}, 405)
        return JSONResponse({"active": self.switch.active})


def _kind(body: bytes) -> str:
    try:
        return str(json.loads(body)["kind"])
    except (ValueError, TypeError, KeyError):
        return ""


def _on_loopback(scope: Scope) -> bool:
    """Whether our end of the connection is a loopback address; then the other end is on this host."""
    server = scope.get("server")
    try:
        return server is not None and ipaddress.ip_address(server[0]).is_loopback
    except ValueError:
        return False
