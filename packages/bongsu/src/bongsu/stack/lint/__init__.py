"""Rules that others wrote: the mistakes in them that their tests and ``promtool check`` let pass."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import promql_parser

from bongsu.catalog.errors import Place
from bongsu.signals.model import Text
from bongsu.stack.lint import syntax
from bongsu.stack.lint.checks import CHECKS
from bongsu.stack.lint.model import Context, Finding, Known, RuleText
from bongsu.stack.lint.reading import Document, LintError, parse, read

__all__ = ["Finding", "LintError", "lint", "lint_text"]

SCRAPE = 15.0
_OUTDATED = Text(
    en="is deprecated in Alertmanager, and gone in a later version: write matchers",
    ko="은(는) Alertmanager에서 폐기 예정이며 이후 버전에서 사라집니다. matchers로 쓰세요",
)


def lint(files: Iterable[Path], *, scrape: float = SCRAPE) -> list[Finding]:
    """The findings of all files, which are read together, in their order.

    ``scrape`` is how many seconds lie between two samples. LintError where a file cannot be read.
    """
    return _found([document for path in files for document in read(path)], scrape)


def lint_text(content: str, name: str = "rules.yml", *, scrape: float = SCRAPE) -> list[Finding]:
    """The findings of one YAML text."""
    return _found(parse(content, name), scrape)


def _found(documents: Sequence[Document], scrape: float) -> list[Finding]:
    rules = [rule for document in documents for rule in document.rules]
    findings = [_outdated(place, key) for document in documents for place, key in document.outdated]
    contexts = []
    for rule in rules:
        try:
            contexts.append(Context(rule, promql_parser.parse(rule.expr)))
        except ValueError as error:
            findings.append(_unreadable(rule, error))
    absent = frozenset(name for context in contexts for name in _looked_for(context))
    known = Known(absent, scrape)
    for context in contexts:
        whole = Context(context.rule, context.tree, known)
        findings += [finding for check in CHECKS for finding in check(whole)]
    findings += _twice(rules)
    return sorted(_once(findings), key=lambda each: (each.place, each.check))


def _once(findings: Iterable[Finding]) -> Iterator[Finding]:
    seen = set()
    for finding in findings:
        key = (finding.place, finding.rule, finding.check, finding.why.en)
        if key not in seen:
            seen.add(key)
            yield finding


def _looked_for(context: Context) -> Iterator[str]:
    for call, _ in syntax.calls(context.tree, "absent", "absent_over_time"):
        yield from syntax.metrics(call)


def _unreadable(rule: RuleText, error: ValueError) -> Finding:
    reason = str(error).strip()
    return Finding(
        rule.place("expr"),
        rule.name,
        "no-promql",
        Text(en=f"the expression cannot be parsed: {reason}", ko=f"식을 해석할 수 없습니다: {reason}"),
    )


def _twice(rules: Sequence[RuleText]) -> Iterator[Finding]:
    """The same alert twice tells everything twice."""
    seen: dict[tuple[object, ...], RuleText] = {}
    for rule in rules:
        key = (rule.alert, rule.name, rule.expr, tuple(sorted(rule.labels.items())))
        first = seen.setdefault(key, rule)
        if first is not rule:
            where = first.place("rule")
            yield Finding(
                rule.place("alert"),
                rule.name,
                "twice",
                Text(
                    en=f"the same rule stands at {where}: remove one",
                    ko=f"같은 규칙이 {where}에도 있습니다. 하나를 지우세요",
                ),
            )


def _outdated(place: Place, key: str) -> Finding:
    negative = {"match": "matchers", "match_re": "matchers"}.get(key, key.replace("match_re", "matchers"))
    name = negative.replace("_match", "_matchers") if negative.endswith("_match") else negative
    return Finding(
        place,
        "route",
        "match-deprecated",
        Text(en=f"{key} {_OUTDATED.en}", ko=f"{key}{_OUTDATED.ko}"),
        f"{name}: ['severity=\"critical\"']",
    )
