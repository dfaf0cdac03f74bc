"""From files to a checked catalog: read, include, overlay, interpolate, validate, and check references."""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bongsu.catalog import references, tree
from bongsu.catalog.errors import CatalogError, Place, Problem, nearest
from bongsu.catalog.kinds import builtin_kinds
from bongsu.catalog.models import Catalog
from bongsu.catalog.secrets import LITERAL_REFUSED
from bongsu.catalog.tree import Node

_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")


def load(path: Path, *, environment: str = "", env: Mapping[str, str] | None = None) -> Catalog:
    """The catalog at ``path`` (a file, or a folder of them) with the overlay of ``environment`` on top.

    Raises CatalogError with every problem, each at its file:line:column.
    """
    try:
        root = _assemble(path)
        if environment:
            root = _overlay(root, path, environment)
        return _checked(root, os.environ if env is None else env)
    except CatalogError as error:
        raise CatalogError(_with_source(error.problems)) from None


def loads(text: str, name: str = "bongsu.yaml", *, env: Mapping[str, str] | None = None) -> Catalog:
    """The catalog in ``text``; includes are not followed."""
    try:
        return _checked(tree.parse(text, name), env or {})
    except CatalogError as error:
        raise CatalogError(_with_source(error.problems, {name: text.splitlines()})) from None


def _assemble(path: Path) -> Node:
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.suffix in {".yaml", ".yml"} and p.is_file())
        if not files:
            raise CatalogError([Problem(Place(str(path), 1, 1), "this folder holds no .yaml file")])
        root = _with_includes(files[0], set())
        for file in files[1:]:
            root = tree.union(root, _with_includes(file, set()))
        return root
    if not path.exists():
        message = "there is no catalog here"
        raise CatalogError([Problem(Place(str(path), 1, 1), message, "write one with: bongsu init")])
    return _with_includes(path, set())


def _with_includes(path: Path, seen: set[Path]) -> Node:
    resolved = path.resolve()
    root = tree.read(path)
    if not isinstance(root.value, dict) or "include" not in root.value:
        return root
    place, include = root.value.pop("include")
    patterns = include.value if isinstance(include.value, list) else [include]
    for pattern in patterns:
        if not isinstance(pattern.value, str):
            raise CatalogError(
                [Problem(pattern.place, "include takes file patterns", "include: services/*.yaml")]
            )
        files = sorted(path.parent.glob(pattern.value))
        if not files:
            raise CatalogError([Problem(pattern.place, f"no file matches {pattern.value!r}")])
        for file in files:
            if file.resolve() in seen | {resolved}:
                raise CatalogError([Problem(place, f"{file} includes itself")])
            root = tree.union(root, _with_includes(file, seen | {resolved}))
    return root


def _overlay(root: Node, path: Path, environment: str) -> Node:
    folder = path if path.is_dir() else path.parent
    file = folder / "overlays" / f"{environment}.yaml"
    if not file.exists():
        known = [p.stem for p in (folder / "overlays").glob("*.yaml")]
        problem = Problem(
            Place(str(file), 1, 1), f"there is no overlay {environment!r}", nearest(environment, known)
        )
        raise CatalogError([problem])
    return tree.merge(root, tree.read(file))


def _interpolate(root: Node, variables: Mapping[str, str]) -> Iterable[Problem]:
    for node in root.scalars():
        if not isinstance(node.value, str) or "${" not in node.value:
            continue
        missing: list[str] = []

        def expand(match: re.Match[str], missing: list[str] = missing) -> str:
            value = variables.get(match["name"], match["default"])
            if value is None:
                missing.append(match["name"])
                return ""
            return value

        node.value = _VARIABLE.sub(expand, node.value)
        for name in missing:
            hint = f"set it, or give a default: ${{{name}:-value}}"
            yield Problem(node.place, f"environment variable {name} is not set", hint)


def _checked(root: Node, variables: Mapping[str, str]) -> Catalog:
    """All that is wrong at once; what follows from another problem at the same place is left out."""
    if not isinstance(root.value, dict):
        raise CatalogError([Problem(root.place, "a catalog must be a mapping", "begin with: name: my-team")])
    problems = list(_interpolate(root, variables))
    data = root.plain()
    try:
        catalog = Catalog.model_validate(data)
    except ValidationError as error:
        problems += _describe(error, root)
        catalog = _sound_part(data, error)
    problems += references.check(catalog, root, builtin_kinds())
    if problems:
        first: dict[Place, Problem] = {}
        for problem in problems:
            first.setdefault(problem.place, problem)
        raise CatalogError(first.values())
    return catalog


def _sound_part(data: dict[str, Any], error: ValidationError) -> Catalog:
    """The catalog without the entries that have problems, so that the others are checked too."""
    for item in error.errors(include_url=False, include_input=False):
        section, *rest = item["loc"] or ("",)
        entries = data.get(str(section))
        if isinstance(entries, dict) and rest:
            entries.pop(str(rest[0]), None)
        else:
            data.pop(str(section), None)
    try:
        return Catalog.model_validate({"name": "unnamed", **data})
    except ValidationError:
        return Catalog(name="unnamed")


def _describe(error: ValidationError, root: Node) -> list[Problem]:
    problems: dict[tuple[Place, str], Problem] = {}
    for item in error.errors(include_url=False):
        if item["loc"][-1:] == ("literal['none']",):
            continue  # the other branch of the union says what is wrong
        place = _place(root, item["type"], item["loc"], item.get("ctx", {}))
        message, hint = _message(item)
        problems.setdefault((place, message), Problem(place, message, hint))
    return list(problems.values())


def _place(root: Node, kind: str, loc: tuple[str | int, ...], context: Mapping[str, object]) -> Place:
    if kind == "union_tag_invalid":
        return root.at((*loc, str(context.get("discriminator", "")).strip("'")))
    return root.at(loc, key=kind in {"extra_forbidden", "missing", "union_tag_not_found"})


def _message(item: ErrorDetails) -> tuple[str, str]:
    """``(message, hint)`` in the words of a person who wrote the file, not of the library that read it."""
    kind, loc, context = item["type"], item["loc"], item.get("ctx", {})
    key = str(loc[-1]) if loc else ""
    field = next((part for part in reversed(loc) if isinstance(part, str) and part != "[key]"), "")
    discriminator = str(context.get("discriminator", "type")).strip("'")
    match kind:
        case "extra_forbidden":
            return f"unknown key {key!r}", nearest(key, references.allowed_keys(loc[:-1]))
        case "missing":
            return f"{key!r} is missing", ""
        case "union_tag_not_found":
            return f"{discriminator!r} is missing", ""
        case "union_tag_invalid":
            tag = str(context.get("tag", ""))
            expected = re.findall(r"'([^']+)'", str(context.get("expected_tags", "")))
            return f"{tag!r} is not a known {discriminator}", nearest(tag, expected)
        case "literal_error" | "enum":
            allowed = context.get("expected", "one of the allowed values")
            given = item["input"]
            return (
                f"{given!r} is not allowed here; write {allowed}"
                if key == "[key]" or isinstance(loc[-1], int)
                else f"{key!r} must be {allowed}, not {given!r}"
            ), ""
        case "string_pattern_mismatch":
            return f"{item['input']!r} cannot be a {field!r}", f"it must match {context.get('pattern')}"
        case "dict_type" | "model_type" | "model_attributes_type":
            return f"{field!r} must be a mapping (name: value)", ""
        case "list_type" | "tuple_type":
            return f"{field!r} must be a list", ""
    text = item["msg"].removeprefix("Value error, ")
    if text.startswith("Input should be "):
        return f"{field!r} must be {text.removeprefix('Input should be ')}, not {item['input']!r}", ""
    return text, ""


def _with_source(problems: Iterable[Problem], files: Mapping[str, list[str]] | None = None) -> list[Problem]:
    lines = dict(files or {})
    result = []
    for problem in problems:
        name = problem.place.file
        if name not in lines:
            try:
                lines[name] = Path(name).read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError):
                lines[name] = []
        shown = problem.place.line <= len(lines[name]) and not problem.message.startswith(LITERAL_REFUSED)
        text = lines[name][problem.place.line - 1] if shown else ""
        result.append(Problem(problem.place, problem.message, problem.hint, text))
    return result
