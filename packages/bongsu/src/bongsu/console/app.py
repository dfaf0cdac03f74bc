"""The console: the pages on which people read incidents and answer them."""

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exception_handlers import http_exception_handler
from starlette.exceptions import HTTPException

from bongsu.console.deps import ConsoleDeps
from bongsu.console.guard import guarded, session_of
from bongsu.console.pages import incident, incidents, live, overview, shared, sign_in
from bongsu.console.view import Console


def console_router(deps: ConsoleDeps) -> APIRouter:
    console = Console(deps)
    router = APIRouter(route_class=guarded(console), include_in_schema=False, default_response_class=Response)
    for room in (sign_in, shared, overview, incidents, incident, live):
        room.add(router, console)
    return router


def add_error_pages(app: FastAPI, deps: ConsoleDeps) -> None:
    """Say errors of the whole server, such as an unknown address, as a page to those who read pages."""
    console = Console(deps)

    async def answer(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        if "text/html" not in request.headers.get("accept", ""):
            return await http_exception_handler(request, error)
        request.state.session = session_of(console, request)
        return console.error(request, error.status_code)

    app.add_exception_handler(HTTPException, answer)
