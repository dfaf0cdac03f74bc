"""How the operator's Prometheus finds each service: ServiceMonitor, PodMonitor, Probe or ScrapeConfig."""

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from bongsu.catalog import ResolvedService
from bongsu.signals.quantities import format_duration
from bongsu.stack.kubernetes.exporters import Exporter
from bongsu.stack.kubernetes.objects import PART_OF, Object, dns_name, object_of
from bongsu.stack.kubernetes.pods import pod_labels
from bongsu.stack.model import Stack

API = "monitoring.coreos.com/v1"
NODE_EXPORTER = {"app.kubernetes.io/name": "prometheus-node-exporter"}
"""What kube-prometheus-stack calls its node exporter."""
_NODE_PORT = "http-metrics"


def labelled(stack: Stack, name: str) -> dict[str, str]:
    """Labels of a monitor or rule, with the one by which the operator picks it up."""
    release = stack.catalog.kubernetes.release
    return {"app.kubernetes.io/name": dns_name(name), **PART_OF, **({"release": release} if release else {})}


def monitors(stack: Stack, exporters: Iterable[Exporter], module: str) -> dict[str, Object]:
    """Service → what makes Prometheus collect its metrics; ``module`` is that of the blackbox exporter."""
    by_service = {exporter.service: exporter for exporter in exporters}
    found = {}
    for service in stack.services:
        monitor = _monitor(stack, service, by_service.get(service.name), module)
        if monitor is not None:
            found[service.name] = monitor
    return found


def _monitor(stack: Stack, service: ResolvedService, exporter: Exporter | None, module: str) -> Object | None:
    spec = service.spec
    if "probe_success" in service.signals or "blackbox" in spec.kind:
        return _probe(stack, service, module) if spec.targets else None
    if exporter is not None:
        own = stack.catalog.kubernetes.namespace
        return _service_monitor(stack, service, pod_labels(exporter.load), [own], "http")
    if spec.runs.helm or all(name in service.selectors for name in service.signals):
        return None
    if spec.targets:
        return _scrape_config(stack, service)
    if "node" in spec.kind and not spec.labels:
        own = stack.catalog.kubernetes.namespace
        return _service_monitor(stack, service, NODE_EXPORTER, [own], _NODE_PORT)
    selector = spec.runs.labels or {"app.kubernetes.io/name": spec.runs.deployment or service.name}
    namespaces = [spec.runs.namespace] if spec.runs.namespace else []
    make = _service_monitor if spec.runs.service else _pod_monitor
    return make(stack, service, selector, namespaces, port_of(stack, service))


def port_of(stack: Stack, service: ResolvedService) -> str:
    return service.spec.scrape.port or stack.catalog.scrape.port


def timing(stack: Stack, service: ResolvedService) -> tuple[str, str]:
    """(interval, timeout), the second empty where nobody declares it."""
    own, common = service.spec.scrape, stack.catalog.scrape
    interval = own.interval or common.interval or 15.0
    timeout = own.timeout or common.timeout
    return format_duration(interval), format_duration(min(timeout, interval)) if timeout else ""


def relabelings(service: ResolvedService) -> list[Object]:
    """The service's own labels, by which its rules select it, instead of those of its Kubernetes Service.

    The operator's ``endpoint`` goes, as metrics have a label of that name, which would be renamed.
    """
    own: list[Object] = [
        {"action": "replace", "targetLabel": name, "replacement": value}
        for name, value in {"job": service.name, **service.labels}.items()
    ]
    return [*own, {"action": "labeldrop", "regex": "endpoint"}]


def metrics_path(stack: Stack, service: ResolvedService) -> str:
    return service.spec.scrape.path or stack.catalog.scrape.path or "/metrics"


def _endpoint(stack: Stack, service: ResolvedService, port: str) -> Object:
    interval, timeout = timing(stack, service)
    endpoint: Object = {"port": port} if port else {}
    endpoint |= {"path": metrics_path(stack, service), "interval": interval}
    if timeout:
        endpoint["scrapeTimeout"] = timeout
    return {**endpoint, "relabelings": relabelings(service)}


def _selected(namespaces: list[str]) -> Object:
    return {"matchNames": namespaces} if namespaces else {"any": True}


def _service_monitor(
    stack: Stack, service: ResolvedService, selector: Mapping[str, str], namespaces: list[str], port: str
) -> Object:
    spec = {
        "namespaceSelector": _selected(namespaces),
        "selector": {"matchLabels": dict(selector)},
        "endpoints": [_endpoint(stack, service, port)],
    }
    return _object(stack, "ServiceMonitor", service.name, spec)


def _pod_monitor(
    stack: Stack, service: ResolvedService, selector: Mapping[str, str], namespaces: list[str], port: str
) -> Object:
    spec = {
        "namespaceSelector": _selected(namespaces),
        "selector": {"matchLabels": dict(selector)},
        "podMetricsEndpoints": [_endpoint(stack, service, port)],
    }
    return _object(stack, "PodMonitor", service.name, spec)


def _probe(stack: Stack, service: ResolvedService, module: str) -> Object:
    interval, timeout = timing(stack, service)
    others = {name: value for name, value in service.labels.items() if name != "job"}
    static: Object = {"static": list(service.spec.targets), **({"labels": others} if others else {})}
    spec: Object = {
        "jobName": service.labels.get("job", service.name),
        "interval": interval,
        "module": module,
        "prober": {"url": stack.address("blackbox-exporter")},
        "targets": {"staticConfig": static},
    }
    if timeout:
        spec["scrapeTimeout"] = timeout
    return _object(stack, "Probe", service.name, spec)


def _scrape_config(stack: Stack, service: ResolvedService) -> Object:
    """For what runs outside the cluster, at addresses that the catalog names."""
    urls = [urlsplit(t if "://" in t else f"http://{t}") for t in service.spec.targets]
    interval, timeout = timing(stack, service)
    spec: Object = {
        "staticConfigs": [
            {"targets": [url.netloc for url in urls], "labels": {"job": service.name, **service.labels}}
        ],
        "metricsPath": urls[0].path or metrics_path(stack, service),
        "scheme": urls[0].scheme.upper(),
        "scrapeInterval": interval,
    }
    if timeout:
        spec["scrapeTimeout"] = timeout
    return _object(stack, "ScrapeConfig", service.name, spec, api="monitoring.coreos.com/v1alpha1")


def _object(stack: Stack, kind: str, service: str, spec: Object, *, api: str = API) -> Object:
    return object_of(
        kind,
        dns_name(service),
        stack.catalog.kubernetes.namespace,
        api=api,
        labelled=labelled(stack, service),
        spec=spec,
    )
