"""The server span of a request, where the framework does not open one itself."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import propagate, trace
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import SpanKind, StatusCode

from .asgi import METHODS, NOT_FOUND, REDIRECTION, UNKNOWN
from .tracing import ServiceScope, Telemetry

Scope = MutableMapping[str, Any]


class _Headers(Getter[Scope]):
    def get(self, carrier: Scope, key: str) -> list[str] | None:
        name = key.lower().encode()
        values = [value.decode("latin-1") for header, value in carrier["headers"] if header == name]
        return values or None

    def keys(self, carrier: Scope) -> list[str]:
        return [header.decode("latin-1") for header, _ in carrier["headers"]]


_HEADERS = _Headers()


class RequestSpan(ServiceScope):
    """One SERVER span: from the request's arrival to the last byte of its response."""

    def __init__(self, telemetry: Telemetry, scope: Scope) -> None:
        super().__init__(telemetry)
        self._telemetry = telemetry
        self._failed = False
        parent = propagate.extract(scope, getter=_HEADERS)
        method = scope["method"] if scope["method"] in METHODS else "HTTP"
        self._span = telemetry.tracer().start_span(
            method, context=parent, kind=SpanKind.SERVER, attributes=_attributes(scope)
        )
        self._context_token = otel_context.attach(trace.set_span_in_context(self._span, parent))

    def finish(self, method: str, path: str, status: int, error: BaseException | None) -> None:
        """Name the span after the route and end it; 5xx is an error, and so is an exception."""
        span = self._span
        if path not in {NOT_FOUND, REDIRECTION, UNKNOWN}:
            span.update_name(f"{method if method in METHODS else 'HTTP'} {path}")
            span.set_attribute("http.route", path)
        span.set_attribute("http.response.status_code", status)
        if status >= 500:
            span.set_status(StatusCode.ERROR)
            if not self._failed:
                span.set_attribute("error.type", str(status) if error is None else type(error).__qualname__)
        span.end()

    def failed(self, error: Exception) -> None:
        """Record an exception that the application did not handle, while the span is open."""
        from .providers import emit_exception

        self._failed = True
        self._span.set_attribute("error.type", type(error).__qualname__)
        self._span.record_exception(error)
        emit_exception(self._telemetry, error)

    def close(self) -> None:
        """Leave the span; it was ended before."""
        otel_context.detach(self._context_token)
        super().close()


def _attributes(scope: Scope) -> dict[str, str | int]:
    method: str = scope["method"]
    attributes: dict[str, str | int] = {
        "http.request.method": method if method in METHODS else "_OTHER",
        "url.scheme": scope.get("scheme", "http"),
        "url.path": scope["path"],
        "network.protocol.version": scope.get("http_version", "1.1"),
    }
    server, client = scope.get("server"), scope.get("client")
    if server:
        attributes["server.address"] = server[0]
        if server[1] is not None:
            attributes["server.port"] = server[1]
    if client:
        attributes["client.address"] = client[0]
    agents = _HEADERS.get(scope, "user-agent")
    if agents:
        attributes["user_agent.original"] = agents[0]
    return attributes
