"""PromQL as data: whether it parses, which series it asks for, and its one spelling."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import promql_parser

_RATES = frozenset({"rate", "irate", "increase", "delta", "idelta", "deriv"})


@dataclass(frozen=True, slots=True)
class Selector:
    """One vector selector of an expression. ``equal`` holds the labels that it demands literally."""

    metric: str
    equal: Mapping[str, str] = field(default_factory=dict, hash=False)
    labels: frozenset[str] = frozenset()
    """Every label that it speaks of."""


def problem(expression: str) -> str:
    """Why ``expression`` is not PromQL; empty when it is."""
    try:
        promql_parser.parse(expression)
    except ValueError as error:
        return str(error)
    return ""


def same(one: str, other: str) -> bool:
    """Whether two expressions differ in spelling at most."""
    return spelled(one) == spelled(other)


def spelled(expression: str) -> str:
    """The expression in the parser's own spelling; as it is, without its white space, where it cannot."""
    try:
        return "".join(str(promql_parser.parse(expression).prettify()).split())
    except ValueError:
        return "".join(expression.split())


def selectors(expression: str) -> Iterator[Selector]:
    """The series that ``expression`` asks for; ValueError when it is not PromQL."""
    found: list[Selector] = []

    def visit(node: Any) -> bool:
        vector = getattr(node, "vector_selector", node)
        if isinstance(vector, promql_parser.VectorSelector):
            found.append(_selector(vector))
        return True

    promql_parser.walk(promql_parser.parse(expression), visit)
    yield from dict.fromkeys(found)


def rated_windows(expression: str) -> set[float]:
    """Seconds over which ``expression`` takes rates and increases; empty when it is not PromQL."""
    found: set[float] = set()

    def visit(node: Any) -> bool:
        if isinstance(node, promql_parser.Call) and node.func.name in _RATES:
            ranges = [a.range for a in node.args if hasattr(a, "vector_selector")]
            found.update(span.total_seconds() for span in ranges if isinstance(span, timedelta))
        return True

    try:
        promql_parser.walk(promql_parser.parse(expression), visit)
    except ValueError:
        return set()
    return found


def _selector(vector: Any) -> Selector:
    matchers = [(m.name, m.op, m.value) for m in vector.matchers.matchers]
    equal = {name: value for name, op, value in matchers if op == promql_parser.MatchOp.Equal}
    metric = vector.name or equal.pop("__name__", "")
    return Selector(metric, equal, frozenset(name for name, *_ in matchers if name != "__name__"))
