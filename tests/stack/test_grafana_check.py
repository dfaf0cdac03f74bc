"""The validators of Grafana's files: each mistake that Grafana would make people pay for is found."""

import copy
import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import yaml

from bongsu.stack.check.dashboard import lint
from bongsu.stack.check.grafana import check
from bongsu.stack.grafana import render
from bongsu.stack.systems import Version
from tests.stack.examples import stack

ALERTING = "grafana/provisioning/alerting/"
RULES = f"{ALERTING}rules.yml"
Json = dict[str, Any]


@cache
def good() -> dict[str, str]:
    return render(stack("doktori"))


def broken(path: str, change: Callable[[Json], object], version: str = "12") -> str:
    """What is found once ``change`` has been made to the file."""
    document = yaml.safe_load(good()[path])
    change(document)
    files = {**good(), path: yaml.safe_dump(document, allow_unicode=True)}
    return "\n".join(str(finding) for finding in check(files, Version.parse(version)))


def rule(document: Json) -> Json:
    found: Json = document["groups"][1]["rules"][0]
    return found


def put(*path: str | int, value: Any) -> Callable[[Json], object]:
    """Sets a value below the first rule of the second group."""

    def change(document: Json) -> None:
        where: Any = rule(document)
        for key in path[:-1]:
            where = where[key]
        where[path[-1]] = value

    return change


def test_what_is_generated_is_good() -> None:
    assert [str(finding) for finding in check(good(), Version(12))] == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["groups"][0].pop("folder"), "the group has no folder"),
        (lambda d: d["groups"][0].pop("interval"), "the group has no interval"),
        (lambda d: d["groups"][0].update(name=""), "the group has no name"),
        (lambda d: d["groups"][0].update(name="a/b"), "may hold no /"),
        (lambda d: d["groups"][0].update(interval="15s"), "15s is no multiple of 10s"),
        (lambda d: d.update(rules=[]), "the key 'rules' is not known"),
        (lambda d: d["groups"].append(d["groups"][1]), "is used twice"),
        (put("uid", value="x" * 41), "is not one"),
        (put("uid", value="a b"), "is not one"),
        (put("title", value=" "), "the rule has no title"),
        (put("condition", value="B"), "the condition 'B' is none of A, C"),
        (put("data", value=[]), "data is empty"),
        (put("noDataState", value="Ok"), "noDataState is 'Ok'"),
        (put("execErrState", value="NoData"), "execErrState is 'NoData'"),
        (put("for", value="5 minutes"), "is not a duration"),
        (put("labels", "service", value="{{ $labels.job }}"), "write $$labels"),
        (put("labels", "service", value="{{ $$labels.job"), "not closed"),
        (put("annotations", "summary", value="${HOME}"), "${HOME} is replaced"),
        (put("annotations", "summary", value="{{ $labels.job"), "not closed"),
        (put("dashboardUid", value="nowhere"), "no dashboard with the uid 'nowhere'"),
        (put("panelId", value=1), "has no panel 1"),
        (lambda d: rule(d).pop("panelId"), "go together"),
        (put("data", 0, "model", "expr", value="sum("), "is not PromQL"),
        (put("data", 0, "model", "refId", value="B"), "the refId of its model is 'B'"),
        (put("data", 0, "datasourceUid", value="other"), "no data source with the uid 'other'"),
        (put("data", 0, "relativeTimeRange", value={"from": 0, "to": 0}), "from must be above to"),
        (put("data", 1, "model", "type", value="thresholds"), "is not known"),
        (put("data", 1, "model", "expression", value="B"), "it reads 'B'"),
        (put("data", 1, "model", "conditions", value=[]), "a threshold has one condition, not 0"),
        (
            put("data", 1, "model", "conditions", 0, "evaluator", "type", value="above"),
            "no threshold 'above'",
        ),
        (put("data", 1, "model", "conditions", 0, "evaluator", "params", value=[]), "needs a bound"),
        (put("dasboardUid", value="x"), "did you mean 'dashboardUid'"),
    ],
)
def test_a_mistake_in_a_rule_is_found(change: Callable[[Json], object], message: str) -> None:
    assert message in broken(RULES, change)


def test_a_threshold_is_judged_by_the_declared_version() -> None:
    change = put("data", 1, "model", "conditions", 0, "evaluator", "type", value="gte")
    assert broken(RULES, change) == ""
    assert "Grafana 11.5.0 has no threshold 'gte'" in broken(RULES, change, "11.5")


def _point(document: Json) -> Json:
    found: Json = document["contactPoints"][0]
    return found


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("contact-points", lambda d: _point(d).update(name="other"), "there is no contact point 'bongsu'"),
        (
            "contact-points",
            lambda d: _point(d)["receivers"][0]["settings"].update(authorization_credentials="abc"),
            "a secret is written into the file",
        ),
        ("contact-points", lambda d: _point(d)["receivers"][0].pop("settings"), "needs a type and settings"),
        (
            "contact-points",
            lambda d: _point(d)["receivers"][0]["settings"].update(url="http://$HOST/"),
            "$HOST is replaced",
        ),
        ("policies", lambda d: d["policies"][0]["routes"][0].update(receiver="nobody"), "'nobody'"),
        (
            "policies",
            lambda d: d["policies"][0]["routes"][0].update(mute_time_intervals=["never"]),
            "there is no mute timing 'never'",
        ),
        (
            "policies",
            lambda d: d["policies"][0]["routes"][0].update(object_matchers=[["a", "==", "b"]]),
            "is no matcher",
        ),
        ("policies", lambda d: d["policies"][0].update(group_wait="soon"), "is not a duration"),
        ("policies", lambda d: d["policies"].append(d["policies"][0]), "one tree of policies"),
        ("templates", lambda d: d["templates"][0].update(template='{{ template "x" . }}'), "not defined"),
        ("templates", lambda d: d["templates"][0].update(template="{{ $x := 1 }}"), "$x is replaced"),
    ],
)
def test_a_mistake_in_how_people_are_told_is_found(
    name: str, change: Callable[[Json], object], message: str
) -> None:
    assert message in broken(f"{ALERTING}{name}.yml", change)


def test_what_is_provisioned_cannot_be_deleted_as_well() -> None:
    uid = rule(yaml.safe_load(good()[RULES]))["uid"]
    text = yaml.safe_dump({"apiVersion": 1, "deleteRules": [{"orgId": 1, "uid": uid}]})
    found = check({**good(), f"{ALERTING}deletions.yml": text}, Version(12))
    assert "provisioned and deleted at once" in "\n".join(map(str, found))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["datasources"][1].update(isDefault=True), "all the default"),
        (lambda d: d["datasources"][1].update(uid="prometheus"), "used twice"),
        (lambda d: d["datasources"][1].pop("url"), "has no url"),
        (lambda d: d.update(prune=True), "prune removes"),
        (lambda d: d["datasources"][1]["jsonData"].update(x="${__value.raw}"), "is replaced by a variable"),
    ],
)
def test_a_mistake_in_a_data_source_is_found(change: Callable[[Json], object], message: str) -> None:
    assert message in broken("grafana/provisioning/datasources/bongsu.yml", change)


def test_a_file_that_is_no_yaml_is_told() -> None:
    found = check({RULES: "a: ["}, Version(12))
    assert "not YAML" in "\n".join(map(str, found))


@cache
def board() -> Json:
    found: Json = json.loads(good()["grafana/dashboards/http.json"])
    return found


def chart(found: Json) -> Json:
    panel: Json = next(p for p in found["panels"] if p["type"] == "timeseries")
    return panel


def target(found: Json) -> Json:
    first: Json = chart(found)["targets"][0]
    return first


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b.update(uid="x" * 41), "is not one"),
        (lambda b: b.update(title=""), "has no title"),
        (lambda b: b["templating"]["list"].pop(0), "no variable chooses the Prometheus"),
        (lambda b: chart(b).update(type="graph"), "the panel type 'graph'"),
        (lambda b: chart(b).update(title=""), "the panel has no title"),
        (lambda b: chart(b).update(description=""), "has no description"),
        (lambda b: chart(b)["fieldConfig"]["defaults"].pop("unit"), "has no unit"),
        (lambda b: chart(b)["fieldConfig"]["defaults"].update(unit="percents"), "the unit 'percents'"),
        (
            lambda b: chart(b)["fieldConfig"]["defaults"].update(thresholds={"steps": [{"value": 1}]}),
            "do not begin with null",
        ),
        (lambda b: chart(b).update(targets=[]), "asks for nothing"),
        (lambda b: chart(b)["targets"].append(target(b)), "not told apart by refId"),
        (lambda b: chart(b).update(datasource={"type": "prometheus", "uid": "mine"}), "'mine'"),
        (lambda b: chart(b).update(id=b["panels"][0]["id"]), "is also that of"),
        (lambda b: chart(b).update(id=None), "the id None"),
        (lambda b: chart(b).update(gridPos={"x": 20, "y": 0, "w": 12, "h": 8}), "not within 24 columns"),
        (lambda b: chart(b).update(gridPos=b["panels"][2]["gridPos"]), "it lies over"),
        (lambda b: target(b).update(expr=" "), "has no query"),
        (lambda b: target(b).update(expr="sum by (job"), "is not PromQL"),
        (lambda b: target(b).update(expr='up{job="$nobody"}'), "no variable is called 'nobody'"),
        (lambda b: target(b).update(expr="sum(x_total)"), "the counter x_total"),
        (lambda b: target(b).update(expr="sum(rate(x_total[$__interval]))"), "write $__rate_interval"),
        (lambda b: target(b).update(expr="sum(rate(x_total[30s]))"), "too few samples"),
    ],
)
def test_a_mistake_in_a_dashboard_is_found(change: Callable[[Json], object], message: str) -> None:
    found = copy.deepcopy(board())
    change(found)
    assert message in "\n".join(str(finding) for finding in lint("x.json", found))


@pytest.mark.parametrize(
    "expr",
    ["sum(rate(x_total[$__rate_interval]))", "count(x_total)", "absent(x_total)", "increase(x_total[15m])"],
)
def test_a_sound_query_is_left_alone(expr: str) -> None:
    found = copy.deepcopy(board())
    target(found)["expr"] = expr
    assert [str(finding) for finding in lint("x.json", found)] == []


def test_dashboards_are_looked_at_together() -> None:
    path = "grafana/dashboards/http.json"
    twin = {"grafana/dashboards/twin.json": good()[path]}
    assert "is also that of" in "\n".join(map(str, check({**good(), **twin}, Version(12))))
    lost = {name: text for name, text in good().items() if not name.endswith("overview.json")}
    assert "leads to no dashboard" in "\n".join(map(str, check(lost, Version(12))))
    assert "not JSON" in "\n".join(map(str, check({path: "{"}, Version(12))))
