"""Alert rules: names, labels, annotations and the absence of data."""

import promql_parser
import pytest

from bongsu.catalog import fleet_queries, loads, resolve
from bongsu.signals import promql
from bongsu.stack.dashboards import dashboards, of_service, overview
from bongsu.stack.rule_tests import rule_tests
from bongsu.stack.rules import WATCHDOG, rule_groups
from tests.stack.support import OWN_KIND, rules_of
from tests.stack.test_rule_tests import SHIPPED


@pytest.mark.parametrize("text", [SHIPPED, OWN_KIND], ids=["shipped kinds", "own kind"])
def test_every_rule_has_its_own_name_and_an_expression_that_parses(text: str) -> None:
    rules = rules_of(text)
    names = [rule.body["alert"] for rule in rules]
    assert len(names) == len(set(names))
    for rule in rules:
        promql_parser.parse(rule.body["expr"])
        if rule.body["alert"] == WATCHDOG:
            continue
        assert rule.body["labels"]["severity"] in ("critical", "high", "warning", "info")
        assert rule.body["labels"]["signal"] == rule.query.name


def test_names_that_come_to_the_same_are_told_apart() -> None:
    signal = '{form: gauge, metric: m, thresholds: {P2: "> 1"}}'
    text = (
        f"name: t\nkinds: {{k: {{signals: {{a_b: {signal}, a-b: {signal}}}}}}}\nservices: {{s: {{kind: k}}}}"
    )
    names = [rule.body["alert"] for rule in rules_of(text) if rule.body["alert"] != WATCHDOG]
    assert len(set(names)) == 2
    assert all(name.startswith("ABHigh") for name in names)


def test_a_rule_says_whom_it_is_about_and_where_to_look() -> None:
    rule = next(r for r in rules_of(OWN_KIND) if r.body["alert"] == "StrokesHigh")
    assert rule.body["labels"] == {
        "severity": "high",
        "signal": "strokes",
        "service": "{{ $labels.job }}",
        "owner": "floor",
    }
    notes = rule.body["annotations"]
    assert notes["summary"] == "{{ $labels.job }}: strokes per second"
    assert notes["description"] == "strokes per second: {{ $value | humanize }}/s, < 2/s (5m)"
    assert (notes["value"], notes["threshold"], notes["unit"], notes["for"]) == (
        "{{ $value }}",
        "2.0",
        "per_second",
        "5m",
    )
    assert notes["runbook_url"] == "https://wiki.example.com/press"
    assert notes["dashboard"] == (
        f"https://grafana.example.com/d/{notes['dashboard_uid']}?viewPanel={notes['panel_id']}"
    )


def test_a_rule_links_to_a_panel_that_exists() -> None:
    for text in (OWN_KIND, SHIPPED):
        catalog = loads(text)
        services = list(resolve(catalog).values())
        boards = dashboards(catalog, services).values()
        panels = {(board["uid"], str(panel["id"])) for board in boards for panel in board["panels"]}
        for rule in rules_of(text):
            if rule.body["alert"] == WATCHDOG:
                continue
            notes = rule.body["annotations"]
            assert (notes["dashboard_uid"], notes["panel_id"]) in panels


def test_a_missing_service_has_a_rule_of_its_own() -> None:
    rules = {rule.body["alert"]: rule.body for rule in rules_of(OWN_KIND)}
    gone = rules["UpAbsentCriticalPress1"]
    assert gone["expr"] == 'absent(up{job="press-1"})'
    assert gone["labels"]["service"] == "press-1"
    assert gone["for"] == gone["annotations"]["for"] == "2m"
    assert gone["annotations"]["value"] == "0"
    oil = rules["OilAbsentHighPress2"]
    assert oil["expr"] == 'absent(press_oil_celsius{job="press-2",side=~"l|r"})'
    assert "value" not in oil["annotations"]


def test_a_service_found_by_other_labels_than_its_own_is_named_by_the_rule() -> None:
    text = """
name: t
services:
  a: {kind: container, runs: {namespace: ns}}
  b: {kind: container, runs: {namespace: ns}}
"""
    found = {
        rule.body["labels"]["service"]
        for rule in rules_of(text)
        if rule.query.name == "container_memory_used"
    }
    assert found == {"a", "b"}


def test_values_are_compared_in_round_numbers() -> None:
    rules = rules_of(OWN_KIND)
    assert next(r for r in rules if r.body["alert"] == "TankUsedCritical").body["expr"].endswith(" > 0.95")


def test_a_users_own_signal_has_query_panel_rule_and_tests() -> None:
    catalog = loads(
        """
name: bakery
language: ko
services:
  oven:
    kind: process
    signals:
      burnt_ratio:
        form: ratio
        metric: loaves_total
        match: {result: burnt}
        floor: 0.1/s
        help: {en: share of loaves burnt, ko: 탄 빵의 비율}
        thresholds: {P2: "> 10% for 5m"}
"""
    )
    (service,) = resolve(catalog).values()
    query = next(q for q in fleet_queries([service]) if q.name == "burnt_ratio")
    assert 'loaves_total{job="oven",result="burnt"}[5m]' in promql.compile(query)
    board = of_service(catalog, service)
    panel = next(p for p in board["panels"] if p["title"] == "탄 빵의 비율")
    assert 'loaves_total{job="oven",result="burnt"}[$__rate_interval]' in panel["targets"][0]["expr"]
    assert panel["fieldConfig"]["defaults"]["unit"] == "percentunit"
    assert "탄 빵의 비율" in [p["title"] for p in overview(catalog, [service])["panels"]]
    rules = [r for r in rules_of_catalog(catalog) if r["alert"] == "BurntRatioHigh"]
    assert len(rules) == 1
    assert rules[0]["annotations"]["summary"] == "{{ $labels.job }}: 탄 빵의 비율"


def rules_of_catalog(catalog):
    queries = fleet_queries(resolve(catalog).values())
    groups = rule_groups(queries, interval=15, language=catalog.language)["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_the_tests_of_a_users_own_signal_are_generated() -> None:
    text = """
name: bakery
services:
  oven:
    kind: process
    signals:
      heat: {form: gauge, metric: heat_celsius, unit: celsius, thresholds: {P1: "> 300 for 1m"}}
"""
    files = rule_tests(rules_of(text)).files
    assert [test["name"] for test in files["heat"]["tests"]] == [
        "HeatCritical fires after 1m, not before",
        "HeatCritical silent just short of the threshold",
        "HeatCritical silent without data",
    ]
