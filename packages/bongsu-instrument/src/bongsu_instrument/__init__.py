"""Prometheus metrics and OpenTelemetry for ASGI applications, in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .application import Instrumentation, instrument
from .asgi import BongsuMiddleware
from .metrics import DEFAULT_BUCKETS, Counter, Gauge, Histogram

if TYPE_CHECKING:
    from .client import TracedTransport, instrument_client

__all__ = [
    "DEFAULT_BUCKETS",
    "BongsuMiddleware",
    "Counter",
    "Gauge",
    "Histogram",
    "Instrumentation",
    "TracedTransport",
    "instrument",
    "instrument_client",
]


def __getattr__(name: str) -> Any:
    # httpx2 is needed only by those who make requests with it.
    if name in {"TracedTransport", "instrument_client"}:
        from . import client

        return getattr(client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
