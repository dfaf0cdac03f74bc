"""`instrument`: one call that gives an application its metrics, its traces and its logs."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterator, Sequence
from gzip import compress
from typing import TYPE_CHECKING, Any

from .asgi import ASGIApp, BongsuMiddleware, RouterProbe, Scope
from .exposition import (
    OPENMETRICS_CONTENT_TYPE,
    TEXT_CONTENT_TYPE,
    check_metric_name,
    format_header,
    format_labels,
    prefers_openmetrics,
)
from .http_metrics import HttpMetrics
from .metrics import DEFAULT_BUCKETS, Counter, Gauge, Histogram, Registry
from .process import ProcessMetrics
from .tracing import RequestTracing, Telemetry, configure, service_identity

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

_GZIP_FROM_BYTES = 1_000
_instrumented: weakref.WeakKeyDictionary[Any, dict[str, Instrumentation]] = weakref.WeakKeyDictionary()


class Instrumentation:
    """The metrics of one instrumented application, and the place to declare its own.

    `service` and `version` are what traces, logs and `{prefix}_build_info` say.
    """

    def __init__(
        self,
        prefix: str,
        *,
        service: str | None = None,
        version: str | None = None,
        buckets: Sequence[float] = DEFAULT_BUCKETS,
        max_series: int = 1_000,
    ) -> None:
        self.prefix = check_metric_name(prefix)
        name, self.version = service_identity(service, version)
        self.service = name or prefix
        self.telemetry: Telemetry | None = None
        self.http = HttpMetrics(prefix, buckets, max_series)
        self.registry = Registry(prefix, max_series)
        build = _BuildInfo(f"{prefix}_build_info", self.service, self.version or "")
        process = ProcessMetrics()
        self.registry.collect(self.http, self.http.names)
        self.registry.collect(build, (build.name,)).collect(process, process.names)
        _reset_after_fork(self.http)

    def counter(self, name: str, documentation: str, labels: Sequence[str] = ()) -> Counter:
        """Declare a counter, or get it again. The name is used as given, with `_total` at its end."""
        return self.registry.declare(Counter(self.registry, name, documentation, labels))

    def gauge(self, name: str, documentation: str, labels: Sequence[str] = ()) -> Gauge:
        """Declare a gauge, or get it again. The name is used as given; end it in its unit."""
        return self.registry.declare(Gauge(self.registry, name, documentation, labels))

    def histogram(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str] = (),
        *,
        buckets: Sequence[float] = DEFAULT_BUCKETS,
    ) -> Histogram:
        """Declare a histogram, or get it again. The name is used as given; end it in its unit."""
        return self.registry.declare(Histogram(self.registry, name, documentation, labels, buckets))

    def render(self, openmetrics: bool = False) -> bytes:
        """What `/metrics` answers: Prometheus text 0.0.4, or OpenMetrics 1.0 with exemplars."""
        return self.registry.render(openmetrics)

    def force_flush(self) -> None:
        """Export the queued traces and logs now. It blocks: for tests and scripts, not for handlers."""
        if self.telemetry is not None:
            self.telemetry.force_flush()


class _BuildInfo:
    """`{prefix}_build_info{service,version}`, always 1."""

    def __init__(self, name: str, service: str, version: str) -> None:
        self.name = name
        self._labels = format_labels(("service", "version"), (service, version))

    def render(self, openmetrics: bool) -> Iterator[str]:
        yield format_header(self.name, "gauge", "The service and its version.", openmetrics=openmetrics)
        yield f"{self.name}{{{self._labels}}} 1\n"


def instrument(
    app: Starlette,
    prefix: str,
    *,
    service: str | None = None,
    version: str | None = None,
    telemetry: bool = True,
    metrics_path: str = "/metrics",
    buckets: Sequence[float] = DEFAULT_BUCKETS,
    max_series: int = 1_000,
) -> Instrumentation:
    """Instrument a FastAPI or Starlette application; call it before the first request.

    `prefix` begins the name of every HTTP metric. `service` and `version` default to what
    `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` say, then to the prefix. `metrics_path` is where
    the metrics are served; requests for it are not measured. `buckets` are the bounds of the latency
    histogram in seconds. `max_series` caps the label sets of the HTTP metrics, and of each metric
    declared on the result. With `telemetry`, traces and logs go to the OTLP endpoint of the
    environment. Calling it again with the same prefix returns the first result.
    """
    known = _instrumented.setdefault(app, {})
    if prefix in known:
        return known[prefix]
    if app.middleware_stack is not None:
        raise RuntimeError("instrument the application before it serves its first request")
    instrumentation = Instrumentation(
        prefix, service=service, version=version, buckets=buckets, max_series=max_series
    )
    if telemetry:
        exporters = not _exports_itself(app)
        instrumentation.telemetry = configure(
            instrumentation.service, instrumentation.version, exporters=exporters
        )
    _install(app, instrumentation, metrics_path)
    app.add_route(metrics_path, _endpoint(instrumentation), methods=["GET"], include_in_schema=False)
    known[prefix] = instrumentation
    return instrumentation


def _install(app: Any, instrumentation: Instrumentation, metrics_path: str) -> None:
    """Wrap whatever stack the application builds, and put a probe next to its router."""
    from starlette.middleware import Middleware

    from .routes import RouteTemplates

    key = f"bongsu.{id(instrumentation):x}"
    build: Callable[[], ASGIApp] = app.build_middleware_stack

    def build_middleware_stack() -> ASGIApp:
        middleware = BongsuMiddleware(
            build(),
            instrumentation.http,
            key=key,
            templates=RouteTemplates(app),
            tracing=_tracing(app, instrumentation.telemetry),
            metrics_path=metrics_path,
        )
        _adopt_native(app, instrumentation.telemetry, middleware.is_scrape)
        return middleware

    app.build_middleware_stack = build_middleware_stack
    app.user_middleware.append(Middleware(RouterProbe, key=key))


def _tracing(app: Any, telemetry: Telemetry | None) -> RequestTracing | None:
    try:
        from .spans import RequestSpan
    except ImportError:
        return None
    someone_else = hasattr(app, "_native_telemetry") or getattr(
        app, "_is_instrumented_by_opentelemetry", False
    )
    if telemetry is None or telemetry.tracer_provider is None or someone_else:
        return RequestTracing(telemetry, None)
    return RequestTracing(telemetry, RequestSpan)


def _native_config(app: Any) -> dict[str, Any]:
    """FastAPI's own telemetry settings; empty when it has none or keeps them elsewhere."""
    config = getattr(app, "_telemetry", None)
    return config if isinstance(config, dict) and hasattr(app, "_native_telemetry") else {}


def _exports_itself(app: Any) -> bool:
    return bool(_native_config(app).get("auto_configure"))


def _adopt_native(app: Any, telemetry: Telemetry | None, is_scrape: Callable[[Scope], bool]) -> None:
    """Give FastAPI this service's providers. The first service of a process has the global ones, which
    FastAPI finds by itself; the settings matter for the others, and to leave scrapes out of the traces."""
    config = _native_config(app)
    if telemetry is None or not config:
        return
    for name in ("tracer_provider", "logger_provider"):
        if telemetry.owned and config.get(name, ...) is None:
            config[name] = getattr(telemetry, name)
    if config.get("exclude", ...) is None:
        config["exclude"] = is_scrape


def _endpoint(instrumentation: Instrumentation) -> Callable[[Request], Response]:
    """The handler of `/metrics`. It is not a coroutine, so it runs in a thread beside the event loop."""
    from starlette.responses import Response

    def metrics(request: Request) -> Response:
        openmetrics = prefers_openmetrics(request.headers.get("accept", ""))
        body = instrumentation.render(openmetrics)
        headers = {"content-type": OPENMETRICS_CONTENT_TYPE if openmetrics else TEXT_CONTENT_TYPE}
        headers["vary"] = "accept, accept-encoding"
        if len(body) >= _GZIP_FROM_BYTES and "gzip" in request.headers.get("accept-encoding", ""):
            body = compress(body, compresslevel=1)
            headers["content-encoding"] = "gzip"
        return Response(body, headers=headers)

    return metrics


def _reset_after_fork(metrics: HttpMetrics) -> None:
    reference = weakref.ref(metrics)

    def reset() -> None:
        alive = reference()
        if alive is not None:
            alive.reset()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=reset)
