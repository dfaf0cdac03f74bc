"""Whether the values in a configuration of Alloy fit their arguments, and what they refer to exists."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bongsu.catalog.errors import nearest
from bongsu.stack.alloy.components import COMPONENTS, FUNCTIONS, NAMES, SETTINGS, Argument
from bongsu.stack.alloy.tree import (
    Access,
    Array,
    Attribute,
    Binary,
    Block,
    Body,
    Call,
    Expr,
    Index,
    Literal,
    Name,
    Object,
    Paren,
    Unary,
)
from bongsu.stack.check.go import parse_go_duration

_NUMBERS = frozenset({"number", "int", "uint", "float"})
_TEXTS = frozenset({"string", "secret"})


@dataclass(frozen=True, slots=True)
class Known:
    """The components of a configuration, and its own names."""

    labels: Mapping[str, frozenset[str]]
    """Component → its labels."""
    own: frozenset[str]
    """What ``declare`` and ``import`` add."""

    @classmethod
    def of(cls, body: Body) -> "Known":
        labels: dict[str, set[str]] = {}
        own = set()
        for block in body:
            if isinstance(block, Block):
                labels.setdefault(block.name, set()).add(block.label)
                if block.name == "declare" or block.name.startswith("import."):
                    own.add(block.label)
        return cls({name: frozenset(found) for name, found in labels.items()}, frozenset(own))


def values(attribute: Attribute, argument: Argument) -> Iterator[tuple[str, str]]:
    """(message, fix) for a value that is plainly of another type."""
    kind, value = argument.type, attribute.value
    if kind.startswith("list(") and not _may_be_list(value, kind):
        yield "a list is expected", "put it in [ ]"
    if kind.startswith("list(") and isinstance(value, Array):
        inner = kind.removeprefix("list(").removesuffix(")")
        for item in value.items:
            exported = _exported(item)
            if inner not in ("string", "any") and exported and exported != inner:
                yield f"{spelled(item)} is {exported}, and {inner} is expected", _taker(inner)
    elif (exported := _exported(value)) and exported != kind and not _fits(exported, kind):
        yield f"{spelled(value)} is {exported}, and {kind} is expected", ""
    if isinstance(value, Literal):
        yield from _literal(value, kind)


def _may_be_list(value: Expr, kind: str) -> bool:
    if isinstance(value, Literal | Object | Binary | Unary):
        return False
    exported = _exported(value)
    return not exported or exported == kind or not exported.endswith("Receiver")


def _fits(exported: str, kind: str) -> bool:
    return kind in _TEXTS and exported in _TEXTS


def _taker(inner: str) -> str:
    exporters = {
        "LogsReceiver": "a receiver of loki.process or loki.write",
        "MetricsReceiver": "a receiver of prometheus.relabel or prometheus.remote_write",
        "otelcol.Consumer": "an input of otelcol.processor.* or otelcol.exporter.*",
    }
    return f"name {exporters[inner]}" if inner in exporters else ""


def _literal(value: Literal, kind: str) -> Iterator[tuple[str, str]]:
    text = value.text
    quoted = text[:1] in ('"', "`")
    if kind == "secret" and quoted and len(text) > 2:
        yield "a secret is written here", 'use sys.env("NAME"), or local.file with is_secret = true'
    if kind in ("bool", "boolean") and text not in ("true", "false"):
        yield f"{text} is neither true nor false", "write it without quotes"
    elif kind in _NUMBERS and quoted:
        yield f"{text} is no number", "write it without quotes"
    elif kind in _TEXTS and not quoted and text != "null":
        yield f"{text} is no string", "write it in quotes"
    elif kind == "duration":
        try:
            if not quoted:
                raise ValueError(f"{text} is no duration: write it in quotes with a unit")
            parse_go_duration(text[1:-1])
        except ValueError as error:
            yield str(error), ""


def references(block: Block, known: Known) -> Iterator[tuple[int, str, str]]:
    """(line, message, fix) for each name of a component, label or export that is not there."""
    for statement in block.body:
        if isinstance(statement, Block):
            yield from references(statement, known)
        elif isinstance(statement, Attribute):
            for path in _paths(statement.value):
                for message, fix in _unresolved(path, known):
                    yield statement.line, message, fix


def _unresolved(path: tuple[str, ...], known: Known) -> Iterator[tuple[str, str]]:
    if path[0] in FUNCTIONS or path[0] in known.own:
        return
    split = _split(path)
    dotted = ".".join(path)
    if split is None:
        yield f"{dotted} refers to nothing", nearest(dotted, NAMES | set(SETTINGS) | FUNCTIONS)
        return
    name, rest = split
    labels = known.labels.get(name, frozenset())
    if not rest or rest[0] not in labels:
        wanted = rest[0] if rest else ""
        yield f'{dotted} refers to {name} "{wanted}", which is not there', nearest(wanted, labels)
        return
    exports = COMPONENTS[name].exports if name in COMPONENTS else None
    if exports is not None and (len(rest) < 2 or rest[1] not in exports):
        wanted = rest[1] if len(rest) > 1 else ""
        hint = nearest(wanted, exports) if exports else f"{name} exports nothing"
        yield f"{name} exports no {wanted!r}", hint


def _split(path: tuple[str, ...]) -> tuple[str, tuple[str, ...]] | None:
    """Component and the rest: label, export."""
    for size in range(len(path), 0, -1):
        name = ".".join(path[:size])
        if name in NAMES:
            return name, path[size:]
    return None


def _exported(value: Expr) -> str:
    """The type of what a reference names, where that is known."""
    path = _path(value)
    split = _split(path) if path else None
    if split is None or len(split[1]) != 2 or split[0] not in COMPONENTS:
        return ""
    return COMPONENTS[split[0]].exports.get(split[1][1], "")


def spelled(value: Expr) -> str:
    """A reference as it is written."""
    return ".".join(_path(value)) or "this"


def _path(value: Expr) -> tuple[str, ...]:
    match value:
        case Name():
            return (value.name,)
        case Access():
            before = _path(value.value)
            return (*before, value.name) if before else ()
        case _:
            return ()


def _paths(value: Expr) -> Iterator[tuple[str, ...]]:
    path = _path(value)
    if path:
        yield path
        return
    for part in _parts(value):
        yield from _paths(part)


def _parts(value: Expr) -> tuple[Expr, ...]:
    match value:
        case Access():
            return (value.value,)
        case Index():
            return value.value, value.index
        case Call():
            return value.function, *value.arguments
        case Unary():
            return (value.value,)
        case Binary():
            return value.left, value.right
        case Paren():
            return (value.inner,)
        case Array():
            return value.items
        case Object():
            return tuple(entry.value for entry in value.fields)
        case _:
            return ()
