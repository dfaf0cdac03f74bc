"""OpenTelemetry traces and logs over OTLP/HTTP, configured by the standard environment variables."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Mapping, MutableMapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from .http_metrics import SpanId

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.trace import Tracer, TracerProvider

    from .spans import RequestSpan

_FLUSH_SECONDS = 5.0
_logger = logging.getLogger("bongsu_instrument")
_lock = threading.Lock()
_telemetries: dict[tuple[str, str | None], Telemetry] = {}
_current: ContextVar[Telemetry | None] = ContextVar("bongsu_telemetry", default=None)
_default: Telemetry | None = None
_warned = False


class Telemetry:
    """The providers of one service. The first service of a process also gets the global ones."""

    def __init__(
        self,
        service: str,
        tracer_provider: TracerProvider | None,
        logger_provider: LoggerProvider | None,
        *,
        owned: bool,
    ) -> None:
        self.service = service
        self.tracer_provider = tracer_provider
        self.logger_provider = logger_provider
        self.owned = owned
        self._tracer: Tracer | None = None

    def tracer(self) -> Tracer:
        """The tracer that opens this service's spans."""
        if self._tracer is None:
            from opentelemetry import trace

            self._tracer = trace.get_tracer("bongsu_instrument", tracer_provider=self.tracer_provider)
        return self._tracer

    def force_flush(self) -> None:
        """Export what is queued now; blocks until the collector answered or the exporter gave up."""
        if not self.owned:
            return
        for provider in (self.tracer_provider, self.logger_provider):
            flush = getattr(provider, "force_flush", None)
            if flush is not None:
                try:
                    flush()
                except Exception:
                    _logger.warning("telemetry could not be flushed", exc_info=True)

    async def flush(self) -> None:
        """Export what is queued without blocking the event loop, for five seconds at most."""
        thread = threading.Thread(target=self.force_flush, name="bongsu-flush", daemon=True)
        thread.start()
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            thread.join(_FLUSH_SECONDS)
            return
        for _ in range(int(_FLUSH_SECONDS * 100)):
            if not thread.is_alive():
                return
            await asyncio.sleep(0.01)


class RequestTracing:
    """Telemetry as the middleware of one application uses it."""

    def __init__(self, telemetry: Telemetry | None, opener: Callable[..., RequestSpan] | None) -> None:
        from opentelemetry.trace import get_current_span

        self._telemetry = telemetry
        self._opener = opener
        self._current_span = get_current_span

    def open(self, scope: MutableMapping[str, Any]) -> RequestSpan | ServiceScope | None:
        """Open the server span of a request, unless something else has opened it already."""
        if self._telemetry is None:
            return None
        # A FastAPI that this application is mounted in, or that mounts it, leaves this key.
        if self._opener is None or "fastapi.telemetry" in scope:
            return ServiceScope(self._telemetry)
        scope["fastapi.telemetry"] = None
        return self._opener(self._telemetry, scope)

    def enter(self) -> ServiceScope | None:
        """Attribute what follows to the service without a span of our own."""
        return ServiceScope(self._telemetry) if self._telemetry is not None else None

    def sampled(self) -> SpanId | None:
        """The ids of the current span when it is sampled."""
        context = self._current_span().get_span_context()
        return (context.trace_id, context.span_id) if context.trace_flags & 1 else None

    async def flush(self) -> None:
        """Export what is queued, at shutdown."""
        if self._telemetry is not None:
            await self._telemetry.flush()


class ServiceScope:
    """Marks what runs inside as belonging to one service, for its logs and its client spans."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._token = _current.set(telemetry)

    def failed(self, error: Exception) -> None:
        """Nothing to record."""

    def finish(self, method: str, path: str, status: int, error: BaseException | None) -> None:
        """Nothing to record."""

    def close(self) -> None:
        """Leave the service."""
        _current.reset(self._token)


def current_telemetry() -> Telemetry | None:
    """The telemetry of the request being served, else that of the first service of the process."""
    return _current.get() or _default


def service_identity(
    service: str | None, version: str | None, environ: Mapping[str, str] = os.environ
) -> tuple[str | None, str | None]:
    """Name and version of the service: the arguments, else what OpenTelemetry's variables say."""
    attributes: dict[str, str] = {}
    for pair in environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(","):
        name, separator, value = pair.partition("=")
        if separator:
            attributes[name.strip()] = unquote(value.strip())
    return (
        service or environ.get("OTEL_SERVICE_NAME") or attributes.get("service.name"),
        version or attributes.get("service.version"),
    )


def endpoint_configured(signal: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether `signal`, `TRACES` or `LOGS`, is to be exported over OTLP/HTTP."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if environ.get(f"OTEL_{signal}_EXPORTER", "otlp").strip().lower() not in {"", "otlp"}:
        return False
    specific = f"OTEL_EXPORTER_OTLP_{signal}_"
    if not (environ.get(f"{specific}ENDPOINT") or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")):
        return False
    protocol = environ.get(f"{specific}PROTOCOL") or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    if protocol and protocol != "http/protobuf":
        _warn(f"OTLP over {protocol} is not supported; set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf")
        return False
    return True


def configure(service: str, version: str | None, *, exporters: bool = True) -> Telemetry | None:
    """Set up traces and logs for one service, once. None when nothing is to be exported.

    With `exporters` false somebody else adds the exporters to the providers made here.
    """
    traces, logs = endpoint_configured("TRACES"), endpoint_configured("LOGS")
    if not (traces or logs):
        return _foreign(service)
    try:
        from . import providers
    except ImportError:
        _warn("an OTLP endpoint is set, but OpenTelemetry is not: pip install 'bongsu-instrument[otel]'")
        return None
    global _default
    with _lock:
        known = _telemetries.get((service, version))
        if known is not None:
            return known
        telemetry = providers.build(service, version, traces=traces, logs=logs, exporters=exporters)
        if _default is None:
            _default = telemetry
            providers.make_global(telemetry)
        if telemetry.logger_provider is not None:
            providers.attach_logging()
        _telemetries[service, version] = telemetry
        return telemetry


def _foreign(service: str) -> Telemetry | None:
    """The application configured OpenTelemetry by itself: use its providers, export nothing."""
    try:
        from opentelemetry import trace
    except ImportError:
        return None
    provider = trace.get_tracer_provider()
    if isinstance(provider, trace.ProxyTracerProvider):
        return None
    return Telemetry(service, provider, None, owned=False)


def _warn(message: str) -> None:
    global _warned
    if not _warned:
        _warned = True
        _logger.warning(message)
