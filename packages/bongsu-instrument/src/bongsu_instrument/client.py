"""Client spans for httpx2: one a request, with the trace context sent along."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import httpx2

from .tracing import current_telemetry

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

ClientT = TypeVar("ClientT", httpx2.Client, httpx2.AsyncClient)


class TracedTransport(httpx2.AsyncBaseTransport, httpx2.BaseTransport):
    """Wraps a transport, asynchronous or not, with one CLIENT span a request.

    A span has `server.address`, `server.port`, `peer.service` and `url.full` without its query, carries
    on in the `traceparent` header, and has the status ERROR after an exception or a 5xx answer.
    `peer_service` names the service behind every host, or maps hosts to names; the host is the default.
    """

    def __init__(
        self,
        transport: httpx2.AsyncBaseTransport | httpx2.BaseTransport,
        *,
        peer_service: str | Mapping[str, str] | None = None,
    ) -> None:
        self._transport: Any = transport
        self._peer_service = peer_service

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request from a `Client`."""
        with self._span(request) as span:
            response: httpx2.Response = self._transport.handle_request(request)
            _answered(span, response)
            return response

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request from an `AsyncClient`."""
        with self._span(request) as span:
            response: httpx2.Response = await self._transport.handle_async_request(request)
            _answered(span, response)
            return response

    def close(self) -> None:
        """Close the wrapped transport."""
        self._transport.close()

    async def aclose(self) -> None:
        """Close the wrapped transport."""
        await self._transport.aclose()

    @contextmanager
    def _span(self, request: httpx2.Request) -> Iterator[Span | None]:
        tracer = _tracer()
        if tracer is None:
            yield None
            return
        from opentelemetry import propagate
        from opentelemetry.trace import SpanKind, StatusCode

        with tracer.start_as_current_span(
            request.method,
            kind=SpanKind.CLIENT,
            attributes=self._attributes(request),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            propagate.inject(request.headers)
            try:
                yield span
            except BaseException as error:
                span.set_attribute("error.type", type(error).__qualname__)
                span.set_status(StatusCode.ERROR, str(error))
                raise

    def _attributes(self, request: httpx2.Request) -> dict[str, str | int]:
        url = request.url
        peer = self._peer_service
        if not isinstance(peer, str):
            peer = (peer or {}).get(url.host, url.host)
        return {
            "http.request.method": request.method,
            "url.full": str(url.copy_with(userinfo=b"", query=None, fragment=None)),
            "server.address": url.host,
            "server.port": url.port or (443 if url.scheme == "https" else 80),
            "peer.service": peer,
        }


def instrument_client(client: ClientT, *, peer_service: str | Mapping[str, str] | None = None) -> ClientT:
    """Trace every request of an httpx2 client, and return it. Calling it again changes nothing."""
    inner: Any = client
    if not isinstance(inner._transport, TracedTransport):
        inner._transport = TracedTransport(inner._transport, peer_service=peer_service)
        inner._mounts = {
            pattern: None if mount is None else TracedTransport(mount, peer_service=peer_service)
            for pattern, mount in inner._mounts.items()
        }
    return client


def _tracer() -> Tracer | None:
    telemetry = current_telemetry()
    if telemetry is not None:
        return telemetry.tracer()
    try:
        from opentelemetry import trace
    except ImportError:
        return None
    return trace.get_tracer("bongsu_instrument")


def _answered(span: Span | None, response: httpx2.Response) -> None:
    if span is None:
        return
    span.set_attribute("http.response.status_code", response.status_code)
    if response.status_code >= 500:
        from opentelemetry.trace import StatusCode

        span.set_attribute("error.type", str(response.status_code))
        span.set_status(StatusCode.ERROR)
