"""The blackbox exporter: which probes it knows, and which of them a target of the catalog asks for."""

from typing import Any
from urllib.parse import urlsplit

from bongsu.catalog import ResolvedService
from bongsu.signals.quantities import format_duration
from bongsu.stack.files import to_yaml
from bongsu.stack.model import Stack

CONFIGURATION = "blackbox-exporter/blackbox.yml"
_TIMEOUT = 10.0
_MODULES = {"http": "http_2xx", "https": "http_2xx", "tcp": "tcp_connect", "tls": "tcp_tls", "icmp": "icmp"}


def render(stack: Stack) -> dict[str, str]:
    """``blackbox.yml`` with the modules that the catalog's probes use."""
    used = {probe_module(t) for s in stack.services if is_probe(s) for t in s.spec.targets}
    known = _modules(min(_TIMEOUT, stack.catalog.scrape.timeout or _TIMEOUT))
    modules = {name: module for name, module in known.items() if name in (used or {"http_2xx"})}
    return {CONFIGURATION: to_yaml({"modules": modules})}


def is_probe(service: ResolvedService) -> bool:
    """Whether a service is looked at from outside, instead of being asked for metrics."""
    return "probe_success" in service.signals


def probe_module(target: str) -> str:
    """By the target's scheme; without one it is a TCP port if it names one, and else a web page."""
    scheme, separator, _ = target.partition("://")
    if separator:
        return _MODULES.get(scheme, "http_2xx")
    return "tcp_connect" if _has_port(target) else "http_2xx"


def probe_address(target: str) -> str:
    """What the exporter is given: a URL for the web, ``host:port`` or a host otherwise."""
    scheme, separator, rest = target.partition("://")
    if not separator or scheme in ("http", "https"):
        return target
    return rest.rstrip("/")


def flags(stack: Stack) -> list[str]:
    """Arguments besides those that name files and addresses."""
    return []


def _has_port(target: str) -> bool:
    try:
        return urlsplit(f"//{target}").port is not None
    except ValueError:
        return False


def _modules(timeout: float) -> dict[str, dict[str, Any]]:
    """IPv4 is tried first where a name has both: machines without an IPv6 route are common."""
    wait = format_duration(timeout)
    ip = {"preferred_ip_protocol": "ip4"}
    return {
        "http_2xx": {"prober": "http", "timeout": wait, "http": {"method": "GET", **ip}},
        "tcp_connect": {"prober": "tcp", "timeout": wait, "tcp": dict(ip)},
        "tcp_tls": {"prober": "tcp", "timeout": wait, "tcp": {"tls": True, **ip}},
        "icmp": {"prober": "icmp", "timeout": wait, "icmp": dict(ip)},
    }
