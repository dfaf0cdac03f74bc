"""What the systems may ask of the cluster's API: reading, and no more than each needs."""

from typing import Any

from bongsu.stack.kubernetes.objects import Object, object_of

_READ = ["get", "list", "watch"]


def _rule(resources: list[str], *groups: str) -> dict[str, Any]:
    return {"apiGroups": list(groups or ("",)), "resources": resources, "verbs": _READ}


_RULES: dict[str, list[dict[str, Any]]] = {
    "prometheus": [
        # The kubelet serves its own and cAdvisor's metrics to whoever may get nodes/metrics.
        _rule(["nodes", "nodes/metrics", "services", "endpoints", "pods"]),
        _rule(["endpointslices"], "discovery.k8s.io"),
        {"nonResourceURLs": ["/metrics", "/metrics/cadvisor"], "verbs": ["get"]},
    ],
    "alloy": [
        _rule(["nodes", "nodes/metrics", "services", "endpoints", "pods", "namespaces"]),
        _rule(["pods/log"]),
        _rule(["endpointslices"], "discovery.k8s.io"),
        {"nonResourceURLs": ["/metrics", "/metrics/cadvisor"], "verbs": ["get"]},
    ],
    "kube-state-metrics": [
        {
            "apiGroups": [""],
            "resources": sorted(
                ["namespaces", "nodes", "persistentvolumeclaims", "persistentvolumes", "pods", "services"]
            ),
            "verbs": ["list", "watch"],
        },
        {
            "apiGroups": ["apps"],
            "resources": ["daemonsets", "deployments", "replicasets", "statefulsets"],
            "verbs": ["list", "watch"],
        },
        {"apiGroups": ["batch"], "resources": ["cronjobs", "jobs"], "verbs": ["list", "watch"]},
        {"apiGroups": ["autoscaling"], "resources": ["horizontalpodautoscalers"], "verbs": ["list", "watch"]},
    ],
}


def permissions(system: str, namespace: str) -> list[Object]:
    """A ClusterRole and its binding; nothing for systems that ask the API nothing."""
    if system not in _RULES:
        return []
    name = f"{namespace}-{system}"
    api = "rbac.authorization.k8s.io/v1"
    return [
        object_of("ClusterRole", name, api=api, rules=_RULES[system]),
        object_of(
            "ClusterRoleBinding",
            name,
            api=api,
            roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
            subjects=[{"kind": "ServiceAccount", "name": system, "namespace": namespace}],
        ),
    ]
