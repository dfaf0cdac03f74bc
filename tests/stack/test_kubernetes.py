"""The manifests for Kubernetes: its own OpenAPI, kustomize, and what the validator finds."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft4Validator

from bongsu.catalog import loads
from bongsu.stack.check.kubernetes import check
from bongsu.stack.kubernetes.configmaps import LIMIT, config_maps
from bongsu.stack.kubernetes.objects import dns_name
from bongsu.stack.kubernetes.workloads import Port, Workload
from tests.contracts import SPECS
from tests.stack.test_places import EXAMPLES, FLEET, SCHEMAS, flat, rendered

Object = dict[str, Any]
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
FOLDERS = ("kubernetes/", "operator/", "argocd/")


def objects(files: dict[str, str]) -> Iterator[tuple[str, Object]]:
    """(file, object) of every manifest."""
    for path, text in sorted(files.items()):
        if path.startswith(FOLDERS):
            for found in yaml.load_all(text, Loader=LOADER):
                yield path, found


def one(files: dict[str, str], kind: str, name: str) -> Object:
    return next(o for _, o in objects(files) if (o["kind"], o["metadata"]["name"]) == (kind, name))


def closed(schema: Any) -> Any:
    """The schema with unknown keys refused, and with numbers where either is meant."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("format") == "int-or-string" or schema.get("x-kubernetes-int-or-string"):
        return {"anyOf": [{"type": "string"}, {"type": "integer"}]}
    found = {key: closed(part) for key, part in schema.items()}
    open_to_all = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if isinstance(schema.get("properties"), dict) and not open_to_all:
        found["additionalProperties"] = False
    return found


@cache
def api() -> dict[str, Any]:
    path = SPECS / "k8s/swagger.json"
    if not path.exists():
        pytest.skip(f"CONTRACT NOT CHECKED: the OpenAPI of Kubernetes is not at {path}")
    definitions: dict[str, Any] = closed(json.loads(path.read_text("utf-8"))["definitions"])
    return definitions


@cache
def validator(api_version: str, kind: str) -> Draft4Validator:
    group, _, version = api_version.rpartition("/")
    wanted = {"group": group, "version": version, "kind": kind}
    name = next(n for n, d in api().items() if wanted in d.get("x-kubernetes-group-version-kind", ()))
    return Draft4Validator({"$ref": f"#/definitions/{name}", "definitions": api()})


@cache
def kustomization_schema() -> Draft4Validator:
    path = SCHEMAS / "schemastore-kustomization.json"
    if not path.exists():
        pytest.skip(f"CONTRACT NOT CHECKED: the schema of kustomization.yaml is not at {path}")
    return Draft4Validator(json.loads(path.read_text("utf-8")))


@pytest.mark.parametrize("example", [*EXAMPLES, "fleet"])
@pytest.mark.parametrize("place", ["kubernetes", "operator"])
def test_the_api_takes_every_manifest(example: str, place: str) -> None:
    checked = 0
    for path, found in objects(rendered(example, place)):  # type: ignore[arg-type]
        if "monitoring.coreos.com" in found["apiVersion"] or "argoproj.io" in found["apiVersion"]:
            continue
        problems = validator(found["apiVersion"], found["kind"]).iter_errors(found)
        assert not [f"{path} {found['kind']} {list(e.absolute_path)}: {e.message}" for e in problems]
        checked += 1
    assert checked


def test_an_unknown_field_would_be_noticed() -> None:
    found = deepcopy(one(rendered("fleet", "kubernetes"), "Deployment", "loki"))
    found["spec"]["template"]["spec"]["restartPolice"] = "Always"
    assert list(validator("apps/v1", "Deployment").iter_errors(found))


@pytest.mark.parametrize("example", [*EXAMPLES, "fleet"])
@pytest.mark.parametrize("place", ["kubernetes", "operator"])
def test_the_schema_takes_the_kustomization(example: str, place: str) -> None:
    found = yaml.load(rendered(example, place)["kustomization.yaml"], Loader=LOADER)  # type: ignore[arg-type]
    assert not [e.message for e in kustomization_schema().iter_errors(found)]


@cache
def kustomize() -> tuple[str, ...]:
    """A kustomize that needs no cluster."""
    for command in (("kubectl", "kustomize"), ("kustomize", "build")):
        if shutil.which(command[0]):
            return command
    pytest.skip("NOT CHECKED: neither kubectl nor kustomize is installed")


def built(files: dict[str, str], folder: Path) -> list[Object]:
    """What kustomize makes of the files."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    done = subprocess.run([*kustomize(), str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(yaml.load_all(done.stdout, Loader=LOADER))


@pytest.mark.live
@pytest.mark.parametrize("example", [*EXAMPLES, "fleet"])
@pytest.mark.parametrize("place", ["kubernetes", "operator"])
def test_kustomize_builds_every_name_that_a_pod_refers_to(example: str, place: str, tmp_path: Path) -> None:
    found = built(rendered(example, place), tmp_path)  # type: ignore[arg-type]
    maps = {o["metadata"]["name"]: o for o in found if o["kind"] == "ConfigMap"}
    pods = [o["spec"]["template"]["spec"] for o in found if o["kind"] in ("Deployment", "DaemonSet")]
    sources = [
        source["configMap"]
        for pod in pods
        for volume in pod.get("volumes", ())
        for source in volume.get("projected", {}).get("sources", ())
        if "configMap" in source
    ]
    assert sources
    for source in sources:
        assert {item["key"] for item in source["items"]} <= set(maps[source["name"]]["data"])


@pytest.mark.live
def test_a_changed_file_gives_its_pods_a_new_name_and_a_changed_dashboard_does_not(tmp_path: Path) -> None:
    files = rendered("fleet", "kubernetes")
    board = next(path for path in files if path.startswith("grafana/dashboards/"))
    changed = {**files, board: files[board] + "\n", "loki/loki.yml": files["loki/loki.yml"] + "\n# new\n"}
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    before = {(o["kind"], o["metadata"]["name"]): o for o in built(files, tmp_path / "a")}
    after = {(o["kind"], o["metadata"]["name"]): o for o in built(changed, tmp_path / "b")}
    assert before["Deployment", "loki"] != after["Deployment", "loki"]
    assert before["Deployment", "grafana"] == after["Deployment", "grafana"]


@pytest.mark.live
def test_the_configuration_in_the_cluster_is_the_file(tmp_path: Path) -> None:
    files = rendered("fleet", "kubernetes")
    found = built(files, tmp_path)
    config = next(o for o in found if o["metadata"]["name"].startswith("prometheus-config"))
    assert config["data"]["prometheus.yml"] == files["prometheus/prometheus.yml"]


def test_rules_lie_where_the_configuration_looks_for_them() -> None:
    pod = one(rendered("fleet", "kubernetes"), "Deployment", "prometheus")["spec"]["template"]["spec"]
    volume = next(v for v in pod["volumes"] if v["name"] == "configuration")
    paths = [i["path"] for s in volume["projected"]["sources"] for i in s["configMap"]["items"]]
    assert "prometheus.yml" in paths
    assert [path for path in paths if path.startswith("rules/")]
    assert not [path for path in paths if path.startswith("rule_tests/")]


def test_rules_beyond_the_limit_of_a_config_map_are_split() -> None:
    files = {f"prometheus/rules/{n}.yml": "x" * 300_000 for n in range(9)}
    inside = {path.removeprefix("prometheus/"): path for path in files}
    load = Workload("prometheus", "x:1", 1, (Port("http", 1),), 64, folders={"/etc/prometheus": inside})
    maps = config_maps(load, files)["/etc/prometheus"]
    assert len(maps) == 3
    assert all(sum(len(files[path]) for _, _, path in m.items) <= LIMIT for m in maps)
    assert {path for m in maps for _, _, path in m.items} == set(files)


def test_a_dashboard_has_a_config_map_that_the_sidecar_knows() -> None:
    found = yaml.safe_load(rendered("fleet", "kubernetes")["kustomization.yaml"])
    boards = [e for e in found["configMapGenerator"] if e["name"].startswith("bongsu-dashboard-")]
    assert boards
    for board in boards:
        assert board["options"]["labels"] == {"grafana_dashboard": "1"}
        assert board["options"]["disableNameSuffixHash"] is True


@pytest.mark.parametrize(
    ("system", "group"), [("prometheus", 65534), ("grafana", 472), ("loki", 10001), ("tempo", 10001)]
)
def test_a_volume_can_be_written_by_its_system(system: str, group: int) -> None:
    pod = one(rendered("fleet", "kubernetes"), "Deployment", system)["spec"]["template"]["spec"]
    assert pod["securityContext"]["fsGroup"] == pod["securityContext"]["runAsUser"] == group


def test_prometheus_may_read_pods_and_the_metrics_of_nodes_and_no_secret() -> None:
    rules = one(rendered("fleet", "kubernetes"), "ClusterRole", "watch-prometheus")["rules"]
    resources = {resource for rule in rules for resource in rule.get("resources", ())}
    assert {"pods", "nodes", "nodes/metrics", "services", "endpointslices"} <= resources
    assert not resources & {"secrets", "configmaps", "nodes/proxy"}
    assert {verb for rule in rules for verb in rule["verbs"]} == {"get", "list", "watch"}


def test_only_what_asks_the_api_has_a_token_for_it() -> None:
    tokens = {
        o["metadata"]["name"]
        for _, o in objects(rendered("fleet", "kubernetes"))
        if o["kind"] in ("Deployment", "DaemonSet")
        and o["spec"]["template"]["spec"]["automountServiceAccountToken"]
    }
    assert tokens <= {"prometheus", "alloy", "kube-state-metrics"}


def test_nothing_reaches_the_stack_but_by_a_declared_flow() -> None:
    files = rendered("fleet", "kubernetes")
    deny = one(files, "NetworkPolicy", "bongsu-default-deny")["spec"]
    assert deny["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in deny
    loki = one(files, "NetworkPolicy", "loki")["spec"]["ingress"][0]["from"]
    peers = {peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"] for peer in loki}
    assert peers == {"grafana", "bongsu", "alloy", "prometheus"}


def test_databases_get_exporters_whose_passwords_come_from_the_secret() -> None:
    files = rendered("aegis", "kubernetes")
    container = one(files, "Deployment", "postgres-exporter")["spec"]["template"]["spec"]["containers"][0]
    reference = {"name": "bongsu-secrets", "key": "POSTGRES_DATA_SOURCE_NAME"}
    assert container["env"] == [{"name": "DATA_SOURCE_NAME", "valueFrom": {"secretKeyRef": reference}}]
    assert "POSTGRES_DATA_SOURCE_NAME=" in files["secrets.env.example"]
    assert one(files, "Service", "redis-exporter")["spec"]["ports"][0]["port"] == 9121


def test_an_exporter_that_no_target_names_is_found_under_the_name_of_its_service() -> None:
    files = rendered("fleet", "kubernetes")
    metadata = one(files, "Deployment", "stash-exporter")["spec"]["template"]["metadata"]
    assert metadata["annotations"] == {"prometheus.io/scrape": "true", "prometheus.io/port": "9121"}
    assert metadata["labels"]["app.kubernetes.io/name"] == "stash"
    jobs = yaml.safe_load(files["prometheus/prometheus.yml"])["scrape_configs"]
    found = next(job for job in jobs if job["job_name"] == "kubernetes-pods")["relabel_configs"]
    assert any(
        rule.get("source_labels") == ["__meta_kubernetes_pod_label_app_kubernetes_io_name"]
        and rule["target_label"] == "job"
        for rule in found
    )


def test_argocd_gets_an_application_only_where_the_repository_is_known() -> None:
    assert "argocd/application.yaml" not in rendered("aegis", "kubernetes")
    found = yaml.safe_load(rendered("fleet", "kubernetes")["argocd/application.yaml"])
    assert found["metadata"]["namespace"] == "argocd"
    assert found["spec"]["source"]["repoURL"] == "https://git.example.com/ops.git"
    assert "ServerSideApply=true" in found["spec"]["syncPolicy"]["syncOptions"]
    assert (
        "argocd/application.yaml"
        not in yaml.safe_load(rendered("fleet", "kubernetes")["kustomization.yaml"])["resources"]
    )


def test_argocds_own_schema_takes_the_application() -> None:
    path = SCHEMAS / "argo-cd-application-crd.yaml"
    if not path.exists():
        pytest.skip(f"CONTRACT NOT CHECKED: ArgoCD's definition is not at {path}")
    crd = yaml.load(path.read_text("utf-8"), Loader=LOADER)
    schema = closed(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
    schema["properties"]["metadata"] = {"type": "object"}
    found = yaml.safe_load(rendered("fleet", "kubernetes")["argocd/application.yaml"])
    assert not [f"{e.json_path}: {e.message}" for e in Draft4Validator(schema).iter_errors(found)]


def test_the_clusters_storage_class_is_asked_for_where_it_is_declared() -> None:
    text = FLEET.replace("kubernetes: {", "kubernetes: {storage_class: fast, ")
    claim = one(flat(loads(text), "kubernetes"), "PersistentVolumeClaim", "prometheus")
    assert claim["spec"]["storageClassName"] == "fast"
    assert (
        "storageClassName"
        not in one(rendered("fleet", "kubernetes"), "PersistentVolumeClaim", "loki")["spec"]
    )


@pytest.mark.parametrize("name", ["API_v2", "api.v2", "서비스", "a" * 90, "-x-", "api"])
def test_every_name_becomes_one_that_kubernetes_takes(name: str) -> None:
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", dns_name(name))


def test_two_names_never_become_one() -> None:
    names = ["api_v2", "api-v2", "api.v2", "API-v2", "a" * 90, "a" * 91]
    assert len({dns_name(name) for name in names}) == len(names)


def _change(kind: str, name: str, change: Callable[[Object], object]) -> Callable[[dict[str, str]], None]:
    def sabotage(files: dict[str, str]) -> None:
        path = next(p for p, o in objects(files) if (o["kind"], o["metadata"]["name"]) == (kind, name))
        found = list(yaml.load_all(files[path], Loader=LOADER))
        change(next(o for o in found if (o["kind"], o["metadata"]["name"]) == (kind, name)))
        files[path] = yaml.safe_dump_all(found)

    return sabotage


def _pod(change: Callable[[Object], object], system: str = "loki") -> Callable[[dict[str, str]], None]:
    return _change("Deployment", system, lambda o: change(o["spec"]["template"]["spec"]))


def _container(**change: Any) -> Callable[[dict[str, str]], None]:
    return _pod(lambda pod: pod["containers"][0].update(change))


def _kustomization(change: Callable[[Object], object]) -> Callable[[dict[str, str]], None]:
    def sabotage(files: dict[str, str]) -> None:
        found = yaml.load(files["kustomization.yaml"], Loader=LOADER)
        change(found)
        files["kustomization.yaml"] = yaml.safe_dump(found)

    return sabotage


def _labelled(name: str) -> Callable[[Object], object]:
    return lambda o: o["spec"]["selector"].update({"app.kubernetes.io/name": name})


SABOTAGE: dict[str, tuple[Callable[[dict[str, str]], object], str]] = {
    "a resource that is not there": (
        _kustomization(lambda k: k["resources"].append("x.yaml")),
        "no file 'x.yaml'",
    ),
    "a file that is not there": (lambda f: f.pop("loki/loki.yml"), "no file 'loki/loki.yml'"),
    "a file outside": (
        _kustomization(lambda k: k["configMapGenerator"][0]["files"].append("../secret.yml")),
        "is outside the folder",
    ),
    "a key that cannot be": (
        _kustomization(lambda k: k["configMapGenerator"][0]["files"].append("a/b=loki/loki.yml")),
        "is not a key",
    ),
    "an unknown key of the kustomization": (
        _kustomization(lambda k: k.update(resource=[])),
        "'resource' is not",
    ),
    "one ConfigMap twice": (
        _kustomization(lambda k: k["configMapGenerator"].append(k["configMapGenerator"][0])),
        "generated twice",
    ),
    "too large a ConfigMap": (
        lambda f: f.update({"loki/loki.yml": "x" * 2**20}),
        "more than Kubernetes keeps",
    ),
    "a ConfigMap that nobody makes": (
        _kustomization(lambda k: k["configMapGenerator"].pop(0)),
        "no ConfigMap",
    ),
    "a secret's key that nobody lists": (
        lambda f: f.update({"secrets.env.example": "GRAFANA_ADMIN_PASSWORD=\n"}),
        "has no key 'BONGSU_ADMIN_TOKEN'",
    ),
    "a volume claim that is not there": (
        _pod(lambda p: p["volumes"][1].update(persistentVolumeClaim={"claimName": "lki"})),
        "no PersistentVolumeClaim 'lki'",
    ),
    "an account that is not there": (
        _pod(lambda p: p.update(serviceAccountName="root")),
        "no ServiceAccount 'root'",
    ),
    "a volume that its user cannot write": (
        _pod(lambda p: p["securityContext"].pop("fsGroup")),
        "add fsGroup",
    ),
    "two pods on one volume": (
        _change("Deployment", "loki", lambda o: o["spec"].update(strategy={"type": "RollingUpdate"})),
        "only one may have",
    ),
    "a selector beside its pods": (
        _change("Deployment", "loki", lambda o: o["spec"]["selector"].update(matchLabels={"a": "b"})),
        "does not match the labels of its own pods",
    ),
    "latest": (_container(image="grafana/loki:latest"), "not the same tomorrow"),
    "a probe of a port that is not there": (
        _container(livenessProbe={"httpGet": {"port": "web", "path": "/"}}),
        "no port 'web'",
    ),
    "a mount without a volume": (
        _container(volumeMounts=[{"name": "x", "mountPath": "/x"}]),
        "no volume 'x'",
    ),
    "memory without a limit": (_container(resources={}), "nothing bounds its memory"),
    "a Service without pods": (_change("Service", "loki", _labelled("lki")), "no pod has these labels"),
    "a Service of a port that is not there": (
        _change("Service", "loki", lambda o: o["spec"]["ports"][0].update(targetPort="web")),
        "no pod has a port 'web'",
    ),
    "a policy for nobody": (
        _change("NetworkPolicy", "loki", lambda o: o["spec"].update(podSelector={"matchLabels": {"a": "b"}})),
        "no pod has these labels",
    ),
    "a role that is not there": (
        _change("ClusterRoleBinding", "watch-prometheus", lambda o: o["roleRef"].update(name="admin")),
        "no ClusterRole 'admin'",
    ),
    "a name that cannot be": (
        _change("PersistentVolumeClaim", "loki", lambda o: o["metadata"].update(name="Loki_Data")),
        "not a name that Kubernetes takes",
    ),
    "two of one name": (
        lambda f: f.update({"kubernetes/again.yaml": f["kubernetes/loki.yaml"]}),
        "there are two",
    ),
    "no object": (lambda f: f.update({"kubernetes/x.yaml": "a: 1\n"}), "needs apiVersion"),
}


@pytest.mark.parametrize("name", SABOTAGE)
def test_the_validator_finds(name: str) -> None:
    sabotage, message = SABOTAGE[name]
    files = dict(rendered("fleet", "kubernetes"))
    sabotage(files)
    assert any(message in str(f) for f in check(files)), [str(f) for f in check(files)]
