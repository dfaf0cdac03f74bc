"""Traces in OTLP's JSON, as Tempo and Jaeger answer with them."""

import base64
from collections.abc import Sequence
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bongsu.sources.base import SourceError, Span
from bongsu.sources.embedded import otlp_records
from bongsu.sources.embedded.otlp import from_json

_IDS = frozenset({"traceId", "spanId", "parentSpanId"})


def spans_of(document: Any) -> list[Span]:
    """The spans of ``{"resourceSpans": […]}`` (``batches`` in older Tempo), oldest first.

    Ids are hex, as OTLP has them, or base64, as protobuf's JSON has them (Tempo). A span without valid ids is
    left out, and so is one that comes again. ValueError for what is no trace.
    """
    if not isinstance(document, dict):
        raise ValueError("an answer that is no trace")
    rows = document.get("resourceSpans", document.get("batches", [])) or []
    try:
        request = from_json({"resourceSpans": _hex_ids(rows)}, ExportTraceServiceRequest)
    except RecursionError:
        raise ValueError("an answer that is no trace") from None
    found, _ = otlp_records.spans(request)
    spans = {(span.trace_id, span.span_id): span for span in found}.values()
    return sorted(spans, key=lambda span: (span.start, span.trace_id, span.span_id))


def _hex_ids(value: Any) -> Any:
    if isinstance(value, list):
        return [_hex_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _hex(item) if name in _IDS and isinstance(item, str) else _hex_ids(item)
        for name, item in value.items()
    }


def _hex(identifier: str) -> str:
    """The lengths of ids in base64, 12 and 24, are none of theirs in hex, 16 and 32."""
    if len(identifier) not in (12, 24):
        return identifier
    try:
        return base64.b64decode(identifier, validate=True).hex()
    except ValueError:
        return identifier


def read_all(answers: Sequence[list[Span] | BaseException]) -> list[Span]:
    """The spans of those reads that went well, which are a choice of traces; the error when none did."""
    failed = [answer for answer in answers if isinstance(answer, BaseException)]
    unexpected = next((error for error in failed if not isinstance(error, SourceError)), None)
    if unexpected is not None or (failed and len(failed) == len(answers)):
        raise unexpected or failed[0]
    return [span for answer in answers if not isinstance(answer, BaseException) for span in answer]


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
