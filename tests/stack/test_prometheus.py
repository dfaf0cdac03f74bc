"""The generated Prometheus scrapes what the catalog declares, once, under the labels that signals ask for."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from bongsu.catalog import loads
from bongsu.stack import discovery, prometheus
from bongsu.stack.check import prometheus as checker
from bongsu.stack.model import Place, Stack, StackError
from tests.live_servers import require
from tests.stack.alertmanagers import NAMES
from tests.stack.examples import example, schema

PLACES: tuple[Place, ...] = ("local", "compose", "kubernetes", "terraform")
CONFIGURATION = "prometheus/prometheus.yml"
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


def stack_of(text: str, place: Place = "compose") -> Stack:
    return Stack(loads("name: t\n" + text), place)


def configuration(stack: Stack) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(prometheus.configuration(stack))
    return loaded


def jobs(stack: Stack) -> dict[str, dict[str, Any]]:
    return {job["job_name"]: job for job in configuration(stack)["scrape_configs"]}


def check(config: Mapping[str, Any], folder: Path) -> None:
    (promtool,) = require("promtool")
    text = yaml.safe_dump(dict(config)).replace(ACCOUNT, str(folder))
    (folder / "prometheus.yml").write_text(text)
    for name in ("token", "ca.crt"):
        (folder / name).touch()
    command = [promtool, "check", "config", str(folder / "prometheus.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.live
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", NAMES)
def test_promtool_takes_what_every_example_comes_to(name: str, place: Place, tmp_path: Path) -> None:
    """Discovery in a cluster is left out of some builds of promtool: its jobs are checked with fixed pods."""
    config = configuration(Stack(example(name, prometheus="2.42"), place))
    for job in config["scrape_configs"]:
        if job.pop("kubernetes_sd_configs", None):
            job["static_configs"] = [{"targets": ["10.0.0.1:8080"]}]
    check(config, tmp_path)


@pytest.mark.parametrize("version", ["2.55", "3.5"])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", NAMES)
def test_the_published_schema_and_our_own_check_take_it(name: str, place: Place, version: str) -> None:
    published = json.loads(schema("schemastore-prometheus.json").read_text("utf-8"))
    stack = Stack(example(name, prometheus=version), place)
    text = prometheus.configuration(stack)
    errors = Draft7Validator(published).iter_errors(yaml.safe_load(text))
    assert [f"{list(e.absolute_path)}: {e.message}" for e in errors] == []
    assert checker.check({CONFIGURATION: text}, stack.version("prometheus")) == []


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", NAMES)
def test_version_3_adds_only_how_to_read_what_has_no_content_type(name: str, place: Place) -> None:
    def lines(version: str) -> list[str]:
        return prometheus.configuration(Stack(example(name, prometheus=version), place)).splitlines()

    added = "  fallback_scrape_protocol: PrometheusText0.0.4"
    assert [line for line in lines("3.5") if line != added] == lines("2.55")


def test_the_operator_writes_the_configuration_itself() -> None:
    stack = Stack(example("observer"), "operator")
    assert CONFIGURATION not in prometheus.render(stack)
    assert any(path.startswith("prometheus/rules/") for path in prometheus.render(stack))


# --- services ---------------------------------------------------------------------------------------------


def test_a_services_own_pace_and_path_go_before_the_catalogs() -> None:
    stack = stack_of("""
scrape: {interval: 30s, timeout: 5s, path: /m}
services:
  usual: {kind: fastapi, targets: "a:1"}
  slow: {kind: fastapi, targets: ["b:1", "b:2/own"], scrape: {interval: 2m, timeout: 20s, path: /slow}}
  quick: {kind: fastapi, targets: "https://c/x", scrape: {interval: 2s}}
""")
    found = jobs(stack)
    assert configuration(stack)["global"]["scrape_timeout"] == "5s"
    assert (found["usual"]["metrics_path"], "scrape_interval" in found["usual"]) == ("/m", False)
    assert (found["slow"]["scrape_interval"], found["slow"]["scrape_timeout"]) == ("2m", "20s")
    assert found["slow"]["metrics_path"] == "/slow"
    assert found["slow"]["static_configs"] == [
        {"targets": ["b:1"]},
        {"targets": ["b:2"], "labels": {"__metrics_path__": "/own"}},
    ]
    # A timeout must not be longer than its interval.
    assert found["quick"]["scrape_timeout"] == "2s"
    assert (found["quick"]["scheme"], found["quick"]["metrics_path"]) == ("https", "/x")


@pytest.mark.live
def test_targets_of_one_service_may_differ_in_scheme_path_and_parameters(tmp_path: Path) -> None:
    stack = stack_of("""
targets: {prometheus: "2.42"}
services:
  web:
    kind: fastapi
    targets: ["a:1", "https://a:2/own", "a:1/other", "a:3/m?format=prometheus"]
    labels: {app: web, team: core}
""")
    found = dict(_discovered(stack, "web", tmp_path))
    assert {url for url, _ in found.values()} == {
        "http://a:1/metrics",
        "https://a:2/own",
        "http://a:1/other",
        "http://a:3/m?format=prometheus",
    }
    labels = [labels for _, labels in found.values()]
    assert all(ls["app"] == "web" and ls["team"] == "core" and ls["job"] == "web" for ls in labels)
    assert len({ls["instance"] for ls in labels}) == 4


def _discovered(stack: Stack, job: str, folder: Path) -> Iterator[tuple[str, tuple[str, dict[str, str]]]]:
    """What a real Prometheus makes of a job's targets: ``(instance, (URL, labels))``."""
    for labels in relabelled(configuration(stack), job, folder):
        parameters = {k.removeprefix("__param_"): v for k, v in labels.items() if k.startswith("__param_")}
        query = "?" + "&".join(f"{k}={v}" for k, v in parameters.items()) if parameters else ""
        url = f"{labels['__scheme__']}://{labels['__address__']}{labels['__metrics_path__']}{query}"
        yield labels["instance"], (url, labels)


def relabelled(config: dict[str, Any], job: str, folder: Path) -> list[dict[str, str]]:
    (promtool,) = require("promtool")
    (folder / "sd.yml").write_text(yaml.safe_dump(config))
    command = [promtool, "check", "service-discovery", "--timeout=1s", str(folder / "sd.yml"), job]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads(done.stdout)
    assert [r for r in results if r.get("error")] == []
    kept = (r["discoveredLabels"] | r["labels"] for r in results if r.get("labels"))
    return sorted(kept, key=lambda labels: labels.get("pod", labels["__address__"]))


def test_a_password_in_a_target_is_refused_and_not_repeated() -> None:
    with pytest.raises(StackError, match="web:1 holds a password") as refused:
        prometheus.configuration(
            stack_of('services: {web: {kind: fastapi, targets: "http://u:secret1@web:1/"}}\n')
        )
    assert "secret1" not in str(refused.value)


def test_two_services_of_one_job_label_have_jobs_of_their_own() -> None:
    stack = stack_of("""
services:
  a: {kind: fastapi, targets: "a:1", labels: {job: api, site: kr}}
  b: {kind: fastapi, targets: "b:1", labels: {job: api, site: us}}
""")
    found = jobs(stack)
    assert [found[name]["static_configs"][0]["labels"] for name in ("a", "b")] == [
        {"job": "api", "site": "kr"},
        {"job": "api", "site": "us"},
    ]


def test_the_stacks_own_systems_are_scraped_but_not_twice() -> None:
    stack = stack_of("""
targets: {prometheus: "3.5", alertmanager: "0.28", grafana: "12", loki: "3.5", jaeger: "2.11"}
services: {metrics: {kind: prometheus, targets: "prometheus:9090"}, loki: {kind: fastapi, targets: "x:1"}}
""")
    found = {name: job["static_configs"][0]["targets"] for name, job in jobs(stack).items()}
    assert found == {
        "metrics": ["prometheus:9090"],
        "loki": ["x:1"],
        "alertmanager": ["alertmanager:9093"],
        "grafana": ["grafana:3000"],
        "stack/loki": ["loki:3100"],
        "jaeger": ["jaeger:8888"],
    }


def test_what_alloy_brings_is_not_scraped_once_more() -> None:
    assert set(jobs(Stack(example("doktori"), "compose"))) == {
        "site",
        "prometheus",
        "grafana",
        "loki",
        "tempo",
        "alloy",
        "blackbox-exporter",
    }


def test_a_machine_goes_by_the_name_of_its_service() -> None:
    stack = stack_of("services: {box: {kind: node, runs: {host: db-1}}}\n")
    assert jobs(stack)["box"]["static_configs"] == [
        {"targets": ["node-exporter:9100"], "labels": {"instance": "db-1"}}
    ]


# --- a cluster --------------------------------------------------------------------------------------------

CLUSTER = """
targets: {prometheus: "2.42", kubernetes: "1.33"}
retention: {metrics: 30d, containers: 7d}
services:
  api: {kind: [fastapi, container], runs: {namespace: prod}, scrape: {interval: 30s, path: /m}}
  api-worker: {kind: flask, runs: {namespace: prod}}
  queue: {kind: flask, runs: {namespace: prod, labels: {"app.kubernetes.io/part-of": queue}}}
  store: {kind: flask, runs: {namespace: prod, statefulset: kv}, labels: {app: store}}
"""
_META = "__meta_kubernetes_pod_"
_ANNOTATED = f"{_META}annotation_prometheus_io_"


def pod(name: str, namespace: str = "prod", port: str = "8000", **meta: str) -> dict[str, Any]:
    labels = {
        "__meta_kubernetes_namespace": namespace,
        f"{_META}name": name,
        f"{_META}phase": "Running",
        f"{_META}container_name": "main",
        f"{_META}container_port_number": port,
        f"{_META}node_name": "node-1",
        f"{_ANNOTATED}scrape": "true",
    }
    labels |= {f"{_META}{key}": value for key, value in meta.items()}
    address = f"10.0.0.{sum(map(ord, name)) % 200}"
    return {"targets": [f"{address}:{port}" if port else address], "labels": labels}


def scraped(folder: Path, *pods: dict[str, Any]) -> list[dict[str, str]]:
    config = configuration(stack_of(CLUSTER, "kubernetes"))
    for job in config["scrape_configs"]:
        if job.pop("kubernetes_sd_configs", None):
            job["static_configs"] = list(pods)
    return relabelled(config, "kubernetes-pods", folder)


@pytest.mark.live
def test_a_pod_is_told_by_the_name_that_its_workload_gave_it(tmp_path: Path) -> None:
    found = scraped(
        tmp_path,
        pod("api-7d9f8b6c5-x2x4z"),
        pod("api-worker-6f7c9d8b4-zx5qw"),
        pod("api-worker-0", port="8001"),
        pod("kv-2", port="8002"),
        pod("q-1", port="8003", label_app_kubernetes_io_part_of="queue"),
        pod("api-7d9f8b6c5-x2x4z", namespace="test", port="8004", label_app="other"),
    )
    assert {(ls["pod"], ls["namespace"], ls["job"]) for ls in found} == {
        ("api-7d9f8b6c5-x2x4z", "prod", "api"),
        ("api-worker-6f7c9d8b4-zx5qw", "prod", "api-worker"),
        ("api-worker-0", "prod", "api-worker"),
        ("kv-2", "prod", "store"),
        ("q-1", "prod", "queue"),
        ("api-7d9f8b6c5-x2x4z", "test", "other"),
    }
    first = next(labels for labels in found if labels["job"] == "api")
    store = next(labels for labels in found if labels["job"] == "store")
    assert (first["__metrics_path__"], first["__scrape_interval__"]) == ("/m", "30s")
    assert (first["container"], first["node"]) == ("main", "node-1")
    assert store["app"] == "store"


@pytest.mark.live
def test_only_annotated_pods_that_run_are_scraped_each_at_one_port(tmp_path: Path) -> None:
    port = {"annotation_prometheus_io_port": "9000"}
    found = scraped(
        tmp_path,
        pod("api-7d9f8b6c5-x2x4z", annotation_prometheus_io_scrape="false"),
        pod("api-7d9f8b6c5-x2x4y", phase="Succeeded"),
        pod("api-7d9f8b6c5-x2x4w", container_init="true"),
        pod("api-7d9f8b6c5-x2x4v", port="9000", **port),
        pod("api-7d9f8b6c5-x2x4v", port="15090", container_name="proxy", **port),
        pod("kv-0", port="", annotation_prometheus_io_path="/p", **port),
    )
    assert [(ls["pod"], ls["__address__"].split(":")[1], ls["container"]) for ls in found] == [
        ("api-7d9f8b6c5-x2x4v", "9000", "main"),
        ("kv-0", "9000", "main"),
    ]
    assert found[1]["__metrics_path__"] == "/p"


def test_exporters_of_the_cluster_are_scraped_where_signals_read_them() -> None:
    plain = stack_of("services: {api: {kind: fastapi, runs: {namespace: prod}}}\n", "kubernetes")
    assert not {name for name in jobs(plain) if name.startswith("kube")} - {"kubernetes-pods"}
    found = jobs(Stack(example("observer"), "kubernetes"))
    assert {"kubernetes-cadvisor", "kubernetes-kubelet", "kube-state-metrics"} <= set(found)
    assert found["kubernetes-cadvisor"]["honor_timestamps"] is False
    assert found["kube-state-metrics"]["honor_labels"] is True


def test_containers_that_may_go_sooner_are_kept_to_what_signals_read() -> None:
    stack = stack_of(CLUSTER, "kubernetes")
    keep = jobs(stack)["kubernetes-cadvisor"]["metric_relabel_configs"][0]
    assert keep["action"] == "keep"
    assert set(keep["regex"].split("|")) == {
        name for name in discovery.metrics_read(stack) if name.startswith("container_")
    }
    assert "every series equally long" in prometheus.configuration(stack)
    usual = stack_of(CLUSTER.replace(", containers: 7d", ""), "kubernetes")
    assert jobs(usual)["kubernetes-cadvisor"]["metric_relabel_configs"][0]["action"] == "drop"


@pytest.mark.parametrize("name", NAMES)
def test_every_service_with_metrics_is_found_in_a_cluster(name: str) -> None:
    stack = Stack(example(name), "kubernetes")
    text = prometheus.configuration(stack)
    declared = [s for s in stack.services if s.spec.targets or s.spec.runs.namespace]
    brought = {s.name for s in stack.services if "node" in s.spec.kind}
    missing = [s.name for s in declared if s.name not in brought and f" {s.name}\n" not in text]
    assert missing == []


# --- flags ------------------------------------------------------------------------------------------------


def test_metrics_are_kept_as_long_as_any_of_them_is_asked_for() -> None:
    assert "--storage.tsdb.retention.time=30d" in prometheus.flags(stack_of(CLUSTER))
    longer = CLUSTER.replace("containers: 7d", "containers: 60d")
    assert "--storage.tsdb.retention.time=60d" in prometheus.flags(stack_of(longer))


def test_a_machine_of_its_own_is_not_filled_up() -> None:
    assert "--storage.tsdb.retention.size=12288MB" in prometheus.flags(Stack(example("doktori"), "terraform"))


def test_who_writes_to_prometheus_may() -> None:
    written = Stack(example("doktori"), "compose")
    assert "--web.enable-remote-write-receiver" in prometheus.flags(written)
    assert configuration(written)["storage"] == {"tsdb": {"out_of_order_time_window": "10m"}}
    assert "--web.enable-remote-write-receiver" not in prometheus.flags(Stack(example("observer"), "compose"))
