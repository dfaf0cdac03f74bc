"""The ASGI middleware: one exchange a request, recorded once, whatever happens to it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

from .http_metrics import HttpMetrics, SpanId

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

METHODS = frozenset(
    {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"},
)
_BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})
OTHER = "OTHER"
NOT_FOUND = "NOT_FOUND"
REDIRECTION = "REDIRECTION"
UNKNOWN = "UNKNOWN"
CLIENT_CLOSED_REQUEST = 499

_LIFESPAN_END = frozenset(
    {"lifespan.shutdown.complete", "lifespan.shutdown.failed", "lifespan.startup.failed"},
)
_logger = logging.getLogger("bongsu_instrument")


class Templates(Protocol):
    """Finds the template of a routed path."""

    def template(self, scope: Scope, base: str) -> str | None: ...


class ServerSpan(Protocol):
    """The span of one request, as the middleware uses it."""

    def failed(self, error: Exception) -> None: ...

    def finish(self, method: str, path: str, status: int, error: BaseException | None) -> None: ...

    def close(self) -> None: ...


class Tracing(Protocol):
    """What the middleware needs of OpenTelemetry."""

    def open(self, scope: Scope) -> ServerSpan | None: ...

    def enter(self) -> ServerSpan | None: ...

    def sampled(self) -> SpanId | None: ...

    async def flush(self) -> None: ...


class Exchange:
    """One request and its response, as they pass through the middleware."""

    __slots__ = (
        "_chunked",
        "_metrics",
        "_middleware",
        "_open",
        "_receive",
        "_send",
        "_started",
        "_trailers",
        "base",
        "declared",
        "disconnected",
        "method",
        "received",
        "sampled",
        "scope",
        "sent",
        "span",
        "status",
    )

    def __init__(self, middleware: BongsuMiddleware, scope: Scope, receive: Receive, send: Send) -> None:
        self._started = perf_counter()
        self._middleware = middleware
        self._metrics = middleware.metrics
        self._receive = receive
        self._send = send
        self._open = True
        self._trailers = False
        self.scope = scope
        self.base: str = scope.get("root_path", "")
        self.method: str = scope["method"]
        self.declared, self._chunked = _announced_body(scope["headers"])
        self.disconnected = False
        self.received = 0
        self.sent = 0
        self.status = 0
        self.span: ServerSpan | None = None
        self.sampled: SpanId | None = None

    def has_body(self) -> bool:
        """Whether the request may have a body. HTTP/2 needs no header to announce one."""
        if self.declared is not None:
            return self.declared > 0
        return self._chunked or self.method not in _BODILESS

    async def receive(self) -> Message:
        """Pass a message on from the server, counting the body and noticing a client that left."""
        message = await self._receive()
        if message["type"] == "http.request":
            self.received += len(message.get("body", b""))
        elif message["type"] == "http.disconnect" and self._open:
            self.disconnected = True
        return message

    def send(self, message: Message) -> Awaitable[None]:
        """Pass a message on to the server; the last one ends the exchange once it was taken."""
        try:
            if self._open and message["type"] != "http.response.start":
                return self._send_body(message, self._last(message))
            self.status = message.get("status", self.status)
            self._trailers = message.get("trailers", self._trailers)
        except Exception:
            _report()
        return self._send(message)

    def _last(self, message: Message) -> bool:
        kind = message["type"]
        if kind == "http.response.body":
            self.sent += len(message.get("body", b""))
            return not (self._trailers or message.get("more_body", False))
        if kind == "http.response.trailers":
            return not message.get("more_trailers", False)
        if kind == "http.response.pathsend":
            with suppress(OSError):
                self.sent += Path(message["path"]).stat().st_size
            return not self._trailers
        if kind == "http.response.zerocopysend":
            self.sent += message.get("count") or 0
            return not (self._trailers or message.get("more_body", False))
        return False

    async def _send_body(self, message: Message, last: bool) -> None:
        # A server may tell the application of a disconnect as soon as the response is complete.
        left = self.disconnected
        try:
            await self._send(message)
        except OSError:
            self.disconnected = True
            raise
        if last:
            self.finish(CLIENT_CLOSED_REQUEST if left else self.status)

    def abort(self, error: BaseException) -> None:
        """The application raised, or was cancelled because nobody waits for it any more."""
        cancelled = not isinstance(error, Exception | SystemExit | KeyboardInterrupt)
        self.finish(CLIENT_CLOSED_REQUEST if cancelled or self.disconnected else 500, error)

    def returned(self) -> None:
        """The application returned; without a complete response, nobody was there to read it."""
        if self._open:
            self.finish(CLIENT_CLOSED_REQUEST if self.status or self.disconnected else 500)

    def finish(self, status: int, error: BaseException | None = None) -> None:
        """Record the exchange, the first time this is called."""
        if not self._open:
            return
        self._open = False
        seconds = perf_counter() - self._started
        method = self.method if self.method in METHODS else OTHER
        path = UNKNOWN
        try:
            path = self._middleware.path(self.scope, self.base, self.status)
        except Exception:
            _report()
        try:
            bodiless = self.method == "HEAD" or self.status in {204, 304}
            self._metrics.leave(
                (method, path, status),
                seconds,
                self.received if self.declared is None else self.declared,
                0 if bodiless else self.sent,
                self.sampled,
            )
            if self.span is not None:
                self.span.finish(method, path, status, error)
        except Exception:
            _report()
        # The scope holds the exchange: let go of it, so that neither waits for the garbage collector.
        self.scope = {}


class BongsuMiddleware:
    """Measures an ASGI application. `instrument` installs it; other ASGI applications can be wrapped.

    The latency runs from the request's arrival to the moment the server took the last byte of the
    response, so background tasks are not part of it. A request whose client left, or that was
    cancelled, has the status 499; one that failed before or while it was answered, 500.
    """

    def __init__(
        self,
        app: ASGIApp,
        metrics: HttpMetrics,
        *,
        key: str = "bongsu",
        templates: Templates | None = None,
        tracing: Tracing | None = None,
        metrics_path: str = "/metrics",
    ) -> None:
        self.app = app
        self.metrics = metrics
        self._key = key
        self._templates = templates
        self._tracing = tracing
        self._metrics_path = metrics_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        kind = scope["type"]
        if kind == "http":
            if self.is_scrape(scope):
                await self.app(scope, receive, send)
            else:
                await self._http(scope, receive, send)
        elif kind == "websocket":
            await self._websocket(scope, receive, send)
        elif kind == "lifespan" and self._tracing is not None:
            await self._lifespan(scope, receive, send, self._tracing)
        else:
            await self.app(scope, receive, send)

    def is_scrape(self, scope: Scope) -> bool:
        """Whether this is a request for the metrics themselves, which are not measured."""
        path: str = scope.get("path", "")
        return path.endswith(self._metrics_path) and (
            path == self._metrics_path or path == scope.get("root_path", "") + self._metrics_path
        )

    def path(self, scope: Scope, base: str, status: int) -> str:
        """The `path` label of a finished request."""
        template = self._templates.template(scope, base) if self._templates is not None else None
        if template is not None:
            return template or "/"
        if status == 404:
            return NOT_FOUND
        return REDIRECTION if 300 <= status < 400 else UNKNOWN

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            exchange = Exchange(self, scope, receive, send)
        except Exception:
            _report()
            await self.app(scope, receive, send)
            return
        self.metrics.enter()
        scope[self._key] = exchange
        if self._tracing is not None:
            self._open_span(exchange, scope, self._tracing)
        try:
            await self.app(scope, exchange.receive if exchange.has_body() else receive, exchange.send)
        except BaseException as error:
            exchange.abort(error)
            raise
        else:
            exchange.returned()
        finally:
            if exchange.span is not None:
                exchange.span.close()

    def _open_span(self, exchange: Exchange, scope: Scope, tracing: Tracing) -> None:
        try:
            exchange.span = tracing.open(scope)
            exchange.sampled = tracing.sampled()
        except Exception:
            _report()

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        metrics, connected = self.metrics, False

        def counted(message: Message) -> Awaitable[None]:
            nonlocal connected
            kind = message["type"]
            if kind == "websocket.accept" and not connected:
                connected = True
                metrics.websocket(1)
            elif kind == "websocket.close" and connected:
                connected = False
                metrics.websocket(-1)
            return send(message)

        span = self._tracing.enter() if self._tracing is not None else None
        try:
            await self.app(scope, receive, counted)
        finally:
            if connected:
                metrics.websocket(-1)
            if span is not None:
                span.close()

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send, tracing: Tracing) -> None:
        async def flushing(message: Message) -> None:
            if message["type"] in _LIFESPAN_END:
                await tracing.flush()
            await send(message)

        await self.app(scope, receive, flushing)


class RouterProbe:
    """The innermost middleware: tells the exchange which scope reached the router, and what it raised.

    A middleware may have copied the scope on the way, and what the router finds is only in the copy.
    """

    def __init__(self, app: ASGIApp, key: str) -> None:
        self.app = app
        self._key = key

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass the scope on."""
        exchange: Exchange | None = scope.get(self._key)
        if exchange is not None and scope["type"] == "http":
            exchange.scope = scope
            exchange.base = scope.get("root_path", "")
            if exchange.span is not None:
                return self._observed(exchange.span, scope, receive, send)
        return self.app(scope, receive, send)

    async def _observed(self, span: ServerSpan, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        except Exception as error:
            try:
                span.failed(error)
            except Exception:
                _report()
            raise


def _announced_body(headers: Iterable[tuple[bytes, bytes]]) -> tuple[int | None, bool]:
    """The declared length, and whether the headers announce a body without one that can be read."""
    chunked = False
    for name, value in headers:
        if name == b"content-length":
            if value.isdigit() and len(value) < 19:
                return int(value), False
            chunked = True
        elif name == b"transfer-encoding":
            chunked = True
    return None, chunked


def _report() -> None:
    # Nothing here may reach the request, and a broken log handler must not either.
    with suppress(Exception):
        _logger.exception("instrumentation failed; the request is not affected")
