"""Datadog's v1 metrics query, checked against its OpenAPI."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import jsonschema
import yaml

from tests.contracts import SPECS
from tests.sources.fakes.server import Asked, Reply, Server, serve

SPEC = SPECS / "datadog/v1.openapi.yaml"
KEYS = {"dd-api-key": "api-key-of-the-team", "dd-application-key": "application-key-of-the-team"}

Points = Mapping[tuple[str, ...], Mapping[float, float | None]]
"""Tags → the beginning of an interval (Unix seconds) → value."""


@cache
def document() -> dict[str, Any]:
    return yaml.load(SPEC.read_text("utf-8"), Loader=yaml.CSafeLoader)


def conforms(instance: object, schema: str) -> None:
    components = {"schemas": _nullable(document()["components"]["schemas"])}
    jsonschema.Draft7Validator({"$ref": f"#/components/schemas/{schema}", "components": components}).validate(
        instance
    )


@contextmanager
def datadog(points: Callable[[str], Points]) -> Iterator[Server]:
    """Answers ``GET /api/v1/query`` with the points of a query that lie in the time asked.

    403 without both keys, 400 for other parameters than the contract's.
    """

    def answer(asked: Asked) -> Reply:
        if asked.path != "/api/v1/query" or asked.method != "GET":
            return Reply(404, {"errors": ["Not found"]})
        if any(asked.headers.get(name) != key for name, key in KEYS.items()):
            return Reply(403, {"errors": ["Forbidden"]})
        parameters = document()["paths"]["/api/v1/query"]["get"]["parameters"]
        wanted = {p["name"]: p["schema"]["type"] for p in parameters}
        numbers = [asked.query.get(name, "") for name, kind in wanted.items() if kind == "integer"]
        if asked.query.keys() != wanted.keys() or not all(n.isdigit() for n in numbers):
            return Reply(400, {"errors": ["Error parsing query: wrong parameters"]})
        first, last = int(asked.query["from"]), int(asked.query["to"])
        series = [
            {
                "tag_set": list(tags),
                "scope": ",".join(tags),
                "metric": "m",
                "pointlist": [[at * 1000.0, v] for at, v in sorted(row.items()) if first <= at <= last],
            }
            for tags, row in points(asked.query["query"]).items()
        ]
        found = {"status": "ok", "res_type": "time_series", "series": [s for s in series if s["pointlist"]]}
        conforms(found, "MetricsQueryResponse")
        return Reply(200, found, {"x-ratelimit-remaining": "99"})

    with serve(answer) as server:
        yield server


def _nullable(node: Any) -> Any:
    if isinstance(node, list):
        return [_nullable(item) for item in node]
    if not isinstance(node, dict):
        return node
    found = {name: _nullable(item) for name, item in node.items()}
    if found.get("nullable") is True and isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
    return found
