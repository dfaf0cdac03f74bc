"""What Grafana is provisioned with: data sources, alerting, and the removal of what is gone."""

import json
import subprocess
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from click.testing import CliRunner, Result

from bongsu.catalog import loads
from bongsu.cli import main
from bongsu.stack.check.grafana import check
from bongsu.stack.grafana import render
from bongsu.stack.grafana.alerting import rule_uid, split
from bongsu.stack.grafana.deletions import PATH as DELETIONS
from bongsu.stack.grafana.notifying import template
from bongsu.stack.model import PLACES, Stack, StackError
from bongsu.stack.prometheus import rules_of
from tests.live_servers import require
from tests.stack.examples import SCHEMAS, example, named, stack, stacks

ALERTING = "grafana/provisioning/alerting/"
SOURCES = "grafana/provisioning/datasources/bongsu.yml"
PAYLOADS = SCHEMAS.parent / "payloads"


def document(files: dict[str, str], path: str) -> dict[str, Any]:
    found = yaml.safe_load(files[path])
    assert isinstance(found, dict)
    return found


def rules(files: dict[str, str]) -> dict[str, dict[str, Any]]:
    groups = document(files, f"{ALERTING}rules.yml")["groups"]
    return {rule["title"]: rule for group in groups for rule in group["rules"]}


def sources(files: dict[str, str]) -> dict[str, dict[str, Any]]:
    return {source["uid"]: source for source in document(files, SOURCES)["datasources"]}


@pytest.mark.parametrize("found", [s for s in stacks("grafana") if s.services], ids=named)
def test_grafana_takes_the_files_of_every_example_on_every_place(found: Stack) -> None:
    findings = check(render(found), found.version("grafana"))
    assert [str(finding) for finding in findings] == []


def test_the_same_catalog_gives_the_same_bytes() -> None:
    assert render(stack("doktori")) == render(stack("doktori"))


def test_only_the_systems_of_the_stack_are_data_sources() -> None:
    assert list(sources(render(stack("doktori")))) == ["prometheus", "loki", "tempo"]
    assert list(sources(render(stack("aegis")))) == ["prometheus", "jaeger", "alertmanager"]


def test_one_data_source_leads_to_the_next() -> None:
    found = {uid: source["jsonData"] for uid, source in sources(render(stack("doktori"))).items()}
    destinations = [{"name": "trace_id", "datasourceUid": "tempo"}]
    assert found["prometheus"]["exemplarTraceIdDestinations"] == destinations
    assert found["prometheus"]["timeInterval"] == "15s"
    assert {field["datasourceUid"] for field in found["loki"]["derivedFields"]} == {"tempo"}
    assert found["loki"]["derivedFields"][0]["url"] == "$${__value.raw}"
    assert found["tempo"]["tracesToLogsV2"]["datasourceUid"] == "loki"
    assert found["tempo"]["tracesToMetrics"]["datasourceUid"] == "prometheus"
    queries = [query["query"] for query in found["tempo"]["tracesToMetrics"]["queries"]]
    assert any("http_server_requests_seconds_count{$$__tags}[$$__rate_interval]" in q for q in queries)


def test_a_stack_with_jaeger_traces_to_it() -> None:
    found = sources(render(stack("aegis")))
    assert found["prometheus"]["jsonData"]["exemplarTraceIdDestinations"][0]["datasourceUid"] == "jaeger"
    assert "tracesToLogsV2" not in found["jaeger"]["jsonData"]


def test_grafana_judges_only_where_no_alertmanager_does() -> None:
    assert not [path for path in render(stack("aegis")) if path.startswith(ALERTING)]
    assert {p.removeprefix(ALERTING) for p in render(stack("doktori")) if p.startswith(ALERTING)} == {
        "rules.yml",
        "contact-points.yml",
        "policies.yml",
        "templates.yml",
    }


def test_every_rule_of_prometheus_is_one_of_grafana() -> None:
    found = stack("doktori")
    converted = rules(render(found))
    expected = {rule.body["alert"] for rule in rules_of(found)} - {"Watchdog", "AlertmanagersCritical"}
    expected -= {"NotificationsDroppedHigh"}
    assert set(converted) == expected | {"PrometheusUnanswered"}


def test_a_rule_asks_for_the_value_and_compares_it_apart() -> None:
    rule = rules(render(stack("doktori")))["ErrorRatioCritical"]
    query, condition = rule["data"]
    assert rule["condition"] == condition["refId"] == "C"
    assert query["model"]["expr"].endswith("> 0.1)")
    assert (query["model"]["instant"], query["model"]["range"]) == (True, False)
    assert condition["model"]["conditions"] == [{"evaluator": {"type": "gt", "params": [0.5]}}]
    assert (rule["for"], rule["noDataState"], rule["execErrState"]) == ("2m", "OK", "KeepLast")


def test_comparison_and_value_together_are_the_rule_of_prometheus() -> None:
    compared = 0
    for name in ("doktori", "aegis", "observer", "reviewmaps", "shop"):
        for rule in rules_of(stack(name)):
            value, op, bound = split(rule.body["expr"])
            if bound is not None and not rule.query.signal.active:
                again = promql_parser.parse(f"({value}) {op} {bound!r}")
                assert str(again) == str(promql_parser.parse(rule.body["expr"]))
                compared += 1
            elif bound is None:
                assert value == rule.body["expr"]
    assert compared > 50


@pytest.mark.parametrize(
    ("expr", "parts"),
    [
        ("(sum by (job) (x)) > 0.05", ("sum by (job)(x{})", ">", 0.05)),
        ("(a - b) <= -3", ("a{} - b{}", "<=", -3.0)),
        ("(a) < 1 and on () (hour() >= 9)", ("(a{}) and on () (hour() >= 9)", "<", 1.0)),
        ('absent(up{job="a"})', ('absent(up{job="a"})', "", None)),
        ("a > 1 unless b", ("a > 1 unless b", "", None)),
        ("(a > 1 and b > 2) or (c > 3)", ("(a > 1 and b > 2) or (c > 3)", "", None)),
        ("a > bool 1", ("a > bool 1", "", None)),
        ("a > b", ("a > b", "", None)),
        ("vector(1)", ("vector(1)", "", None)),
    ],
)
def test_a_comparison_is_split_only_where_there_is_a_single_one(
    expr: str, parts: tuple[str, str, float | None]
) -> None:
    assert split(expr) == parts


def test_what_answers_only_when_bad_is_bad_whenever_it_answers() -> None:
    rule = rules(render(stack("doktori")))["UpAbsentCriticalApi"]
    assert rule["data"][1]["model"]["type"] == "math"
    assert rule["data"][1]["model"]["expression"] == "is_number($A) || is_inf($A)"
    assert rule["noDataState"] == "OK"


def test_a_threshold_that_an_older_grafana_lacks_is_a_comparison_there() -> None:
    text = (
        'name: t\ntargets: {prometheus: "3.5", grafana: "%s"}\nservices: {a: {kind: process, signals: {x: '
        '{form: gauge, metric: x, thresholds: {P2: ">= 3 for 1m"}}}}}'
    )

    def condition(version: str) -> dict[str, Any]:
        found: dict[str, Any] = rules(render(Stack(loads(text % version))))["XHigh"]["data"][1]["model"]
        return found

    assert condition("12")["conditions"][0]["evaluator"] == {"type": "gte", "params": [3.0]}
    assert condition("11.5")["expression"] == "$A >= 3.0"


def test_a_prometheus_that_does_not_answer_is_told_once() -> None:
    found = rules(render(stack("doktori")))
    silent = found.pop("PrometheusUnanswered")
    assert (silent["noDataState"], silent["execErrState"]) == ("Alerting", "Alerting")
    assert silent["labels"]["severity"] == "critical"
    assert {rule["execErrState"] for rule in found.values()} == {"KeepLast"}


def test_dollar_signs_reach_grafana_as_they_are_meant() -> None:
    rule = rules(render(stack("doktori")))["ErrorRatioCritical"]
    assert rule["labels"]["service"] == "{{ $$labels.job }}"
    assert rule["annotations"]["summary"].startswith("{{ $labels.job }}")
    assert rule["annotations"]["value"] == "{{ $values.A.Value }}"
    assert "$values.A.Value | humanizePercentage" in rule["annotations"]["description"]


def test_text_that_looks_like_a_variable_is_no_variable() -> None:
    text = (
        'name: t\ntargets: {prometheus: "3.5", grafana: "12"}\nservices: {a: {kind: process, runbook: '
        "'https://x/$__file{/etc/passwd}', signals: {x: {form: gauge, metric: x, help: 'a ${x:-${y}} b', "
        'thresholds: {P2: "> 3"}}}}}'
    )
    files = render(Stack(loads(text)))
    notes = rules(files)["XHigh"]["annotations"]
    assert notes["runbook_url"] == 'https://x/{{ "$" }}__file{/etc/passwd}'
    assert 'a {{ "$" }}{y} b' in notes["summary"]
    assert [str(f) for f in check(files, Stack(loads(text)).version("grafana"))] == []


def test_groups_keep_grafanas_own_pace() -> None:
    groups = document(render(stack("doktori")), f"{ALERTING}rules.yml")["groups"]
    paces = {group["interval"] for group in groups if not group["name"].startswith("slo.")}
    assert paces == {"20s"}, "a multiple of Grafana's ten seconds"
    assert {group["folder"] for group in groups} == {"Doktori"}


def test_a_rule_leads_to_its_panel() -> None:
    files = render(stack("doktori"))
    panels = {
        (board["uid"], panel["id"])
        for path, text in files.items()
        if path.startswith("grafana/dashboards/")
        for board in [json.loads(text)]
        for panel in board["panels"]
    }
    for rule in rules(files).values():
        if rule["title"] != "PrometheusUnanswered":
            assert (rule["dashboardUid"], rule["panelId"]) in panels


def test_bongsu_is_told_with_a_secret_from_a_file() -> None:
    for place in PLACES:
        (point,) = document(render(stack("doktori", place)), f"{ALERTING}contact-points.yml")["contactPoints"]
        settings = point["receivers"][0]["settings"]
        assert settings["url"].endswith(":8765/webhooks/grafana")
        assert settings["authorization_scheme"] == "Bearer"
        assert settings["authorization_credentials"].endswith("/BONGSU_INGEST_TOKEN}")
        assert settings["authorization_credentials"].startswith("$__file{")


def test_the_worse_an_alert_the_sooner_and_oftener_it_is_told() -> None:
    (tree,) = document(render(stack("doktori")), f"{ALERTING}policies.yml")["policies"]
    paces = {
        route["object_matchers"][0][2]: (route["group_wait"], route["repeat_interval"])
        for route in tree["routes"]
    }
    assert paces == {
        "critical": ("5s", "1h"),
        "high": ("5s", "4h"),
        "warning": ("30s", "12h"),
        "info": ("1m", "1d"),
    }
    assert tree["group_by"] == ["grafana_folder", "alertname", "severity"]


MAINTAINED = """
name: t
timezone: Asia/Seoul
targets: {prometheus: "3.5", grafana: "12"}
services: {a: {kind: fastapi}, b: {kind: fastapi}}
maintenance:
  - {every: "sun 02:00-04:00"}
  - {services: b, every: "mon 01:00-02:00"}
heartbeat: {env: HEARTBEAT_URL}
"""


def test_maintenance_mutes_the_services_that_it_is_for() -> None:
    files = render(Stack(loads(MAINTAINED)))
    timings = {t["name"]: t for t in document(files, f"{ALERTING}mute-timings.yml")["muteTimes"]}
    assert timings["maintenance sun 02:00-04:00"]["time_intervals"][0]["location"] == "Asia/Seoul"
    (tree,) = document(files, f"{ALERTING}policies.yml")["policies"]
    critical = [r for r in tree["routes"] if ["severity", "=", "critical"] in r["object_matchers"]]
    only_b, everyone = critical
    assert ["service", "=~", "b"] in only_b["object_matchers"]
    assert only_b["mute_time_intervals"] == ["maintenance sun 02:00-04:00", "maintenance mon 01:00-02:00"]
    assert everyone["mute_time_intervals"] == ["maintenance sun 02:00-04:00"]


def test_a_heartbeat_is_called_as_long_as_the_watchdog_fires() -> None:
    files = render(Stack(loads(MAINTAINED)))
    assert "Watchdog" in rules(files)
    points = {p["name"]: p for p in document(files, f"{ALERTING}contact-points.yml")["contactPoints"]}
    assert points["bongsu-heartbeat"]["receivers"][0]["settings"]["url"].endswith("/HEARTBEAT_URL}")
    (tree,) = document(files, f"{ALERTING}policies.yml")["policies"]
    assert tree["routes"][0]["object_matchers"] == [["alertname", "=", "Watchdog"]]


def test_the_files_have_the_keys_of_a_known_good_one() -> None:
    path = PAYLOADS / "grafana_provisioning_alerting_CONSTRUCTED.yaml"
    if not path.exists():
        pytest.skip(f"CONTRACT NOT CHECKED: {path} is not there")
    known = yaml.safe_load(path.read_text())
    files = render(Stack(loads(MAINTAINED)))
    ours = {}
    for name in ("rules", "contact-points", "policies", "mute-timings", "templates"):
        ours |= document(files, f"{ALERTING}{name}.yml")
    assert set(ours) == set(known)
    good, rule = known["groups"][0]["rules"][0], ours["groups"][1]["rules"][0]
    assert set(rule) <= set(good)
    assert set(good["data"][0]) == set(rule["data"][0])
    assert set(ours["contactPoints"][0]) == set(known["contactPoints"][0])
    assert set(ours["contactPoints"][0]["receivers"][0]) == set(known["contactPoints"][0]["receivers"][0])
    assert set(ours["policies"][0]) == set(known["policies"][0])
    assert set(ours["muteTimes"][0]) == set(known["muteTimes"][0])
    assert set(ours["templates"][0]) == set(known["templates"][0])


@pytest.mark.parametrize(
    ("language", "level", "owner"), [("en", "P1 critical", "Owner"), ("ko", "P1 긴급", "담당")]
)
def test_messages_show_severity_owner_dashboard_and_runbook(
    language: str, level: str, owner: str, tmp_path: Path
) -> None:
    (amtool,) = require("amtool")
    found = example("doktori").model_copy(update={"language": language})
    (tmp_path / "bongsu.tmpl").write_text(template(Stack(found)), encoding="utf-8")
    alert = {
        "status": "firing",
        "labels": {"severity": "critical", "service": "api", "alertname": "UpCritical", "owner": "backend"},
        "annotations": {"summary": "api: down", "dashboard": "http://g/d/x", "runbook_url": "http://r"},
    }
    told = {**alert, "status": "resolved", "labels": {**alert["labels"], "severity": "high"}}  # type: ignore[dict-item]
    data = {"status": "firing", "alerts": [alert, told], "commonLabels": alert["labels"]}
    (tmp_path / "data.json").write_text(json.dumps(data))

    def rendered(name: str) -> str:
        command = [amtool, "template", "render", f"--template.glob={tmp_path}/*.tmpl"]
        command += [f"--template.data={tmp_path}/data.json", f'--template.text={{{{ template "{name}" . }}}}']
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert rendered("bongsu.title").strip() == f"🔴 {level} api: UpCritical (2)"
    message = rendered("bongsu.message").split("\n")
    assert message[0] == f"🔴 {level} api: down"
    assert f"{owner}: backend" in message
    assert any(line.endswith("http://g/d/x") for line in message)
    assert any(line.endswith("http://r") for line in message)
    assert any(line.startswith("✅") for line in message)


TWO = """
name: t
targets: {prometheus: "3.5", grafana: "12", loki: "3.5"}
services:
  a: {kind: fastapi}
  b: {kind: redis}
"""
ONE = TWO.replace("  b: {kind: redis}\n", "")


def after(text: str, earlier: dict[str, str]) -> dict[str, str]:
    return render(Stack(loads(text), earlier=earlier))


def test_nothing_is_deleted_at_first() -> None:
    assert DELETIONS not in after(TWO, {})


def test_the_rules_of_a_removed_service_are_deleted() -> None:
    before = after(TWO, {})
    gone = document(after(ONE, before), DELETIONS)["deleteRules"]
    assert {"orgId": 1, "uid": rule_uid("t", "ServerUpCritical")} in gone
    kept = {rule["uid"] for rule in rules(after(ONE, before)).values()}
    assert not kept & {entry["uid"] for entry in gone}


def test_a_deletion_outlives_the_renders_between_two_starts_of_grafana() -> None:
    first = after(ONE, after(TWO, {}))
    assert after(ONE, first) == first


def test_what_comes_back_is_no_longer_deleted() -> None:
    before = after(TWO, {})
    back = after(TWO, after(ONE, before))
    assert rules(back) == rules(before)
    deleted = {entry["uid"] for entry in document(back, DELETIONS)["deleteRules"]}
    assert not deleted & {rule["uid"] for rule in rules(back).values()}


def test_alerting_that_moves_to_alertmanager_leaves_nothing_in_grafana() -> None:
    before = after(TWO, {})
    moved = TWO.replace('loki: "3.5"', 'loki: "3.5", alertmanager: "0.28"')
    found = document(after(moved, before), DELETIONS)
    assert len(found["deleteRules"]) == len(rules(before))
    assert found["deleteContactPoints"] == [{"orgId": 1, "uid": "bongsu"}]
    assert found["deleteTemplates"] == [{"orgId": 1, "name": "bongsu"}]
    assert found["resetPolicies"] == [1]
    again = after(moved, after(moved, before))
    assert document(again, DELETIONS) == found


def test_a_system_that_goes_takes_its_data_source_with_it() -> None:
    found = document(after(TWO.replace(', loki: "3.5"', ""), after(TWO, {})), SOURCES)
    assert found["deleteDatasources"] == [{"orgId": 1, "name": "Loki"}]
    assert [source["name"] for source in found["datasources"]] == ["Prometheus"]


def test_an_earlier_file_that_cannot_be_read_is_told() -> None:
    with pytest.raises(StackError, match=r"rules\.yml is damaged"):
        after(TWO, {f"{ALERTING}rules.yml": "]["})


def test_the_command_deletes_what_an_earlier_render_of_the_folder_made(tmp_path: Path) -> None:
    def rendered(text: str) -> Result:
        (tmp_path / "bongsu.yaml").write_text(text)
        arguments = [
            "render",
            str(tmp_path / "bongsu.yaml"),
            "--out",
            str(tmp_path / "out"),
            "--only",
            "grafana",
        ]
        return CliRunner(env={"LANG": "C", "BONGSU_LANGUAGE": "en"}).invoke(main, arguments)

    assert rendered(TWO).exit_code == 0
    result = rendered(ONE)
    assert result.exit_code == 0, result.output
    made = (tmp_path / "out" / DELETIONS).read_text()
    assert rule_uid("t", "ServerUpCritical") in made
    assert "0 new, 0 changed" in rendered(ONE).output
