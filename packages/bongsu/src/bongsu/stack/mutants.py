"""Wrong rules: each way in which a rule is commonly mistaken, to show that its tests would find it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bongsu.signals import promql
from bongsu.signals.model import Expr, Quantile, Ratio
from bongsu.stack.burn_rate import Slo
from bongsu.stack.recording import Recording, of_objective
from bongsu.stack.rule import Rule
from bongsu.stack.scenes import all_matchers
from bongsu.stack.series import accepts

_FLIPPED = {">": "<", "<": ">", ">=": "<=", "<=": ">=", "==": "!=", "!=": "=="}
_AGGREGATION = re.compile(r"\b(?:sum|max|min|avg)(?: by \([^)]*\) )?(?=\()")
_MATCHER = re.compile(r'[a-zA-Z_]\w*(?:=~|!~|!=|=)"(?:[^"\\]|\\.)*"')
_GUARD = re.compile(r" > [0-9.e-]+(?=\))")
_NUMERATOR = re.compile(r" or 0 \* sum(?: by \([^)]*\) )?\((?:rate|increase)\([^\]]*\]\)\)")
_OVER = re.compile(r"(?:min|max)_over_time\((.*?)\[[^\]]*\]\)")
_COMPARISON = re.compile(r" (>=|<=|==|!=|>|<) (-?[0-9.]+(?:e-?[0-9]+)?)\b")


@dataclass(frozen=True, slots=True)
class Mutant:
    """``rule`` with another expression or ``for``; of a recording that it reads where ``recording`` is."""

    kind: str
    rule: Rule
    expr: str
    hold: str
    at: int = 0
    """Where in the expression something is missing."""
    recording: Recording | None = None
    missing: str = ""
    """The matcher that is left out."""

    @property
    def name(self) -> str:
        return str(self.recording.body["record"] if self.recording else self.rule.body["alert"])

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}: {self.expr} for {self.hold}"

    def document(self) -> dict[str, Any]:
        """A rule file in which this one is wrong, with what it reads and what reads it."""
        recordings = of_objective(self.rule.slo) if self.rule.slo else []
        wrong, alert = self.recording, self.rule.body
        if wrong is None:
            recordings = [each for each in recordings if each.body["record"] in alert["expr"]]
        elif self.rule.urgency == "page":
            recordings = [each for each in recordings if each.group == self.rule.group]
        bodies = [
            {**r.body, "expr": self.expr} if wrong and r.body == wrong.body else r.body for r in recordings
        ]
        if wrong is None:
            alert = {**alert, "expr": self.expr, "for": self.hold}
        return {"groups": [{"name": self.rule.group, "rules": [*bodies, alert]}]}


def mutants(rule: Rule, *, singly: bool = False) -> Iterator[Mutant]:
    """Every way in which a rule is commonly wrong; ``singly``: a matcher also missing in one place only."""
    if not rule.query.services:
        yield Mutant("gone", rule, "vector(1) > 1", rule.body.get("for", ""))
        return
    expr, hold = rule.body["expr"], rule.body["for"]

    def mutant(kind: str, text: str, missing: str = "") -> Iterator[Mutant]:
        if text != expr:
            yield Mutant(kind, rule, text, hold, missing=missing)

    if rule.urgency is not None:
        for text in _clauses(expr):
            yield from mutant("clause", text)
        yield from _comparisons(rule)
    elif not rule.absent:
        if rule.slo is None:
            yield from _of_threshold(rule)
        else:
            yield from _comparisons(rule)
        yield from _of_parts(rule)
    if rule.urgency is None:
        for kind, text, matcher in _without_matchers(expr, singly=singly):
            yield from mutant(kind, text, matcher)
    if rule.query.signal.active and rule.slo is None:
        yield from mutant("active", expr.partition(" and on () (")[0])
    if hold != "0s":
        yield Mutant("for", rule, expr, "0s")


def of_recordings(rules: Sequence[Rule]) -> Iterator[Mutant]:
    """Mutants of the recordings that these alerts read, each to be found by the tests of one of them."""
    for rule in rules:
        if rule.slo is not None and rule.urgency is not None:
            yield from _of_recordings(rule, rule.slo)


def _of_recordings(rule: Rule, slo: Slo) -> Iterator[Mutant]:
    for recording in (each for each in of_objective(slo) if each.group == rule.group):
        expr = recording.body["expr"]
        texts = [("one aggregation", t) for t in _each_without(_AGGREGATION, expr)]
        texts += [("guard", t) for t in _each_without(_GUARD, expr)]
        texts += [("numerator", _NUMERATOR.sub("", expr)), ("clamp", _unclamped(expr))]
        texts += [(kind, text) for kind, text, _ in _without_matchers(expr, singly=False)]
        for kind, text in texts:
            if text != expr:
                yield Mutant(kind, rule, text, "", recording=recording)


def equivalent(mutant: Mutant) -> str:
    """Why no series can tell this mutant from its rule; empty for one that has to die."""
    if mutant.recording is not None:
        return ""
    rule = mutant.rule
    signal, threshold = rule.query.signal, rule.threshold
    original = rule.body["expr"]
    if mutant.kind == "numerator" and not threshold.holds(0.0):
        return "a share of zero and no share at all are both silent"
    if mutant.kind == "guard" and isinstance(signal, Ratio | Quantile) and signal.floor == 0:
        return "without events the answer is NaN, which meets no threshold"
    if mutant.missing and _implied(rule, mutant.missing):
        return "the labels that select the service meet this matcher already"
    if mutant.kind == "one aggregation":
        before = original[: mutant.at]
        if before.endswith(" or 0 * ") and not threshold.holds(0.0):
            return "a share of zero is silent however it is grouped"
        if re.search(r" unless (?:on \([^)]*\) )?\($", before):
            return "any series above zero leaves its group out"
    return ""


def _implied(rule: Rule, text: str) -> bool:
    """Whether every service of the rule is selected by a label that meets this matcher of the signal."""
    matchers = [m for m in all_matchers(rule.query.signal) if promql.selector_text([m]) == text]
    return any(
        all(m.label in at and accepts(m, at[m.label]) for at in rule.query.services.values())
        for m in matchers
    )


def _of_threshold(rule: Rule) -> Iterator[Mutant]:
    expr, hold = rule.body["expr"], rule.body["for"]
    value, op = rule.threshold.value, rule.threshold.op
    inner, sign, rest = expr.rpartition(f" {op} {value!r}")
    if sign:
        yield Mutant("flip", rule, f"{inner} {_FLIPPED[op]} {value!r}{rest}", hold)
        if value:
            yield Mutant("x100", rule, f"{inner} {op} {value * 100!r}{rest}", hold)


def _of_parts(rule: Rule) -> Iterator[Mutant]:
    """Parts of the expression left out."""
    expr, hold = rule.body["expr"], rule.body["for"]
    found = [
        ("one aggregation", expr[: m.start()] + expr[m.end() :], m.start())
        for m in _AGGREGATION.finditer(expr)
    ]
    found.append(("all aggregations", _AGGREGATION.sub("", expr), 0))
    found += [("guard", text, 0) for text in _each_without(_GUARD, expr)]
    found += [("numerator", _NUMERATOR.sub("", expr), 0), ("unless", _without_unless(expr), 0)]
    found.append(("over", _OVER.sub(r"\1", expr), 0))
    if isinstance(rule.query.signal, Expr):
        found += [("clause", text, 0) for text in _clauses(_inside(expr), expr)]
        found += [("flip inside", text, 0) for text in _each_flipped(expr)]
    for kind, text, at in found:
        if text != expr:
            yield Mutant(kind, rule, text, hold, at)


def _comparisons(rule: Rule) -> Iterator[Mutant]:
    """Each comparison of a condition turned round, and each bound raised."""
    expr, hold = rule.body["expr"], rule.body["for"]
    for text in _each_flipped(expr):
        yield Mutant("flip", rule, text, hold)
    for m in _COMPARISON.finditer(expr):
        if float(m[2]):
            higher = f"{float(m[2]) * 100:.12g}"
            yield Mutant("x100", rule, expr[: m.start(2)] + higher + expr[m.end(2) :], hold)


def _each_flipped(expr: str) -> Iterator[str]:
    for m in _COMPARISON.finditer(expr):
        yield expr[: m.start(1)] + _FLIPPED[m[1]] + expr[m.end(1) :]


def _each_without(pattern: re.Pattern[str], expr: str) -> Iterator[str]:
    for m in pattern.finditer(expr):
        yield expr[: m.start()] + expr[m.end() :]


def _without_matchers(expr: str, *, singly: bool) -> list[tuple[str, str, str]]:
    """``(kind, expression, matcher that it lacks)``."""
    found = []
    for text in dict.fromkeys(_MATCHER.findall(expr)):
        without = expr.replace(f",{text}", "").replace(f"{text},", "").replace(text, "")
        found.append(("matcher", without, text))
        for m in re.finditer(rf",?{re.escape(text)}", expr) if singly else ():
            rest = expr[m.end() :]
            rest = rest.removeprefix(",") if expr[m.start()] != "," else rest
            found.append(("one matcher", expr[: m.start()] + rest, text))
    return found


def _unclamped(expr: str) -> str:
    """Nothing of what is clamped: a share of all events that are good."""
    return re.sub(r"clamp_min\((.*?) - .*?, 0\)", r"\1", expr)


def _inside(expr: str) -> str:
    """What a threshold judges, without its parentheses."""
    return expr[1 : _closing(expr, 0)] if expr.startswith("(") else expr


def _without_unless(expr: str) -> str:
    for m in re.finditer(r" unless (?:on \([^)]*\) )?\(", expr):
        return expr[: m.start()] + expr[_closing(expr, m.end() - 1) + 1 :]
    return expr


def _closing(text: str, start: int) -> int:
    """The index of the parenthesis that closes the one at ``start``; braces and strings hold none of them."""
    depth = 0
    for m in re.compile(r'"(?:[^"\\]|\\.)*"|[()]').finditer(text, start):
        depth += {"(": 1, ")": -1}.get(m[0], 0)
        if depth == 0:
            return m.start()
    return len(text)


def _clauses(part: str, whole: str = "") -> Iterator[str]:
    """``whole`` with one operand of ``part``'s top ``and``, ``or`` and ``unless`` left out, at each depth."""
    whole = whole or part
    pieces = _split(part)
    if len(pieces) == 1:
        inner = _inside(part.strip())
        if inner != part.strip() and part.strip() == f"({inner})":
            yield from _clauses(inner, whole)
        return
    for number, (_, operand) in enumerate(pieces):
        kept = [piece for n, piece in enumerate(pieces) if n != number]
        text = "".join(f" {word} {each}" if n and word else each for n, (word, each) in enumerate(kept))
        yield whole.replace(part, text, 1)
        yield from _clauses(operand, whole)


def _split(text: str) -> list[tuple[str, str]]:
    """``(operator before it, operand)`` of a chain at parenthesis depth 0."""
    pieces: list[tuple[str, str]] = []
    word, begin, position = "", 0, 0
    for m in re.compile(r'"(?:[^"\\]|\\.)*"|[({]| (and|or|unless) ').finditer(text):
        if m.start() < position:
            continue
        if m[0] in ("(", "{"):
            position = (_closing(text, m.start()) if m[0] == "(" else text.index("}", m.start())) + 1
        elif m[1]:
            pieces.append((word, text[begin : m.start()]))
            word, begin = m[1], m.end()
    return [*pieces, (word, text[begin:])]
