"""Made-up series for rule tests: labels that satisfy matchers, labels that miss by one, and their samples."""

import functools
import re
import re._constants as op  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from bongsu.signals import promql
from bongsu.signals.matchers import Matcher
from bongsu.signals.model import Gauge
from bongsu.signals.promql import quote
from bongsu.signals.quantities import number

_PLAIN = ("a", "other", "b", "1", "0", "")
_VARIANTS = 6
_ROUNDING = 1 + 1e-12
"""A stretch begins so much higher, lest a rounding error of the last one look like a reset of the counter."""
_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


@dataclass(frozen=True, slots=True)
class Series:
    """``metric`` with ``labels``; its samples begin at ``start`` and grow by ``growth`` each interval."""

    metric: str
    labels: Mapping[str, str]
    start: float
    growth: float = 0.0
    other: float = 0.0
    """What its samples are at the steps ``otherwise``; only where nothing grows."""
    otherwise: Sequence[int] = ()

    def written(self, intervals: int) -> dict[str, str]:
        """As an input series of promtool."""
        named = {k: v for k, v in sorted(self.labels.items()) if v}
        plain = _METRIC.fullmatch(self.metric)
        if not plain:
            named = {"__name__": self.metric, **named}
        inside = ",".join(f"{name}={quote(value)}" for name, value in named.items())
        sign = "-" if self.growth < 0 else "+"
        values = f"{number(self.start)}{sign}{number(abs(self.growth))}x{intervals}"
        if self.otherwise:
            levels = (self.other if i in self.otherwise else self.start for i in range(intervals + 1))
            values = " ".join(number(level) for level in levels)
        return {"series": f"{self.metric if plain else ''}{{{inside}}}", "values": values}


@dataclass(frozen=True, slots=True)
class Stretches:
    """A counter that grows by a different amount in each stretch."""

    metric: str
    labels: Mapping[str, str]
    start: float
    stretches: Sequence[tuple[float, int]]
    """Growth an interval, and for how many of them."""

    def written(self, intervals: int) -> dict[str, str]:
        """As an input series of promtool, as long as its stretches."""
        level, parts, grown = self.start, [number(self.start)], False
        for growth, steps in self.stretches:
            each, level = float(number(growth)), level * (_ROUNDING if grown else 1.0) + growth
            if steps:
                parts.append(f"{_exact(level)}+{number(growth)}x{steps - 1}")
            for _ in range(steps - 1):
                level += each
            grown = grown or growth > 0
        head = Series(self.metric, self.labels, self.start).written(0)
        return {**head, "values": " ".join(parts)}


def _exact(value: float) -> str:
    return format(Decimal(repr(value)), "f").removesuffix(".0")


def selected(metric: str, match: Mapping[str, str], selector: str) -> str:
    """The series of ``metric`` that ``selector`` and ``match`` name, as PromQL."""
    whole = promql.expression(Gauge(form="gauge", metric=metric, match=dict(match)), selector, (), "")
    return whole.removeprefix("max by () (").removesuffix(")")


def solve(
    require: Iterable[Matcher], refuse: Iterable[Matcher] = (), fixed: Mapping[str, str] | None = None
) -> dict[str, str] | None:
    """Labels that meet every matcher of ``require`` and none of ``refuse``; None where nothing was found.

    ``fixed`` are the labels whose values are given.
    """
    wanted, unwanted, labels = list(require), list(refuse), dict(fixed or {})
    for label in dict.fromkeys(m.label for m in [*wanted, *unwanted]):
        needs = [m for m in wanted if m.label == label]
        shuns = [m for m in unwanted if m.label == label]
        found = next((v for v in _candidates(label, needs, shuns, labels) if _fits(v, needs, shuns)), None)
        if found is None:
            return None
        labels[label] = found
    return labels


def near_misses(
    matchers: Sequence[Matcher], fixed: Mapping[str, str], free: Sequence[str] = ()
) -> Iterator[dict[str, str]]:
    """For each matcher, labels that meet all the others but not this one; ``free`` ones may differ then."""
    for missed in dict.fromkeys(matchers):
        others = [m for m in matchers if m != missed]
        given = {k: v for k, v in fixed.items() if k != missed.label or k not in free}
        found = solve(others, [missed], given)
        if found is not None:
            yield found


def accepts(matcher: Matcher, value: str) -> bool:
    match matcher.op:
        case "=":
            return value == matcher.value
        case "!=":
            return value != matcher.value
        case "=~":
            return re.fullmatch(matcher.value, value, re.DOTALL) is not None
        case _:
            return re.fullmatch(matcher.value, value, re.DOTALL) is None


def _fits(value: str, needs: Sequence[Matcher], shuns: Sequence[Matcher]) -> bool:
    return all(accepts(m, value) for m in needs) and not any(accepts(m, value) for m in shuns)


def _candidates(
    label: str, needs: Sequence[Matcher], shuns: Sequence[Matcher], given: Mapping[str, str]
) -> Iterator[str]:
    if label in given:
        yield given[label]
        return
    for matcher in [*needs, *shuns]:
        if matcher.op in ("=", "!="):
            yield matcher.value
        else:
            yield from (text for i in range(_VARIANTS) if (text := example(matcher.value, i)))
    yield from _PLAIN


@functools.cache
def example(pattern: str, variant: int = 0) -> str:
    """A text that ``pattern`` matches; ``variant`` chooses among its alternatives. Empty where unsure."""
    try:
        text = _spelled(parser.parse(pattern), variant)
    except (re.error, ValueError):
        return ""
    return text if re.fullmatch(pattern, text, re.DOTALL) else ""


def _spelled(tokens: Any, variant: int) -> str:
    return "".join(_token(kind, value, variant) for kind, value in tokens)


def _token(kind: Any, value: Any, variant: int) -> str:
    if kind is op.LITERAL:
        return chr(value)
    if kind is op.ANY:
        return "0"
    if kind is op.IN:
        return _member(value, variant)
    if kind in (op.MAX_REPEAT, op.MIN_REPEAT):
        least, most, inner = value
        return _spelled(inner, variant) * (least or min(int(most), variant % 2))
    if kind is op.SUBPATTERN:
        return _spelled(value[-1], variant)
    if kind is op.BRANCH:
        branches = value[1]
        return _spelled(branches[variant % len(branches)], variant)
    if kind is op.NOT_LITERAL:
        return "a" if value != ord("a") else "b"
    return ""


def _member(members: Sequence[tuple[Any, Any]], variant: int) -> str:
    kind, value = members[variant % len(members)]
    if kind is op.LITERAL:
        return chr(value)
    if kind is op.RANGE:
        return chr(value[0])
    if kind is op.NEGATE:
        return "~"
    return {op.CATEGORY_DIGIT: "1", op.CATEGORY_WORD: "a", op.CATEGORY_SPACE: " "}.get(value, "-")
