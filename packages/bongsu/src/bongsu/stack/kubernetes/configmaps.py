"""The systems' own files as ConfigMaps, which kustomize makes from the files themselves."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from bongsu.stack.kubernetes.objects import Object, dns_name
from bongsu.stack.kubernetes.workloads import Workload

LIMIT = 1_000_000
"""Bytes; Kubernetes takes 1 MiB, with its keys."""
DASHBOARDS = "grafana/dashboards/"


@dataclass(frozen=True, slots=True)
class ConfigMap:
    name: str
    items: tuple[tuple[str, str, str], ...]
    """(key, path in the container's folder, file of the output)."""
    fixed: bool = False
    """Whether its name stays when its content changes, so that nothing is started anew."""


def config_maps(load: Workload, files: Mapping[str, str]) -> dict[str, list[ConfigMap]]:
    """The ConfigMaps of each folder of a system; a dashboard has one of its own."""
    found = {}
    for index, (folder, inside) in enumerate(load.folders.items()):
        if all(path.startswith(DASHBOARDS) for path in inside.values()):
            found[folder] = [dashboard(path) for path in inside.values()]
        else:
            name = f"{load.name}-config" if not index else f"{load.name}-config-{index}"
            found[folder] = list(_split(name, inside, files))
    return found


def dashboard(path: str) -> ConfigMap:
    """The ConfigMap of one dashboard, under the name by which Grafana's sidecar knows it."""
    inner = path.removeprefix(DASHBOARDS)
    stem = inner.removesuffix(".json").replace("/", "-")
    name = dns_name(f"bongsu-dashboard-{stem}", limit=200)
    # The sidecar puts all dashboards into one folder by their keys.
    return ConfigMap(name, ((f"{name}.json", inner, path),), fixed=True)


def _split(name: str, inside: Mapping[str, str], files: Mapping[str, str]) -> Iterable[ConfigMap]:
    """As few ConfigMaps as their limit allows, in the files' order."""
    groups: list[list[tuple[str, str, str]]] = [[]]
    size = 0
    for inner, path in inside.items():
        added = len(files[path].encode()) + len(inner)
        if groups[-1] and size + added > LIMIT:
            groups.append([])
            size = 0
        groups[-1].append((inner.replace("/", "__"), inner, path))
        size += added
    for index, group in enumerate(groups):
        yield ConfigMap(name if not index else f"{name}-{index + 1}", tuple(group))


def generator(
    maps: Iterable[ConfigMap],
    namespace: str,
    labelled: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> list[Object]:
    """``configMapGenerator`` of a kustomization. Those of fixed name are labelled for Grafana's sidecar."""
    options: Object = {
        "disableNameSuffixHash": True,
        "labels": dict(labelled or {"grafana_dashboard": "1"}),
        **({"annotations": dict(annotations)} if annotations else {}),
    }
    return [_generated(m, namespace, options if m.fixed else {}) for m in maps]


def _generated(config: ConfigMap, namespace: str, options: Object) -> Object:
    entry: Object = {
        "name": config.name,
        "namespace": namespace,
        "files": [
            path if PurePosixPath(path).name == key else f"{key}={path}" for key, _, path in config.items
        ],
    }
    return {**entry, "options": options} if options else entry
