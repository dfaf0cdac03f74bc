"""The OTLP/HTTP receiver: ``/v1/traces``, ``/v1/metrics`` and ``/v1/logs`` in protobuf and JSON."""

import asyncio
import base64
import json
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import duckdb
from fastapi import APIRouter, Request, Response, params
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from bongsu.sources.embedded import otlp_records
from bongsu.sources.embedded.otlp_metrics import MetricsWriter, target_info
from bongsu.sources.embedded.store import EmbeddedStore, SeriesKey

PROTOBUF, JSON = "application/x-protobuf", "application/json"
_IDS = frozenset({"traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id"})
_INFO_EVERY = 30.0
_M = TypeVar("_M", bound=Message)


class OtlpError(Exception):
    """A request that cannot be taken. ``status`` is the HTTP status; only 503 is worth sending again."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


def media_type(content_type: str) -> str:
    """PROTOBUF or JSON. OtlpError 415 for anything else."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in (PROTOBUF, JSON):
        raise OtlpError(415, f"content type {kind or '(none)'!r} is not OTLP; send {PROTOBUF} or {JSON}")
    return kind


def decompress(body: bytes, encoding: str, limit: int) -> bytes:
    """The body without its content encoding (gzip or none). OtlpError 413, 415 or 400."""
    name = encoding.strip().lower()
    if name not in ("", "identity", "gzip"):
        raise OtlpError(415, f"content encoding {name!r} is not supported; send gzip or none")
    if name == "gzip":
        stream = zlib.decompressobj(wbits=31)
        try:
            body = stream.decompress(body, limit + 1)
        except zlib.error as error:
            raise OtlpError(400, f"the body is not gzip: {error}") from error
        if len(body) <= limit and not stream.eof:
            raise OtlpError(400, "the gzip body is cut short")
    if len(body) > limit:
        raise OtlpError(413, f"the body is larger than {limit} bytes; send smaller batches")
    return body


def decode(body: bytes, kind: str, message: type[_M]) -> _M:
    """A request from protobuf or OTLP's JSON (hex ids, unknown fields ignored). OtlpError 400 if bad."""
    found = message()
    try:
        if kind == PROTOBUF:
            found.ParseFromString(body)
        else:
            return from_json(json.loads(body), message)
    except (DecodeError, ValueError, RecursionError) as error:
        raise OtlpError(400, f"this is not an OTLP {message.DESCRIPTOR.name}: {error}") from error
    return found


def from_json(document: Any, message: type[_M]) -> _M:
    """A message from OTLP's JSON. ValueError for what is none."""
    found = message()
    try:
        json_format.ParseDict(_with_base64_ids(document), found, ignore_unknown_fields=True)
    except (json_format.Error, TypeError, AttributeError) as error:
        raise ValueError(str(error)) from error
    return found


def encode(message: Message, kind: str) -> bytes:
    """A response in the request's content type."""
    if kind == PROTOBUF:
        return message.SerializeToString()
    return json_format.MessageToJson(message, indent=None).encode()


class Receiver:
    """Stores OTLP requests. Each method blocks until the data are durable; any thread may call it."""

    def __init__(self, store: EmbeddedStore, resolve_peer: Callable[[str], str] | None = None) -> None:
        self._store = store
        self._resolve_peer = resolve_peer
        self._metrics = MetricsWriter(store)
        self._lock = threading.Lock()
        self._informed: dict[SeriesKey, float] = {}

    def traces(self, request: ExportTraceServiceRequest) -> ExportTraceServiceResponse:
        """Store spans; the answer counts those without valid ids."""
        spans, dropped = otlp_records.spans(request, self._resolve_peer)
        self._store.append_spans(spans)
        self._inform(part.resource for part in request.resource_spans)
        response = ExportTraceServiceResponse()
        if dropped:
            response.partial_success.rejected_spans = dropped
            response.partial_success.error_message = (
                "spans without a valid trace id and span id were left out"
            )
        return response

    def metrics(self, request: ExportMetricsServiceRequest) -> ExportMetricsServiceResponse:
        """Store data points; the answer counts those that could not be used."""
        with self._lock:
            dropped, reason = self._metrics.write(request)
        response = ExportMetricsServiceResponse()
        if dropped:
            response.partial_success.rejected_data_points = dropped
            response.partial_success.error_message = reason
        return response

    def logs(self, request: ExportLogsServiceRequest) -> ExportLogsServiceResponse:
        """Store log records."""
        self._store.append_logs(otlp_records.logs(request))
        self._inform(part.resource for part in request.resource_logs)
        return ExportLogsServiceResponse()

    def _inform(self, resources: Iterable[Resource]) -> None:
        """Keep ``target_info`` alive for services that send traces or logs but no metrics."""
        now = time.time()
        with self._lock:
            keys = {key for resource in resources if (key := target_info(resource)) is not None}
            due = [key for key in keys if now - self._informed.get(key, 0.0) >= _INFO_EVERY]
            if due:
                self._store.append_samples(due, [now] * len(due), [1.0] * len(due))
                self._informed = {
                    **{key: at for key, at in self._informed.items() if now - at < _INFO_EVERY},
                    **dict.fromkeys(due, now),
                }


def otlp_router(
    store: EmbeddedStore,
    *,
    resolve_peer: Callable[[str], str] | None = None,
    max_bytes: int = 16 * 2**20,
    dependencies: Sequence[params.Depends] = (),
) -> APIRouter:
    """Routes ``POST /v1/traces``, ``/v1/metrics`` and ``/v1/logs`` that answer once the data are durable.

    ``dependencies`` guard them all (credentials). Errors are ``google.rpc.Status`` messages in the request's
    content type: 400 malformed, 413 larger than ``max_bytes`` unpacked, 415 of another type, 503 not stored.
    """
    router = APIRouter(dependencies=list(dependencies), include_in_schema=False)
    receiver = Receiver(store, resolve_peer)

    async def handle(request: Request, message: type[_M], write: Callable[[_M], Message]) -> Response:
        kind = JSON
        try:
            kind = media_type(request.headers.get("content-type", ""))
            body = await _body(request, max_bytes)
            encoding = request.headers.get("content-encoding", "")
            answer = await asyncio.to_thread(_store, body, encoding, kind, max_bytes, message, write)
        except OtlpError as error:
            headers = {"Retry-After": "5"} if error.status == 503 else None
            return Response(_status(error, kind), error.status, headers, kind)
        return Response(answer, 200, media_type=kind)

    @router.post("/v1/traces")
    async def traces(request: Request) -> Response:
        return await handle(request, ExportTraceServiceRequest, receiver.traces)

    @router.post("/v1/metrics")
    async def metrics(request: Request) -> Response:
        return await handle(request, ExportMetricsServiceRequest, receiver.metrics)

    @router.post("/v1/logs")
    async def logs(request: Request) -> Response:
        return await handle(request, ExportLogsServiceRequest, receiver.logs)

    return router


def _store(
    body: bytes, encoding: str, kind: str, limit: int, message: type[_M], write: Callable[[_M], Message]
) -> bytes:
    request = decode(decompress(body, encoding, limit), kind, message)
    try:
        return encode(write(request), kind)
    except duckdb.Error as error:
        raise OtlpError(503, f"the telemetry could not be stored: {error}") from error


async def _body(request: Request, limit: int) -> bytes:
    chunks, size = [], 0
    async for chunk in request.stream():
        chunks.append(chunk)
        size += len(chunk)
        if size > limit:
            raise OtlpError(413, f"the body is larger than {limit} bytes; send smaller batches")
    return b"".join(chunks)


def _status(error: OtlpError, kind: str) -> bytes:
    """A ``google.rpc.Status`` (code 1, message 2) that holds the message."""
    code = {503: 14, 413: 8}.get(error.status, 3)
    if kind == JSON:
        return json.dumps({"code": code, "message": error.message}).encode()
    text = error.message.encode()
    length, size = len(text), b""
    while length > 127:
        size += bytes([length & 127 | 128])
        length >>= 7
    return bytes([8, code, 18]) + size + bytes([length]) + text


def _with_base64_ids(value: Any) -> Any:
    """OTLP's JSON writes trace and span ids in hex where protobuf's JSON would have base64."""
    if isinstance(value, list):
        return [_with_base64_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _base64(item) if name in _IDS and isinstance(item, str) else _with_base64_ids(item)
        for name, item in value.items()
    }


def _base64(identifier: str) -> str:
    try:
        return base64.b64encode(bytes.fromhex(identifier)).decode()
    except ValueError:
        raise ValueError(f"{identifier[:40]!r} is not a hexadecimal id") from None
