"""A system as pods: its Deployment or DaemonSet, its Service, its volume, its account."""

from collections.abc import Mapping

from bongsu.stack.kubernetes.configmaps import ConfigMap
from bongsu.stack.kubernetes.objects import KEEP, Object, labels, object_of
from bongsu.stack.kubernetes.workloads import Workload
from bongsu.stack.node_exporter import HOST_ROOT

SECRET = "bongsu-secrets"  # noqa: S105 - the name of an object
AGENTS = frozenset({"alloy", "node-exporter"})
"""Systems of which each machine runs one."""
WATCHERS = frozenset({"prometheus", "alloy", "kube-state-metrics"})
"""Systems that ask the cluster's API."""
_REPLICATED = frozenset({"blackbox-exporter"})
"""Systems without state, of which two run so that a machine can be drained."""


def objects_of(
    load: Workload,
    namespace: str,
    *,
    configuration: Mapping[str, list[ConfigMap]],
    secrets_folder: str,
    storage_class: str = "",
) -> list[Object]:
    """Everything of one system but its permissions. ``configuration`` holds the ConfigMaps of each folder."""
    found = [object_of("ServiceAccount", load.name, namespace, automountServiceAccountToken=False)]
    if load.data and load.name not in AGENTS:
        found.append(_volume_claim(load, namespace, storage_class))
    template = _template(load, configuration, secrets_folder)
    spec: Object = {"selector": {"matchLabels": pod_labels(load)}, "template": template}
    if load.name in AGENTS:
        update = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%"}}
        kind, spec = "DaemonSet", {**spec, "updateStrategy": update}
    else:
        kind = "Deployment"
        # Two pods at once on one volume would spoil it.
        strategy = {"strategy": {"type": "Recreate"}} if load.data else {}
        replicas = 2 if load.name in _REPLICATED else 1
        spec = {"replicas": replicas, "revisionHistoryLimit": 3, **strategy, **spec}
    found.append(object_of(kind, load.name, namespace, api="apps/v1", spec=spec))
    found.append(_service(load, namespace))
    if load.name in _REPLICATED:
        budget = {"minAvailable": 1, "selector": {"matchLabels": pod_labels(load)}}
        found.append(object_of("PodDisruptionBudget", load.name, namespace, api="policy/v1", spec=budget))
    return found


def pod_labels(load: Workload) -> dict[str, str]:
    """The labels of its pods, by which Services, policies and monitors find them."""
    return labels(load.label or load.name)


def _volume_claim(load: Workload, namespace: str, storage_class: str) -> Object:
    spec: Object = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": f"{load.disk}Gi"}},
    }
    if storage_class:
        spec["storageClassName"] = storage_class
    return object_of("PersistentVolumeClaim", load.name, namespace, annotations=KEEP, spec=spec)


def _service(load: Workload, namespace: str) -> Object:
    ports = [{"name": p.name, "port": p.number, "targetPort": p.name} for p in load.ports]
    spec: Object = {"selector": pod_labels(load), "ports": ports}
    if load.name == "node-exporter":
        spec = {"clusterIP": "None", **spec}
    return object_of("Service", load.name, namespace, labelled=pod_labels(load), spec=spec)


def _template(load: Workload, configuration: Mapping[str, list[ConfigMap]], secrets_folder: str) -> Object:
    volumes, mounts = _volumes(load, configuration, secrets_folder)
    spec: Object = {
        "serviceAccountName": load.name,
        "automountServiceAccountToken": load.name in WATCHERS,
        # Variables such as BONGSU_PORT, which stand for Services, would be taken for settings.
        "enableServiceLinks": False,
        "securityContext": _pod_security(load),
    }
    if load.name == "node-exporter":
        spec |= {"hostNetwork": True, "hostPID": True}
    if load.name in AGENTS:
        spec["tolerations"] = [{"operator": "Exists", "effect": "NoSchedule"}]
    if load.name in _REPLICATED:
        spec["topologySpreadConstraints"] = [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": pod_labels(load)},
            }
        ]
    spec["containers"] = [_container(load, mounts)]
    if volumes:
        spec["volumes"] = volumes
    metadata: Object = {"labels": pod_labels(load)}
    if load.label:
        port = str(load.ports[0].number)
        metadata["annotations"] = {"prometheus.io/scrape": "true", "prometheus.io/port": port}
    return {"metadata": metadata, "spec": spec}


def _pod_security(load: Workload) -> Object:
    if not load.user:
        return {"runAsUser": 0, "runAsGroup": 0, "seccompProfile": {"type": "RuntimeDefault"}}
    return {
        "runAsNonRoot": True,
        "runAsUser": load.user,
        "runAsGroup": load.user,
        "fsGroup": load.user,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _container(load: Workload, mounts: list[Object]) -> Object:
    capabilities: Object = {"drop": ["ALL"]}
    if load.name == "alloy":
        capabilities["add"] = ["DAC_READ_SEARCH"]
    container: Object = {"name": load.name, "image": load.image}
    if load.arguments:
        container["args"] = [argument.replace("$(", "$$(") for argument in load.arguments]
    environment: list[Object] = [
        {"name": name, "value": value.replace("$(", "$$(")} for name, value in load.environment.items()
    ]
    tokens = {**{name: name for name in load.tokens}, **load.renamed_tokens}
    environment += [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": SECRET, "key": key}}}
        for name, key in tokens.items()
    ]
    if load.name == "alloy":
        node = {"fieldRef": {"fieldPath": "spec.nodeName"}}
        environment.append({"name": "NODE_NAME", "valueFrom": node})
    if environment:
        container["env"] = environment
    container["ports"] = [{"name": p.name, "containerPort": p.number} for p in load.ports]
    memory = f"{load.memory}Mi"
    container["resources"] = {"requests": {"cpu": "50m", "memory": memory}, "limits": {"memory": memory}}
    container["securityContext"] = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": capabilities,
    }
    container |= _probes(load)
    if mounts:
        container["volumeMounts"] = mounts
    return container


def _probes(load: Workload) -> Object:
    port = next((p.name for p in load.ports if p.name == "health"), load.ports[0].name)
    alive: Object = (
        {"httpGet": {"path": load.live, "port": port}} if load.live else {"tcpSocket": {"port": port}}
    )
    return {
        # Replaying a write-ahead log takes minutes.
        "startupProbe": {**alive, "periodSeconds": 5, "timeoutSeconds": 5, "failureThreshold": 120},
        "livenessProbe": {**alive, "periodSeconds": 20, "timeoutSeconds": 5, "failureThreshold": 6},
        "readinessProbe": {
            "httpGet": {"path": load.ready, "port": port},
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 3,
        },
    }


def _volumes(
    load: Workload, configuration: Mapping[str, list[ConfigMap]], secrets_folder: str
) -> tuple[list[Object], list[Object]]:
    """(the pod's volumes, where its container has them)."""
    volumes: list[Object] = []
    mounts: list[Object] = []

    def add(name: str, path: str, volume: Object, *, written: bool = False) -> None:
        volumes.append({"name": name, **volume})
        mounts.append({"name": name, "mountPath": path, **({} if written else {"readOnly": True})})

    wanted = [{"key": name, "path": name} for name in load.secrets]
    for index, (folder, maps) in enumerate(configuration.items()):
        sources: list[Object] = [
            {"configMap": {"name": m.name, "items": [{"key": k, "path": p} for k, p, _ in m.items]}}
            for m in maps
        ]
        # A mount within a read-only mount has no place to lie: both come as one volume.
        if wanted and secrets_folder.startswith(f"{folder}/"):
            inside = secrets_folder.removeprefix(f"{folder}/")
            items = [{"key": w["key"], "path": f"{inside}/{w['path']}"} for w in wanted]
            sources.append({"secret": {"name": SECRET, "items": items}})
            wanted = []
        add(
            "configuration" if not index else f"configuration-{index}",
            folder,
            {"projected": {"sources": sources}},
        )
    if wanted:
        add("secrets", secrets_folder, {"secret": {"secretName": SECRET, "items": wanted}})
    if load.data:
        lasting = (
            {"hostPath": {"path": f"/var/lib/bongsu/{load.name}", "type": "DirectoryOrCreate"}}
            if load.name in AGENTS
            else {"persistentVolumeClaim": {"claimName": load.name}}
        )
        add("data", load.data, lasting, written=True)
    if load.name in AGENTS:
        add("host", HOST_ROOT, {"hostPath": {"path": "/", "type": "Directory"}})
        mounts[-1]["mountPropagation"] = "HostToContainer"
    if load.name == "alloy":
        add("logs", "/var/log", {"hostPath": {"path": "/var/log", "type": "Directory"}})
    add("scratch", "/tmp", {"emptyDir": {"sizeLimit": "256Mi"}}, written=True)  # noqa: S108
    return volumes, mounts
