"""The kinds that Bongsu ships: YAML files of signals, in the form in which a catalog declares its own."""

from functools import cache
from importlib.resources import files

from bongsu.catalog import tree
from bongsu.catalog.models import Kind


@cache
def builtin_kinds() -> dict[str, Kind]:
    """Every shipped kind by name."""
    kinds: dict[str, Kind] = {}
    for file in sorted(files(__package__).iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".yaml"):
            root = tree.parse(file.read_text(encoding="utf-8"), file.name)
            for name, (_, node) in root.value.items():
                kinds[name] = Kind.model_validate(node.plain())
    return kinds
