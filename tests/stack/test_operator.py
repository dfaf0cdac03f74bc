"""What the Prometheus Operator gets: its own definitions, what it would silently ignore, and Helm values."""

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import yaml
from jsonschema import Draft4Validator

from bongsu.catalog import loads
from bongsu.stack.check.operator import check
from tests.stack.test_kubernetes import LOADER, Object, closed, objects, one
from tests.stack.test_places import EXAMPLES, FLEET, SCHEMAS, flat, rendered

DEFINITIONS = {
    "ServiceMonitor": "prometheus-operator-servicemonitors-crd.json",
    "PodMonitor": "prometheus-operator-podmonitors-crd.json",
    "Probe": "prometheus-operator-probes-crd.json",
    "PrometheusRule": "prometheus-operator-prometheusrules-crd.json",
    "ScrapeConfig": "prometheus-operator-scrapeconfigs-crd.json",
}


@cache
def definition(kind: str, version: str) -> Draft4Validator:
    path = SCHEMAS / DEFINITIONS[kind]
    if not path.exists():
        pytest.skip(f"CONTRACT NOT CHECKED: the definition of {kind} is not at {path}")
    versions = json.loads(path.read_text("utf-8"))["spec"]["versions"]
    schema = closed(next(v["schema"]["openAPIV3Schema"] for v in versions if v["name"] == version))
    schema["properties"]["metadata"] = {"type": "object"}
    return Draft4Validator(schema)


def own(example: str) -> list[Object]:
    files = rendered(example, "operator")
    return [o for _, o in objects(files) if o["apiVersion"].startswith("monitoring.coreos.com")]


def values(files: dict[str, str], name: str) -> Object:
    found: Object = yaml.load(files[f"helm/{name}/values.yaml"], Loader=LOADER)
    return found


@pytest.mark.parametrize("example", [*EXAMPLES, "fleet"])
def test_the_operators_definitions_take_every_object(example: str) -> None:
    for found in own(example):
        problems = definition(found["kind"], found["apiVersion"].rsplit("/", 1)[1]).iter_errors(found)
        assert not [f"{found['metadata']['name']} {list(e.absolute_path)}: {e.message}" for e in problems]


def test_every_way_of_collecting_is_used() -> None:
    assert {found["kind"] for found in own("fleet")} == set(DEFINITIONS)


def test_observer_is_scraped_as_its_team_asks() -> None:
    monitor = one(rendered("observer", "operator"), "ServiceMonitor", "observer")
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"]["namespaceSelector"] == {"matchNames": ["observer-prod"]}
    endpoint = monitor["spec"]["endpoints"][0]
    assert (endpoint["port"], endpoint["path"]) == ("http", "/metrics")
    assert (endpoint["interval"], endpoint["scrapeTimeout"]) == ("30s", "10s")


@pytest.mark.parametrize(
    ("service", "port", "path"),
    [("reviewmaps-server", "http", "/metrics"), ("ojeomneo-server", "fiber", "/ojeomneo/metrics")],
)
def test_a_go_service_is_scraped_at_its_own_port_and_path(service: str, port: str, path: str) -> None:
    switched_on = values(rendered("reviewmaps", "operator"), service)["serviceMonitor"]
    assert switched_on["enabled"] is True
    assert (switched_on["port"], switched_on["path"]) == (port, path)


def test_the_job_is_the_name_by_which_the_rules_ask() -> None:
    monitor = one(rendered("fleet", "operator"), "ServiceMonitor", "api")
    relabelings = monitor["spec"]["endpoints"][0]["relabelings"]
    assert {"action": "replace", "targetLabel": "job", "replacement": "api"} in relabelings
    rules = json.dumps([o["spec"] for o in own("fleet") if o["kind"] == "PrometheusRule"])
    assert 'job=\\"api\\"' in rules or "|api" in rules or "api|" in rules


def test_the_label_endpoint_of_a_metric_is_not_renamed() -> None:
    monitor = one(rendered("observer", "operator"), "ServiceMonitor", "observer")
    relabelings = monitor["spec"]["endpoints"][0]["relabelings"]
    assert {"action": "labeldrop", "regex": "endpoint"} in relabelings


def test_a_service_without_a_kubernetes_service_is_scraped_by_its_pods() -> None:
    monitor = one(rendered("fleet", "operator"), "PodMonitor", "worker")
    assert monitor["spec"]["selector"]["matchLabels"] == {"app": "worker"}


def test_a_site_is_probed_under_its_own_name() -> None:
    probe = one(rendered("fleet", "operator"), "Probe", "site")["spec"]
    assert probe["jobName"] == "site"
    assert probe["prober"] == {"url": "blackbox-exporter.watch.svc:9115"}
    assert probe["targets"]["staticConfig"]["static"] == ["https://shop.example.com"]
    modules = yaml.safe_load(rendered("fleet", "operator")["blackbox-exporter/blackbox.yml"])["modules"]
    assert probe["module"] in modules


def test_a_target_outside_the_cluster_is_scraped_where_it_is() -> None:
    static = one(rendered("fleet", "operator"), "ScrapeConfig", "legacy")["spec"]["staticConfigs"]
    assert static == [{"targets": ["10.0.0.7:9000"], "labels": {"job": "legacy"}}]


def test_a_database_is_scraped_through_the_exporter_that_is_made_for_it() -> None:
    files = rendered("fleet", "operator")
    monitor = one(files, "ServiceMonitor", "stash")["spec"]
    service = one(files, "Service", "stash-exporter")
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]


def test_the_rules_are_those_of_the_files() -> None:
    files = rendered("observer", "operator")
    rules = {o["metadata"]["name"]: o for o in own("observer") if o["kind"] == "PrometheusRule"}
    texts = {path: text for path, text in files.items() if path.startswith("prometheus/rules/")}
    assert len(rules) == len(texts)
    groups = [group for text in texts.values() for group in yaml.load(text, Loader=LOADER)["groups"]]
    made = [group for rule in rules.values() for group in rule["spec"]["groups"]]
    assert sorted(groups, key=lambda g: g["name"]) == sorted(made, key=lambda g: g["name"])


def test_a_chart_that_makes_its_own_monitor_gets_values_instead() -> None:
    files = rendered("fleet", "operator")
    assert "operator/services/orders.yaml" not in files
    monitor = values(files, "orders")["server"]["serviceMonitor"]
    assert monitor["enabled"] is True
    assert (monitor["port"], monitor["path"], monitor["interval"]) == ("http", "/o/metrics", "30s")
    assert monitor["labels"] == {"release": "kps"}


def test_the_chart_reads_alertmanagers_configuration_from_our_secret() -> None:
    files = rendered("observer", "operator")
    spec = values(files, "kube-prometheus-stack")["alertmanager"]["alertmanagerSpec"]
    kustomization = yaml.safe_load(files["kustomization.yaml"])
    secret = kustomization["secretGenerator"][0]
    assert spec["useExistingSecret"] is True
    assert spec["configSecret"] == secret["name"]
    assert secret["files"] == ["alertmanager.yaml=alertmanager/alertmanager.yml"]
    assert secret["options"]["disableNameSuffixHash"] is True


def test_every_secret_that_alertmanager_reads_is_mounted_where_it_looks() -> None:
    files = rendered("observer", "operator")
    spec = values(files, "kube-prometheus-stack")["alertmanager"]["alertmanagerSpec"]
    mounts = {m["name"]: m["mountPath"] for m in spec["volumeMounts"]}
    held = {
        f"{mounts[volume['name']]}/{item['path']}"
        for volume in spec["volumes"]
        for item in volume.get("secret", {}).get("items", ())
    }
    config = files["alertmanager/alertmanager.yml"]
    assert held
    assert all(path in config for path in held)


def test_without_a_release_label_the_chart_takes_every_monitor() -> None:
    text = FLEET.replace(" release: kps,", "")
    spec = values(flat(loads(text), "operator"), "kube-prometheus-stack")["prometheus"]["prometheusSpec"]
    assert spec["serviceMonitorSelectorNilUsesHelmValues"] is False
    assert spec["ruleSelectorNilUsesHelmValues"] is False
    with_label = values(rendered("fleet", "operator"), "kube-prometheus-stack")
    assert "ruleSelectorNilUsesHelmValues" not in with_label["prometheus"]["prometheusSpec"]


def test_what_the_chart_runs_is_not_run_twice() -> None:
    names = {
        o["metadata"]["name"]
        for _, o in objects(rendered("fleet", "operator"))
        if o["kind"] in ("Deployment", "DaemonSet")
    }
    assert not names & {"prometheus", "alertmanager", "grafana", "node-exporter"}
    assert {"bongsu", "loki", "tempo", "blackbox-exporter"} <= names


def _change(kind: str, name: str, change: Callable[[Object], object]) -> Callable[[dict[str, str]], None]:
    def sabotage(files: dict[str, str]) -> None:
        path = next(p for p, o in objects(files) if (o["kind"], o["metadata"]["name"]) == (kind, name))
        found = yaml.load(files[path], Loader=LOADER)
        change(found)
        files[path] = yaml.safe_dump(found)

    return sabotage


def _endpoint(**change: Any) -> Callable[[dict[str, str]], None]:
    return _change("ServiceMonitor", "api", lambda o: o["spec"]["endpoints"][0].update(change))


def _values(**change: Any) -> Callable[[dict[str, str]], None]:
    def sabotage(files: dict[str, str]) -> None:
        found = values(files, "orders")
        found["server"]["serviceMonitor"].update(change)
        files["helm/orders/values.yaml"] = yaml.safe_dump(found)

    return sabotage


SABOTAGE: dict[str, tuple[Callable[[dict[str, str]], object], str]] = {
    "no port": (_endpoint(port=""), "the port is missing"),
    "a number for a port": (_endpoint(port="8000"), "8000 is a number"),
    "a port that cannot be": (_endpoint(port="HTTP"), "is not a name that a port can have"),
    "a time-out beyond the interval": (_endpoint(scrapeTimeout="1m"), "longer than the interval"),
    "a job that no rule asks for": (_endpoint(relabelings=[]), "no rule finds it"),
    "a path without a slash": (_endpoint(path="metrics"), "a path begins with /"),
    "no release label": (
        _change("ServiceMonitor", "api", lambda o: o["metadata"]["labels"].pop("release")),
        "without the label release: kps",
    ),
    "a rule without a release label": (
        _change("PrometheusRule", "bongsu-watchdog", lambda o: o["metadata"]["labels"].pop("release")),
        "without the label release: kps",
    ),
    "only its own namespace": (
        _change("ServiceMonitor", "api", lambda o: o["spec"].pop("namespaceSelector")),
        "only its own namespace",
    ),
    "every Service": (
        _change("ServiceMonitor", "api", lambda o: o["spec"].update(selector={})),
        "takes every Service",
    ),
    "nothing to scrape": (
        _change("PodMonitor", "worker", lambda o: o["spec"].update(podMetricsEndpoints=[])),
        "nothing to scrape",
    ),
    "a prober with a scheme": (
        _change("Probe", "site", lambda o: o["spec"]["prober"].update(url="http://blackbox:9115")),
        "without a scheme",
    ),
    "a probe of nothing": (
        _change("Probe", "site", lambda o: o["spec"].update(targets={})),
        "there is no target",
    ),
    "no group": (
        _change("PrometheusRule", "bongsu-watchdog", lambda o: o["spec"].update(groups=[])),
        "no group of rules",
    ),
    "a service scraped twice": (
        _endpoint(relabelings=[{"targetLabel": "job", "replacement": "orders"}]),
        "'orders' is scraped by 2",
    ),
    "values without a port": (_values(port=""), "the port is missing"),
    "values without the label": (_values(labels={}), "without the label release: kps"),
}


@pytest.mark.parametrize("name", SABOTAGE)
def test_the_validator_finds(name: str) -> None:
    sabotage, message = SABOTAGE[name]
    files = dict(rendered("fleet", "operator"))
    sabotage(files)
    assert any(message in str(f) for f in check(files, "kps")), [str(f) for f in check(files, "kps")]
