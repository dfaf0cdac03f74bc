"""A Jaeger 2 query service, whose questions and answers are checked against its OpenAPI."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from typing import Any

import jsonschema

from tests.contracts import SPECS
from tests.sources.fakes.otlp import Recorded, resource_spans, traces_of
from tests.sources.fakes.server import Asked, Reply, Server, serve

SPEC = SPECS / "jaeger/query_service.openapi.json"


@cache
def document() -> dict[str, Any]:
    return json.loads(SPEC.read_text("utf-8"))


def conforms(instance: object, schema: str) -> None:
    jsonschema.Draft7Validator(
        {"$ref": f"#/components/schemas/{schema}", "components": document()["components"]}
    ).validate(instance)


@contextmanager
def jaeger(spans: Sequence[Recorded]) -> Iterator[Server]:
    """Serves API v3. 400 for a parameter that the contract does not know or whose form is another."""
    traces = traces_of(spans)

    def answer(asked: Asked) -> Reply:
        template = "/api/v3/traces/{traceId}" if asked.path.startswith("/api/v3/traces/") else asked.path
        known = document()["paths"].get(template, {}).get(asked.method.lower())
        if known is None:
            return Reply(404, b"404 page not found\n", {"content-type": "text/plain"})
        parameters = {p["name"]: p["schema"] for p in known.get("parameters", ()) if p["in"] == "query"}
        for name, value in asked.query.items():
            if name not in parameters or not _fits(value, parameters[name]):
                return _error(400, f"malformed parameter {name}")
        return _answered(asked, template)

    def _answered(asked: Asked, template: str) -> Reply:
        match template:
            case "/api/v3/services":
                return _checked({"services": sorted({s.service for s in spans})}, "GetServicesResponse")
            case "/api/v3/dependencies":
                return _checked({"dependencies": _dependencies(spans)}, "DependenciesResponse")
            case "/api/v3/traces":
                return _traces(_matching(asked))
            case _:
                return _traces(traces.get(asked.path.rpartition("/")[2].zfill(32), []))

    def _matching(asked: Asked) -> list[Recorded]:
        first, last = (_seconds(asked.query[f"query.startTime{edge}"]) for edge in ("Min", "Max"))
        service, depth = asked.query["query.serviceName"], int(asked.query["query.searchDepth"])
        chosen = [
            members
            for members in traces.values()
            if any(s.service == service and first <= s.start < last for s in members)
        ]
        return [span for members in chosen[:depth] for span in members]

    with serve(answer) as server:
        yield server


def _traces(found: list[Recorded]) -> Reply:
    if not found:
        return _error(404, "No traces found")
    traces = {"resourceSpans": resource_spans(found)}
    conforms(traces, "opentelemetry.proto.trace.v1.TracesData")
    return Reply(200, {"result": traces})


def _dependencies(spans: Sequence[Recorded]) -> list[dict[str, str]]:
    services = {(s.trace_id, s.span_id): s.service for s in spans}
    calls = Counter(
        (services[parent], s.service)
        for s in spans
        if (parent := (s.trace_id, s.parent_id)) in services and services[parent] != s.service
    )
    return [{"parent": p, "child": c, "callCount": str(n)} for (p, c), n in calls.items()]


def _checked(found: dict[str, Any], schema: str) -> Reply:
    conforms(found, f"jaeger.api_v3.{schema}")
    return Reply(200, found)


def _error(status: int, message: str) -> Reply:
    return Reply(status, {"error": {"httpCode": status, "message": message}})


def _fits(value: str, schema: dict[str, Any]) -> bool:
    if schema["type"] == "integer":
        return value.isdigit()
    if schema.get("format") == "date-time":
        try:
            _seconds(value)
        except ValueError:
            return False
    return True


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
