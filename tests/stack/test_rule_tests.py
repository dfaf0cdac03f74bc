"""The generated rule tests, run by promtool, and the wrong rules that they must find."""

import subprocess
from pathlib import Path

import pytest

from bongsu.catalog.kinds import builtin_kinds
from bongsu.signals import promql
from bongsu.signals.matchers import parse_matchers
from bongsu.signals.quantities import number
from bongsu.stack.files import to_yaml
from bongsu.stack.rule_tests import rule_tests
from bongsu.stack.rules import document
from bongsu.stack.series import Series, accepts, example, near_misses, solve
from tests.live_servers import require
from tests.stack.support import OWN_KIND, promtool, rules_of, written

SHIPPED = "name: t\nservices:\n" + "".join(
    f"  {kind}-s: {{kind: {kind}, prefix: app, runs: {{namespace: ns}}}}\n" for kind in builtin_kinds()
)
MATCHES = [
    "5..",
    "ext[234]|xfs|btrfs",
    "(.*/)?(health[a-z]*|livez|readyz)(/.*)?",
    "|POD",
    "idle in transaction.*",
    r"payments\.v2",
    "[^x]+y",
    r"\d{3}",
]


@pytest.mark.parametrize("pattern", MATCHES)
def test_labels_are_found_for_a_matcher_and_for_its_negation(pattern: str) -> None:
    for text in (pattern, f"!{pattern}"):
        (matcher,) = parse_matchers({"label": text})
        met, missed = solve([matcher]), solve([], [matcher])
        assert met is not None
        assert missed is not None
        assert accepts(matcher, met["label"])
        assert not accepts(matcher, missed["label"])


def test_a_near_miss_fails_one_matcher_and_meets_the_others() -> None:
    matchers = parse_matchers({"status": "5..", "path": "!/health|/metrics", "env": "prod"})
    found = list(near_misses(matchers, {"job": "a"}))
    assert [[m.label for m in matchers if not accepts(m, labels[m.label])] for labels in found] == [
        ["status"],
        ["path"],
        ["env"],
    ]
    assert all(labels["job"] == "a" for labels in found)


def test_given_labels_stay_as_they_are() -> None:
    assert solve(parse_matchers({"container": "!|POD"}), (), {"container": "web"}) == {"container": "web"}
    assert solve(parse_matchers({"container": "db"}), (), {"container": "web"}) is None


def test_a_pattern_that_python_does_not_know_gives_no_example() -> None:
    assert example(r"\pL+") == ""


def test_samples_are_written_without_exponents() -> None:
    assert (number(1e-7), number(1e21), number(0.1), number(5.0)) == (
        "0.0000001",
        "1000000000000000000000",
        "0.1",
        "5",
    )
    line = Series("m", {"job": 'a"b', "empty": ""}, -3, 0.5).written(4)
    assert line == {"series": 'm{job="a\\"b"}', "values": "-3+0.5x4"}


def test_every_rule_has_tests_or_a_reason() -> None:
    for text in (SHIPPED, OWN_KIND):
        rules = rules_of(text)
        tests = rule_tests(rules)
        tested = {t["name"].split(" ")[0] for file in tests.files.values() for t in file["tests"]}
        skipped = {skip.rule: skip.reason for skip in tests.skipped}
        assert {rule.body["alert"] for rule in rules} == tested | set(skipped)
        assert set(skipped.values()) <= {
            "raw PromQL does not say which series it reads; give the signal 'tests'"
        }
    assert not rule_tests(rules_of(SHIPPED)).skipped


def test_a_threshold_that_no_value_can_meet_is_told() -> None:
    (skip,) = rule_tests(rules_of(_one("{form: rate, metric: m", "< 0"))).skipped
    assert skip.reason == "no value that the signal can have is < 0"


def test_a_ratio_of_the_same_events_is_told() -> None:
    (skip,) = rule_tests(rules_of(_one("{form: ratio, metric: m", "> 5%"))).skipped
    assert skip.reason == "its numerator and its denominator are the same events"


def test_the_cases_of_a_ratio_cover_each_guard() -> None:
    rules = rules_of(_one("{form: ratio, metric: m, match: {a: b}, floor: 1/s", "> 5% for 5m"))
    file = rule_tests(rules).files["s"]
    assert [test["name"] for test in file["tests"]] == [
        "SHigh fires after 5m, not before",
        "SHigh silent just short of the threshold",
        "SHigh silent below the traffic floor",
        "SHigh silent without a numerator",
        "SHigh silent without data",
    ]


def test_a_field_that_the_expression_leaves_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = rules_of(_one("{form: gauge, metric: m, complement: true", "> 1"))
    monkeypatch.setattr(promql, "expression", lambda *_: "the same")
    (skip,) = rule_tests(rules).skipped
    assert skip.reason == "'complement' is not in the rule's expression yet"


def test_a_field_that_the_generator_does_not_know_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bongsu.stack.rule_tests._MODELLED", frozenset())
    (skip,) = rule_tests(rules_of(_one("{form: gauge, metric: m, complement: true", "> 1"))).skipped
    assert skip.reason == "'complement' is not known to the generator of tests"


def test_the_same_rules_give_the_same_tests() -> None:
    assert rule_tests(rules_of(OWN_KIND)).files == rule_tests(rules_of(OWN_KIND)).files


def _one(signal: str, threshold: str) -> str:
    text = f'{signal}, thresholds: {{P2: "{threshold}"}}}}'
    return f"name: t\nkinds: {{k: {{signals: {{s: {text}}}}}}}\nservices: {{a: {{kind: k}}}}\n"


@pytest.mark.live
@pytest.mark.parametrize("text", [SHIPPED, OWN_KIND], ids=["shipped kinds", "own kind"])
def test_every_generated_test_passes(text: str, tmp_path: Path) -> None:
    require("promtool")
    names, _ = written(rules_of(text), tmp_path)
    verdict = promtool(tmp_path, names)
    assert verdict.failed == {}
    assert len(verdict.passed) == len(names)


@pytest.mark.live
def test_the_rules_are_clean(tmp_path: Path) -> None:
    (binary,) = require("promtool")
    for name, text in (("own", OWN_KIND), ("shipped", SHIPPED)):
        path = tmp_path / f"{name}.yml"
        path.write_text(to_yaml(document(rules_of(text), interval=15)))
        command = [binary, "check", "rules", "--lint=all", "--lint-fatal", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
