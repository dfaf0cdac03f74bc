"""What the catalog adds to a cluster that runs kube-prometheus-stack."""

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from bongsu.stack.kubernetes.configmaps import DASHBOARDS, ConfigMap, dashboard, generator
from bongsu.stack.kubernetes.exporters import exporter_objects, exporters
from bongsu.stack.kubernetes.kustomize import KUSTOMIZATION, application, kustomization
from bongsu.stack.kubernetes.manifests import system_objects
from bongsu.stack.kubernetes.network import policies
from bongsu.stack.kubernetes.objects import Object, dns_name, text_of
from bongsu.stack.kubernetes.secrets import example
from bongsu.stack.kubernetes.workloads import secret_names, workloads
from bongsu.stack.model import Stack
from bongsu.stack.operator.helm import (
    ALERTMANAGER_FILES,
    ALERTMANAGER_SECRET,
    GRAFANA_USER,
    chart_values,
    service_values,
)
from bongsu.stack.operator.monitors import monitors
from bongsu.stack.operator.rules import prometheus_rules

Files = Mapping[str, str]
OF_THE_CHART = frozenset({"prometheus", "alertmanager", "grafana", "node-exporter"})
_PROVISIONED = {"datasources": "grafana_datasource", "alerting": "grafana_alert"}
_MODULE = "http_2xx"


def render(stack: Stack, files: Mapping[str, Files]) -> dict[str, str]:
    """Monitors, rules, dashboards and Bongsu as manifests; values for the charts; the Secret's keys."""
    place = stack.catalog.kubernetes
    loads = workloads(stack, files)
    ours = {name: load for name, load in loads.items() if name not in OF_THE_CHART}
    systems, maps = system_objects(stack, ours, files)
    databases = exporters(stack)
    found: dict[str, list[Object]] = {f"kubernetes/{name}": objects for name, objects in systems.items()}
    for exporter in databases:
        found[f"kubernetes/{exporter.name}"] = exporter_objects(exporter, place.namespace)
    found["kubernetes/network"] = policies(ours, place.namespace, open_to_namespace=True)
    for name, monitor in monitors(stack, databases, _module(files)).items():
        found[f"operator/services/{dns_name(name)}"] = [monitor]
    out = {f"{name}.yaml": text_of(objects) for name, objects in found.items()}
    out |= prometheus_rules(stack, files.get("prometheus", {}))
    alerting = files.get("alertmanager", {})
    templates = [path for path in sorted(alerting) if path.startswith("alertmanager/templates/")]
    grafana = files.get("grafana", {})
    everything = {**loads, **{exporter.name: exporter.load for exporter in databases}}
    names = [*secret_names(everything), *([GRAFANA_USER] if "grafana" in loads else [])]
    return {
        KUSTOMIZATION: kustomization(
            out,
            configMapGenerator=[
                *maps,
                *_sidecar_maps(stack, grafana),
                *generator(_files_map(templates), place.namespace, {"app.kubernetes.io/part-of": "bongsu"}),
            ],
            secretGenerator=_alertmanager_secret(stack, alerting),
        ),
        **out,
        **chart_values(
            stack,
            loads,
            alerts=any(path.startswith("grafana/provisioning/alerting/") for path in grafana),
            templates=bool(templates),
        ),
        **service_values(stack),
        **example(stack, sorted(names)),
        **application(stack),
    }


def _module(files: Mapping[str, Files]) -> str:
    """The first module that the blackbox exporter knows."""
    text = "\n".join(files.get("blackbox-exporter", {}).values())
    found = re.search(r"^modules:\n(?:\s*#.*\n)*\s+([\w-]+):", text, re.MULTILINE)
    return found[1] if found else _MODULE


def _sidecar_maps(stack: Stack, files: Files) -> Iterable[Object]:
    place = stack.catalog.kubernetes
    folder = {"grafana_folder": stack.catalog.name}
    boards = [dashboard(path) for path in sorted(files) if path.startswith(DASHBOARDS)]
    yield from generator(boards, place.namespace, {"grafana_dashboard": "1"}, folder)
    for part, label in _PROVISIONED.items():
        prefix = f"grafana/provisioning/{part}/"
        inside = [path for path in sorted(files) if path.startswith(prefix)]
        if inside:
            items = tuple((f"bongsu-{PurePosixPath(p).name}", p.removeprefix(prefix), p) for p in inside)
            one = ConfigMap(f"bongsu-grafana-{part}", items, fixed=True)
            yield from generator([one], place.namespace, {label: "1"})


def _files_map(paths: list[str]) -> list[ConfigMap]:
    items = tuple((PurePosixPath(path).name, PurePosixPath(path).name, path) for path in paths)
    return [ConfigMap(ALERTMANAGER_FILES, items, fixed=True)] if items else []


def _alertmanager_secret(stack: Stack, files: Files) -> list[Object]:
    """The operator reads Alertmanager's configuration from a Secret; ours names files, not their contents."""
    path = "alertmanager/alertmanager.yml"
    if path not in files:
        return []
    return [
        {
            "name": ALERTMANAGER_SECRET,
            "namespace": stack.catalog.kubernetes.namespace,
            "files": [f"alertmanager.yaml={path}"],
            "options": {"disableNameSuffixHash": True},
        }
    ]
