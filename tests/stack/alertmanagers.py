"""What the tests of the generated Alertmanager share."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from bongsu.catalog import loads
from bongsu.stack import alertmanager
from bongsu.stack.model import Stack
from tests.stack.examples import EXAMPLES

CONFIGURATION = "alertmanager/alertmanager.yml"
NAMES = tuple(sorted(path.parent.name for path in EXAMPLES.glob("*/bongsu.yaml")))
"""The example catalogs."""


def stack_of(text: str, **changes: Any) -> Stack:
    return Stack(loads(text).model_copy(update=changes), "compose")


def rendered(stack: Stack) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(alertmanager.render(stack)[CONFIGURATION])
    return loaded


def written(files: Mapping[str, str], folder: Path) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder / CONFIGURATION
