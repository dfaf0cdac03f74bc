"""The example catalogs, and stacks made of them."""

from pathlib import Path

import pytest

from bongsu.catalog import Catalog
from bongsu.catalog.loader import load
from bongsu.stack.model import PLACES, Place, Stack

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SCHEMAS = Path(__file__).resolve().parents[3] / "shared/data/schemas"


def example(name: str, **targets: str) -> Catalog:
    """One example, with further targets."""
    found = load(EXAMPLES / name / "bongsu.yaml")
    return found.model_copy(update={"targets": {**found.targets, **targets}})


def stack(name: str, place: Place = "compose", **targets: str) -> Stack:
    return Stack(example(name, **targets), place)


def stacks(system: str) -> list[Stack]:
    """Every example on every place, with ``system`` added where its team does not have it."""
    return [
        stack(path.parent.name, place, **{system: _declared(path, system)})
        for path in sorted(EXAMPLES.glob("*/bongsu.yaml"))
        for place in PLACES
    ]


def _declared(path: Path, system: str) -> str:
    """The version, or nothing for the usual one."""
    return load(path).targets.get(system, "")


def named(found: Stack) -> str:
    return f"{found.catalog.name}-{found.place}"


def schema(name: str) -> Path:
    """A published schema beside the repository; without it the test skips loudly."""
    path = SCHEMAS / name
    if not path.exists():
        pytest.skip(f"SCHEMA NOT CHECKED: {name} is not at {SCHEMAS}")
    return path
