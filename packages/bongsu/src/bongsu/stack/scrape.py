"""What Prometheus scrapes: services at their targets, probes, and the systems of the stack themselves."""

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlsplit

from bongsu.catalog import ResolvedService
from bongsu.signals.quantities import format_duration
from bongsu.stack.alloy.metrics import collected
from bongsu.stack.blackbox_exporter import is_probe, probe_address, probe_module
from bongsu.stack.model import Stack, StackError
from bongsu.stack.systems import SYSTEMS, Version

Job = dict[str, Any]

DEFAULT_INTERVAL = 15.0
DEFAULT_TIMEOUT = 10.0
_FALLBACK = {"fallback_scrape_protocol": "PrometheusText0.0.4"}
_FALLBACK_SINCE = Version(3, 0)
"""From then on a target without a content type that is known is not scraped, unless told how to read it."""
_OWN_PORTS = {"jaeger": 8888}
"""Systems that tell of themselves on another port than that by which they are asked."""
_SILENT = ("bongsu", "node-exporter")
"""Bongsu has no metrics of its own; the node exporter's are those of a service."""


def jobs(stack: Stack) -> list[Job]:
    """The scrape jobs that need no discovery, for every place."""
    brought = collected(stack)
    services = [service for service in stack.services if service not in brought]
    found: list[Job] = []
    for service in services:
        if is_probe(service):
            found += _probes(stack, service)
        elif service.spec.targets:
            found.append(_service(stack, service))
    return found + _systems(stack, found)


def hosts(stack: Stack) -> tuple[ResolvedService, ...]:
    """The machines that the stack's own node exporter tells of."""
    return tuple(
        service for service in stack.services if "node" in service.spec.kind and not service.spec.targets
    )


def interval_of(stack: Stack, service: ResolvedService | None = None) -> float:
    own = service.spec.scrape.interval if service is not None else None
    return own or stack.catalog.scrape.interval or DEFAULT_INTERVAL


def timeout_of(stack: Stack, service: ResolvedService | None = None) -> float:
    own = service.spec.scrape.timeout if service is not None else None
    return min(own or stack.catalog.scrape.timeout or DEFAULT_TIMEOUT, interval_of(stack, service))


def pace(stack: Stack, service: ResolvedService) -> Job:
    """Interval and timeout where they differ from those of all."""
    found: Job = {}
    if interval_of(stack, service) != interval_of(stack):
        found["scrape_interval"] = format_duration(interval_of(stack, service))
    if timeout_of(stack, service) != timeout_of(stack):
        found["scrape_timeout"] = format_duration(timeout_of(stack, service))
    return found


def path_of(stack: Stack, service: ResolvedService) -> str:
    return service.spec.scrape.path or stack.catalog.scrape.path or "/metrics"


def tolerant(stack: Stack) -> Job:
    """For targets that others wrote."""
    return _FALLBACK if stack.version("prometheus") >= _FALLBACK_SINCE else {}


def static_labels(service: ResolvedService) -> dict[str, str]:
    """What selects the service's series; its job is the service's name unless its labels say otherwise."""
    labels = dict(service.labels)
    if labels.get("job") == service.name:
        del labels["job"]
    return labels


def _service(stack: Stack, service: ResolvedService) -> Job:
    """One job, whose targets may differ in scheme and path."""
    usual = path_of(stack, service)
    urls = [_url(target) for target in service.spec.targets]
    first = urls[0]
    path = _path(first, usual)
    groups: dict[tuple[tuple[str, str], ...], list[str]] = {}
    seen: set[str] = set()
    for url in urls:
        special = dict[str, str]()
        if url.scheme != first.scheme:
            special["__scheme__"] = url.scheme
        if _path(url, usual) != path:
            special["__metrics_path__"] = _path(url, usual)
        special |= {f"__param_{name}": value for name, value in parse_qsl(url.query)}
        if url.netloc in seen:
            special["instance"] = url.netloc + _path(url, usual)
        seen.add(url.netloc)
        groups.setdefault(tuple(special.items()), []).append(url.netloc)
    statics: list[Job] = []
    for extra, targets in groups.items():
        labels = static_labels(service) | dict(extra)
        statics.append({"targets": targets} | ({"labels": labels} if labels else {}))
    return {
        "job_name": service.name,
        "scheme": first.scheme,
        "metrics_path": path,
        **pace(stack, service),
        **tolerant(stack),
        "static_configs": statics,
    }


def _probes(stack: Stack, service: ResolvedService) -> Iterator[Job]:
    """The exporter is asked to probe: ``up`` is whether it answers, ``probe_success`` what it found."""
    by_module: dict[str, list[str]] = {}
    for target in service.spec.targets:
        by_module.setdefault(probe_module(target), []).append(probe_address(target))
    for module, targets in by_module.items():
        alone = len(by_module) == 1
        labels = dict(service.labels) if not alone else static_labels(service)
        static: Job = {"targets": targets} | ({"labels": labels} if labels else {})
        yield {
            "job_name": service.name if alone else f"{service.name}/{module}",
            "metrics_path": "/probe",
            "params": {"module": [module]},
            **pace(stack, service),
            "static_configs": [static],
            "relabel_configs": [
                {"source_labels": ["__address__"], "target_label": "__param_target"},
                {"source_labels": ["__param_target"], "target_label": "instance"},
                {"target_label": "__address__", "replacement": stack.address("blackbox-exporter")},
            ],
        }


def _systems(stack: Stack, others: Iterable[Job]) -> list[Job]:
    """The stack's own systems, but for those that the catalog declares as services."""
    others = list(others)
    taken = {job["job_name"] for job in others}
    known = {t for job in others for static in job["static_configs"] for t in static["targets"]}
    found: list[Job] = []
    if stack.has("node-exporter") and stack.place not in ("kubernetes", "operator"):
        found += _hosts(stack)
    for system in stack.systems:
        address = _own_address(stack, system)
        if system in _SILENT or address in known:
            continue
        name = f"stack/{system}" if system in taken else system
        found.append({"job_name": name, "static_configs": [{"targets": [address]}]})
    return found


def _hosts(stack: Stack) -> Iterator[Job]:
    target = stack.address("node-exporter")
    machines = hosts(stack)
    if not machines:
        yield {"job_name": "node", "static_configs": [{"targets": [target]}]}
    for service in machines:
        labels = static_labels(service) | {"instance": service.spec.runs.host or service.name}
        yield {
            "job_name": service.name,
            **pace(stack, service),
            "static_configs": [{"targets": [target], "labels": labels}],
        }


def _own_address(stack: Stack, system: str) -> str:
    address = stack.address(system)
    if system not in _OWN_PORTS or address.rpartition(":")[2] != str(SYSTEMS[system].port):
        return address
    return f"{address.rpartition(':')[0]}:{_OWN_PORTS[system]}"


def _url(target: str) -> SplitResult:
    url = urlsplit(target if "://" in target else f"http://{target}")
    if "@" in url.netloc:
        host = url.netloc.rpartition("@")[2]
        raise StackError(f"the target at {host} holds a password; targets are written into generated files")
    return url


def _path(url: SplitResult, usual: str) -> str:
    return url.path if url.path not in ("", "/") else usual
