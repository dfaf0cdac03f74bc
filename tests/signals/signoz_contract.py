"""SigNoz's published contract as JSON Schema."""

from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

SPEC = Path(__file__).parents[3] / "shared/data/specs/signoz/openapi.yml"


def conforms(instance: object, name: str) -> None:
    """ValidationError when ``instance`` is not what the contract calls ``name``; says nothing without one."""
    if SPEC.exists():
        jsonschema.Draft7Validator(contract()).evolve(
            schema={"$ref": f"#/components/schemas/Querybuildertypesv5{name}"} | contract()
        ).validate(instance)


@cache
def contract() -> dict[str, Any]:
    document = yaml.load(SPEC.read_text(), Loader=yaml.CSafeLoader)
    return {"components": {"schemas": _resolved(document["components"]["schemas"])}}


def _resolved(node: Any) -> Any:
    """OpenAPI 3.0 as JSON Schema: alternatives chosen by discriminator, null allowed, no unknown field."""
    if isinstance(node, list):
        return [_resolved(item) for item in node]
    if not isinstance(node, dict):
        return node
    found = {name: _resolved(item) for name, item in node.items() if name not in ("discriminator", "example")}
    chosen = node.get("discriminator") or node.get("x-signoz-discriminator")
    if isinstance(chosen, dict) and "oneOf" in found:
        del found["oneOf"]
        tag, mapping = chosen["propertyName"], chosen["mapping"]
        found["required"] = [*found.get("required", ()), tag]
        found["properties"] = found.get("properties", {}) | {tag: {"enum": list(mapping)}}
        found["allOf"] = [
            {"if": {"properties": {tag: {"const": value}}, "required": [tag]}, "then": {"$ref": target}}
            for value, target in mapping.items()
        ]
    elif isinstance(found.get("properties"), dict) and found.get("type") == "object":
        found.setdefault("additionalProperties", False)
    if found.pop("nullable", False) and isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
    return found
