"""Rules out of YAML: rule files, PrometheusRule manifests, and ConfigMaps that hold either."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bongsu.catalog.errors import Place
from bongsu.signals.quantities import parse_duration
from bongsu.stack.lint.model import RuleText

_MAX_BYTES = 20 * 2**20


class LintError(Exception):
    """A file cannot be read; the text says where and why."""


@dataclass(frozen=True, slots=True)
class _Source:
    """A YAML text, and where it stands in its file."""

    file: str
    line: int = 0
    column: int = 0

    def place(self, node: yaml.Node) -> Place:
        mark = node.start_mark
        return Place(self.file, mark.line + 1 + self.line, mark.column + 1 + self.column)


@dataclass(frozen=True, slots=True)
class Document:
    """The rules of one YAML document, or the Alertmanager configuration that it is."""

    rules: tuple[RuleText, ...] = ()
    outdated: tuple[tuple[Place, str], ...] = ()
    """Keys of an Alertmanager configuration that are no longer to be used."""


def read(path: Path) -> list[Document]:
    """Every document of a file. LintError where it is no YAML or cannot be opened."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise LintError(f"{path}: larger than {_MAX_BYTES >> 20} MiB")
        return parse(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise LintError(f"{path}: {error}") from None


def parse(content: str, name: str) -> list[Document]:
    """Every document of a YAML text. LintError where it is none."""
    return list(_documents(content, _Source(name)))


def _documents(content: str, source: _Source) -> Iterator[Document]:
    try:
        nodes = list(yaml.compose_all(content, Loader=yaml.SafeLoader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = source.line + (mark.line + 1 if mark else 1)
        problem = getattr(error, "problem", None) or "this is no YAML"
        hint = " (a Helm template must be rendered first: helm template)" if "{{" in content else ""
        raise LintError(f"{source.file}:{line}: {problem}{hint}") from None
    for node in nodes:
        yield from _document(node, content, source)


def _document(node: yaml.Node | None, content: str, source: _Source) -> Iterator[Document]:
    if not isinstance(node, yaml.MappingNode):
        return
    keys = _mapping(node)
    kind = _scalar(keys.get("kind"))
    if kind == "List":
        for item in _sequence(keys.get("items")):
            yield from _document(item, content, source)
    elif kind == "ConfigMap":
        yield from _config_map(keys.get("data"), content, source)
    elif kind == "PrometheusRule":
        yield Document(tuple(_rules(_mapping(keys.get("spec")).get("groups"), source)))
    elif "groups" in keys:
        yield Document(tuple(_rules(keys["groups"], source)))
    elif "route" in keys:
        yield Document(outdated=tuple(_outdated(node, source)))


def _config_map(data: yaml.Node | None, content: str, source: _Source) -> Iterator[Document]:
    """The files in a ConfigMap; one that is no YAML is none of ours."""
    lines = content.splitlines()
    for name, value in _mapping(data).items():
        if not isinstance(value, yaml.ScalarNode) or not name.endswith((".yml", ".yaml", ".rules")):
            continue
        block = value.style in ("|", ">")
        start = value.start_mark.line + 1 if block else value.start_mark.line
        first = next((line for line in lines[start:] if line.strip()), "") if block else ""
        indent = len(first) - len(first.lstrip())
        inner = _Source(source.file, source.line + start, source.column + indent)
        try:
            yield from list(_documents(value.value, inner))
        except LintError:
            continue


def _rules(groups: yaml.Node | None, source: _Source) -> Iterator[RuleText]:
    for group in _sequence(groups):
        keys = _mapping(group)
        for node in _sequence(keys.get("rules")):
            rule = _rule(node, _scalar(keys.get("name")), source)
            if rule is not None:
                yield rule


def _rule(node: yaml.Node, group: str, source: _Source) -> RuleText | None:
    keys = _mapping(node)
    name = "alert" if "alert" in keys else "record"
    if name not in keys or "expr" not in keys:
        return None
    places = {key: source.place(value) for key, value in keys.items()}
    try:
        hold = parse_duration(_scalar(keys.get("for")) or "0s")
    except ValueError:
        hold = 0.0
    return RuleText(
        group,
        _scalar(keys[name]),
        name == "alert",
        _scalar(keys["expr"]).strip(),
        hold,
        {key: _scalar(value) for key, value in _mapping(keys.get("labels")).items()},
        {key: _scalar(value) for key, value in _mapping(keys.get("annotations")).items()},
        {**places, "rule": source.place(node)},
    )


def _outdated(node: yaml.Node, source: _Source) -> Iterator[tuple[Place, str]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if _scalar(key) in ("match", "match_re", "source_match", "target_match") or _scalar(key) in (
                "source_match_re",
                "target_match_re",
            ):
                yield source.place(key), _scalar(key)
            yield from _outdated(value, source)
    elif isinstance(node, yaml.SequenceNode):
        for child in node.value:
            yield from _outdated(child, source)


def _mapping(node: Any) -> dict[str, yaml.Node]:
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}


def _sequence(node: Any) -> list[yaml.Node]:
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _scalar(node: Any) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""
