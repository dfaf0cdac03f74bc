"""Who may talk to whom: nobody, but for the flows of the stack."""

from collections.abc import Iterable, Mapping, Sequence

from bongsu.stack.kubernetes.objects import PART_OF, Object, labels, object_of
from bongsu.stack.kubernetes.workloads import OTLP

_API = "networking.k8s.io/v1"
_PEOPLE = frozenset({"grafana", "bongsu", "jaeger"})
"""Reached from any namespace, as through an Ingress; the first two ask for a sign-in."""
_SENDERS = frozenset({"alloy", "tempo", "jaeger"})
"""Take spans from applications of any namespace."""
_EVERYWHERE = frozenset(
    {"prometheus", "alloy", "bongsu", "blackbox-exporter", "alertmanager", "grafana", "kube-state-metrics"}
)
"""Reach what the stack does not know beforehand: targets, channels, plugins, the cluster's API."""
_CLIENTS: Mapping[str, tuple[str, ...]] = {
    "prometheus": ("grafana", "bongsu", "alloy", "tempo", "alertmanager"),
    "alertmanager": ("prometheus", "grafana", "bongsu", "loki"),
    "grafana": ("prometheus", "bongsu"),
    "loki": ("grafana", "bongsu", "alloy", "prometheus"),
    "tempo": ("grafana", "bongsu", "alloy", "prometheus"),
    "jaeger": ("grafana", "bongsu", "alloy", "prometheus"),
    "alloy": ("prometheus",),
    "bongsu": ("alertmanager", "grafana", "prometheus"),
}


def policies(systems: Iterable[str], namespace: str, *, open_to_namespace: bool = False) -> list[Object]:
    """Default deny for the stack's own pods, and a policy for each system.

    ``open_to_namespace``: others in the namespace, such as a Prometheus of the operator, are clients too.
    """
    return [
        _policy("bongsu-default-deny", namespace, PART_OF, ["Ingress", "Egress"], {}),
        *(_of(system, namespace, open_to_namespace) for system in systems),
    ]


def _of(system: str, namespace: str, open_to_namespace: bool) -> Object:
    peers: list[Object] = [{"podSelector": {"matchLabels": labels(c)}} for c in _CLIENTS.get(system, ())]
    if open_to_namespace or not peers:
        peers = [{"podSelector": {}}]
    ingress: list[Object] = [{"from": peers}]
    if system in _PEOPLE:
        ingress.append({"from": [{"namespaceSelector": {}}], "ports": [{"port": "http"}]})
    if system in _SENDERS:
        ingress.append({"from": [{"namespaceSelector": {}}], "ports": [{"port": name} for name, _ in OTLP]})
    if system in _EVERYWHERE:
        egress: list[Object] = [{}]
    else:
        dns = [{"port": 53, "protocol": protocol} for protocol in ("UDP", "TCP")]
        egress = [{"to": [{"podSelector": {"matchLabels": PART_OF}}]}, {"ports": dns}]
    spec = {"ingress": ingress, "egress": egress}
    return _policy(system, namespace, labels(system), ["Ingress", "Egress"], spec)


def _policy(name: str, namespace: str, pods: Mapping[str, str], types: Sequence[str], spec: Object) -> Object:
    body = {"podSelector": {"matchLabels": dict(pods)}, "policyTypes": list(types), **spec}
    return object_of("NetworkPolicy", name, namespace, api=_API, labelled=PART_OF, spec=body)


def exporter_policy(name: str, namespace: str, pods: Mapping[str, str]) -> Object:
    """An exporter answers Prometheus, and reaches its database wherever that is."""
    spec = {"ingress": [{"from": [{"podSelector": {}}]}], "egress": [{}]}
    return _policy(name, namespace, pods, ["Ingress", "Egress"], spec)
