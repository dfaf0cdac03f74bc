"""The stack on a cluster without an operator: one namespace, applied with ``kubectl apply -k``."""

from collections.abc import Mapping

from bongsu.stack.kubernetes.access import permissions
from bongsu.stack.kubernetes.configmaps import config_maps, generator
from bongsu.stack.kubernetes.exporters import KUBE_STATE_METRICS, exporter_objects, exporters, state_objects
from bongsu.stack.kubernetes.kustomize import KUSTOMIZATION, application, kustomization
from bongsu.stack.kubernetes.network import policies
from bongsu.stack.kubernetes.objects import KEEP, PART_OF, Object, object_of, text_of
from bongsu.stack.kubernetes.pods import AGENTS, objects_of
from bongsu.stack.kubernetes.secrets import example
from bongsu.stack.kubernetes.workloads import Workload, secret_names, secrets_folder, workloads
from bongsu.stack.model import Stack

Files = Mapping[str, str]


def render(stack: Stack, files: Mapping[str, Files]) -> dict[str, str]:
    """Manifests, a kustomization above them, the keys of their Secret, and ArgoCD's Application."""
    namespace = stack.catalog.kubernetes.namespace
    loads = workloads(stack, files)
    found: dict[str, list[Object]] = {"namespace": [_namespace(stack, loads)]}
    systems, maps = system_objects(stack, loads, files)
    found |= systems
    databases = exporters(stack)
    for exporter in databases:
        found[exporter.name] = exporter_objects(exporter, namespace)
    if needs_state_metrics(files):
        found[KUBE_STATE_METRICS] = state_objects(stack)
    found["network"] = policies(loads, namespace)
    out = {f"kubernetes/{name}.yaml": text_of(objects) for name, objects in found.items()}
    everything = {**loads, **{exporter.name: exporter.load for exporter in databases}}
    return {
        KUSTOMIZATION: kustomization(out, configMapGenerator=maps),
        **out,
        **example(stack, secret_names(everything)),
        **application(stack),
    }


def system_objects(
    stack: Stack, loads: Mapping[str, Workload], files: Mapping[str, Files]
) -> tuple[dict[str, list[Object]], list[Object]]:
    """(the objects of each system, what kustomize makes their ConfigMaps of)."""
    place = stack.catalog.kubernetes
    found: dict[str, list[Object]] = {}
    maps: list[Object] = []
    for name, load in loads.items():
        configuration = config_maps(load, files.get(name, {}))
        maps += generator((m for group in configuration.values() for m in group), place.namespace)
        objects = objects_of(
            load,
            place.namespace,
            configuration=configuration,
            secrets_folder=secrets_folder(stack),
            storage_class=place.storage_class,
        )
        found[name] = [*objects, *permissions(name, place.namespace)]
    return found, maps


def needs_state_metrics(files: Mapping[str, Files]) -> bool:
    """Whether Prometheus is told to scrape kube-state-metrics."""
    return KUBE_STATE_METRICS in files.get("prometheus", {}).get("prometheus/prometheus.yml", "")


def _namespace(stack: Stack, loads: Mapping[str, Workload]) -> Object:
    level = "privileged" if AGENTS & set(loads) else "restricted"
    enforced = {**PART_OF, "pod-security.kubernetes.io/enforce": level}
    return object_of("Namespace", stack.catalog.kubernetes.namespace, labelled=enforced, annotations=KEEP)
