"""What is rendered is judged before it is written: each file alone, all together, and by the tools."""

import os
import stat
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from bongsu.catalog import load, loads
from bongsu.cli import main
from bongsu.stack.check import alertmanager, crossing, prometheus, promql, tools
from bongsu.stack.check.run import Report, check
from bongsu.stack.model import PLACES, Place, Stack
from bongsu.stack.systems import Version
from bongsu.stack.targets import render
from tests.live_servers import require

ROOT = Path(__file__).resolve().parents[2]
CATALOG = """\
name: corner
targets: {prometheus: "2.42", alertmanager: "0.25", grafana: "12.0", blackbox-exporter: "0.23"}
services:
  shop: {kind: generic-http, prefix: shop, targets: "127.0.0.1:1", runbook: "https://wiki.example.com/shop"}
  web: {kind: blackbox, targets: "http://127.0.0.1:1/", runbook: "https://wiki.example.com/web"}
channels: {chat: {type: discord, webhook: {env: HOOK}}}
routes: [{to: chat}]
"""
Files = dict[str, dict[str, str]]


@pytest.fixture
def stack() -> Stack:
    return Stack(loads(CATALOG), secrets_folder="/var/lib/secrets")


def after(stack: Stack, file: str, change: Callable[[str], str]) -> Report:
    """The report when one generated file is changed like this."""
    made: Files = render(stack)
    group = next(group for group in made.values() if file in group)
    assert change(group[file]) != group[file], "the change changes nothing"
    group[file] = change(group[file])
    return check(stack, made)


def replaced(before: str, later: str) -> Callable[[str], str]:
    return lambda text: text.replace(before, later)


EXAMPLES = sorted(path.parent.name for path in ROOT.glob("examples/*/bongsu.yaml"))


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("place", PLACES)
def test_nothing_that_is_generated_from_the_examples_would_be_refused(name: str, place: Place) -> None:
    stack = Stack(load(ROOT / "examples" / name / "bongsu.yaml", env={}), place)
    errors = check(stack, render(stack)).errors
    # A monitor needs the name of the Service's port, which only a catalog for the operator declares.
    declared = place != "operator" or "operator" in stack.catalog.targets or not stack.services
    assert [str(e) for e in errors if declared or "port is missing" not in e.message] == []


PROMETHEUS, ALERTMANAGER = "prometheus/prometheus.yml", "alertmanager/alertmanager.yml"
RULES, DASHBOARD = "prometheus/rules/error_ratio.yml", "grafana/dashboards/overview.json"


@pytest.mark.parametrize(
    ("file", "before", "later", "said"),
    [
        (PROMETHEUS, "metrics_path:", "metric_path:", "did you mean 'metrics_path'?"),
        (PROMETHEUS, "job_name: web", "job_name: shop", "two jobs are named 'shop'"),
        (PROMETHEUS, "job_name: shop", "job_name: other", "nothing collects its metrics"),
        (PROMETHEUS, "- http_2xx", "- http_3xx", "has no module 'http_3xx'; did you mean 'http_2xx'?"),
        (PROMETHEUS, "global:", "global:\n  scrape_interval: soon\n_:", "is not a duration"),
        (RULES, "sum by", "sum bye", "is not PromQL"),
        (RULES, "for: 5m", "for: soon", "'soon' is not a duration"),
        (RULES, "{{ $value", "{{ {{ $value", "is not closed by }}"),
        (RULES, "panel_id: '", "panel_id: '9", "has no panel 9"),
        (RULES, "dashboard_uid: ", "dashboard_uid: x", "there is no dashboard with the uid 'x"),
        (ALERTMANAGER, "receiver: bongsu", "receiver: bonsu", "there is no receiver 'bonsu'; did you mean"),
        (ALERTMANAGER, "group_wait", "group_weight", "did you mean 'group_wait'?"),
        (ALERTMANAGER, "alertname=", "alertname", "is not a matcher"),
        (ALERTMANAGER, "BONGSU_INGEST_TOKEN", "BONGSU_TOKEN", "nothing provides the secret 'BONGSU_TOKEN'"),
        (DASHBOARD, '"uid": "${datasource}"', '"uid": "prom"', "there is no data source with the uid 'prom'"),
    ],
)
def test_a_mistake_is_found_with_its_place(
    stack: Stack, file: str, before: str, later: str, said: str
) -> None:
    report = after(stack, file, replaced(before, later))
    assert any(said in f.message + "; " + f.fix for f in report.errors), [str(e) for e in report.errors]
    assert all(finding.file for finding in report.errors)


def test_a_service_without_a_runbook_is_a_warning_that_names_it() -> None:
    text = CATALOG.replace(', runbook: "https://wiki.example.com/shop"', "")
    report = check(stack := Stack(loads(text)), render(stack))
    assert report.errors == ()
    assert [w.where for w in report.warnings if "no runbook is set" in w.message] == ["services.shop"]


@pytest.mark.parametrize(
    ("before", "later", "said"),
    [
        ("[5m]", "[20s]", "a window of 20s holds fewer than two scrapes of 15s"),
        ("for: 2m", "for: 10s", "for 10s is shorter than the 15s between judgements"),
    ],
)
def test_a_pace_that_rules_cannot_keep_is_a_warning(stack: Stack, before: str, later: str, said: str) -> None:
    report = after(stack, RULES, replaced(before, later))
    assert any(said in warning.message for warning in report.warnings)


def test_alerts_that_end_at_nobody_are_told(stack: Stack) -> None:
    def change(text: str) -> str:
        document = yaml.safe_load(text)
        document["route"]["receiver"] = "nobody"
        document["route"]["routes"] = document["route"]["routes"][:1]
        return yaml.safe_dump(document)

    report = after(stack, ALERTMANAGER, change)
    assert any("severity 'critical' end at nobody" in str(warning) for warning in report.warnings)


def test_two_files_that_name_different_ports_of_a_system_disagree() -> None:
    stack = Stack(loads(CATALOG), "compose")
    report = after(stack, PROMETHEUS, replaced("alertmanager:9093", "alertmanager:9193"))
    assert any("alertmanager is named with port 9193" in error.message for error in report.errors)


@pytest.mark.parametrize(
    ("key", "version", "known"),
    [
        ("fallback_scrape_protocol: PrometheusText0.0.4", Version(2, 55), False),
        ("fallback_scrape_protocol: PrometheusText0.0.4", Version(3, 0), True),
        ("keep_dropped_targets: 5", Version(2, 46), False),
        ("keep_dropped_targets: 5", Version(2, 47), True),
    ],
)
def test_a_key_that_the_declared_version_does_not_know_is_refused(
    key: str, version: Version, known: bool
) -> None:
    text = f"scrape_configs:\n- job_name: a\n  {key}\n  static_configs: [{{targets: ['a:1']}}]\n"
    assert (prometheus.check({PROMETHEUS: text}, version) == []) == known


@pytest.mark.parametrize(
    ("receiver", "said"),
    [
        ("{webhook_configs: [{url: 'http://x'}]}", ""),
        ("{webhook_configs: [{max_alerts: 1}]}", "does not say where to send"),
        (
            "{email_configs: [{to: a@b.c, from: d@e.f, smarthost: 'g:25', body: x}]}",
            "go into html or text|goes into",
        ),
        ("{email_configs: [{to: a@b.c, from: d@e.f}]}", "does not say where to send"),
        ("{slack_configs: [{channel: '#a', api_url: 'http://x', api_url_file: y}]}", "only one of"),
        ("{msteamsv2_configs: [{webhook_url: 'http://x'}]}", "needs Alertmanager 0.28"),
        ("{discord_configs: [{webhook_url: 'http://x', message: '{{ .A }'}]}", "is not closed by"),
    ],
)
def test_receivers(receiver: str, said: str) -> None:
    """Each verdict is the real Alertmanager's, where ``amtool`` of that version can tell."""
    body = yaml.safe_load(receiver)
    text = yaml.safe_dump({"route": {"receiver": "a"}, "receivers": [{"name": "a", **body}]})
    found = [str(finding) for finding in alertmanager.check({ALERTMANAGER: text}, Version(0, 25))]
    assert bool(found) == bool(said), found
    assert not said or any(part in line for line in found for part in said.split("|"))


@pytest.mark.parametrize(
    ("matchers", "labels", "takes"),
    [
        (['severity="critical"'], {"severity": "critical"}, True),
        (['severity=~"critical|high"'], {"severity": "high"}, True),
        (['severity=~"crit"'], {"severity": "critical"}, False),
        (['owner!=""'], {}, False),
        (['owner=""'], {}, True),
        (['severity!~"a.*"', 'x="1"'], {"severity": "b", "x": "1"}, True),
    ],
)
def test_routes_are_walked_as_amtool_walks_them(
    tmp_path: Path, matchers: list[str], labels: Mapping[str, str], takes: bool
) -> None:
    [amtool] = require("amtool")
    route = {"receiver": "root", "routes": [{"receiver": "child", "matchers": matchers}]}
    config = {"route": route, "receivers": [{"name": "root"}, {"name": "child"}]}
    (tmp_path / "a.yml").write_text(yaml.safe_dump(config))
    pairs = [f"{name}={value}" for name, value in labels.items()]
    command = [amtool, "config", "routes", "test", f"--config.file={tmp_path / 'a.yml'}", *pairs]
    theirs = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert list(crossing.destinations(route, labels)) == theirs == (["child"] if takes else ["root"])


def test_two_spellings_of_an_expression_are_the_same_and_others_are_not() -> None:
    assert promql.same("sum by(job)(rate(a[5m]))", "sum(rate(a[5m])) by (job)")
    assert not promql.same("a > 1", "a > 2")
    assert promql.rated_windows('rate(a{b=~"[234]"}[5m]) + max_over_time(c[1h])') == {300.0}


@given(st.text(max_size=60))
def test_any_text_is_judged_and_never_breaks_the_judge(text: str) -> None:
    for file in (PROMETHEUS, RULES, ALERTMANAGER):
        prometheus.check({file: text}, Version(3))
        alertmanager.check({file: text}, Version(0, 28))
    promql.problem(text)


def run(folder: Path, *options: str) -> Result:
    arguments = ["render", str(folder / "bongsu.yaml"), "--out", str(folder / "out"), *options]
    return CliRunner(env={"LANG": "C", "LC_ALL": "C", "BONGSU_LANGUAGE": "en"}).invoke(main, arguments)


def stub(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_a_render_with_an_error_writes_nothing_unless_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub(
        tmp_path,
        "promtool",
        'case "$1" in --version) echo "promtool, version 2.42.0";; *) echo no >&2; exit 1;; esac',
    )
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (tmp_path / "bongsu.yaml").write_text(CATALOG)
    refused = run(tmp_path)
    assert refused.exit_code == 1
    assert "error: prometheus/prometheus.yml: promtool check config: no" in refused.output
    assert not (tmp_path / "out").exists()
    assert run(tmp_path, "--no-check").exit_code == 0
    assert (tmp_path / "out" / PROMETHEUS).exists()


def test_a_tool_that_is_older_than_the_declared_version_only_warns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub(
        tmp_path,
        "promtool",
        'case "$1" in --version) echo "promtool, version 2.31.0";; *) echo no >&2; exit 1;; esac',
    )
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (tmp_path / "bongsu.yaml").write_text(CATALOG)
    result = run(tmp_path)
    assert result.exit_code == 0, result.output
    assert "promtool 2.31.0 is older than the declared 2.42.0" in result.output


def test_a_tool_that_is_not_there_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "bongsu.yaml").write_text(CATALOG)
    result = run(tmp_path)
    assert result.exit_code == 0
    assert result.output.count("amtool is not installed") == 1


def test_a_tool_is_given_no_token_of_ours(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub(tmp_path, "amtool", f"env > {tmp_path}/seen")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("BONGSU_ADMIN_TOKEN", "hush")
    tools.run(stack, {"alertmanager": render(stack)["alertmanager"]})
    assert "hush" not in (tmp_path / "seen").read_text()


def test_the_real_tools_accept_what_is_generated_for_their_version(stack: Stack) -> None:
    require("promtool", "amtool")
    made = {name: files for name, files in render(stack).items() if name in ("prometheus", "alertmanager")}
    report = tools.run(stack, made)
    assert (report.errors, report.warnings) == ((), ()), [str(f) for f in report.errors + report.warnings]
    made["prometheus"][RULES] = made["prometheus"][RULES].replace("expr: ", "expr: )")
    [error] = tools.run(stack, made).errors
    assert "error_ratio.yml" in error.message
    assert os.environ.get("TMPDIR", "/tmp/bongsu-check") not in error.message
