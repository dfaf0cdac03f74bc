"""Traces in OTLP's JSON, as Tempo and Jaeger answer with them."""

from collections.abc import Sequence
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bongsu.sources.base import Span
from bongsu.sources.embedded import otlp_records
from bongsu.sources.embedded.otlp import from_json


def spans_of(document: Any) -> list[Span]:
    """The spans of ``{"resourceSpans": […]}`` (``batches`` in older Tempo), oldest first.

    A span without valid ids is left out. ValueError for what is no trace.
    """
    if not isinstance(document, dict):
        raise ValueError("an answer that is no trace")
    rows = document.get("resourceSpans", document.get("batches", []))
    spans, _ = otlp_records.spans(from_json({"resourceSpans": rows}, ExportTraceServiceRequest))
    return sorted(spans, key=lambda span: (span.start, span.trace_id, span.span_id))


def within(
    spans: Sequence[Span], start: float, end: float, services: Sequence[str], limit: int
) -> list[Span]:
    """Those of the whole traces of which some span began in the window at one of the services; whole traces
    up to ``limit`` spans."""
    traces: dict[str, list[Span]] = {}
    for span in spans:
        traces.setdefault(span.trace_id, []).append(span)
    kept: list[Span] = []
    for members in traces.values():
        if not any(start <= s.start < end and (not services or s.service in services) for s in members):
            continue
        if kept and len(kept) + len(members) > limit:
            break
        kept += members
    return sorted(kept[:limit], key=lambda span: (span.start, span.trace_id, span.span_id))
