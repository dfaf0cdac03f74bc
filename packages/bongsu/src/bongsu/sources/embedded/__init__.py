"""Bongsu's own telemetry store: it scrapes ``/metrics``, receives OTLP/HTTP and answers queries."""

from bongsu.sources.embedded.otlp import OtlpError, Receiver, otlp_router
from bongsu.sources.embedded.scrape import Scraper, Target, TargetState
from bongsu.sources.embedded.source import EmbeddedSource
from bongsu.sources.embedded.store import EmbeddedStore, Metadata, SeriesKey, series_key

__all__ = [
    "EmbeddedSource",
    "EmbeddedStore",
    "Metadata",
    "OtlpError",
    "Receiver",
    "Scraper",
    "SeriesKey",
    "Target",
    "TargetState",
    "otlp_router",
    "series_key",
]
