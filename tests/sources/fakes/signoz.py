"""A small SigNoz: v5 queries over given series, spans and log records, the waterfall and the dependencies.

Questions and answers are checked against its OpenAPI (alternatives by discriminator); the dependency graph
has none. Metrics are answered by the evaluator that the compiler is tested with.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import jsonschema
import numpy as np

from tests.signals import signoz_evaluator as evaluator
from tests.signals.signoz_contract import SPEC, conforms, contract
from tests.sources.fakes.otlp import Recorded
from tests.sources.fakes.server import Asked, Reply, Server, serve

KEY = "key-of-the-viewer"
__all__ = ["KEY", "SPEC", "Record", "Signoz", "signoz"]


@dataclass(frozen=True)
class Record:
    """A log record."""

    nanos: int
    service: str
    body: Any
    severity_text: str = ""
    severity_number: int = 0
    attributes: dict[str, str] = field(default_factory=dict)


class RefusedError(Exception):
    """A question that SigNoz refuses."""


@dataclass
class Signoz:
    """What was recorded. ``attributes`` are the span attributes that SigNoz has ever seen."""

    series: Sequence[evaluator.Series] = ()
    spans: Sequence[Recorded] = ()
    logs: Sequence[Record] = ()
    attributes: frozenset[str] = frozenset({"http.route"})

    def query_range(self, body: Any) -> dict[str, Any]:
        """The answer with its envelope. RefusedError for what the contract or SigNoz refuses."""
        try:
            conforms(body, "QueryRangeRequest")
        except jsonschema.ValidationError as error:
            raise RefusedError(f"failed to parse request: {error.message[:200]}") from error
        signal = body["compositeQuery"]["queries"][0]["spec"].get("signal")
        if signal == "metrics":
            found = evaluator.evaluate(body, list(self.series))
        elif body["requestType"] == "raw":
            found = self._raw(body, signal)
        else:
            found = self._aggregated(body)
        kind = {"raw": "RawData", "scalar": "ScalarData", "time_series": "TimeSeriesData"}
        for result in found["data"]["data"]["results"]:
            conforms(result, kind[body["requestType"]])
        return found

    def _raw(self, body: dict[str, Any], signal: str) -> dict[str, Any]:
        spec = body["compositeQuery"]["queries"][0]["spec"]
        rows = self._log_rows() if signal == "logs" else self._span_rows(spec)
        first, last = body["start"] * 10**6, body["end"] * 10**6
        chosen = [
            (at, labels, data)
            for at, labels, data in rows
            if first <= at < last and self._matches(spec, labels)
        ]
        chosen.sort(key=lambda row: row[0], reverse=spec["order"][0]["direction"] == "desc")
        page = chosen[spec["offset"] : spec["offset"] + spec["limit"]]
        rows_found = [{"timestamp": _timestamp(at), "data": data} for at, _, data in page]
        return _envelope("raw", {"queryName": spec["name"], "rows": rows_found or None})

    def _log_rows(self) -> Iterator[tuple[int, dict[str, str], dict[str, Any]]]:
        for i, record in enumerate(self.logs):
            labels = {
                "service.name": record.service,
                "body": str(record.body),
                "severity_number": str(record.severity_number),
            }
            yield (
                record.nanos,
                labels,
                {
                    "id": f"{i:08d}",
                    "body": record.body,
                    "severity_text": record.severity_text,
                    "severity_number": record.severity_number,
                    "trace_id": "",
                    "span_id": "",
                    "attributes_string": record.attributes,
                    "resources_string": {"service.name": record.service},
                },
            )

    def _span_rows(self, spec: dict[str, Any]) -> Iterator[tuple[int, dict[str, str], dict[str, Any]]]:
        wanted = {field["name"] for field in spec["selectFields"]}
        for span in self.spans:
            data = {"trace_id": span.trace_id, "span_id": span.span_id} | {
                name: value for name, value in _columns(span).items() if name in wanted
            }
            yield span.nanos, self._labels(span), data

    def _labels(self, span: Recorded) -> dict[str, str]:
        root = not span.parent
        return {
            "service.name": span.service,
            "trace_id": span.trace_id,
            "has_error": str(span.error).lower(),
            "isRoot": str(root).lower(),
            "isEntryPoint": str(not root and span.kind == "server").lower(),
            **span.attributes,
        }

    def _matches(self, spec: dict[str, Any], labels: dict[str, str]) -> bool:
        expression = spec.get("filter", {}).get("expression", "")
        for attribute in ("http.route",):
            if attribute in expression and attribute not in self.attributes:
                raise RefusedError(
                    f"Found 1 errors while parsing the search expression: key `{attribute}` not found"
                )
        expression = re.sub(r"= (true|false)\b", r"= '\1'", expression)
        expression = expression.replace("severity_number >= 17", "severity_number REGEXP '^(1[7-9]|2[0-4])$'")
        return not expression or evaluator.matches(expression, labels)

    def _aggregated(self, body: dict[str, Any]) -> dict[str, Any]:
        """Aggregations of spans by service, in the whole time or in steps."""
        (query,) = body["compositeQuery"]["queries"]
        spec = query["spec"]
        shift = sum(f["args"][0]["value"] for f in spec.get("functions", ()) if f["name"] == "timeshift")
        step = spec.get("stepInterval", 0)
        groups: dict[str, dict[int, list[Recorded]]] = {}
        for span in self.spans:
            at = span.start + shift
            if body["start"] / 1000 <= at < body["end"] / 1000 and self._matches(spec, self._labels(span)):
                slot = int(at // step * step) if step else 0
                groups.setdefault(span.service, {}).setdefault(slot, []).append(span)
        expressions = [aggregation["expression"] for aggregation in spec["aggregations"]]
        if body["requestType"] == "scalar":
            columns = [
                {"name": "service.name", "columnType": "group"},
                *(
                    {"name": f"__result_{i}", "columnType": "aggregation", "aggregationIndex": i}
                    for i in range(len(expressions))
                ),
            ]
            data = [[name, *(_value(e, slots[0]) for e in expressions)] for name, slots in groups.items()]
            return _envelope("scalar", {"queryName": spec["name"], "columns": columns, "data": data})
        buckets = [
            {
                "index": i,
                "alias": f"__result_{i}",
                "series": [
                    {
                        "labels": [{"key": {"name": "service.name"}, "value": name}],
                        "values": [
                            {"timestamp": slot * 1000, "value": _value(expression, spans)}
                            for slot, spans in sorted(slots.items())
                        ],
                    }
                    for name, slots in groups.items()
                ],
            }
            for i, expression in enumerate(expressions)
        ]
        return _envelope("time_series", {"queryName": spec["name"], "aggregations": buckets})

    def waterfall(self, trace_id: str) -> dict[str, Any] | None:
        spans = [
            _columns(s)
            | {
                "trace_id": s.trace_id,
                "span_id": s.span_id,
                "time_unix": s.nanos // 10**6,
                "attributes": s.attributes,
                "resource": {"service.name": s.service, "service.version": "1.2"},
                "references": [],
            }
            for s in self.spans
            if s.trace_id == trace_id
        ]
        for span in spans:
            del span["service.name"]
        schema = {"$ref": "#/components/schemas/SpantypesGettableWaterfallTrace"} | contract()
        jsonschema.Draft7Validator(schema).validate({"spans": spans})
        return {"status": "success", "data": {"spans": spans, "hasMore": False}} if spans else None

    def dependencies(self, start: int, end: int) -> list[dict[str, Any]]:
        services = {(s.trace_id, s.span_id): s.service for s in self.spans}
        calls = Counter(
            (services[s.trace_id, s.parent_id], s.service)
            for s in self.spans
            if (s.trace_id, s.parent_id) in services and start <= s.nanos < end
        )
        return [
            {"parent": p, "child": c, "callCount": n, "callRate": 1.0, "errorRate": 0.0}
            for (p, c), n in calls.items()
            if p != c
        ]


@contextmanager
def signoz(stored: Signoz) -> Iterator[Server]:
    """Serves the HTTP API: 401 without the key, 400 for what it refuses, a page for paths it has not."""

    def answer(asked: Asked) -> Reply:
        if asked.headers.get("signoz-api-key") != KEY:
            return _error(401, "unauthenticated", "invalid api key")
        match [asked.method, *asked.path.strip("/").split("/")]:
            case ["POST", "api", "v5", "query_range"]:
                try:
                    return Reply(200, stored.query_range(asked.json()))
                except RefusedError as error:
                    return _error(400, "invalid_input", str(error))
            case ["POST", "api", "v4", "traces", trace_id, "waterfall"]:
                found = stored.waterfall(trace_id)
                return Reply(200, found) if found else _error(404, "not_found", "trace not found")
            case ["POST", "api", "v1", "dependency_graph"]:
                body = asked.json()
                return Reply(200, stored.dependencies(int(body["start"]), int(body["end"])))
        return Reply(200, b"<!doctype html><title>SigNoz</title>", {"content-type": "text/html"})

    with serve(answer) as server:
        yield server


def _error(status: int, code: str, message: str) -> Reply:
    error = {"type": code, "code": code, "message": message, "errors": [], "suggestions": []}
    document = {"status": "error", "error": error}
    schema = {"$ref": "#/components/schemas/RenderErrorResponse"} | contract()
    jsonschema.Draft7Validator(schema).validate(document)
    return Reply(status, document)


def _envelope(kind: str, result: dict[str, Any]) -> dict[str, Any]:
    return {"status": "success", "data": {"type": kind, "data": {"results": [result]}}}


def _columns(span: Recorded) -> dict[str, Any]:
    return {
        "name": span.name,
        "kind_string": span.kind.capitalize(),
        "duration_nano": round(span.duration * 1e9),
        "parent_span_id": span.parent_id,
        "has_error": span.error,
        "status_message": "boom" if span.error else "",
        "response_status_code": span.attributes.get("http.response.status_code", ""),
        "http_method": span.attributes.get("http.request.method", ""),
        "external_http_url": span.attributes.get("server.address", ""),
        "db_name": "",
        "db_operation": "",
        "service.name": span.service,
    }


def _value(expression: str, spans: Sequence[Recorded]) -> Any:
    if expression == "count()":
        return len(spans)
    if expression == "countIf(status_code = 2)":
        return sum(span.error for span in spans)
    match = re.fullmatch(r"p(\d+)\(duration_nano\)", expression)
    assert match, f"an aggregation that it does not have: {expression}"
    return float(np.percentile([span.duration * 1e9 for span in spans], int(match[1])))


def _timestamp(nanos: int) -> str:
    whole = datetime.fromtimestamp(nanos // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{nanos % 10**9:09d}Z"
