"""What the agent measures and scrapes, and how that comes to Prometheus."""

from collections.abc import Iterator, Mapping
from urllib.parse import SplitResult, parse_qsl, urlsplit

from bongsu.catalog import ResolvedService
from bongsu.stack.alloy.endpoints import http, takes_samples
from bongsu.stack.alloy.naming import identifiers
from bongsu.stack.alloy.tree import Block, Expr, Plain, block, call, ref
from bongsu.stack.check.go import format_go_duration
from bongsu.stack.model import Stack, StackError
from bongsu.stack.systems import SYSTEMS

RECEIVER = "prometheus.remote_write.prometheus.receiver"
HOST_ROOT = "/host/root"
"""Where the machine's files are seen from within the agent's container."""
_USUAL_INTERVAL = 15.0
_LONGEST_TIMEOUT = 10.0


def collected(stack: Stack) -> tuple[ResolvedService, ...]:
    """The services whose metrics the agent brings, and that Prometheus therefore must not scrape.

    Probes stay with the blackbox exporter, and the systems of the stack with Prometheus; in a cluster the
    agent runs on every node, so that Prometheus scrapes all but the nodes themselves.
    """
    if not stack.has("alloy") or not takes_samples(stack):
        return ()
    return tuple(s for s in stack.services if _is_host(s) or _is_scraped(stack, s))


def _is_host(service: ResolvedService) -> bool:
    return "node" in service.spec.kind and not service.spec.targets


def _is_scraped(stack: Stack, service: ResolvedService) -> bool:
    own = {stack.address(system) for system in stack.systems}
    own |= {f"{name}:{system.port}" for name, system in SYSTEMS.items() if stack.has(name)}
    return (
        stack.place not in ("kubernetes", "operator")
        and bool(service.spec.targets)
        and "probe_success" not in service.signals
        and not any(_url(target).netloc in own for target in service.spec.targets)
    )


def metrics(stack: Stack) -> list[Block]:
    """The machine's own metrics, the services' metrics, and the way to Prometheus."""
    services = collected(stack)
    hosts = [service for service in services if _is_host(service)]
    scraped = [service for service in services if not _is_host(service)]
    names = identifiers(["host", *(service.name for service in scraped)])
    found = [
        *(_host(stack, hosts) if hosts else ()),
        *(_scrape(stack, service, names[service.name]) for service in scraped),
    ]
    return [*found, _remote_write(stack)] if takes_samples(stack) else []


def _remote_write(stack: Stack) -> Block:
    endpoint = block("endpoint", url=http(stack, "prometheus", "/api/v1/write"), send_exemplars=True)
    return block("prometheus.remote_write", "prometheus", endpoint)


def _host(stack: Stack, services: list[ResolvedService]) -> Iterator[Block]:
    root = (
        {}
        if stack.place == "local"
        else {
            "rootfs_path": HOST_ROOT,
            "procfs_path": f"{HOST_ROOT}/proc",
            "sysfs_path": f"{HOST_ROOT}/sys",
        }
    )
    yield block("prometheus.exporter.unix", "host", **root)
    yield block(
        "discovery.relabel",
        "host",
        *_host_labels(stack, services),
        targets=ref("prometheus.exporter.unix.host.targets"),
    )
    yield block(
        "prometheus.scrape",
        "host",
        targets=ref("discovery.relabel.host.output"),
        forward_to=[ref(RECEIVER)],
        **_timing(stack, services[0]),
    )


def _host_labels(stack: Stack, services: list[ResolvedService]) -> Iterator[Block]:
    """The exporter says ``job="integrations/unix"``, and its container's name as ``instance``."""
    yield block("rule", target_label="instance", replacement=instance(stack, services))
    first, *others = services
    for name, value in {"job": first.name, **first.labels}.items():
        yield block("rule", target_label=name, replacement=value)
    for service in others:
        if not service.spec.runs.host:
            continue
        for name, value in {"job": service.name, **service.labels}.items():
            yield block(
                "rule",
                source_labels=["instance"],
                regex=service.spec.runs.host,
                target_label=name,
                replacement=value,
            )


def instance(stack: Stack, services: list[ResolvedService]) -> Expr:
    """The name of the machine. A container's own would be another one after each update."""
    if stack.place in ("kubernetes", "operator"):
        return call("coalesce", call("sys.env", "NODE_NAME"), ref("constants.hostname"))
    if stack.place == "local":
        return ref("constants.hostname")
    return call("coalesce", call("sys.env", "HOST_NAME"), services[0].spec.runs.host or services[0].name)


def _scrape(stack: Stack, service: ResolvedService, label: str) -> Block:
    """One component for a service, whose targets may differ in scheme and path."""
    usual = service.spec.scrape.path or stack.catalog.scrape.path or "/metrics"
    urls = [_url(target) for target in service.spec.targets]
    paths = [url.path if url.path not in ("", "/") else usual for url in urls]
    own: dict[str, Plain] = {}
    if len(set(paths)) == 1 and paths[0] != "/metrics":
        own["metrics_path"] = paths[0]
    if {url.scheme for url in urls} == {"https"}:
        own["scheme"] = "https"
    targets: list[Plain] = []
    for url, path in zip(urls, paths, strict=True):
        target: dict[str, Plain] = {"__address__": url.netloc}
        if "metrics_path" not in own and path != "/metrics":
            target["__metrics_path__"] = path
        if "scheme" not in own and url.scheme != "http":
            target["__scheme__"] = url.scheme
        if [other.netloc for other in urls].index(url.netloc) != urls.index(url):
            target["instance"] = url.netloc + path
        target |= {f"__param_{name}": value for name, value in parse_qsl(url.query)}
        targets.append({**target, "job": service.name, **service.labels})
    return block(
        "prometheus.scrape",
        label,
        targets=targets,
        forward_to=[ref(RECEIVER)],
        **own,
        **_timing(stack, service),
    )


def _timing(stack: Stack, service: ResolvedService) -> Mapping[str, Plain]:
    own, common = service.spec.scrape, stack.catalog.scrape
    interval = own.interval or common.interval or _USUAL_INTERVAL
    timeout = min(own.timeout or common.timeout or _LONGEST_TIMEOUT, interval)
    return {"scrape_interval": format_go_duration(interval), "scrape_timeout": format_go_duration(timeout)}


def _url(target: str) -> SplitResult:
    url = urlsplit(target if "://" in target else f"http://{target}")
    if "@" in url.netloc:
        host = url.netloc.rpartition("@")[2]
        raise StackError(f"the target at {host} holds a password; targets are written into generated files")
    return url
