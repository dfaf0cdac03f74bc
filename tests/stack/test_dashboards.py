"""Dashboards: valid, stable, and drawn for people."""

import json
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bongsu.catalog import Catalog, fleet_queries, loads, resolve
from bongsu.signals.model import Severity, Threshold
from bongsu.stack.check.dashboard import check as check_dashboards
from bongsu.stack.check.dashboard import substituted
from bongsu.stack.dashboards import dashboards, folder, of_service, to_json, uid
from bongsu.stack.panels import condition, panel, panel_id, slug, spell
from tests.live_servers import prometheus
from tests.stack.support import OWN_KIND
from tests.stack.test_rule_tests import SHIPPED

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
DRAWN_BY_PROMETHEUS = sorted(
    p.parent.name for p in EXAMPLES.glob("*/bongsu.yaml") if p.parent.name != "ops-monitor"
)
CATALOGS = {"shipped kinds": SHIPPED, "own kind": OWN_KIND} | {
    name: (EXAMPLES / name / "bongsu.yaml").read_text(encoding="utf-8") for name in DRAWN_BY_PROMETHEUS
}
given_each_catalog = pytest.mark.parametrize("text", CATALOGS.values(), ids=CATALOGS)


def boards(text: str) -> dict[str, dict[str, Any]]:
    catalog = loads(text)
    return dashboards(catalog, resolve(catalog).values())


def panels_of(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for shown in board["panels"]:
        yield shown
        yield from shown.get("panels", ())


def schema(name: str, ref: str = "") -> jsonschema.Draft7Validator:
    here = Path(__file__).resolve().parents[2]
    folder = Path(os.environ.get("BONGSU_SCHEMAS") or here.parent / "shared" / "data" / "schemas")
    path = folder / f"grafana-{name}.jsonschema.json"
    if not path.exists():
        pytest.skip(f"{path} is not there: set BONGSU_SCHEMAS to the folder of Grafana's JSON Schemas")
    document = json.loads(path.read_text())
    if name == "dashboard":
        # These two are of any type; their translation to JSON Schema made them objects of objects.
        document["definitions"]["MatcherConfig"]["properties"]["options"] = {}
        document["definitions"]["DynamicConfigValue"]["properties"]["value"] = {}
    return jsonschema.Draft7Validator({**document, "$ref": f"#/definitions/{ref}"} if ref else document)


@given_each_catalog
def test_dashboards_are_valid_by_grafanas_schemas(text: str) -> None:
    whole = schema("dashboard")
    queries = {"prometheus": schema("prometheus"), "loki": schema("loki")}
    options = {kind: schema(kind, "Options") for kind in ("timeseries", "stat", "table", "logs")}
    custom = {kind: schema(kind, "FieldConfig") for kind in ("timeseries", "table")}
    for name, board in boards(text).items():
        problems = [error.message for error in whole.iter_errors(board)]
        for shown in panels_of(board):
            kind = shown["type"]
            if kind in options:
                problems += [e.message for e in options[kind].iter_errors(shown["options"])]
            if kind in custom:
                style = shown["fieldConfig"]["defaults"]["custom"]
                problems += [e.message for e in custom[kind].iter_errors(style)]
            for target in shown.get("targets", ()):
                problems += [e.message for e in queries[target["datasource"]["type"]].iter_errors(target)]
        assert problems == [], name


@given_each_catalog
def test_dashboards_are_sound_where_the_schema_does_not_look(text: str) -> None:
    files = {f"grafana/dashboards/{name}": to_json(board) for name, board in boards(text).items()}
    assert [str(finding) for finding in check_dashboards(files)] == []


@pytest.mark.live
def test_prometheus_answers_every_query_of_every_dashboard() -> None:
    queries = {
        substituted(expr)
        for text in CATALOGS.values()
        for board in boards(text).values()
        for expr in _promql(board)
    }
    assert len(queries) > 300
    refused = {}
    with prometheus() as server:
        for query in sorted(queries):
            body = urllib.parse.urlencode({"query": query}).encode()
            try:
                urllib.request.urlopen(f"{server.url}/api/v1/query", data=body, timeout=10).close()
            except urllib.error.HTTPError as error:
                refused[query] = error.read().decode()
    assert refused == {}


def _promql(board: dict[str, Any]) -> Iterator[str]:
    yield from (mark["expr"] for mark in board["annotations"]["list"] if "expr" in mark)
    for shown in panels_of(board):
        for target in shown.get("targets", ()):
            if target["datasource"]["type"] == "prometheus":
                yield target["expr"]


def test_the_same_catalog_gives_the_same_bytes() -> None:
    first, second = boards(OWN_KIND), boards(OWN_KIND)
    assert {n: to_json(b) for n, b in first.items()} == {n: to_json(b) for n, b in second.items()}


def test_identifiers_do_not_depend_on_what_else_there_is() -> None:
    more = OWN_KIND.replace("      strokes:\n", "      aaa: {form: gauge, metric: aaa}\n      strokes:\n", 1)
    more += "  press-3: {kind: press, prefix: press}\n"
    after = boards(more)
    for name, board in boards(OWN_KIND).items():
        assert after[name]["uid"] == board["uid"]
        ids = {_known_by(shown): shown["id"] for shown in panels_of(after[name])}
        assert {_known_by(s): s["id"] for s in panels_of(board)}.items() <= ids.items()


def _known_by(shown: dict[str, Any]) -> tuple[str, str]:
    return shown["type"], shown["title"]


def test_a_removed_service_takes_its_dashboard_and_lines_with_it() -> None:
    without = boards(OWN_KIND.split("  press-2:")[0])
    assert set(boards(OWN_KIND)) - set(without) == {"services/press-2.json"}
    assert "press-2" not in json.dumps(without)


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


def example(name: str) -> dict[str, dict[str, Any]]:
    return boards(CATALOGS[name])


def exprs(shown: dict[str, Any]) -> str:
    return "\n".join(target["expr"] for target in shown.get("targets", ()))


def test_the_eight_panels_of_a_websocket_service_that_writes_files() -> None:
    board = example("observer")["services/observer.json"]
    shown = {panel["id"]: panel for panel in panels_of(board)}
    for signal, part in {
        "request_rate": "rate(observer_http_requests_total",
        "error_ratio": 'status=~"5.."',
        "volume_used": "kubelet_volume_stats_available_bytes",
        "websocket_connections": "observer_active_connections",
        "container_memory_used": "container_memory_working_set_bytes",
        "latency_p95": "histogram_quantile(0.95",
        "jsonl_written_by_track": "increase(observer_jsonl_files_written_total",
    }.items():
        assert part in exprs(shown[panel_id(signal, "observer")]), signal
    (pods,) = [panel for panel in shown.values() if panel["type"] == "table" and "파드" in panel["title"]]
    assert 'kube_pod_status_phase{namespace="observer-prod"}' in exprs(pods)


def test_a_stack_of_java_services_has_the_dashboards_that_its_team_knows() -> None:
    found = example("doktori")
    topics = {name for name in found if not name.startswith("services/")}
    expected = {"overview", "jvm-api", "jvm-chat", "http", "logs", "nginx", "system"}
    assert {name.removesuffix(".json") for name in topics} == expected
    java = "\n".join(exprs(panel) for panel in panels_of(found["jvm-chat.json"]))
    for metric in ("jvm_memory_used_bytes", "jvm_gc_pause", "jvm_threads", "hikaricp_", "tomcat_threads"):
        assert metric in java
    assert 'job="api"' not in java


def test_requests_are_told_by_endpoint_with_three_quantiles() -> None:
    board = example("doktori")["http.json"]
    endpoints = "\n".join(exprs(panel) for panel in panels_of(board) if "엔드포인트" in panel["title"])
    for q in ("0.5", "0.95", "0.99"):
        assert f"histogram_quantile({q}, sum by (job, uri, le)" in endpoints
    assert 'uri=~"$route"' in endpoints
    assert 'job=~"$service"' in endpoints


def test_a_tile_of_the_overview_opens_the_services_dashboard() -> None:
    found = example("aegis")
    (tiles,) = [panel for panel in panels_of(found["overview.json"]) if panel["type"] == "stat"]
    urls = {
        override["matcher"]["options"]: value["url"]
        for override in tiles["fieldConfig"]["overrides"]
        for entry in override["properties"]
        if entry["id"] == "links"
        for value in entry["value"]
    }
    assert urls["policy"].partition("?")[0] == f"/d/{found['services/policy.json']['uid']}"


def test_firing_alerts_come_from_who_judges_them() -> None:
    def kinds(name: str) -> set[str]:
        return {panel["type"] for panel in panels_of(example(name)["overview.json"])}

    assert "alertlist" in kinds("doktori")
    assert "alertlist" not in kinds("aegis")
    overview = example("aegis")["overview.json"]
    assert any("ALERTS_FOR_STATE" in exprs(panel) for panel in panels_of(overview))


def test_objectives_show_their_budget_from_what_is_recorded() -> None:
    text = CATALOGS["aegis"].replace(
        "    tier: 1\n", "    tier: 1\n    objectives: {answers: {signal: error_ratio, target: 99.9%}}\n", 1
    )
    shown = [exprs(panel) for panel in panels_of(boards(text)["overview.json"])]
    assert any("service_objective:slo_error_budget_remaining:ratio" in expr for expr in shown)
    assert not any(
        "slo_error_budget" in exprs(panel) for panel in panels_of(example("aegis")["overview.json"])
    )


def test_a_panel_leads_to_runbook_logs_and_traces() -> None:
    panel = next(p for p in panels_of(example("doktori")["services/api.json"]) if p["type"] == "timeseries")
    runbook, logs, traces = (link["url"] for link in panel["links"])
    assert runbook.endswith("/runbooks/api.md")
    assert "${__from}" in logs
    query = urllib.parse.unquote(logs.partition("panes=")[2])
    assert json.loads(query)["a"]["queries"][0]["expr"] == '{service_name="api"}'
    assert "resource.service.name" in urllib.parse.unquote(traces)


def test_names_of_people_and_services_cannot_break_the_table_of_owners() -> None:
    text = (
        "name: t\nowners: {a: {name: 'A | B](x) *c*'}}\ndefaults: {owner: a}\n"
        "services: {s: {kind: fastapi, title: 'x|y', runbook: 'https://x/a|b)c'}}"
    )
    (owners,) = [p for p in panels_of(boards(text)["overview.json"]) if p["type"] == "text"]
    row = owners["options"]["content"].splitlines()[2]
    assert row.replace("\\|", "").count("|") == 6
    assert "\\](x) \\*c\\*" in row
    assert "(https://x/a%7Cb%29c)" in row


def test_dashboards_follow_the_declared_version_of_grafana() -> None:
    text = CATALOGS["shop"] + '\ntargets: {grafana: "11.5", prometheus: "3.5"}\n'
    assert {board["schemaVersion"] for board in boards(text).values()} == {40}
    assert {board["schemaVersion"] for board in example("doktori").values()} == {41}


@pytest.mark.parametrize(
    ("catalog", "title"), [("aegis", "Aegis"), ("ops-monitor", "Ops Monitor"), ("doktori", "Doktori")]
)
def test_the_folder_is_named_after_the_catalog(catalog: str, title: str) -> None:
    assert folder(catalog) == title
