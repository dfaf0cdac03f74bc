"""The gate of rules: mutants of every shipped kind and every example die, and a rule's failure is told."""

from dataclasses import replace
from pathlib import Path

import pytest

from bongsu.catalog import load
from bongsu.stack.gate import Outcome, judge
from bongsu.stack.model import Stack
from bongsu.stack.mutants import equivalent, mutants
from bongsu.stack.prometheus import rules_of as rules_of_stack
from bongsu.stack.promtool import PromtoolError, run_tests
from bongsu.stack.rules import Rule
from tests.live_servers import require
from tests.stack.support import OWN_KIND, judged, once_each, rules_of
from tests.stack.test_rule_tests import SHIPPED

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted(path.parent.name for path in ROOT.glob("examples/*/bongsu.yaml"))


def rule_of(text: str, alert: str) -> Rule:
    return next(rule for rule in rules_of(text) if rule.body["alert"] == alert)


def kinds_of(rule: Rule) -> set[str]:
    return {mutant.kind for mutant in mutants(rule)}


def survivors(outcomes: list[Outcome]) -> list[str]:
    return [text for outcome in outcomes for text in outcome.survived]


def test_a_ratio_is_mistaken_in_each_of_its_parts() -> None:
    assert kinds_of(rule_of(OWN_KIND, "RejectRatioCritical")) == {
        "flip",
        "x100",
        "one aggregation",
        "all aggregations",
        "guard",
        "numerator",
        "matcher",
        "for",
    }


def test_active_hours_are_left_out_by_a_mutant() -> None:
    text = OWN_KIND.replace("oil: {form: gauge,", 'oil: {form: gauge, active: "mon-fri 09:00-18:00",')
    mutant = next(m for m in mutants(rule_of(text, "OilHigh")) if m.kind == "active")
    assert "hour(" in mutant.rule.body["expr"]
    assert "hour(" not in mutant.expr


def test_no_mutant_is_the_rule_itself() -> None:
    for rule in rules_of(SHIPPED):
        for mutant in mutants(rule):
            assert (mutant.expr, mutant.hold) != (rule.body["expr"], rule.body["for"])


def test_a_mutant_that_no_series_can_tell_has_its_reason() -> None:
    rule = rule_of(OWN_KIND, "TankUsedCritical")
    reasons = {equivalent(mutant) for mutant in mutants(rule)} - {""}
    assert reasons == {"any series above zero leaves its group out"}


@pytest.mark.live
def test_every_mutant_of_the_shipped_kinds_dies(tmp_path: Path) -> None:
    outcomes = judged(once_each(rules_of(SHIPPED)), tmp_path, mutate=True)
    assert survivors(outcomes) == []
    assert [outcome.rule for outcome in outcomes if outcome.failure or outcome.untested] == []
    assert sum(len(outcome.killed) for outcome in outcomes) > 350


@pytest.mark.live
def test_every_mutant_of_a_kind_of_ones_own_dies(tmp_path: Path) -> None:
    outcomes = judged(rules_of(OWN_KIND), tmp_path, mutate=True)
    assert survivors(outcomes) == []
    assert [outcome.rule for outcome in outcomes if outcome.failure] == []
    assert [outcome.rule for outcome in outcomes if outcome.untested] == ["RawInfo"]
    assert sum(len(outcome.killed) for outcome in outcomes) > 150


@pytest.mark.live
def test_every_mutant_of_the_examples_dies(tmp_path: Path) -> None:
    """What the shipped kinds have not shown already: the examples' own rules and objectives."""
    rules: list[Rule] = []
    for name in EXAMPLES:
        catalog = load(ROOT / "examples" / name / "bongsu.yaml")
        rules += [renamed(rule, name) for rule in rules_of_stack(Stack(catalog))]
    outcomes = judged(once_each(rules, known=rules_of(SHIPPED)), tmp_path, mutate=True)
    assert survivors(outcomes) == []
    assert [outcome.rule for outcome in outcomes if outcome.failure or outcome.untested] == []


def renamed(rule: Rule, catalog: str) -> Rule:
    """Under a name that tells the catalog, as several have the same alerts."""
    alert = f"{catalog.replace('-', '_')}_{rule.body['alert']}"
    group = rule.group if rule.slo else f"{catalog}/{rule.group}"
    return replace(rule, group=group, body={**rule.body, "alert": alert})


@pytest.mark.live
def test_a_rule_that_does_not_do_what_it_says_fails_by_name(tmp_path: Path) -> None:
    rules = [rule for rule in rules_of(OWN_KIND) if rule.query.name in ("load", "oil")]
    wrong = next(rule for rule in rules if rule.body["alert"] == "LoadWarning")
    wrong.body["expr"] = wrong.body["expr"].replace("sum by (job) ", "max by (job) ")
    outcomes = {outcome.rule: outcome for outcome in judged(rules, tmp_path)}
    assert [name for name, outcome in outcomes.items() if not outcome.ok] == ["LoadWarning"]
    assert "LoadWarning" in outcomes["LoadWarning"].failure


@pytest.mark.live
def test_a_weak_test_lets_a_mutant_survive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> list[object]:
        return []

    monkeypatch.setattr("bongsu.stack.rule_tests._guards", none)
    rules = [rule for rule in rules_of(OWN_KIND) if rule.body["alert"] == "WaitingHigh"]
    outcomes = judged(rules, tmp_path, mutate=True)
    assert [text.split(":")[0] for text in survivors(outcomes)] == ["over"]


@pytest.mark.live
def test_progress_is_told_batch_by_batch(tmp_path: Path) -> None:
    (binary,) = require("promtool")
    heard: list[tuple[int, int]] = []
    rules = [rule for rule in rules_of(OWN_KIND) if rule.query.name == "load"]
    judge(rules, tmp_path, binary, mutate=True, told=lambda done, count: heard.append((done, count)))
    assert heard[-1][0] == heard[-1][1] > len(rules)


def test_a_promtool_that_cannot_be_started_is_told(tmp_path: Path) -> None:
    with pytest.raises(PromtoolError, match="did not answer"):
        run_tests(str(tmp_path / "nothing"), tmp_path, ["a.yml"])
