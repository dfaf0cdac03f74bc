"""YAML as a tree that remembers where each value stands; duplicate keys and 1.1 surprises are refused."""

import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bongsu.catalog.errors import CatalogError, Place, Problem

MAX_NODES = 1_000_000
"""Aliases are expanded; this bounds a hostile file that nests them."""

_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SURPRISE = re.compile(r"(y|yes|n|no|on|off)", re.IGNORECASE)
_SEXAGESIMAL = re.compile(r"[-+]?[0-9]+(:[0-5]?[0-9])+(\.[0-9]*)?")
_OCTAL = re.compile(r"[-+]?0[0-7_]+")
_SPECIAL = {"": None, "~": None, "null": None, "true": True, "false": False}
_PLAIN_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "str", "int", "float", "bool", "null")}
_PLAIN_TAGS |= {"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value", "tag:yaml.org,2002:merge"}


@dataclass(slots=True)
class Node:
    """A value and its place: a dict of key → (key's place, Node), a list of Node, or a scalar."""

    value: Any
    place: Place

    def plain(self) -> Any:
        """The value without places, as pydantic wants it."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, (_, child) in self.value.items()}
        if isinstance(self.value, list):
            return [child.plain() for child in self.value]
        return self.value

    def at(self, path: tuple[str | int, ...], *, key: bool = False) -> Place:
        """The place of the value at ``path`` (of its key when ``key``), or of its nearest ancestor's.

        Parts that are no key, such as the tags of a union, are skipped.
        """
        node, place = self, self.place
        for part in path:
            if isinstance(node.value, dict) and part in node.value:
                place, node = node.value[part]
            elif isinstance(node.value, list) and isinstance(part, int) and part < len(node.value):
                node = node.value[part]
                place = node.place
        return place if key else node.place

    def scalars(self) -> "Iterator[Node]":
        """Every scalar at or below this node."""
        if isinstance(self.value, dict):
            for _, child in self.value.values():
                yield from child.scalars()
        elif isinstance(self.value, list):
            for child in self.value:
                yield from child.scalars()
        else:
            yield self


class _Builder:
    def __init__(self, name: str) -> None:
        self.name = name
        self.problems: list[Problem] = []
        self.count = 0

    def place(self, node: yaml.Node) -> Place:
        mark = node.start_mark
        return Place(self.name, mark.line + 1, mark.column + 1)

    def report(self, node: yaml.Node, message: str, hint: str = "") -> None:
        self.problems.append(Problem(self.place(node), message, hint))

    def build(self, node: yaml.Node) -> Node:
        self.count += 1
        if self.count > MAX_NODES:
            self.report(node, "the file expands to too many values", "remove the nested YAML aliases")
            raise CatalogError(self.problems)
        if node.tag not in _PLAIN_TAGS:
            self.report(node, f"YAML tag {node.tag!r} is not allowed", "write a plain value")
        if isinstance(node, yaml.MappingNode):
            return Node(self._mapping(node), self.place(node))
        if isinstance(node, yaml.SequenceNode):
            return Node([self.build(child) for child in node.value], self.place(node))
        assert isinstance(node, yaml.ScalarNode)
        return Node(self._scalar(node), self.place(node))

    def _mapping(self, node: yaml.MappingNode) -> dict[str, tuple[Place, Node]]:
        result: dict[str, tuple[Place, Node]] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.report(key_node, "a key must be a plain word")
                continue
            key = key_node.value
            if key == "<<":
                self.report(key_node, "YAML merge keys are not supported", "use a kind, or defaults")
                continue
            if key in result:
                first = result[key][0]
                self.report(
                    key_node, f"key {key!r} is given twice", f"the first one stands at line {first.line}"
                )
                continue
            result[key] = (self.place(key_node), self.build(value_node))
        return result

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        text: str = node.value
        if node.style in {"'", '"', "|", ">"}:
            return text
        if text.lower() in _SPECIAL and (text.islower() or not text.isalpha()):
            return _SPECIAL[text.lower()]
        if _SURPRISE.fullmatch(text):
            self.report(
                node, f"{text!r} means different things to YAML readers", "write true, false, or quote it"
            )
        elif _SEXAGESIMAL.fullmatch(text) or _OCTAL.fullmatch(text):
            self.report(
                node, f"{text!r} is a base-60 or octal number to some YAML readers", f'quote it: "{text}"'
            )
        elif _INT.fullmatch(text):
            return int(text)
        elif _FLOAT.fullmatch(text):
            return float(text)
        return text


@contextmanager
def _collection_paused() -> Iterator[None]:
    """Nothing here is garbage yet, and looking for it again and again costs more the larger the file is."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def parse(text: str, name: str) -> Node:
    """The tree of one YAML document; CatalogError lists every problem of its form."""
    with _collection_paused():
        return _parse(text, name)


def _parse(text: str, name: str) -> Node:
    try:
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(name, mark.line + 1 if mark else 1, mark.column + 1 if mark else 1)
        detail = error.problem or "this is not YAML"
        raise CatalogError(
            [Problem(place, detail, error.context or "check indentation and quotes")]
        ) from None
    except yaml.YAMLError as error:
        raise CatalogError(
            [Problem(Place(name, 1, 1), str(error).splitlines()[0], "save it as UTF-8")]
        ) from None
    if root is None:
        return Node({}, Place(name, 1, 1))
    builder = _Builder(name)
    tree = builder.build(root)
    if builder.problems:
        raise CatalogError(builder.problems)
    return tree


def read(path: Path) -> Node:
    """The tree of a file; CatalogError when it cannot be read as UTF-8 YAML."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise CatalogError([Problem(Place(str(path), 1, 1), f"cannot read this file: {reason}")]) from None
    return parse(text, str(path))


def merge(base: Node, over: Node) -> Node:
    """``over`` on top of ``base``: mappings are merged, everything else is replaced; null removes a key."""
    if not (isinstance(base.value, dict) and isinstance(over.value, dict)):
        return over
    merged = dict(base.value)
    for key, (place, child) in over.value.items():
        if key in merged and child.value is None:
            del merged[key]
        elif key in merged:
            merged[key] = (place, merge(merged[key][1], child))
        else:
            merged[key] = (place, child)
    return Node(merged, base.place)


def union(base: Node, more: Node) -> Node:
    """Two parts of one catalog: top-level sections are joined; a name declared in both is refused."""
    problems: list[Problem] = []
    merged = dict(base.value) if isinstance(base.value, dict) else {}
    if not isinstance(more.value, dict):
        raise CatalogError([Problem(more.place, "a catalog file must be a mapping")])
    for key, (place, child) in more.value.items():
        if key not in merged:
            merged[key] = (place, child)
            continue
        first = merged[key][1]
        if isinstance(first.value, list) and isinstance(child.value, list):
            merged[key] = (merged[key][0], Node([*first.value, *child.value], first.place))
        elif isinstance(first.value, dict) and isinstance(child.value, dict):
            for name in child.value.keys() & first.value.keys():
                other = first.value[name][0]
                problems.append(
                    Problem(child.value[name][0], f"{name!r} is declared twice", f"first at {other}")
                )
            merged[key] = (merged[key][0], Node(first.value | child.value, first.place))
        else:
            problems.append(Problem(place, f"{key!r} is given twice", f"first at {merged[key][0]}"))
    if problems:
        raise CatalogError(problems)
    return Node(merged, base.place)
