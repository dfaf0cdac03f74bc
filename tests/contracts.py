"""The published contracts of other services, beside the repository; without them tests skip loudly."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

SPECS = Path(__file__).resolve().parents[2] / "shared/data/specs"


def discord_schema() -> Callable[[str], Draft202012Validator]:
    """``schema("MessageResponse")`` validates against that part of Discord's own OpenAPI."""
    contract = SPECS / "discord/openapi.json"
    if not contract.exists():
        pytest.skip(f"CONTRACT NOT CHECKED: Discord's openapi.json is not at {contract}")
    document = json.loads(contract.read_text("utf-8"))
    return lambda name: Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    )
