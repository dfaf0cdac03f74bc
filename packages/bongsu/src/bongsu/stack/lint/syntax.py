"""Questions about a parsed PromQL expression."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from promql_parser import (
    AggModifierType,
    AggregateExpr,
    BinaryExpr,
    Call,
    LabelModifierType,
    MatchOp,
    MatrixSelector,
    NumberLiteral,
    ParenExpr,
    StringLiteral,
    SubqueryExpr,
    UnaryExpr,
    VectorMatchCardinality,
    VectorSelector,
)

COMPARISONS = ("==", "!=", ">", "<", ">=", "<=")
SETS = ("and", "or", "unless")
RATES = ("rate", "increase", "irate")
_FLIPPED = {">": "<", "<": ">", ">=": "<=", "<=": ">="}
_KEEPING = ("topk", "bottomk", "limitk", "limit_ratio")
_UP = re.compile(r"(^|_)up$|^probe_success$")
_COUNTER = re.compile(r"_(total|sum|bucket)$|_(seconds|bytes|requests|duration)_count$")

Labels = frozenset[str] | None
"""The labels of a result; None where the expression does not say."""


@dataclass(frozen=True, slots=True)
class Condition:
    """``subject op value``, as one operand of what an alert asks for."""

    subject: Any
    op: str
    value: float


def bare(node: Any) -> Any:
    """Without the parentheses around it."""
    while isinstance(node, ParenExpr):
        node = node.expr
    return node


def children(node: Any) -> list[Any]:
    match node:
        case BinaryExpr():
            return [node.lhs, node.rhs]
        case AggregateExpr():
            return [part for part in (node.param, node.expr) if part is not None]
        case Call():
            return list(node.args)
        case ParenExpr() | UnaryExpr() | SubqueryExpr():
            return [node.expr]
        case MatrixSelector():
            return [node.vector_selector]
        case _:
            return []


def walk(node: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Every node with its ancestors, the nearest last."""
    yield node, above
    for child in children(node):
        yield from walk(child, (*above, node))


def selectors(node: Any) -> Iterator[Any]:
    """Every series selector at or below ``node``."""
    return (each for each, _ in walk(node) if isinstance(each, VectorSelector))


def metrics(node: Any) -> list[str]:
    return [metric(each) for each in selectors(node)]


def metric(selector: Any) -> str:
    """The name that a selector asks for; empty where it asks for none."""
    if selector.name:
        return str(selector.name)
    named = (m.value for m in selector.matchers.matchers if m.name == "__name__" and m.op == MatchOp.Equal)
    return next(named, "")


def matched(selector: Any) -> dict[str, str]:
    """Label → the text that a selector matches it with, whatever the operator."""
    return {m.name: m.value for m in selector.matchers.matchers}


def calls(node: Any, *names: str) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    for each, above in walk(node):
        if isinstance(each, Call) and each.func.name in names:
            yield each, above


def call(node: Any, *names: str) -> bool:
    """Whether it is a call of one of these functions."""
    node = bare(node)
    return isinstance(node, Call) and node.func.name in names


def binary(node: Any, *ops: str) -> bool:
    node = bare(node)
    return isinstance(node, BinaryExpr) and str(node.op) in ops


def aggregated(above: tuple[Any, ...]) -> bool:
    return any(isinstance(each, AggregateExpr) for each in above)


def counter(name: str) -> bool:
    """Whether a metric of this name is a counter, by the naming conventions."""
    return _COUNTER.search(name) is not None


def is_up(name: str) -> bool:
    """Whether the metric says that something answers."""
    return _UP.search(name) is not None


def recorded(name: str) -> bool:
    return ":" in name


def text(node: Any) -> str:
    """The expression on one line."""
    return re.sub(r"\(\s+", "(", re.sub(r"\s+\)", ")", " ".join(node.prettify().split())))


def window(node: Any) -> float:
    """Seconds of the longest range below ``node``; 0 where there is none."""
    ranges = (each.range for each, _ in walk(node) if isinstance(each, MatrixSelector | SubqueryExpr))
    return max((each.total_seconds() for each in ranges if each is not None), default=0.0)


def constant(node: Any) -> float | None:
    """The value of an expression of numbers alone."""
    node = bare(node)
    if isinstance(node, NumberLiteral):
        return float(node.val)
    if isinstance(node, UnaryExpr):
        inner = constant(node.expr)
        return None if inner is None else -inner
    if not isinstance(node, BinaryExpr):
        return None
    left, right = constant(node.lhs), constant(node.rhs)
    if left is None or right is None:
        return None
    match str(node.op):
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "/":
            return left / right if right else None
        case _:
            return None


def conditions(node: Any) -> Iterator[Condition]:
    """The comparisons with numbers that decide whether the alert fires."""
    node = bare(node)
    if not isinstance(node, BinaryExpr):
        return
    op = str(node.op)
    if op in SETS:
        yield from conditions(node.lhs)
        if op != "unless":
            yield from conditions(node.rhs)
    elif op in COMPARISONS:
        left, right = constant(node.lhs), constant(node.rhs)
        if right is not None:
            yield Condition(bare(node.lhs), op, right)
        elif left is not None:
            yield Condition(bare(node.rhs), _FLIPPED.get(op, op), left)


def scalar(node: Any) -> bool:
    """Whether it is one number rather than a vector."""
    node = bare(node)
    match node:
        case NumberLiteral() | StringLiteral():
            return True
        case UnaryExpr():
            return scalar(node.expr)
        case BinaryExpr():
            return scalar(node.lhs) and scalar(node.rhs)
        case Call():
            return node.func.name in ("time", "scalar", "pi")
        case _:
            return False


def labels(node: Any) -> Labels:
    """The labels that the result of ``node`` is known to have."""
    node = bare(node)
    match node:
        case AggregateExpr():
            return _of_aggregation(node)
        case Call():
            return _of_call(node)
        case UnaryExpr() | SubqueryExpr():
            return labels(node.expr)
        case BinaryExpr():
            return _of_binary(node)
        case _:
            return None


def _of_aggregation(node: Any) -> Labels:
    if str(node.op) in _KEEPING:
        return labels(node.expr)
    if str(node.op) == "count_values" or (node.modifier and node.modifier.type == AggModifierType.Without):
        return None
    return frozenset(node.modifier.labels) if node.modifier else frozenset()


def _of_call(node: Any) -> Labels:
    name, arguments = node.func.name, list(node.args)
    if name in ("absent", "absent_over_time"):
        found = [each for argument in arguments for each in selectors(argument)]
        if len(found) != 1:
            return frozenset()
        return frozenset(m.name for m in found[0].matchers.matchers if m.op == MatchOp.Equal)
    if name in ("label_replace", "label_join"):
        return None
    vectors = [argument for argument in arguments if not scalar(argument)]
    if not vectors:
        return frozenset()
    inner = labels(vectors[0])
    return inner - {"le"} if inner is not None and name == "histogram_quantile" else inner


def _of_binary(node: Any) -> Labels:
    op, left, right = str(node.op), labels(node.lhs), labels(node.rhs)
    if op in ("and", "unless"):
        return left
    if op == "or":
        return None if left is None or right is None else left | right
    if scalar(node.lhs) or scalar(node.rhs):
        return right if scalar(node.lhs) else left
    modifier = node.modifier
    if modifier is not None and modifier.card == VectorMatchCardinality.ManyToOne:
        return None if left is None else left | frozenset(modifier.group_labels or ())
    if modifier is not None and modifier.card == VectorMatchCardinality.OneToMany:
        return None if right is None else right | frozenset(modifier.group_labels or ())
    if modifier is not None and modifier.matching is not None:
        given = frozenset(modifier.matching.labels)
        if modifier.matching.type == LabelModifierType.Include:
            return given
        return None if left is None else left - given
    return left if left is not None else right
