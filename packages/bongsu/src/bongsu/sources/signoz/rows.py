"""SigNoz's raw rows as log records and spans, and the requests that ask for them."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from bongsu.signals.signoz_filter import one_of, quote
from bongsu.sources.base import LogRecord, Span
from bongsu.sources.levels import LEVELS, level_of
from bongsu.sources.traces import spans_of

SERVICE = "service.name"
_FAILING = "(?i)(error|exception|fatal|panic|critical|traceback)"
_ERROR_NUMBER = 17
"""OpenTelemetry's lowest severity number of an error."""
_FIELDS = (
    *("name", "kind_string", "duration_nano", "parent_span_id", "has_error", "status_message"),
    *("response_status_code", "http_method", "external_http_url", "db_name", "db_operation"),
)
_KINDS = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}
_HEX = {16: re.compile("[0-9a-f]{16}"), 32: re.compile("[0-9a-f]{32}")}


def request(signal: str, start: float, end: float, expression: str, **spec: Any) -> dict[str, Any]:
    """The body of a raw query over ``[start, end)``, Unix seconds."""
    query = {"name": "A", "signal": signal, **spec}
    if expression:
        query["filter"] = {"expression": expression}
    return {
        "schemaVersion": "v1",
        "start": int(start * 1000),
        "end": max(int(end * 1000), int(start * 1000) + 1),
        "requestType": "raw",
        "compositeQuery": {"queries": [{"type": "builder_query", "spec": query}]},
    }


def logs_filter(services: Sequence[str], errors_only: bool) -> str:
    """Records of ``services`` (all, when none is named) that say, or read like, an error."""
    parts = [one_of(SERVICE, services)] if services else []
    if errors_only:
        failing = f"severity_number >= {_ERROR_NUMBER} OR body REGEXP {quote(_FAILING)}"
        parts.append(f"({failing})")
    return " AND ".join(parts)


def newest_first() -> list[dict[str, Any]]:
    """An order that offsets can be counted in."""
    return [{"key": {"name": name}, "direction": "desc"} for name in ("timestamp", "id")]


def in_order(direction: str) -> list[dict[str, Any]]:
    return [{"key": {"name": "timestamp"}, "direction": direction}]


def span_fields() -> list[dict[str, str]]:
    """What every SigNoz has of a span."""
    own = [{"name": name, "fieldContext": "span"} for name in _FIELDS]
    return [*own, {"name": SERVICE, "fieldContext": "resource"}]


def rows_of(document: Mapping[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    """``(nanoseconds, columns)`` of each row of a raw answer; ValueError for what is none."""
    payload = document["data"] if "status" in document else document
    results = payload["data"]["results"]
    if not isinstance(results, list | None):
        raise ValueError("results that are no list")
    return [
        (nanoseconds(row["timestamp"]), dict(row["data"] or {}))
        for result in results or ()
        for row in result.get("rows") or ()
    ]


def log_record(at: int, data: Mapping[str, Any]) -> LogRecord:
    attributes: dict[str, str] = {}
    for group in ("resources_string", "attributes_string", "attributes_number", "attributes_bool"):
        own = data.get(group)
        attributes |= {str(k): text(v) for k, v in own.items()} if isinstance(own, Mapping) else {}
    body = text(data.get("body", ""))
    service = attributes.pop(SERVICE, "") or text(data.get(SERVICE, ""))
    return LogRecord(
        time=at / 1e9,
        service=service,
        severity=_severity(data, body),
        body=body,
        trace_id=text(data.get("trace_id", "")),
        span_id=text(data.get("span_id", "")),
        attributes=attributes,
    )


def _severity(data: Mapping[str, Any], body: str) -> str:
    number = data.get("severity_number")
    if isinstance(number, int) and 1 <= number <= 24:
        return LEVELS[(number - 1) // 4]
    return level_of(text(data.get("severity_text", "")), body)


def spans(found: Iterable[tuple[int, Mapping[str, Any]]]) -> list[Span]:
    """Spans of raw rows."""
    return _spans(
        {
            "trace_id": data.get("trace_id"),
            "span_id": data.get("span_id"),
            "start": at,
            "columns": data,
            "attributes": _named(data),
            "resource": {SERVICE: data.get(SERVICE, "")},
        }
        for at, data in found
    )


def waterfall(trace: Mapping[str, Any]) -> list[Span]:
    """Spans of a trace's waterfall, with everything that they say of themselves."""
    return _spans(
        {
            "trace_id": span.get("trace_id"),
            "span_id": span.get("span_id"),
            "start": _nanos(span.get("time_unix", 0)),
            "columns": span,
            "attributes": _named(span) | dict(span.get("attributes") or {}),
            "resource": span.get("resource") or {},
            "events": span.get("events") or (),
        }
        for span in trace["spans"] or ()
    )


def _named(columns: Mapping[str, Any]) -> dict[str, str]:
    """The columns of a span that OpenTelemetry has names for."""
    address = urlsplit(text(columns.get("external_http_url", ""))).netloc or text(
        columns.get("external_http_url", "")
    )
    named = {
        "server.address": address.rpartition("@")[2],
        "http.response.status_code": text(columns.get("response_status_code", "")),
        "http.request.method": text(columns.get("http_method", "")),
        "db.name": text(columns.get("db_name", "")),
        "db.operation": text(columns.get("db_operation", "")),
    }
    return {name: value for name, value in named.items() if value}


def _spans(found: Iterable[Mapping[str, Any]]) -> list[Span]:
    """By way of OTLP, so that spans are read in one way wherever they come from."""
    resources = []
    for one in found:
        trace_id, span_id = text(one["trace_id"]).lower(), text(one["span_id"]).lower()
        if not (_HEX[32].fullmatch(trace_id) and _HEX[16].fullmatch(span_id)):
            continue
        columns = one["columns"]
        parent = text(columns.get("parent_span_id", "")).lower()
        kind = text(columns.get("kind_string", "")).lower().removeprefix("span_kind_")
        span = {
            "traceId": trace_id,
            "spanId": span_id,
            "parentSpanId": parent if _HEX[16].fullmatch(parent) else "",
            "name": text(columns.get("name", "")),
            "kind": _KINDS.get(kind, 1),
            "startTimeUnixNano": str(one["start"]),
            "endTimeUnixNano": str(one["start"] + max(0, int(columns.get("duration_nano") or 0))),
            "attributes": _key_values(one["attributes"]),
            "events": [
                {"name": text(e.get("name", "")), "attributes": _key_values(e.get("attributeMap") or {})}
                for e in one.get("events", ())
            ],
            "status": {
                "code": 2 if columns.get("has_error") is True else 0,
                "message": text(columns.get("status_message", "")),
            },
        }
        resource = {"attributes": _key_values(one["resource"])}
        resources.append({"resource": resource, "scopeSpans": [{"spans": [span]}]})
    return spans_of({"resourceSpans": resources})


def _key_values(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": str(k), "value": {"stringValue": text(v)}} for k, v in values.items()]


def text(value: Any) -> str:
    """A column as text; JSON for what has parts."""
    if value is None:
        return ""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return str(value).lower() if isinstance(value, bool) else str(value)


def nanoseconds(timestamp: str) -> int:
    """RFC 3339 with up to nine digits of a second, as nanoseconds since the epoch."""
    match = re.fullmatch(r"(.{19})(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", timestamp)
    if match is None:
        raise ValueError(f"{timestamp!r} is no time")
    whole = datetime.fromisoformat(match[1] + match[3].replace("Z", "+00:00"))
    return int(whole.timestamp()) * 10**9 + int((match[2] or "0").ljust(9, "0"))


def _nanos(value: Any) -> int:
    """A Unix time in seconds, milli-, micro- or nanoseconds, told apart by its size."""
    number = int(value)
    for unit in (10**9, 10**6, 10**3):
        if 0 < number < 10**20 // unit // 10:
            return number * unit
    return number
