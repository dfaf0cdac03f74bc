"""Alloy's configuration syntax, read into data.

The grammar is that of https://grafana.com/docs/alloy/latest/get-started/configuration-syntax/: as in Go, the
end of a line ends a statement after a name, literal or closing bracket, and a list over several lines
therefore needs a comma after its last item.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

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
    Field,
    Index,
    Literal,
    Name,
    Object,
    Paren,
    Statement,
    Unary,
)

_DEEPEST = 100


class AlloySyntaxError(Exception):
    """The text is not a configuration; ``line`` and ``column`` count from 1."""

    def __init__(self, line: int, column: int, message: str) -> None:
        super().__init__(f"{line}:{column}: {message}")
        self.line, self.column, self.message = line, column, message


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    """``name``, ``literal``, ``string``, ``end`` (of a line), ``eof``, ``comment``, or the sign itself."""
    text: str
    line: int
    column: int


_ESCAPE = r"\\(?:[abfnrtv\\\"]|[0-7]{3}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})"
_LEXEMES = re.compile(
    rf"""
    (?P<space>[ \t\r]+)
  | (?P<newline>\n)
  | (?P<comment>//[^\n]*|/\*.*?\*/)
  | (?P<name>[^\W\d]\w*)
  | (?P<literal>(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?)
  | (?P<string>"(?:[^"\\\n]|{_ESCAPE})*"|`[^`]*`)
  | (?P<sign>\|\||&&|[!=<>]=|/(?![/*])|[-+*%^!=<>{{}}()\[\],.])
    """,
    re.VERBOSE | re.DOTALL,
)
_ENDS_LINE = frozenset({"name", "literal", "string", "}", ")", "]"})
_PRECEDENCE = {
    "||": 1,
    "&&": 2,
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">="), 3),
    **dict.fromkeys(("+", "-"), 4),
    **dict.fromkeys(("*", "/", "%"), 5),
}


def parse(text: str) -> Body:
    """The statements of a configuration. AlloySyntaxError with the place of the first mistake.

    Comments between statements are kept; those inside an expression are dropped.
    """
    return _Parser(list(_tokens(text))).file()


def _tokens(text: str) -> Iterator[_Token]:
    at, line, start, ends = 0, 1, 0, False
    text = text.removeprefix("\ufeff")
    while at < len(text):
        found = _LEXEMES.match(text, at)
        column = at - start + 1
        if found is None:
            raise AlloySyntaxError(line, column, _why(text, at))
        lexeme, kind = found.group(), str(found.lastgroup)
        if kind == "newline":
            if ends:
                yield _Token("end", "\n", line, column)
            ends = False
        elif kind == "comment":
            if ends and "\n" in lexeme:
                yield _Token("end", "\n", line, column)
                ends = False
            yield _Token("comment", lexeme.rstrip("\r"), line, column)
        elif kind != "space":
            kind = lexeme if kind == "sign" else kind
            yield _Token(kind, lexeme, line, column)
            ends = kind in _ENDS_LINE
        if "\n" in lexeme:
            line += lexeme.count("\n")
            start = at + lexeme.rindex("\n") + 1
        at = found.end()
    if ends:
        yield _Token("end", "\n", line, at - start + 1)
    yield _Token("eof", "", line, at - start + 1)


def _why(text: str, at: int) -> str:
    rest = text[at : text.find("\n", at) if "\n" in text[at:] else len(text)]
    if rest.startswith("'"):
        return "strings have double quotes or backquotes"
    if rest.startswith('"'):
        bad = re.search(r"\\(?![abfnrtv\\\"0-7xuU])", rest)
        return f"unknown escape {rest[bad.start() : bad.start() + 2]}" if bad else "the string does not end"
    if rest.startswith("`"):
        return "the string does not end"
    if rest.startswith("/*"):
        return "the comment does not end"
    if rest.startswith("#"):
        return "comments begin with //"
    return f"unexpected character {rest[:1]!r}"


class _Parser:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def file(self) -> Body:
        return self._body("eof")

    @property
    def _token(self) -> _Token:
        return self._tokens[self._at]

    def _next(self) -> _Token:
        token = self._token
        if token.kind != "eof":
            self._at += 1
        return token

    def _skip_comments(self) -> None:
        while self._token.kind == "comment":
            self._at += 1

    def _expect(self, kind: str, what: str = "") -> _Token:
        self._skip_comments()
        if self._token.kind != kind:
            raise self._wrong(what or repr(kind))
        return self._next()

    def _wrong(self, expected: str) -> AlloySyntaxError:
        token = self._token
        shown = {"end": "the end of the line", "eof": "the end of the file"}.get(token.kind, repr(token.text))
        return AlloySyntaxError(token.line, token.column, f"expected {expected}, found {shown}")

    def _body(self, until: str) -> Body:
        self._deeper()
        found: list[Statement] = []
        last = self._tokens[self._at - 1].line if self._at else self._token.line
        while True:
            token = self._token
            if token.kind == "end":
                self._next()
            elif token.kind == "comment":
                self._next()
                trailing = bool(found) and token.line == last
                found.append(Comment(token.text, trailing, bool(found) and token.line > last + 1, token.line))
                last = token.line + token.text.count("\n")
            elif token.kind == until:
                break
            else:
                spaced = bool(found) and token.line > last + 1
                found.append(self._statement(spaced))
                last = self._tokens[self._at - 1].line
                if self._token.kind not in ("end", until, "comment"):
                    raise self._wrong("the end of the line")
        self._depth -= 1
        return tuple(found)

    def _statement(self, spaced: bool) -> Attribute | Block:
        first = self._expect("name", "a name")
        names = [first.text]
        while self._token.kind == ".":
            self._next()
            names.append(self._expect("name", "a name").text)
        label = self._label()
        if self._token.kind == "=":
            self._next()
            if len(names) > 1 or label is not None:
                raise AlloySyntaxError(
                    first.line, first.column, "an attribute is one name without dots or label"
                )
            return Attribute(first.text, self._expression(), spaced, first.line)
        if self._token.kind != "{":
            raise self._wrong("'=' or '{'" if len(names) == 1 else "'{'")
        self._next()
        body = self._body("}")
        self._next()
        return Block(".".join(names), label or "", body, spaced, first.line)

    def _label(self) -> str | None:
        if self._token.kind != "string":
            return None
        token = self._next()
        label = token.text[1:-1]
        if token.text[0] != '"' or (label and not re.fullmatch(r"[^\W\d]\w*", label)):
            raise AlloySyntaxError(
                token.line, token.column, f"the label {token.text} has to be letters, digits and _ in quotes"
            )
        return label

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise AlloySyntaxError(self._token.line, self._token.column, "nested too deeply")

    def _expression(self, above: int = 1) -> Expr:
        self._deeper()
        left = self._power()
        while (precedence := _PRECEDENCE.get(self._token.kind, 0)) >= above:
            operator = self._next().text
            left = Binary(left, operator, self._expression(precedence + 1))
        self._depth -= 1
        return left

    def _power(self) -> Expr:
        self._deeper()
        left = self._unary()
        if self._token.kind == "^":
            self._next()
            left = Binary(left, "^", self._power())
        self._depth -= 1
        return left

    def _unary(self) -> Expr:
        self._skip_comments()
        operators = []
        while self._token.kind in ("!", "-"):
            operators.append(self._next().text)
        value = self._operand()
        for operator in reversed(operators):
            value = Unary(operator, value)
        return value

    def _operand(self) -> Expr:
        value = self._primary()
        while True:
            if self._token.kind == ".":
                self._next()
                value = Access(value, self._expect("name", "a name").text)
            elif self._token.kind == "[":
                self._next()
                value = Index(value, self._expression())
                self._expect("]")
            elif self._token.kind == "(":
                self._next()
                value = Call(value, *self._list(")"))
            else:
                return value

    def _primary(self) -> Expr:
        self._skip_comments()
        token = self._token
        if token.kind == "name":
            self._next()
            return Literal(token.text) if token.text in ("true", "false", "null") else Name(token.text)
        if token.kind in ("literal", "string"):
            self._next()
            return Literal(token.text)
        if token.kind == "(":
            self._next()
            inner = self._expression()
            self._expect(")")
            return Paren(inner)
        if token.kind == "[":
            self._next()
            return Array(*self._list("]"))
        if token.kind == "{":
            self._next()
            return self._object()
        raise self._wrong("a value")

    def _list(self, until: str) -> tuple[tuple[Expr, ...], bool]:
        """The items, and whether the first is on a line of its own."""
        opened = self._tokens[self._at - 1].line
        self._skip_comments()
        spread = self._token.line > opened
        items: list[Expr] = []
        while self._token.kind != until:
            items.append(self._expression())
            self._comma(until, "a list")
        self._next()
        return tuple(items), spread and bool(items)

    def _object(self) -> Object:
        opened = self._tokens[self._at - 1].line
        self._skip_comments()
        spread = self._token.line > opened
        fields: list[Field] = []
        while self._token.kind != "}":
            if self._token.kind not in ("name", "string") or self._token.text.startswith("`"):
                raise self._wrong("a key")
            key = self._next().text
            self._expect("=")
            fields.append(Field(key, self._expression()))
            self._comma("}", "an object")
        self._next()
        return Object(tuple(fields), spread and bool(fields))

    def _comma(self, until: str, of: str) -> None:
        self._skip_comments()
        if self._token.kind == ",":
            self._next()
            self._skip_comments()
        elif self._token.kind == "end":
            raise self._wrong(f"',' (every line of {of} ends with one)")
        elif self._token.kind != until:
            raise self._wrong(f"',' or {until!r}")
