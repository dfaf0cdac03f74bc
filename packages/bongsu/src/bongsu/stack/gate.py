"""The gate of rules: every rule passes its own tests, and no mutant of it does."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bongsu.stack import promtool
from bongsu.stack.files import to_yaml
from bongsu.stack.mutants import Mutant, equivalent, mutants, of_recordings
from bongsu.stack.panels import slug
from bongsu.stack.rule import Rule, document
from bongsu.stack.rule_tests import RuleTests, rule_tests

_RULES = "{group}.rules.yml"
_INTERVAL = 15.0


@dataclass(slots=True)
class Outcome:
    """What became of one rule."""

    rule: str
    group: str
    tests: int = 0
    untested: str = ""
    """Why it has no tests."""
    failure: str = ""
    """What promtool said of its tests; empty where they passed."""
    killed: list[str] = field(default_factory=list)
    equivalent: list[tuple[str, str]] = field(default_factory=list)
    """Mutants that no series can tell from the rule, each with the reason."""
    survived: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.failure and not self.survived


def judge(
    rules: Sequence[Rule],
    folder: Path,
    binary: str,
    *,
    mutate: bool = False,
    told: Callable[[int, int], None] = lambda _done, _all: None,
) -> list[Outcome]:
    """Write rules, tests and mutants to ``folder``, and let promtool judge them.

    ``told`` hears how many of how many files are done. PromtoolError where promtool does not answer.
    """
    tests = rule_tests(rules, _RULES)
    outcomes = _outcomes(rules, tests)
    wrong = _candidates(rules, tests) if mutate else []
    plain = _write_rules(rules, tests, folder)
    named = {f"m{number}.test.yml": mutant for number, mutant in enumerate(wrong)}
    for name, mutant in named.items():
        _write_mutant(mutant, tests, folder, name)
    count = len(plain) + len(named)
    verdict = promtool.run_tests(binary, folder, [*plain, *named], lambda done: told(done, count))
    for name, alert in plain.items():
        outcomes[alert].failure = verdict.failed.get(name, "").strip()
    for name, mutant in named.items():
        _record(outcomes, mutant, killed=name in verdict.failed)
    return list(outcomes.values())


def write(rules: Sequence[Rule], tests: RuleTests, folder: Path) -> list[str]:
    """A file of rules and a file of tests for each group; the names of the latter."""
    names = []
    for group in dict.fromkeys(rule.group for rule in rules):
        members = [rule for rule in rules if rule.group == group]
        path = folder / _RULES.format(group=slug(group))
        path.write_text(to_yaml(document(members, interval=_INTERVAL)), encoding="utf-8")
        if group in tests.files:
            names.append(f"{slug(group)}.test.yml")
            (folder / names[-1]).write_text(to_yaml(tests.files[group]), encoding="utf-8")
    return names


def tests_of(rule: Rule, files: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """The tests of one rule among those of its group."""
    tests = files.get(rule.group, {"tests": []})["tests"]
    return [test for test in tests if test["name"].startswith(f"{rule.body['alert']} ")]


def _outcomes(rules: Iterable[Rule], tests: RuleTests) -> dict[str, Outcome]:
    reasons = {skip.rule: skip.reason for skip in tests.skipped}
    return {
        name: Outcome(name, rule.group, len(tests_of(rule, tests.files)), reasons.get(name, ""))
        for rule in rules
        for name in [rule.body["alert"]]
    }


def _candidates(rules: Sequence[Rule], tests: RuleTests) -> list[Mutant]:
    tested = [rule for rule in rules if tests_of(rule, tests.files)]
    return [*(mutant for rule in tested for mutant in mutants(rule)), *of_recordings(tested)]


def _write_rules(rules: Sequence[Rule], tests: RuleTests, folder: Path) -> dict[str, str]:
    """A test file for each rule alone, so that a failure has the rule's name."""
    write(rules, RuleTests({}, ()), folder)
    named = {}
    for number, rule in enumerate(rules):
        own = tests_of(rule, tests.files)
        if own:
            name = f"r{number}.test.yml"
            text = to_yaml({**tests.files[rule.group], "tests": own})
            (folder / name).write_text(text, encoding="utf-8")
            named[name] = rule.body["alert"]
    return named


def _write_mutant(mutant: Mutant, tests: RuleTests, folder: Path, name: str) -> None:
    rules = name.replace(".test.", ".rules.")
    (folder / rules).write_text(to_yaml(mutant.document()), encoding="utf-8")
    test = {
        "rule_files": [rules],
        "evaluation_interval": tests.files[mutant.rule.group]["evaluation_interval"],
        "tests": _concerned(mutant, tests_of(mutant.rule, tests.files)),
    }
    (folder / name).write_text(to_yaml(test), encoding="utf-8")


def _concerned(mutant: Mutant, tests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of an objective's tests, those of its recordings or those of its alert."""
    recorded = mutant.recording is not None
    start = f"{mutant.rule.body['alert']} records "
    return [test for test in tests if test["name"].startswith(start) == recorded]


def _record(outcomes: dict[str, Outcome], mutant: Mutant, *, killed: bool) -> None:
    name = mutant.name
    if mutant.recording is not None:
        name = f"{mutant.recording.slo.service}/{mutant.recording.slo.name} {name}"
    outcome = outcomes.setdefault(name, Outcome(name, mutant.rule.group))
    reason = equivalent(mutant)
    if killed:
        outcome.killed.append(str(mutant))
    elif reason:
        outcome.equivalent.append((str(mutant), reason))
    else:
        outcome.survived.append(str(mutant))
