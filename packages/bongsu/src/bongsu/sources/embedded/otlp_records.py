"""OTLP spans and log records as the types that sources answer with."""

import time
from collections.abc import Callable, Mapping

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from bongsu.sources.base import LogRecord, Span
from bongsu.sources.embedded import otlp_names
from bongsu.sources.levels import LEVELS, named

_KINDS = ("internal", "internal", "server", "client", "producer", "consumer")
_KEPT = (
    "service.version",
    "service.instance.id",
    "service.namespace",
    "deployment.environment.name",
    "deployment.environment",
    "host.name",
    "k8s.pod.name",
)
_ADDRESSES = (
    ("server.address", "server.port"),
    ("net.peer.name", "net.peer.port"),
    ("network.peer.address", "network.peer.port"),
    ("net.sock.peer.addr", "net.sock.peer.port"),
)


def spans(
    request: ExportTraceServiceRequest, resolve_peer: Callable[[str], str] | None = None
) -> tuple[list[Span], int]:
    """``(spans, dropped)``; a span without a valid trace and span id is dropped.

    ``peer`` of a client or producer span is ``peer.service``, else ``server.address`` with its port (or the
    older names for the same), through ``resolve_peer`` when given. Attributes hold the span's own, what the
    resource says of version and place, the last exception, and the status message.
    """
    found: list[Span] = []
    dropped = 0
    for resource in request.resource_spans:
        about = otlp_names.attributes(resource.resource.attributes)
        place = {name: about[name] for name in _KEPT if about.get(name)}
        for scope in resource.scope_spans:
            for span in scope.spans:
                if _valid(span.trace_id, 16) and _valid(span.span_id, 8):
                    found.append(_span(span, about.get("service.name", ""), place, resolve_peer))
                else:
                    dropped += 1
    return found, dropped


def logs(request: ExportLogsServiceRequest) -> list[LogRecord]:
    """Log records; a severity number decides, else the text, else INFO."""
    found = []
    for resource in request.resource_logs:
        about = otlp_names.attributes(resource.resource.attributes)
        place = {name: about[name] for name in _KEPT if about.get(name)}
        for scope in resource.scope_logs:
            found += [_log(record, about.get("service.name", ""), place) for record in scope.log_records]
    return found


def severity(number: int, words: str) -> str:
    """OTLP's 1–24 in steps of four, or a logger's own word for the level."""
    if 1 <= number <= 24:
        return LEVELS[(number - 1) // 4]
    return named(words) or "INFO"


def _span(
    span: trace_pb2.Span,
    service: str,
    place: Mapping[str, str],
    resolve_peer: Callable[[str], str] | None,
) -> Span:
    own = otlp_names.attributes(span.attributes)
    for event in span.events:
        if event.name == "exception":
            own |= otlp_names.attributes(event.attributes)
    if span.status.message:
        own["status.message"] = span.status.message
    kind = _KINDS[span.kind] if span.kind < len(_KINDS) else "internal"
    peer = _peer(own) if kind in ("client", "producer") else ""
    return Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex() if any(span.parent_span_id) else "",
        service=service,
        operation=span.name,
        kind=kind,
        start=span.start_time_unix_nano / 1e9,
        duration=max(0, span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
        error=span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        peer=resolve_peer(peer) if resolve_peer and peer else peer,
        attributes={**place, **own},
    )


def _peer(attributes: Mapping[str, str]) -> str:
    if attributes.get("peer.service"):
        return attributes["peer.service"]
    for address, port in _ADDRESSES:
        if attributes.get(address):
            host, number = attributes[address], attributes.get(port, "")
            return f"{host}:{number}" if number else host
    return ""


def _log(record: logs_pb2.LogRecord, service: str, place: Mapping[str, str]) -> LogRecord:
    nanos = record.time_unix_nano or record.observed_time_unix_nano
    return LogRecord(
        time=nanos / 1e9 if nanos else time.time(),
        service=service,
        severity=severity(record.severity_number, record.severity_text),
        body=otlp_names.text(record.body),
        trace_id=record.trace_id.hex() if _valid(record.trace_id, 16) else "",
        span_id=record.span_id.hex() if _valid(record.span_id, 8) else "",
        attributes={**place, **otlp_names.attributes(record.attributes)},
    )


def _valid(identifier: bytes, length: int) -> bool:
    return len(identifier) == length and any(identifier)
