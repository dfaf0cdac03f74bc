"""Dashboards: valid, stable, and drawn for people."""

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import promql_parser
import pytest

from bongsu.catalog import Catalog, fleet_queries, loads, resolve
from bongsu.signals.model import Severity, Threshold
from bongsu.stack.dashboards import dashboards, of_service, to_json, uid
from bongsu.stack.panels import condition, panel, panel_id, slug, spell
from tests.stack.support import OWN_KIND
from tests.stack.test_rule_tests import SHIPPED

UNITS = {"percentunit", "s", "bytes", "binBps", "ops", "reqps", "bool", "celsius", "short"}


def boards(text: str) -> dict[str, dict[str, Any]]:
    catalog = loads(text)
    return dashboards(catalog, resolve(catalog).values())


def schema(name: str, ref: str = "") -> jsonschema.Draft7Validator:
    here = Path(__file__).resolve().parents[2]
    folder = Path(os.environ.get("BONGSU_SCHEMAS") or here.parent / "shared" / "data" / "schemas")
    path = folder / f"grafana-{name}.jsonschema.json"
    if not path.exists():
        pytest.skip(f"{path} is not there: set BONGSU_SCHEMAS to the folder of Grafana's JSON Schemas")
    document = json.loads(path.read_text())
    return jsonschema.Draft7Validator({**document, "$ref": f"#/definitions/{ref}"} if ref else document)


@pytest.mark.parametrize("text", [SHIPPED, OWN_KIND], ids=["shipped kinds", "own kind"])
def test_dashboards_are_valid_by_grafanas_schemas(text: str) -> None:
    whole, query = schema("dashboard"), schema("prometheus")
    options, custom = schema("timeseries", "Options"), schema("timeseries", "FieldConfig")
    for name, board in boards(text).items():
        problems = [error.message for error in whole.iter_errors(board)]
        for shown in board["panels"]:
            problems += [e.message for e in options.iter_errors(shown["options"])]
            problems += [e.message for e in custom.iter_errors(shown["fieldConfig"]["defaults"]["custom"])]
            problems += [e.message for t in shown["targets"] for e in query.iter_errors(t)]
        assert problems == [], name


@pytest.mark.parametrize("text", [SHIPPED, OWN_KIND], ids=["shipped kinds", "own kind"])
def test_panels_are_sound_where_the_schema_does_not_look(text: str) -> None:
    found = boards(text)
    uids = [board["uid"] for board in found.values()]
    assert len(set(uids)) == len(uids)
    assert all(8 <= len(identifier) <= 40 for identifier in uids)
    for board in found.values():
        ids = [shown["id"] for shown in board["panels"]]
        assert len(set(ids)) == len(ids)
        cells = [
            (x, y)
            for shown in board["panels"]
            for x in range(shown["gridPos"]["x"], shown["gridPos"]["x"] + shown["gridPos"]["w"])
            for y in range(shown["gridPos"]["y"], shown["gridPos"]["y"] + shown["gridPos"]["h"])
        ]
        assert len(set(cells)) == len(cells)
        for shown in board["panels"]:
            _sound(shown)


def _sound(shown: dict[str, Any]) -> None:
    assert shown["type"] == "timeseries"
    assert shown["title"]
    assert shown["description"]
    assert shown["datasource"] == {"type": "prometheus", "uid": "prometheus"}
    defaults = shown["fieldConfig"]["defaults"]
    assert defaults["unit"] in UNITS
    steps = [step["value"] for step in defaults["thresholds"]["steps"]]
    assert steps[0] is None
    assert steps[1:] == sorted(set(steps[1:]))
    assert shown["targets"]
    for target in shown["targets"]:
        assert target["datasource"] == shown["datasource"]
        assert target["legendFormat"]
        assert set(target) <= {
            "refId",
            "datasource",
            "editorMode",
            "expr",
            "legendFormat",
            "range",
            "instant",
        }
        promql_parser.parse(target["expr"].replace("$__rate_interval", "5m"))


def test_the_same_catalog_gives_the_same_bytes() -> None:
    first, second = boards(OWN_KIND), boards(OWN_KIND)
    assert {n: to_json(b) for n, b in first.items()} == {n: to_json(b) for n, b in second.items()}


def test_identifiers_do_not_depend_on_what_else_there_is() -> None:
    more = OWN_KIND.replace("      strokes:\n", "      aaa: {form: gauge, metric: aaa}\n      strokes:\n", 1)
    for name, board in boards(OWN_KIND).items():
        other = boards(more)[name]
        assert other["uid"] == board["uid"]
        ids = {shown["title"]: shown["id"] for shown in other["panels"]}
        assert all(ids[shown["title"]] == shown["id"] for shown in board["panels"])


def test_uids_are_safe_and_apart() -> None:
    names = [("a", ""), ("a", "b"), ("a-b", ""), ("a", "b.c"), ("a", "b-c"), ("x" * 90, "y" * 90)]
    found = [uid(*pair) for pair in names]
    assert len(set(found)) == len(found)
    assert all(len(identifier) <= 40 and identifier.replace("-", "").isalnum() for identifier in found)
    assert panel_id("up", "a") != panel_id("up", "b")


def test_file_names_stay_within_their_folder() -> None:
    assert slug("error_ratio") == "error_ratio"
    assert slug("up/orders") == "up.orders"
    assert "/" not in slug("../../etc/passwd")
    assert slug("a b") != slug("a-b")


def _panel(text: str, name: str, language: str = "en") -> dict[str, Any]:
    query = next(q for q in fleet_queries(resolve(loads(text)).values()) if q.name == name)
    return panel(query, 7, language=language)


def test_a_panel_of_a_fleet_names_its_services() -> None:
    (target,) = _panel(OWN_KIND, "strokes")["targets"]
    assert target["legendFormat"] == "{{job}}"
    assert "[$__rate_interval]" in target["expr"]
    (target,) = _panel(OWN_KIND, "oil")["targets"]
    assert target["legendFormat"] == "{{job}} {{instance}}"
    labelled = OWN_KIND.replace("press-2: {", "press-2: {labels: {job: two}, ")
    targets = _panel(labelled, "strokes")["targets"]
    assert [(t["refId"], t["legendFormat"]) for t in targets] == [("A", "press-1"), ("B", "press-2")]


def test_a_window_that_is_part_of_the_meaning_is_kept() -> None:
    assert "[15m]" in _panel(OWN_KIND, "jams")["targets"][0]["expr"]
    assert "[4m]" in _panel(OWN_KIND, "pressure")["targets"][0]["expr"]


def test_thresholds_are_drawn_on_the_side_that_is_bad() -> None:
    def steps(name: str) -> list[tuple[float | None, str]]:
        drawn = _panel(OWN_KIND, name)["fieldConfig"]["defaults"]["thresholds"]["steps"]
        return [(step["value"], step["color"]) for step in drawn]

    assert steps("tank_used") == [
        (None, "green"),
        (0.8, "yellow"),
        (pytest.approx(0.95), "red"),
    ]
    assert steps("oil") == [(None, "orange"), (20, "green")]
    assert steps("strokes") == [(None, "orange"), (2, "green"), (40, "blue")]


def test_a_panel_speaks_the_catalogs_language() -> None:
    shown = _panel(OWN_KIND, "reject_ratio", "ko")
    assert shown["title"] == "불량률"
    assert "P1 조건: > 30% (1m)" in shown["description"]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.05, "ratio", "5%"),
        (0.25, "s", "250ms"),
        (90, "s", "1m30s"),
        (2.5, "s", "2.5s"),
        (262144000, "bytes", "250 MiB"),
        (0, "s", "0s"),
        (0.1, "per_second", "0.1/s"),
        (20, "celsius", "20 °C"),
        (3, "count", "3"),
    ],
)
def test_values_are_spelled_in_their_unit(value: float, unit: str, text: str) -> None:
    assert spell(value, unit) == text


def test_a_condition_can_be_read() -> None:
    assert condition(Threshold(op=">", value=0.05, for_=300), "ratio") == "> 5% (5m)"
    assert Severity.P1.rank == 1


def test_a_service_without_signals_has_no_dashboard() -> None:
    catalog: Catalog = loads("name: t\nkinds: {none: {}}\nservices: {a: {kind: none}}")
    assert list(dashboards(catalog, resolve(catalog).values())) == ["overview.json"]
    assert of_service(catalog, resolve(catalog)["a"])["panels"] == []
