"""What every route of the console passes: a session unless it is public, a form token for every POST."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar
from urllib.parse import parse_qs, quote

import structlog
from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException as StarletteHTTPException

from bongsu.console.session import SESSION_COOKIE, VISITOR_COOKIE, Session
from bongsu.console.view import SECURITY_HEADERS, Console

log = structlog.get_logger(__name__)

LONGEST_FORM = 32_768
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
Handler = Callable[[Request], Coroutine[Any, Any, Response]]

# A strict cookie does not come with a click on a link elsewhere; it does once our own page asks again.
_ASK_AGAIN = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="0">'
    "<title>Bongsu</title></html>"
)


def public(endpoint: Endpoint) -> Endpoint:
    """Open ``endpoint`` to people who have not signed in."""
    endpoint.public = True  # type: ignore[attr-defined]
    return endpoint


def guarded(console: Console) -> type[APIRoute]:
    class GuardedRoute(APIRoute):
        def get_route_handler(self) -> Handler:
            answer = super().get_route_handler()
            is_public = getattr(self.endpoint, "public", False)

            async def handle(request: Request) -> Response:
                try:
                    request.state.session = session_of(console, request)
                    if request.state.session is None and not is_public:
                        return _turn_away(console, request)
                    if request.method == "POST":
                        request.state.form = await _form(console, request)
                    return await answer(request)
                except StarletteHTTPException as error:
                    return console.error(request, error.status_code)
                except RequestValidationError:
                    return console.error(request, 400)
                except Exception:
                    log.exception("a page failed", path=request.url.path)
                    return console.error(request, 500)

            return handle

    return GuardedRoute


def field(request: Request, name: str) -> str:
    """A field of the form that was sent; empty where it is missing."""
    form: dict[str, list[str]] = request.state.form
    return form.get(name, [""])[0].strip()


def local_path(path: str) -> str:
    """``path`` where it stays on this server, else the overview."""
    plain = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if plain else "/"


def session_of(console: Console, request: Request) -> Session | None:
    cookie = request.cookies.get(SESSION_COOKIE)
    return console.signer.unseal(cookie) if cookie else None


async def _form(console: Console, request: Request) -> dict[str, list[str]]:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_FORM:
            raise HTTPException(413)
    form = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=20)
    session: Session | None = request.state.session
    form_owner = session.id if session else request.cookies.get(VISITOR_COOKIE, "")
    if not console.signer.form_is_from(form_owner, form.get("form_token", [""])[0]):
        raise HTTPException(403)
    return form


def _turn_away(console: Console, request: Request) -> Response:
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    sign_in = f"/sign-in?next={quote(target, safe='')}" if target != "/" else "/sign-in"
    if request.headers.get("hx-request"):
        return Response(status_code=401, headers={**SECURITY_HEADERS, "HX-Redirect": "/sign-in"})
    if request.method not in {"GET", "HEAD"}:
        return console.error(request, 401)
    if request.headers.get("accept", "").split(",")[0] in {"application/json", "text/event-stream"}:
        return Response(status_code=401, headers=SECURITY_HEADERS)
    if request.headers.get("sec-fetch-site") == "cross-site":
        return HTMLResponse(_ASK_AGAIN, headers=SECURITY_HEADERS)
    return RedirectResponse(sign_in, 303, headers=SECURITY_HEADERS)
