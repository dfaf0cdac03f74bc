"""The exporters that Kubernetes lacks: one for each database, and kube-state-metrics."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from bongsu.catalog import ResolvedService
from bongsu.stack.kubernetes.access import permissions
from bongsu.stack.kubernetes.network import exporter_policy
from bongsu.stack.kubernetes.objects import Object, dns_name
from bongsu.stack.kubernetes.pods import objects_of, pod_labels
from bongsu.stack.kubernetes.workloads import Port, Workload
from bongsu.stack.model import Stack

KUBE_STATE_METRICS = "kube-state-metrics"


@dataclass(frozen=True, slots=True)
class _Sort:
    image: str
    tag: str
    port: int
    variable: str
    """From which it takes the address and password of its database."""


_SORTS: Mapping[str, _Sort] = {
    "postgres": _Sort("quay.io/prometheuscommunity/postgres-exporter", "v0.18.1", 9187, "DATA_SOURCE_NAME"),
    "redis": _Sort("oliver006/redis_exporter", "v1.78.0", 9121, "REDIS_ADDR"),
}
_STATE = _Sort("registry.k8s.io/kube-state-metrics/kube-state-metrics", "v2.17.0", 8080, "")


@dataclass(frozen=True, slots=True)
class Exporter:
    """A Deployment in front of one database."""

    name: str
    service: str
    port: int
    load: Workload


def exporters(stack: Stack) -> list[Exporter]:
    """An exporter for each PostgreSQL and Redis whose catalog entry names none that lies elsewhere."""
    found: dict[str, Exporter] = {}
    for service in stack.services:
        for exporter in _of(stack, service):
            found.setdefault(exporter.name, exporter)
    return list(found.values())


def _of(stack: Stack, service: ResolvedService) -> Iterable[Exporter]:
    kind = next((kind for kind in service.spec.kind if kind in _SORTS), "")
    if not kind or service.spec.scrape.port or not service.spec.runs.service:
        return
    sort = _SORTS[kind]
    named = [urlsplit(t if "://" in t else f"//{t}") for t in service.spec.targets]
    wanted = [(url.hostname or "", url.port or sort.port) for url in named] or [
        (dns_name(f"{service.name}-exporter"), sort.port)
    ]
    for name, port in wanted:
        # A name without dots is a Service of the stack's own namespace; others run elsewhere.
        if re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", name):
            yield Exporter(name, service.name, port, _workload(stack, kind, name, port, service))


def _workload(stack: Stack, kind: str, name: str, port: int, service: ResolvedService) -> Workload:
    sort = _SORTS[kind]
    image = stack.catalog.images.get(f"{kind}-exporter", sort.image)
    return Workload(
        name=name,
        image=f"{image}:{sort.tag}",
        user=65534,
        ports=(Port("http", port),),
        memory=64,
        arguments=(f"--web.listen-address=:{port}",),
        renamed_tokens={sort.variable: secret_of(service.name, sort.variable)},
        live="/",
        ready="/",
        label="" if service.spec.targets else dns_name(service.name),
    )


def secret_of(service: str, variable: str) -> str:
    """The key of the Secret: ``POSTGRES_DATA_SOURCE_NAME``."""
    return f"{re.sub(r'[^A-Z0-9]+', '_', service.upper())}_{variable}"


def exporter_objects(exporter: Exporter, namespace: str) -> list[Object]:
    objects = objects_of(exporter.load, namespace, configuration={}, secrets_folder="")
    return [*objects, exporter_policy(exporter.name, namespace, pod_labels(exporter.load))]


def state_metrics(stack: Stack) -> Workload:
    """kube-state-metrics, which says what the cluster's API knows of pods, volumes and replicas."""
    image = stack.catalog.images.get(KUBE_STATE_METRICS, _STATE.image)
    return Workload(
        name=KUBE_STATE_METRICS,
        image=f"{image}:{_STATE.tag}",
        user=65534,
        ports=(Port("http", _STATE.port), Port("telemetry", 8081)),
        memory=128,
        arguments=(
            "--resources=cronjobs,daemonsets,deployments,horizontalpodautoscalers,jobs,namespaces,nodes,"
            "persistentvolumeclaims,persistentvolumes,pods,replicasets,services,statefulsets",
        ),
        live="/livez",
        ready="/healthz",
    )


def state_objects(stack: Stack) -> list[Object]:
    namespace = stack.catalog.kubernetes.namespace
    load = state_metrics(stack)
    return [
        *objects_of(load, namespace, configuration={}, secrets_folder=""),
        *permissions(load.name, namespace),
        exporter_policy(load.name, namespace, pod_labels(load)),
    ]
