"""A configuration of Alloy as data: blocks, attributes, comments and expressions."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, string, bool or null, as it is spelled."""

    text: str


@dataclass(frozen=True, slots=True)
class Name:
    """``prometheus`` in ``prometheus.scrape.api.targets``."""

    name: str


@dataclass(frozen=True, slots=True)
class Access:
    """``value.name``."""

    value: "Expr"
    name: str


@dataclass(frozen=True, slots=True)
class Index:
    """``value[index]``."""

    value: "Expr"
    index: "Expr"


@dataclass(frozen=True, slots=True)
class Call:
    """``function(arguments)``."""

    function: "Expr"
    arguments: tuple["Expr", ...] = ()
    spread: bool = False
    """Each argument on a line of its own."""


@dataclass(frozen=True, slots=True)
class Unary:
    operator: str
    value: "Expr"


@dataclass(frozen=True, slots=True)
class Binary:
    left: "Expr"
    operator: str
    right: "Expr"


@dataclass(frozen=True, slots=True)
class Paren:
    inner: "Expr"


@dataclass(frozen=True, slots=True)
class Array:
    items: tuple["Expr", ...] = ()
    spread: bool = False
    """Each item on a line of its own."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an object; the key as it is spelled, with its quotes if it has any."""

    key: str
    value: "Expr"


@dataclass(frozen=True, slots=True)
class Object:
    fields: tuple[Field, ...] = ()
    spread: bool = False
    """Each field on a line of its own."""


Expr = Literal | Name | Access | Index | Call | Unary | Binary | Paren | Array | Object


@dataclass(frozen=True, slots=True)
class Attribute:
    name: str
    value: Expr
    spaced: bool = field(default=False, compare=False)
    """A blank line goes before it."""
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Comment:
    """``// text`` or ``/* text */``, as it is spelled."""

    text: str
    trailing: bool = False
    """It ends the line of the statement before it."""
    spaced: bool = field(default=False, compare=False)
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Block:
    name: str
    """With its dots: ``prometheus.scrape``."""
    label: str = ""
    body: tuple["Statement", ...] = ()
    spaced: bool = field(default=False, compare=False)
    """A blank line goes between it and a comment before it; after another statement one always does."""
    line: int = field(default=0, compare=False)

    def attributes(self) -> Iterator[Attribute]:
        return (s for s in self.body if isinstance(s, Attribute))

    def blocks(self, name: str = "") -> Iterator["Block"]:
        return (s for s in self.body if isinstance(s, Block) and name in ("", s.name))

    def value(self, name: str) -> "Expr | None":
        """The value of one attribute."""
        return next((a.value for a in self.attributes() if a.name == name), None)


Statement = Attribute | Block | Comment
Body = tuple[Statement, ...]

Plain = str | bool | int | float | None | Sequence["Plain"] | Mapping[str, "Plain"] | Expr


def string(text: str) -> Literal:
    """A string; between backquotes where escapes would make it hard to read."""
    if "\\" in text and not set(text) & set("`\n\t\v\f\r\0"):
        return Literal(f"`{text}`")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return Literal('"' + "".join(_ESCAPES.get(c) or _plain(c) for c in escaped) + '"')


_ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\v": "\\v", "\f": "\\f", "\a": "\\a", "\b": "\\b"}


def _plain(character: str) -> str:
    code = ord(character)
    if code < 0x20 or code == 0x7F or code == 0xFEFF:
        return f"\\u{code:04x}"
    return character


def ref(path: str) -> Expr:
    """``a.b.c`` as an expression."""
    first, *rest = path.split(".")
    value: Expr = Name(first)
    for name in rest:
        value = Access(value, name)
    return value


def call(function: str, *arguments: Plain) -> Call:
    return Call(ref(function), tuple(expr(a) for a in arguments))


def expr(value: Plain) -> Expr:
    """Plain data as an expression; long lists, and objects of several fields, spread over lines."""
    match value:
        case None:
            return Literal("null")
        case bool():
            return Literal("true" if value else "false")
        case int() | float():
            return Literal(repr(value))
        case str():
            return string(value)
        case list() | tuple():
            items = tuple(expr(item) for item in value)
            return Array(items, spread=_spreads(items))
        case Mapping():
            fields = tuple(Field(_key(k), expr(v)) for k, v in value.items())
            return Object(fields, spread=len(fields) > 1)
        case _:
            assert not isinstance(value, Sequence)
            return value


def _spreads(items: Sequence[Expr]) -> bool:
    """Whether a list is easier to read with each item on its own line."""
    if len(items) < 2:
        return False
    texts = [item.text if isinstance(item, Literal) else "" for item in items]
    return (
        any(isinstance(item, Object | Array | Access | Call) for item in items) or len(", ".join(texts)) > 80
    )


def _key(name: str) -> str:
    return string(name).text if not name.isidentifier() or name.startswith("__") else name


def block(name: str, label: str = "", /, *body: Statement, **attributes: Plain) -> Block:
    """A block with its attributes first."""
    return Block(name, label, (*(Attribute(n, expr(v)) for n, v in attributes.items()), *body))
