"""How a service of the shop tells what it does: metrics, traces and logs by bongsu-instrument."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import httpx2
from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig

from bongsu_instrument import instrument, instrument_client

UNTRACED = frozenset({"/healthz", "/metrics"})


def _is_untraced(scope: MutableMapping[str, Any]) -> bool:
    return scope["path"] in UNTRACED


# One span a request says enough here; a span for each step of FastAPI would only cost.
FASTAPI: TelemetryConfig = {"operation_spans": False, "exclude": _is_untraced}
_LINE = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


def attach(app: FastAPI, *, service: str, version: str) -> None:
    """Log to stderr, and instrument the application."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format=_LINE)
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    instrument(app, prefix="shop", service=service, version=version)


def client(peer: str) -> httpx2.AsyncClient:
    """A client of one peer whose calls continue the trace."""
    return instrument_client(httpx2.AsyncClient(trust_env=False), peer_service=peer)
