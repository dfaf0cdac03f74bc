"""Signing in with a token, and out."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from bongsu.console.guard import field, local_path, public
from bongsu.console.session import SESSION_COOKIE, SESSION_SECONDS, Attempts
from bongsu.console.view import SECURITY_HEADERS, Console


def add(router: APIRouter, console: Console) -> None:
    attempts = Attempts()

    def form(request: Request, target: str, *, problem: str = "", wait: float = 0.0, status: int) -> Response:
        context = {"next": local_path(target), "problem": problem, "wait": wait}
        return console.page(request, "sign_in.html", context, status=status)

    @router.get("/sign-in")
    @public
    async def sign_in_page(request: Request, next: str = "/") -> Response:  # noqa: A002
        if request.state.session is not None:
            return RedirectResponse(local_path(next), 303, headers=SECURITY_HEADERS)
        return form(request, next, status=200)

    @router.post("/sign-in")
    @public
    async def sign_in(request: Request) -> Response:
        target = field(request, "next")
        address = request.client.host if request.client else ""
        wait = attempts.wait(address)
        if wait > 0:
            return form(request, target, problem="token_wait", wait=wait, status=429)
        actor = console.deps.sign_in(field(request, "token"))
        if not actor:
            attempts.failed(address)
            return form(request, target, problem="token_wrong", status=401)
        attempts.succeeded(address)
        response = RedirectResponse(local_path(target), 303, headers=SECURITY_HEADERS)
        sealed = console.signer.seal(console.signer.open(actor))
        console.set_cookie(request, response, SESSION_COOKIE, sealed, max_age=int(SESSION_SECONDS))
        return response

    @router.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        response = RedirectResponse("/sign-in", 303, headers=SECURITY_HEADERS)
        response.delete_cookie(SESSION_COOKIE, path="/")
        return response
