"""What Prometheus finds by itself on Kubernetes: annotated pods, kubelets, and exporters of the cluster."""

import re
from collections.abc import Collection, Iterator
from typing import Any

from bongsu.catalog import ResolvedService
from bongsu.signals.model import AnySignal, Gauge
from bongsu.signals.quantities import format_duration
from bongsu.stack.model import Stack
from bongsu.stack.scrape import Job, hosts, interval_of, pace, static_labels, timeout_of, tolerant

_ANNOTATION = "__meta_kubernetes_pod_annotation_prometheus_io"
_POD_LABEL = "__meta_kubernetes_pod_label"
_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_HASH = "[bcdfghjklmnpqrstvwxz2456789]"
"""The letters of which Kubernetes makes the ends of names: no word has them alone."""
_METRIC = re.compile(r"\b(?:container|kube|kubelet_volume)_\w+")
_NEVER_USED = (
    "container_(tasks_state|memory_failures_total|memory_failcnt|blkio_device_usage_total|sockets|ulimits_soft"
    "|file_descriptors|last_seen|start_time_seconds|fs_(inodes|io|read_seconds|reads_merged|sector|write_seconds"
    "|writes_merged).*|network_(tcp|udp).*|hugetlb.*|spec_(cpu_shares|memory_reservation).*)"
)
_OF_PODS = "container_network_.*"
_CONTAINER = {"action": "drop", "source_labels": ["container", "__name__"]}


def jobs(stack: Stack) -> list[Job]:
    """The jobs that need the cluster's API; those of exporters only where signals read them."""
    read = metrics_read(stack)
    exporters = _exporters(stack)
    found = [_exporter(stack, stack.resolved[name], address) for name, address in exporters.items()]
    found.append(_pods(stack, exporters))
    if any(name.startswith("container_") for name in read):
        found.append(_cadvisor(stack, read))
    if any(name.startswith("kubelet_") for name in read):
        found.append(_kubelet(stack))
    if any(name.startswith("kube_") for name in read):
        found.append(_state_metrics())
    if stack.has("node-exporter"):
        found.append(_nodes(stack))
    return found


def metrics_read(stack: Stack) -> frozenset[str]:
    """The metrics of the cluster's own exporters that the catalog's signals speak of."""
    texts = (text for s in stack.services for signal in s.signals.values() for text in _texts(signal))
    return frozenset(name for text in texts for name in _METRIC.findall(text))


def _texts(signal: AnySignal) -> Iterator[str]:
    for part in ("metric", "of", "divisor", "expr"):
        yield getattr(signal, part, None) or ""
    if isinstance(signal, Gauge) and signal.unless is not None:
        yield signal.unless.metric


def thinned(stack: Stack) -> bool:
    """Whether of container metrics only those are kept that signals read.

    Prometheus keeps all series equally long. Where those of containers may go sooner, it is their number
    that is cut instead.
    """
    kept = stack.catalog.retention.containers
    return kept is not None and kept < stack.catalog.retention.metrics


def _pods(stack: Stack, exported: Collection[str]) -> Job:
    """Pods with ``prometheus.io/scrape: "true"``; one of several ports is named by ``prometheus.io/port``.

    A pod of a service of the catalog gets its labels; any other is a job by its app label.
    """
    mine = [s for s in stack.services if s.spec.runs.namespace and not s.spec.targets]
    mine = [service for service in mine if service.name not in exported]
    relabel: list[dict[str, Any]] = [
        {"action": "keep", "source_labels": [f"{_ANNOTATION}_scrape"], "regex": "true"},
        {
            "action": "drop",
            "source_labels": ["__meta_kubernetes_pod_phase"],
            "regex": "Pending|Succeeded|Failed",
        },
        {"action": "drop", "source_labels": ["__meta_kubernetes_pod_container_init"], "regex": "true"},
        *_one_port(),
        _copied(f"{_ANNOTATION}_scheme", "__scheme__", "https?"),
        _copied(f"{_ANNOTATION}_path", "__metrics_path__", "(.+)"),
        _copied("__meta_kubernetes_namespace", "namespace"),
        _copied("__meta_kubernetes_pod_name", "pod"),
        _copied("__meta_kubernetes_pod_container_name", "container"),
        _copied("__meta_kubernetes_pod_node_name", "node"),
        _copied(f"{_POD_LABEL}_app", "job", "(.+)"),
        _copied(f"{_POD_LABEL}_app_kubernetes_io_name", "job", "(.+)"),
    ]
    for service in mine:
        relabel += _of_service(stack, service)
    return {
        "job_name": "kubernetes-pods",
        **tolerant(stack),
        "kubernetes_sd_configs": [{"role": "pod"}],
        "relabel_configs": relabel,
    }


def _exporters(stack: Stack) -> dict[str, str]:
    """Service → address of the exporter that the manifests put in front of it."""
    from bongsu.stack.kubernetes.exporters import exporters

    return {
        exporter.service: f"{exporter.name}.{stack.catalog.kubernetes.namespace}.svc:{exporter.port}"
        for exporter in exporters(stack)
        if not stack.resolved[exporter.service].spec.targets
    }


def _exporter(stack: Stack, service: ResolvedService, address: str) -> Job:
    labels = static_labels(service)
    static: Job = {"targets": [address]} | ({"labels": labels} if labels else {})
    return {"job_name": service.name, **pace(stack, service), "static_configs": [static]}


def _one_port() -> list[dict[str, Any]]:
    """A pod has a target for each port of each container. Scraping one address for several of them would
    double its rates, so a port that is not the annotated one is left out."""
    number = "__meta_kubernetes_pod_container_port_number"
    annotated = f"{_ANNOTATION}_port"
    return [
        {"source_labels": [number], "target_label": "__tmp_port"},
        {
            "source_labels": [annotated, number],
            "regex": r"(\d+);\d+",
            "target_label": "__tmp_port",
            "replacement": "$1",
        },
        {"action": "keepequal", "source_labels": [number], "target_label": "__tmp_port"},
        {
            "source_labels": ["__address__", annotated],
            "regex": r"(\[.+\]|[^:]+)(?::\d+)?;(\d+)",
            "target_label": "__address__",
            "replacement": "$1:$2",
        },
    ]


def _of_service(stack: Stack, service: ResolvedService) -> list[dict[str, Any]]:
    where = _where(service)
    given = {"job": service.name, **service.labels}
    if service.spec.scrape.path:
        given["__metrics_path__"] = service.spec.scrape.path
    if interval_of(stack, service) != interval_of(stack):
        given["__scrape_interval__"] = format_duration(interval_of(stack, service))
    if timeout_of(stack, service) != timeout_of(stack):
        given["__scrape_timeout__"] = format_duration(timeout_of(stack, service))
    return [
        {**where, "target_label": label, "replacement": value.replace("$", "$$")}
        for label, value in given.items()
    ]


def _where(service: ResolvedService) -> dict[str, Any]:
    """Its pods: by their labels where the catalog names them, and else by their names."""
    runs = service.spec.runs
    labels = ["__meta_kubernetes_namespace"]
    values = [runs.namespace]
    for label, value in runs.labels.items():
        labels.append(f"{_POD_LABEL}_{re.sub('[^a-zA-Z0-9_]', '_', label)}")
        values.append(value.replace(".", "[.]"))
    if not runs.labels:
        labels.append("__meta_kubernetes_pod_name")
        values.append(pod_pattern(service))
    return {"source_labels": labels, "regex": ";".join(values)}


def pod_pattern(service: ResolvedService) -> str:
    """The names of a service's pods, as its Deployment, StatefulSet or DaemonSet makes them."""
    runs = service.spec.runs
    if runs.deployment or runs.statefulset:
        names = {name for name in (runs.deployment, runs.statefulset) if name}
    else:
        names = {service.name}
    whose = "|".join(name.replace(".", "[.]") for name in sorted(names))
    return rf"(?:{whose})-(?:{_HASH}{{1,10}}-{_HASH}{{5}}|{_HASH}{{5}}|\d+)"


def _cadvisor(stack: Stack, read: frozenset[str]) -> Job:
    kept = sorted(name for name in read if name.startswith("container_"))
    rules: list[dict[str, Any]] = [
        # Rows of whole pods and slices hold the sum of their containers: counted with them, it is twice that.
        {**_CONTAINER, "regex": "(|POD);container_(cpu|fs|memory|oom|processes|spec|threads).*"},
    ]
    if thinned(stack):
        rules.insert(0, {"action": "keep", "source_labels": ["__name__"], "regex": "|".join(kept)})
    else:
        rules.insert(0, {"action": "drop", "source_labels": ["__name__"], "regex": _NEVER_USED})
    # cAdvisor's own timestamps are those of its last look, by which a series that ended stays for minutes.
    job = _of_kubelet("kubernetes-cadvisor", "/metrics/cadvisor")
    return job | {"honor_timestamps": False, "metric_relabel_configs": rules}


def _kubelet(stack: Stack) -> Job:
    keep = {"action": "keep", "source_labels": ["__name__"], "regex": "kubelet_volume_stats_.*"}
    return _of_kubelet("kubernetes-kubelet", "/metrics") | {"metric_relabel_configs": [keep]}


def _of_kubelet(name: str, path: str) -> Job:
    """A kubelet's certificate is signed by itself on many clusters, and reached by the node's address."""
    return {
        "job_name": name,
        "scheme": "https",
        "metrics_path": path,
        "authorization": {"credentials_file": f"{_ACCOUNT}/token"},
        "tls_config": {"ca_file": f"{_ACCOUNT}/ca.crt", "insecure_skip_verify": True},
        "kubernetes_sd_configs": [{"role": "node"}],
        "relabel_configs": [_copied("__meta_kubernetes_node_name", "node")],
    }


def _state_metrics() -> Job:
    """Wherever it runs. Its labels are those of what it speaks of, not of itself."""
    return {
        "job_name": "kube-state-metrics",
        "honor_labels": True,
        "kubernetes_sd_configs": [{"role": "pod"}],
        "relabel_configs": [
            {
                "action": "keep",
                "source_labels": [
                    f"{_POD_LABEL}_app_kubernetes_io_name",
                    "__meta_kubernetes_pod_container_port_number",
                ],
                "regex": "kube-state-metrics;8080",
            },
        ],
    }


def _nodes(stack: Stack) -> Job:
    """The node exporter's pods, each under the name of its node."""
    machines = hosts(stack)
    labels = {"job": machines[0].name, **machines[0].labels} if machines else {"job": "node"}
    return {
        "job_name": "node-exporter",
        "kubernetes_sd_configs": [{"role": "pod"}],
        "relabel_configs": [
            {
                "action": "keep",
                "source_labels": [
                    f"{_POD_LABEL}_app_kubernetes_io_name",
                    "__meta_kubernetes_pod_container_port_number",
                ],
                "regex": "(?:prometheus-)?node-exporter;9100",
            },
            _copied("__meta_kubernetes_pod_node_name", "instance"),
            *({"target_label": label, "replacement": value} for label, value in labels.items()),
        ],
    }


def _copied(source: str, target: str, regex: str = "") -> dict[str, Any]:
    rule: dict[str, Any] = {"source_labels": [source], "target_label": target}
    if regex:
        rule["regex"] = regex if regex.startswith("(") else f"({regex})"
    return rule
