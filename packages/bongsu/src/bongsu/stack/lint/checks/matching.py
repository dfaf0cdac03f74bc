"""Labels: matchers, the matching of vectors, and the templates that name them."""

import re
from collections.abc import Iterator
from typing import Any

from promql_parser import BinaryExpr, MatchOp

from bongsu.stack.lint import syntax
from bongsu.stack.lint.model import Check, Context, Finding

_META = re.compile(r"[.*+?()|\[\]{}^$\\]")
_USED = re.compile(r"\$labels\.([a-zA-Z_]\w*)|\.Labels\.([a-zA-Z_]\w*)")


def different_labels(context: Context) -> Iterator[Finding]:
    """Two vectors with different labels never meet."""
    for node, _ in syntax.walk(context.tree):
        if not isinstance(node, BinaryExpr) or syntax.scalar(node.lhs) or syntax.scalar(node.rhs):
            continue
        op = str(node.op)
        if op == "or" or (node.modifier is not None and node.modifier.matching is not None):
            continue
        left, right = syntax.labels(node.lhs), syntax.labels(node.rhs)
        if left is None or right is None or left == right:
            continue
        shared = ", ".join(sorted(left & right))
        side = " group_left ()" if len(left) >= len(right) else " group_right ()"
        side = "" if op in ("and", "unless") else side
        yield context.finding(
            "labels-differ",
            f"the sides have the labels ({_names(left)}) and ({_names(right)}): no series of one matches one "
            "of the other, and there is no result",
            f"양쪽 레이블이 ({_names(left)})와 ({_names(right)})로 달라 서로 짝이 맞는 시계열이 "
            "없고 결과도 없습니다",
            f"{syntax.text(node.lhs)} {op} on ({shared}){side} {syntax.text(node.rhs)}",
        )


def _names(labels: frozenset[str]) -> str:
    return ", ".join(sorted(labels))


def needless_regex(context: Context) -> Iterator[Finding]:
    for selector in syntax.selectors(context.tree):
        for matcher in selector.matchers.matchers:
            if matcher.op not in (MatchOp.Re, MatchOp.NotRe):
                continue
            yield from _regex(context, matcher)


def _regex(context: Context, matcher: Any) -> Iterator[Finding]:
    negated, value = matcher.op == MatchOp.NotRe, str(matcher.value)
    sign = "!" if negated else "="
    if value in (".*", "^.*$"):
        yield context.finding(
            "regex-matches-all",
            f'{matcher.name}=~"{value}" matches every series, also those without the label',
            f'{matcher.name}=~"{value}"은(는) 레이블이 없는 시계열까지 모두 맞습니다',
            f'{matcher.name}!=""',
        )
    elif value.startswith("^") or (value.endswith("$") and not value.endswith("\\$")):
        plain = value.removeprefix("^").removesuffix("$")
        yield context.finding(
            "regex-anchored",
            "Prometheus matches whole values anyway: the anchors are needless",
            "Prometheus는 원래 값 전체를 비교하므로 ^와 $는 필요 없습니다",
            f'{matcher.name}{sign}~"{plain}"',
        )
    elif value and not _META.search(value):
        yield context.finding(
            "regex-needless",
            f"{value!r} has no special characters and must match the whole value: it is an equality",
            f"{value!r}에는 특수 문자가 없고 값 전체를 비교하므로 같음 비교와 같습니다. 일부만 "
            "맞추려면 .*를 붙이세요",
            f'{matcher.name}{"!=" if negated else "="}"{value}"',
        )


def missing_labels(context: Context) -> Iterator[Finding]:
    """A template that names a label which the expression's result does not have prints nothing."""
    if not context.rule.alert:
        return
    found = syntax.labels(context.tree)
    if found is None:
        return
    for key, texts in (("labels", context.rule.labels), ("annotations", context.rule.annotations)):
        used = {a or b for text in texts.values() for a, b in _USED.findall(text)}
        for name in sorted(used - found):
            have = _names(found) or "-"
            yield context.finding(
                "template-label",
                f"the result has no label {name!r} (it has: {have}): the text is left empty there",
                f"결과에 {name!r} 레이블이 없어(있는 레이블: {have}) 그 자리가 비게 됩니다",
                _keeping(context, name),
                at=key,
            )


def _keeping(context: Context, name: str) -> str:
    whole = syntax.text(context.tree)
    kept = re.sub(r"\bby \(([^)]*)\)", lambda m: f"by ({', '.join(p for p in (m[1], name) if p)})", whole)
    if kept == whole:
        kept = re.sub(r"\b(sum|avg|max|min|count)\(", rf"\1 by ({name}) (", whole)
    return kept if kept != whole else ""


def broken_template(context: Context) -> Iterator[Finding]:
    for key, texts in (("labels", context.rule.labels), ("annotations", context.rule.annotations)):
        for name, text in texts.items():
            if text.count("{{") != text.count("}}"):
                yield context.finding(
                    "template-broken",
                    f"the braces of {name!r} do not pair: Prometheus refuses or prints the template as it is",
                    f"{name!r}의 중괄호 짝이 맞지 않습니다",
                    at=key,
                )
            elif re.search(r"(?<!\{)\{\s*\$(labels|value)|\$\{", text):
                yield context.finding(
                    "template-broken",
                    f"{name!r} names a variable outside of {{{{ }}}}: it is printed as it is",
                    f"{name!r}의 변수가 {{{{ }}}} 밖에 있어 글자 그대로 나옵니다",
                    re.sub(r"\$?\{\s*(\$?)(labels[\w.]*|value)\s*\}", r"{{ $\2 }}", text),
                    at=key,
                )


CHECKS: tuple[Check, ...] = (different_labels, needless_regex, missing_labels, broken_template)
