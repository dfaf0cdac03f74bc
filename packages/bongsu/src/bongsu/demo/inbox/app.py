"""The stand-in's HTTP face: the webhook endpoints, the page, and what the demo runner reads."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from bongsu.demo.inbox import forms
from bongsu.demo.inbox.control import Cut, InboxControl
from bongsu.demo.inbox.markdown import Names
from bongsu.demo.inbox.rules import RefusedError, check, invalid, refused
from bongsu.demo.inbox.shapes import Errors, Json, Snowflake
from bongsu.demo.inbox.store import Channel, Stored
from bongsu.demo.inbox.views import api_message, author, messages_html, page_html

WEBHOOK_ID, TOKEN = "1300000000000000001", "demo-token"
CHANNEL_ID, GUILD_ID = "1300000000000000002", "1300000000000000003"
_MOST_BYTES = 26 * 1024 * 1024
_SAFE_PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_CSP = "default-src 'none'; base-uri 'none'; " + "; ".join(
    f"{kind}-src 'self'" for kind in ("img", "style", "script", "connect")
)


@dataclass(slots=True)
class Inbox:
    """The state behind the app, for tests and the demo runner in the same process."""

    channel: Channel
    control: InboxControl
    names: Names
    webhook_id: str
    token: str
    bot: str
    title: str
    threads: frozenset[str] = frozenset()
    alive: bool = True
    """False once the webhook was deleted."""

    def webhook_url(self, base: str) -> str:
        """The address that Discord would hand out, below ``base`` (``http://127.0.0.1:8099``)."""
        return f"{base.rstrip('/')}/api/webhooks/{self.webhook_id}/{self.token}"

    def message(self, stored: Stored, base: str) -> Json:
        return api_message(stored, base=base, webhook=self.webhook_id, channel=CHANNEL_ID, name=self.bot)

    def messages(self, base: str) -> list[Json]:
        """Every message, oldest first, with ``pings``: whom it notified when it was posted."""
        return [self.message(m, base) | {"pings": m.pings} for m in self.channel.all()]


@dataclass(frozen=True, slots=True)
class _Call:
    """One request to the webhook's endpoints, its path and query already checked."""

    inbox: Inbox
    request: Request
    thread: str
    wait: bool
    message: str = ""

    @property
    def base(self) -> str:
        return str(self.request.base_url).rstrip("/")

    async def form(self) -> forms.Form:
        if int(self.request.headers.get("content-length") or 0) > _MOST_BYTES:
            raise refused(413, 40005, "Request entity too large")
        raw = await self.request.body()
        if len(raw) > _MOST_BYTES:
            raise refused(413, 40005, "Request entity too large")
        return forms.read(self.request.headers.get("content-type", ""), raw)

    def stored(self) -> Stored:
        found = self.inbox.channel.get(self.message, self.thread)
        if found is None:
            raise refused(404, 10008, "Unknown Message")
        return found


class _CutConnection(Response):
    """Begins an answer and leaves it: the server can only close the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"64")]})
        await send({"type": "http.response.body", "body": b"", "more_body": True})


async def _execute(call: _Call) -> Response:
    form = await call.form()
    body = check(form.body, edit=False, uploads=form.files)
    stored = call.inbox.channel.post(body, form.files, call.thread)
    if not call.wait:
        return Response(status_code=204)
    return JSONResponse(call.inbox.message(stored, call.base))


async def _edit(call: _Call) -> Response:
    old = call.stored()
    form = await call.form()
    kept = [file.id for file in old.files]
    named = form.body if isinstance(form.body, dict) else {}
    stays = bool(
        old.files or ("content" not in named and old.content) or ("embeds" not in named and old.embeds)
    )
    body = check(form.body, edit=True, uploads=form.files, kept=kept, has_more=stays)
    return JSONResponse(call.inbox.message(call.inbox.channel.edit(old, body, form.files), call.base))


async def _show(call: _Call) -> Response:
    return JSONResponse(call.inbox.message(call.stored(), call.base))


async def _remove(call: _Call) -> Response:
    call.inbox.channel.delete(call.stored().id)
    return Response(status_code=204)


async def _describe(call: _Call) -> Response:
    inbox = call.inbox
    return JSONResponse(
        {
            "id": inbox.webhook_id,
            "type": 1,
            "name": inbox.bot,
            "avatar": None,
            "application_id": None,
            "channel_id": CHANNEL_ID,
            "guild_id": GUILD_ID,
            "token": inbox.token,
            "user": author(inbox.webhook_id, inbox.bot),
        }
    )


async def _retire(call: _Call) -> Response:
    call.inbox.alive = False
    return Response(status_code=204)


_Handler = Callable[[_Call], Awaitable[Response]]
_ON_WEBHOOK: Mapping[str, _Handler] = {"GET": _describe, "POST": _execute, "DELETE": _retire}
_ON_MESSAGE: Mapping[str, _Handler] = {"GET": _show, "PATCH": _edit, "DELETE": _remove}


async def _answer(
    inbox: Inbox, request: Request, handlers: Mapping[str, _Handler], path: Mapping[str, str]
) -> Response:
    """1. Faults. 2. Rate limit. 3. Who and where. 4. The request itself. 5. Headers, log."""
    headers: dict[str, str] = {}
    cut: Cut | None = None
    try:
        cut = await inbox.control.before()
        if cut != "before":
            route = f"{request.method} {'message' if 'message' in path else 'webhook'}"
            headers = inbox.control.count(route)
            response = await handlers.get(request.method, handlers["GET"])(_checked(inbox, request, path))
    except RefusedError as refusal:
        response = JSONResponse(refusal.body, refusal.status)
        headers |= refusal.headers
    if cut is not None:
        response = _CutConnection()
    else:
        response.headers.update(headers)
    status = 0 if cut else response.status_code
    inbox.control.seen.append((request.method, path.get("message", ""), status))
    return response


def _checked(inbox: Inbox, request: Request, path: Mapping[str, str]) -> _Call:
    errors = Errors()
    thread = request.query_params.get("thread_id", "")
    wait = request.query_params.get("wait", "false")
    places = [("webhook_id", path["webhook"])]
    places += [("message_id", path["message"])] if "message" in path else []
    places += [("thread_id", thread)] if "thread_id" in request.query_params else []
    for name, value in places:
        Snowflake(nullable=False).check(value, (name,), errors)
    if wait.lower() not in {"true", "false", "1", "0"}:
        errors.add(("wait",), "BOOLEAN_TYPE_CONVERT", "Must be either true or false.")
    if errors:
        raise invalid(errors)
    if path["webhook"] != inbox.webhook_id or not inbox.alive:
        raise refused(404, 10015, "Unknown Webhook")
    if path["token"] != inbox.token:
        raise refused(401, 50027, "Invalid Webhook Token")
    if thread and thread not in inbox.threads:
        raise refused(404, 10003, "Unknown Channel")
    return _Call(inbox, request, thread, wait.lower() in {"true", "1"}, path.get("message", ""))


def create_inbox(
    *,
    path: Path | None = None,
    control: InboxControl | None = None,
    roles: Mapping[str, str] | None = None,
    users: Mapping[str, str] | None = None,
    threads: tuple[str, ...] = (),
    webhook_id: str = WEBHOOK_ID,
    token: str = TOKEN,
    bot: str = "Bongsu",
    title: str = "incidents",
) -> FastAPI:
    """A stand-in for one Discord channel with one incoming webhook, for loopback only.

    ``path`` is a JSON-lines file that keeps the messages over a restart; ``roles`` and ``users`` name ids for
    the page. The state is at ``app.state.inbox`` (``Inbox``).
    """
    inbox = Inbox(
        channel=Channel(path),
        control=control or InboxControl(),
        names=Names(dict(roles or {}), dict(users or {})),
        webhook_id=webhook_id,
        token=token,
        bot=bot,
        title=title,
        threads=frozenset(threads),
    )
    app = FastAPI(title="Inbox", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.inbox = inbox
    app.add_exception_handler(HTTPException, _plain_error)
    _add_webhook(app, inbox)
    _add_pages(app, inbox)
    return app


async def _plain_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    words = {404: "Not Found", 405: "Method Not Allowed"}.get(error.status_code, error.detail)
    headers = dict(error.headers or {})
    return JSONResponse(
        {"message": f"{error.status_code}: {words}", "code": 0}, error.status_code, headers=headers
    )


def _add_webhook(app: FastAPI, inbox: Inbox) -> None:
    async def on_webhook(request: Request) -> Response:
        return await _answer(inbox, request, _ON_WEBHOOK, request.path_params)

    async def on_message(request: Request) -> Response:
        return await _answer(inbox, request, _ON_MESSAGE, request.path_params)

    for prefix in ("/api", "/api/v9", "/api/v10"):
        address = prefix + "/webhooks/{webhook}/{token}"
        app.add_route(address, on_webhook, methods=list(_ON_WEBHOOK))
        app.add_route(address + "/messages/{message}", on_message, methods=list(_ON_MESSAGE))


def _add_pages(app: FastAPI, inbox: Inbox) -> None:
    def base(request: Request) -> str:
        return str(request.base_url).rstrip("/")

    def listing() -> str:
        return messages_html(inbox.messages(""), inbox.names)

    @app.get("/")
    async def page() -> HTMLResponse:
        shown = page_html(title=inbox.title, version=inbox.channel.version, messages=listing())
        return HTMLResponse(shown, headers={"Content-Security-Policy": _CSP})

    @app.get("/fragment")
    async def fragment(seen: int = -1) -> Response:
        version = inbox.channel.version
        if seen == version:
            return Response(status_code=204)
        return HTMLResponse(listing(), headers={"X-Version": str(version)})

    @app.get("/api/messages")
    async def messages(request: Request) -> Response:
        return JSONResponse(inbox.messages(base(request)))

    @app.get("/attachments/{channel}/{identity}/{name}")
    async def attachment(channel: str, identity: str, name: str) -> Response:
        file = inbox.channel.file(identity)
        if file is None or channel != CHANNEL_ID or name != file.filename:
            raise HTTPException(404)
        if file.content_type in _SAFE_PICTURES:
            return Response(file.data, media_type=file.content_type)
        save = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
        return Response(file.data, media_type="application/octet-stream", headers=save)

    @app.get("/static/{name}")
    async def static(name: str) -> Response:
        kinds = {"inbox.css": "text/css", "inbox.js": "text/javascript"}
        if name not in kinds:
            raise HTTPException(404)
        text = (files("bongsu.demo.inbox") / "templates" / name).read_text("utf-8")
        return Response(text, media_type=kinds[name])
