"""The console: the pages on which people read incidents and answer them."""

from fastapi import APIRouter, Request, Response

from bongsu.console.deps import ConsoleDeps
from bongsu.console.guard import guarded
from bongsu.console.pages import incident, incidents, live, overview, shared, sign_in
from bongsu.console.view import Console


def console_router(deps: ConsoleDeps) -> APIRouter:
    console = Console(deps)
    router = APIRouter(route_class=guarded(console), include_in_schema=False, default_response_class=Response)
    for room in (sign_in, shared, overview, incidents, incident, live):
        room.add(router, console)
    return router


def error_page(deps: ConsoleDeps, request: Request, status: int) -> Response:
    """The console's own page for an error of the whole server, such as an address that is not known."""
    return Console(deps).error(request, status)
