"""A configuration written as ``alloy fmt`` writes it: tabs, aligned ``=``, a blank line between blocks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from bongsu.stack.alloy.tree import (
    Access,
    Array,
    Attribute,
    Binary,
    Block,
    Body,
    Call,
    Comment,
    Expr,
    Index,
    Literal,
    Name,
    Object,
    Paren,
    Statement,
    Unary,
)


def layout(body: Body) -> str:
    """The text of a configuration, ending with a line feed."""
    page = _Page()
    _body(page, body)
    return "".join(f"{line}\n" for line in page.aligned()) if body else ""


@dataclass(slots=True)
class _Line:
    depth: int
    run: int
    """The cells of neighbouring lines of one run are aligned."""
    cells: list[str] = field(default_factory=lambda: [""])


@dataclass(slots=True)
class _Page:
    depth: int = 0
    lines: list[_Line] = field(default_factory=lambda: [_Line(0, 0)])

    def write(self, text: str) -> None:
        self.lines[-1].cells[-1] += text

    def cell(self) -> None:
        self.lines[-1].cells.append("")

    def line(self, *, cut: bool = True) -> None:
        self.lines.append(_Line(self.depth, self.lines[-1].run + cut))

    def aligned(self) -> Iterator[str]:
        for _, group in groupby(self.lines, key=lambda line: line.run):
            members = list(group)
            _pad(members)
            yield from ("\t" * m.depth + " ".join(m.cells) if any(m.cells) else "" for m in members)


def _pad(lines: Sequence[_Line]) -> None:
    """Elastic tabstops: a cell is as wide as those above and below it that another cell follows."""
    for column in range(max(len(line.cells) for line in lines) - 1):
        for more, group in groupby(lines, key=lambda line: len(line.cells) > column + 1):
            members = list(group) if more else []
            width = max((len(line.cells[column]) for line in members), default=0)
            for line in members:
                line.cells[column] = line.cells[column].ljust(width)


def _body(page: _Page, body: Body) -> None:
    before: Statement | None = None
    began = 0
    for statement in body:
        if isinstance(statement, Comment) and statement.trailing and before is not None:
            page.cell()
            page.write(statement.text)
            continue
        if before is not None:
            blank = statement.spaced or (isinstance(statement, Block) and not isinstance(before, Comment))
            page.line(cut=blank or len(page.lines) - began > 1 or isinstance(before, Comment))
            if blank:
                page.line()
        began = len(page.lines)
        _statement(page, statement)
        before = statement


def _statement(page: _Page, statement: Statement) -> None:
    match statement:
        case Comment():
            page.write(statement.text)
        case Attribute():
            page.write(statement.name)
            page.cell()
            page.write("= ")
            _expr(page, statement.value)
        case Block():
            label = f' "{statement.label}"' if statement.label else ""
            page.write(f"{statement.name}{label} {{")
            if not statement.body:
                page.write(" }")
                return
            page.depth += 1
            page.line()
            _body(page, statement.body)
            page.depth -= 1
            page.line()
            page.write("}")


def _expr(page: _Page, expr: Expr) -> None:
    match expr:
        case Literal(text=text) | Name(name=text):
            page.write(text)
        case Access():
            _expr(page, expr.value)
            page.write(f".{expr.name}")
        case Index():
            _expr(page, expr.value)
            page.write("[")
            _expr(page, expr.index)
            page.write("]")
        case Call():
            _expr(page, expr.function)
            _list(page, "()", expr.arguments, spread=expr.spread)
        case Unary():
            page.write(expr.operator)
            _expr(page, expr.value)
        case Binary():
            _expr(page, expr.left)
            page.write(f" {expr.operator} ")
            _expr(page, expr.right)
        case Paren():
            _list(page, "()", (expr.inner,), spread=False)
        case Array():
            _list(page, "[]", expr.items, spread=expr.spread)
        case Object():
            _object(page, expr)


def _list(page: _Page, brackets: str, items: Sequence[Expr], *, spread: bool) -> None:
    page.write(brackets[0])
    if spread:
        page.depth += 1
    for index, item in enumerate(items):
        if spread:
            page.line()
        elif index:
            page.write(", ")
        _expr(page, item)
        page.write("," if spread else "")
    if spread:
        page.depth -= 1
        page.line()
    page.write(brackets[1])


def _object(page: _Page, expr: Object) -> None:
    page.write("{")
    page.depth += 1
    began = -1
    for index, entry in enumerate(expr.fields):
        if expr.spread:
            page.line(cut=not index or len(page.lines) > began)
        elif index:
            page.write(", ")
        began = len(page.lines)
        page.write(entry.key)
        page.cell()
        page.write("= ")
        _expr(page, entry.value)
        page.write("," if expr.spread else "")
    page.depth -= 1
    if expr.spread:
        page.line()
    page.write("}")
