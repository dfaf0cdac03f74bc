"""A loopback collector that keeps the spans and log records it is sent."""

import gzip
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Span:
    service: str
    version: str
    name: str
    kind: int
    trace: str
    span: str
    parent: str
    attributes: dict[str, str]


@dataclass(frozen=True)
class Record:
    service: str
    body: str
    severity: str
    trace: str
    attributes: dict[str, str]


class Sink:
    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.records: list[Record] = []
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                sink.take(self.path, body)
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def take(self, path: str, body: bytes) -> None:
        if path == "/v1/traces":
            self._take_traces(ExportTraceServiceRequest.FromString(body))
        elif path == "/v1/logs":
            self._take_logs(ExportLogsServiceRequest.FromString(body))

    def trace(self, trace: str) -> list[Span]:
        return [span for span in self.spans if span.trace == trace]

    def logs(self, text: str, *, service: str | None = None) -> list[Record]:
        return [
            record for record in self.records if text in record.body and service in (None, record.service)
        ]

    def _take_traces(self, request: ExportTraceServiceRequest) -> None:
        for resource in request.resource_spans:
            of = _flat(resource.resource.attributes)
            for scope in resource.scope_spans:
                self.spans += [
                    Span(
                        service=of["service.name"],
                        version=of["service.version"],
                        name=span.name,
                        kind=span.kind,
                        trace=span.trace_id.hex(),
                        span=span.span_id.hex(),
                        parent=span.parent_span_id.hex(),
                        attributes=_flat(span.attributes),
                    )
                    for span in scope.spans
                ]

    def _take_logs(self, request: ExportLogsServiceRequest) -> None:
        for resource in request.resource_logs:
            service = _flat(resource.resource.attributes)["service.name"]
            for scope in resource.scope_logs:
                self.records += [
                    Record(
                        service=service,
                        body=record.body.string_value,
                        severity=record.severity_text,
                        trace=record.trace_id.hex(),
                        attributes=_flat(record.attributes),
                    )
                    for record in scope.log_records
                ]


def _flat(attributes: Any) -> dict[str, str]:
    return {
        pair.key: str(getattr(pair.value, pair.value.WhichOneof("value") or "string_value"))
        for pair in attributes
    }
