"""``bongsu test-rules`` runs the generated tests, tries mutants, and says what became of each rule."""

import json
from pathlib import Path

import pytest

from bongsu.stack.rule import Rule
from tests.cli.conftest import Run
from tests.live_servers import require

CATALOG = """\
name: bakery
services:
  oven:
    kind: process
    signals:
      heat: {form: gauge, metric: heat_celsius, unit: celsius, thresholds: {P1: "> 300 for 1m"}}
      smell: {form: expr, expr: "max by ({by}) (smell{$selector})", thresholds: {P4: "> 1"}}
"""


@pytest.fixture(autouse=True)
def catalog(run: Run) -> None:
    Path("bongsu.yaml").write_text(CATALOG)


@pytest.mark.live
def test_each_rule_is_told_with_its_tests(run: Run) -> None:
    require("promtool")
    result = run("test-rules")
    assert result.exit_code == 0
    assert "  ✓ HeatCritical: 3 tests\n" in result.output
    assert "  - SmellInfo: no tests: raw PromQL does not say which series it reads" in result.output
    assert result.output.endswith("3 rules, 4 tests: 0 rules failed, 1 without tests\n")


@pytest.mark.live
def test_mutants_are_counted_for_each_rule(run: Run) -> None:
    require("promtool")
    result = run("test-rules", "--mutate")
    assert result.exit_code == 0
    assert "  ✓ HeatCritical: 3 tests, 6 of 6 mutants killed\n" in result.output
    assert result.output.endswith("7 mutants: 7 killed, 0 equivalent, 0 survived\n")


@pytest.mark.live
def test_json_holds_every_mutant(run: Run) -> None:
    require("promtool")
    outcomes = {each["rule"]: each for each in json.loads(run("test-rules", "--mutate", "--json").stdout)}
    assert len(outcomes["HeatCritical"]["killed"]) == 6
    assert outcomes["SmellInfo"]["untested"]


@pytest.mark.live
def test_a_rule_that_does_not_pass_ends_with_1(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    require("promtool")
    from bongsu.stack import prometheus

    right = prometheus.rules_of

    def wrong(stack: object) -> list[Rule]:
        rules = right(stack)  # type: ignore[arg-type]
        for rule in rules:
            rule.body["expr"] = rule.body["expr"].replace("> 300", "> 3000")
        return rules

    monkeypatch.setattr(prometheus, "rules_of", wrong)
    result = run("test-rules")
    assert result.exit_code == 1
    assert "  ✗ HeatCritical" in result.output
    assert "exp:" in result.output


def test_without_promtool_nothing_is_tested_and_that_is_said(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    result = run("test-rules")
    assert (result.exit_code, "NOT TESTED" in result.output) == (0, True)
    assert run("test-rules", "--require").exit_code == 1


def test_a_catalog_with_mistakes_is_refused(run: Run) -> None:
    Path("bongsu.yaml").write_text("name: x\nservices: {a: {kind: nonsense}}\n")
    assert run("test-rules").exit_code == 1
