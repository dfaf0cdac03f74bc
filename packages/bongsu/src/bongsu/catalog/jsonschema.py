"""The catalog's JSON Schema, for editors: made from the models, their docstrings and the shipped kinds.

It knows the shape of each entry, not how entries refer to one another: ``bongsu check`` has the last word.
Wherever a value is expected, text with ``${VARIABLE}`` is allowed, as it is filled in before the check.
"""

import ast
import contextlib
import inspect
import json
import textwrap
from collections.abc import Iterator
from functools import cache
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from bongsu.catalog.kinds import builtin_kinds
from bongsu.catalog.models import Catalog
from bongsu.catalog.secrets import Secret
from bongsu.signals.model import Severity, Text
from bongsu.signals.quantities import Duration, format_duration

SCHEMA_ID = "urn:bongsu:catalog"
DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]

_FILLED_IN = r"\$\{"
_INTERPOLATED: Schema = {"type": "string", "pattern": _FILLED_IN}
_AS_TEXT = {"integer": r"^\s*[-+]?\d+\s*$", "number": r"^\s*[-+]?[\d.]", "boolean": r"^(true|false)$"}
_DURATION_TEXT = r"^\s*(\d+(\.\d+)?\s*(ms|s|m|h|d|w)\s*)+$"
_QUANTITY_TEXT = (
    r"^\s*[+-]?\d+(\.\d+)?([eE][+-]?\d+)?\s*"
    r"(%|ns|us|µs|ms|s|min|m|h|d|B|kB|MB|GB|TB|KiB|MiB|GiB|TiB|/s|/min|/m|/h)?\s*$"
)
_WORDING = {
    "P1": "Critical: 15 minutes.",
    "P2": "High: one hour.",
    "P3": "Warning: in working hours.",
    "P4": "Information: the next day.",
}


def catalog_schema() -> Schema:
    """The schema (draft 2020-12) of one ``bongsu.yaml``."""
    schema = Catalog.model_json_schema(mode="validation", schema_generator=_Generator)
    _kinds_and_signals(schema)
    definitions = {name: _open(part) for name, part in schema.pop("$defs").items()}
    body = _open(schema)
    body["properties"]["include"] = _one_or_many(
        {"type": "string", "examples": ["services/*.yaml"]},
        "Further files of this catalog, by pattern; their sections are joined with this file's.",
    )
    return {
        "$schema": DIALECT,
        "$id": SCHEMA_ID,
        **body,
        "title": "Bongsu catalog",
        "$defs": dict(sorted(definitions.items())),
    }


def as_text() -> str:
    """The schema as it is published."""
    return json.dumps(catalog_schema(), indent=2, ensure_ascii=False) + "\n"


class _Generator(GenerateJsonSchema):
    """Adds to each model what its docstrings and validators say."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        found = super().model_schema(schema)
        cls: type[BaseModel] = schema["cls"]
        if "description" in found:
            found["description"] = _one_line(found["description"])
        fields: Schema = found.get("properties", {})
        for name, field in cls.model_fields.items():
            place = fields.get(field.alias or name)
            if place is not None and (text := _field_docstrings(cls).get(name)):
                measure = place["description"] if place.get("type") == ["string", "number"] else ""
                place["description"] = f"{text} {measure}".strip()
        for name, under in _lenient(cls):
            field = cls.model_fields[name]
            key = field.alias or name
            fields[key] = _taken_alone(fields[key], under)
        if cls is Text:
            return {"anyOf": [{"type": "string"}, found], "description": found.pop("description", "")}
        if cls is Secret:
            found |= {"minProperties": 1, "maxProperties": 1}
        return found


@cache
def _field_docstrings(cls: type[BaseModel]) -> dict[str, str]:
    """Field → the string that stands beneath it in the class or its bases, as one line of plain text."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if not (issubclass(base, BaseModel) and base is not BaseModel):
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        assert isinstance(body, ast.ClassDef)
        for field, below in zip(body.body, body.body[1:], strict=False):
            if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
                continue
            if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
                found[field.target.id] = _one_line(str(below.value.value))
    return found


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("``", "`")


def _lenient(cls: type[BaseModel]) -> Iterator[tuple[str, bool]]:
    """The fields whose validators take one value for a list of one; True where they do so in a mapping."""
    for decorator in cls.__pydantic_decorators__.field_validators.values():
        if decorator.info.mode != "before":
            continue
        take = getattr(cls, decorator.cls_var_name)
        for name in decorator.info.fields:
            with contextlib.suppress(ValueError, TypeError):
                if take("x") == ["x"]:
                    yield name, False
                elif take({"x": "y"}) == {"x": ["y"]}:
                    yield name, True


def _taken_alone(schema: Schema, under: bool) -> Schema:
    if under:
        return schema | {"additionalProperties": _one_or_many(schema["additionalProperties"]["items"])}
    about = {key: value for key, value in schema.items() if key in {"title", "description", "default"}}
    bare = {key: value for key, value in schema.items() if key not in about}
    return {"anyOf": [schema["items"], bare], **about}


def _one_or_many(item: Schema, description: str = "") -> Schema:
    both: Schema = {"anyOf": [item, {"type": "array", "items": item}]}
    return both | {"description": description} if description else both


def _kinds_and_signals(schema: Schema) -> None:
    """Name what is shipped, so that editors offer it."""
    kinds = builtin_kinds()
    shipped = {"anyOf": [{"enum": sorted(kinds)}, {"type": "string"}]}
    definitions = schema["$defs"]
    kind = definitions["Service"]["properties"]["kind"]
    kind["anyOf"] = [shipped, {"type": "array", "minItems": 1, "items": shipped}]
    definitions["Kind"]["properties"]["extends"]["items"] = shipped
    signals: dict[str, Schema] = {}
    for each in kinds.values():
        for name, signal in each.signals.items():
            signals.setdefault(name, {"$ref": "#/$defs/Levels", "description": signal.help.en})
    for owner in ("Service", "Defaults"):
        place = definitions[owner]["properties"]["thresholds"]
        definitions["Levels"] = {
            **place["additionalProperties"],
            "description": "Severity → condition; `none` takes an inherited one away.",
        }
        place["properties"] = dict(sorted(signals.items()))
        place["additionalProperties"] = {"$ref": "#/$defs/Levels"}


def _open(schema: Any) -> Any:
    """The schema with text that is filled in allowed, and unions and keyed mappings as editors like them."""
    if isinstance(schema, list):
        return [_open(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "discriminator" in schema:
        return _tagged(schema)
    kept = ("default", "enum", "examples", "const", "required")
    opened = {key: value if key in kept else _open_part(key, value) for key, value in schema.items()}
    return _keyed(_scalar(opened))


def _open_part(key: str, value: Any) -> Any:
    if key in {"properties", "patternProperties", "$defs"}:
        return {name: _open(part) for name, part in value.items()}
    return value if key == "propertyNames" else _open(value)


def _tagged(schema: Schema) -> Schema:
    """A union told apart by a tag: one branch is judged, so that a mistake is told where it is."""
    tag, mapping = schema["discriminator"]["propertyName"], schema["discriminator"]["mapping"]
    about = {key: value for key, value in schema.items() if key in {"title", "description"}}
    branches = [
        {"if": {"properties": {tag: {"const": name}}, "required": [tag]}, "then": {"$ref": reference}}
        for name, reference in mapping.items()
    ]
    tags = {"anyOf": [{"enum": list(mapping)}, _INTERPOLATED]}
    return {"type": "object", **about, "required": [tag], "properties": {tag: tags}, "allOf": branches}


def _scalar(schema: Schema) -> Schema:
    if "enum" in schema:
        about = {key: value for key, value in schema.items() if key not in {"enum", "type"}}
        return {**about, "anyOf": [{"enum": schema["enum"]}, _INTERPOLATED]}
    if schema.get("type") == ["string", "number"]:
        return _measure(schema)
    if schema.get("type") in _AS_TEXT:
        kind = schema["type"]
        return {**schema, "type": [kind, "string"], "pattern": f"{_FILLED_IN}|{_AS_TEXT[kind]}"}
    if schema.get("type") == "string":
        opened = {key: value for key, value in schema.items() if key != "format"}
        if "pattern" in schema and schema["pattern"] != _FILLED_IN:
            opened["pattern"] = f"{_FILLED_IN}|{schema['pattern']}"
        return opened
    return schema


def _measure(schema: Schema) -> Schema:
    """A duration or a quantity: what may be written, and the default as a person would write it."""
    time = _described(Duration) in schema["description"]
    opened = {**schema, "pattern": f"{_FILLED_IN}|{_DURATION_TEXT if time else _QUANTITY_TEXT}"}
    if time and isinstance(opened.get("default"), float):
        opened["default"] = format_duration(opened["default"])
    return opened


@cache
def _described(kind: Any) -> str:
    return str(TypeAdapter(kind).json_schema()["description"])


def _keyed(schema: Schema) -> Schema:
    """A mapping with a closed set of keys names them; one with patterned names takes no others."""
    names = schema.get("propertyNames", {})
    if names.get("$ref") == "#/$defs/Severity":
        keys = {name.value: _WORDING[name.value] for name in Severity}
    elif "enum" in names:
        keys = dict.fromkeys(names["enum"], "")
    else:
        if "patternProperties" in schema:
            schema["additionalProperties"] = False
        return schema
    value = schema.pop("additionalProperties")
    del schema["propertyNames"]
    schema["properties"] = {k: {"description": text, **value} if text else value for k, text in keys.items()}
    schema["additionalProperties"] = False
    return schema
