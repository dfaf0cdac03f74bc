"""Objectives: windows, limits and recordings, and the alerts on how fast the error budget burns."""

import re
from pathlib import Path

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bongsu.catalog import load, loads, resolve
from bongsu.catalog.objectives import bucket_pattern
from bongsu.signals.model import Severity
from bongsu.signals.quantities import number
from bongsu.stack.burn_rate import BUDGET_LEFT, PERIOD_ERRORS, Slo, objectives_of
from bongsu.stack.files import to_yaml
from bongsu.stack.recording import recording_rules
from bongsu.stack.rules import Rule, document
from bongsu.stack.series import Stretches
from tests.stack.support import judged, rules_of

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SHOP = """
name: shop
grafana: https://grafana.example.com
services:
  api:
    kind: fastapi
    prefix: shop
    tier: {tier}
    runbook: https://wiki.example.com/api
    objectives:
      availability: {{signal: error_ratio, target: {target}, period: {period}}}
      speed: {{signal: latency_p95, target: 95%, below: 3s}}
"""


def shop(target: str = "99.9%", period: str = "30d", tier: int = 2) -> str:
    return SHOP.format(target=target, period=period, tier=tier)


def slo_of(text: str, name: str = "availability") -> Slo:
    return next(slo for slo in objectives_of(resolve(loads(text)).values()) if slo.name == name)


def of_objectives(text: str) -> list[Rule]:
    return [rule for rule in rules_of(text) if rule.slo is not None]


def test_thirty_days_have_the_factors_of_the_workbook() -> None:
    slo = slo_of(shop())
    minutes = [
        (pair.short / 60, pair.long / 60, pair.factor, pair.limit)
        for urgency in ("page", "ticket")
        for pair in slo.pairs(urgency)
    ]
    assert minutes == [
        (5, 60, pytest.approx(14.4), 0.0144),
        (30, 360, pytest.approx(6), 0.006),
        (120, 1440, pytest.approx(3), 0.003),
        (360, 4320, pytest.approx(1), 0.001),
    ]


def test_another_period_has_its_own_factors_but_none_below_one() -> None:
    week = slo_of(shop(period="7d"))
    assert [round(pair.factor, 2) for pair in week.pairs("page")] == [3.36, 1.4]
    assert [pair.factor for pair in week.pairs("ticket")] == [1.0, 1.0]


def test_windows_longer_than_the_period_are_left_out() -> None:
    day = slo_of(shop(period="1d"))
    assert [pair.long / 3600 for pair in day.pairs("ticket")] == [24]


@given(st.floats(0.05, 0.9999), st.integers(1, 365))
def test_every_limit_can_be_reached_and_lies_above_the_budget(target: float, days: int) -> None:
    slo = slo_of(shop(target=f"{target:.6f}", period=f"{days}d"))
    for urgency in ("page", "ticket"):
        pairs = slo.pairs(urgency)
        assert all(slo.budget <= pair.limit < 1 for pair in pairs)
        assert sorted(pairs, key=lambda pair: -pair.limit) == pairs


def test_the_numbers_of_expressions_are_round() -> None:
    numbers = [
        found
        for rule in (*recording_rules(resolve(loads(shop())).values()), *of_objectives(shop()))
        for found in re.findall(r"(?<![\w.:])\d+\.\d+", rule.body["expr"])
    ]
    assert {"0.999", "0.0144", "0.006", "0.003", "0.001", "0.72", "0.3"} <= set(numbers)
    assert all(len(found) <= 8 for found in numbers)


@pytest.mark.parametrize(("tier", "page"), [(1, Severity.P1), (2, Severity.P2), (3, Severity.P2)])
def test_a_page_is_critical_where_the_business_stops_and_a_ticket_is_a_warning(
    tier: int, page: Severity
) -> None:
    rules = {rule.urgency: rule for rule in of_objectives(shop(tier=tier)) if rule.slo.name == "availability"}
    assert (rules["page"].severity, rules["ticket"].severity) == (page, Severity.P3)


def test_an_alert_says_what_burns_and_leads_to_the_panel_and_the_runbook() -> None:
    page = next(rule for rule in of_objectives(shop()) if rule.urgency == "page")
    assert page.body["alert"] == "AvailabilityBurningHighApi"
    assert page.body["for"] == "0s"
    assert page.body["labels"] == {
        "severity": "high",
        "signal": "error_ratio",
        "service": "api",
        "objective": "availability",
    }
    notes = page.body["annotations"]
    assert notes["summary"] == "api availability: the error budget burns too fast"
    assert "14.4 times the allowed rate within 1h, 6 times the allowed rate within 6h" in notes["description"]
    assert notes["runbook_url"] == "https://wiki.example.com/api"
    assert notes["dashboard"].startswith("https://grafana.example.com/d/bongsu-shop-api")


def test_texts_are_in_the_catalogs_language() -> None:
    text = shop().replace("name: shop", "name: shop\nlanguage: ko", 1)
    page = next(rule for rule in of_objectives(text) if rule.urgency == "page")
    assert page.body["annotations"]["summary"] == "api availability: 오류 예산이 너무 빨리 소진됨"


def test_recordings_are_named_by_convention_and_stand_before_the_alerts_that_read_them() -> None:
    written = document(of_objectives(shop()), interval=15)
    defined: set[str] = set()
    groups = sorted(written["groups"], key=lambda group: group["name"])
    for group in groups:
        for rule in group["rules"]:
            promql_parser.parse(rule["expr"])
            read = set(re.findall(r"service_objective:[a-z_]+:\w+", rule["expr"]))
            assert read <= defined, rule
            if "record" in rule:
                assert re.fullmatch(r"service_objective:[a-z_]+:[a-z0-9_]+", rule["record"])
                defined.add(rule["record"])
        defined = defined if group["name"].endswith("/page") else set()
    assert {group["name"]: group["interval"] for group in groups} == {
        "slo/api/availability/page": "1m",
        "slo/api/availability/ticket": "5m",
        "slo/api/speed/page": "1m",
        "slo/api/speed/ticket": "5m",
    }


def test_every_window_is_recorded_once() -> None:
    names = [rule.body["record"] for rule in recording_rules(resolve(loads(shop())).values())]
    for window in ("5m", "30m", "1h", "2h", "6h", "1d", "3d"):
        assert names.count(f"service_objective:slo_errors:ratio_rate{window}") == 2
    assert names.count(PERIOD_ERRORS) == names.count(BUDGET_LEFT) == 2


@pytest.mark.parametrize("bound", [3.0, 0.5, 0.25, 10.0, 0.00001, 1e6])
def test_a_bucket_is_found_however_prometheus_spells_its_bound(bound: float) -> None:
    pattern = bucket_pattern(bound)
    for spelled in (number(bound), repr(bound), f"{bound:g}"):
        assert re.fullmatch(pattern, spelled)
    assert not re.fullmatch(pattern, number(bound * 10))


def test_a_bucket_is_not_found_where_a_dot_stands_for_any_character() -> None:
    assert not re.fullmatch(bucket_pattern(0.5), "0x5")


@given(
    st.lists(st.tuples(st.floats(0, 1e6), st.integers(1, 20)), min_size=1, max_size=5),
)
def test_a_made_up_counter_never_falls(stretches: list[tuple[float, int]]) -> None:
    text = Stretches("m", {}, 1e6, stretches).written(0)["values"]
    samples: list[float] = []
    for part in text.split():
        found = re.fullmatch(r"([0-9.]+)(?:\+([0-9.]+)x(\d+))?", part)
        assert found is not None, part
        value = float(found[1])
        samples.append(value)
        for _ in range(int(found[3] or 0)):
            value += float(found[2])
            samples.append(value)
    assert samples == sorted(samples)
    assert len(samples) == 1 + sum(steps for _, steps in stretches)


@pytest.mark.live
@pytest.mark.parametrize("period", ["7d", "1d"])
def test_the_generated_tests_pass_for_each_period(period: str, tmp_path: Path) -> None:
    outcomes = judged(of_objectives(shop(target="99%", period=period)), tmp_path)
    assert {outcome.rule: outcome.failure for outcome in outcomes if outcome.failure} == {}
    assert all(outcome.tests >= 5 for outcome in outcomes)


@pytest.mark.live
def test_a_target_that_leaves_a_wide_budget_still_pages(tmp_path: Path) -> None:
    outcomes = judged(of_objectives(shop(target="80%")), tmp_path)
    assert not any(outcome.failure for outcome in outcomes)


@pytest.mark.live
def test_a_good_ratio_burns_too(tmp_path: Path) -> None:
    text = """
name: t
services:
  web:
    kind: nginx
    objectives: {served: {signal: handled_ratio, target: 99%}}
"""
    outcomes = judged(of_objectives(text), tmp_path)
    assert len(outcomes) == 2
    assert not any(outcome.failure for outcome in outcomes)


@pytest.mark.parametrize("name", ["doktori", "observer"])
def test_examples_have_objectives(name: str) -> None:
    services = resolve(load(EXAMPLES / name / "bongsu.yaml")).values()
    assert list(objectives_of(services))
    assert to_yaml(document(of_objectives((EXAMPLES / name / "bongsu.yaml").read_text()), interval=15))
