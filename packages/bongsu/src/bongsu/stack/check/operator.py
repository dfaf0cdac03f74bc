"""Why a Prometheus Operator would silently ignore a monitor or rule, or scrape a service twice."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from bongsu.signals.quantities import parse_duration
from bongsu.stack.check.model import Finding
from bongsu.stack.check.shapes import entries, mapping
from bongsu.stack.kubernetes.reading import Manifest, manifests

_MONITORS = ("ServiceMonitor", "PodMonitor", "Probe", "ScrapeConfig")
_OBJECT_LIMIT = 1_000_000
"""Bytes; etcd keeps no object above 1.5 MiB, in its own form."""


def check(files: Mapping[str, str], release: str = "") -> Iterator[Finding]:
    """Findings about monitors, rules and Helm values. ``release`` is the label that the operator goes by."""
    found, _ = manifests({path: text for path, text in files.items() if path.startswith("operator/")})
    jobs: dict[str, list[str]] = defaultdict(list)
    for manifest in found.all:
        if manifest.kind not in (*_MONITORS, "PrometheusRule"):
            continue
        if release and manifest.labels.get("release") != release:
            message = f"without the label release: {release} the operator passes over it"
            yield manifest.finding("metadata.labels.release", message, f"add release: {release}")
        if manifest.kind == "PrometheusRule":
            yield from _rule(manifest, files[manifest.file])
        else:
            yield from _monitor(manifest)
            for job in _jobs(manifest):
                jobs[job].append(manifest.file)
    for path, text in sorted(files.items()):
        if path.startswith("helm/") and path.count("/") == 2:
            yield from _values(path, text, release, jobs)
    for job, places in jobs.items():
        if len(places) > 1:
            message = f"the job {job!r} is scraped by {len(places)}: {', '.join(places)}"
            yield Finding(places[0], "", message, "keep one of them")


def _monitor(manifest: Manifest) -> Iterator[Finding]:
    if manifest.kind in ("ServiceMonitor", "PodMonitor"):
        yield from _discovered(manifest)
    elif manifest.kind == "Probe":
        yield from _probe(manifest)
    else:
        yield from _timing(manifest, "spec", manifest.spec, "scrapeInterval")
        if not any(part.get("targets") for part in entries(manifest.spec.get("staticConfigs"))):
            yield manifest.finding("spec.staticConfigs", "there is no target")


def _discovered(manifest: Manifest) -> Iterator[Finding]:
    spec = manifest.spec
    if not (spec.get("selector") or {}).get("matchLabels"):
        yield manifest.finding("spec.selector", "an empty selector takes every Service of the namespaces")
    chosen = spec.get("namespaceSelector") or {}
    if not chosen.get("matchNames") and not chosen.get("any"):
        message = "only its own namespace is looked at"
        yield manifest.finding("spec.namespaceSelector", message, "add matchNames")
    key = "endpoints" if manifest.kind == "ServiceMonitor" else "podMetricsEndpoints"
    endpoints = entries(spec.get(key))
    if not endpoints:
        yield manifest.finding(f"spec.{key}", "there is nothing to scrape")
    for index, endpoint in enumerate(endpoints):
        where = f"spec.{key}[{index}]"
        yield from _port(manifest, f"{where}.port", endpoint.get("port"))
        yield from _timing(manifest, where, endpoint, "interval")
        if not str(endpoint.get("path", "/metrics")).startswith("/"):
            yield manifest.finding(f"{where}.path", "a path begins with /")
        if not _relabelled_job(endpoint):
            message = (
                "the job is the name of the Kubernetes Service, not of the catalog's, so no rule finds it"
            )
            yield manifest.finding(f"{where}.relabelings", message, "add one with targetLabel: job")


def _port(manifest: Manifest, where: str, port: Any) -> Iterator[Finding]:
    message = port_problem(port)
    if message:
        yield manifest.finding(where, message, "write scrape: {port: <name>} in the catalog")


def port_problem(port: Any) -> str:
    """Why a monitor cannot find this port; empty when it can."""
    if not port:
        return "the port is missing: a monitor needs the name that the Kubernetes Service gives it"
    if str(port).isdigit():
        return f"{port} is a number: a monitor needs the name that the Kubernetes Service gives the port"
    if not re.fullmatch(r"(?=.*[a-z])[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", str(port)):
        return f"{port!r} is not a name that a port can have"
    return ""


def _timing(manifest: Manifest, where: str, part: Mapping[str, Any], key: str) -> Iterator[Finding]:
    try:
        interval, timeout = (parse_duration(part.get(name, "0s")) for name in (key, "scrapeTimeout"))
    except ValueError as error:
        yield manifest.finding(where, str(error))
        return
    if interval and timeout > interval:
        message = f"the timeout {part['scrapeTimeout']} is longer than the interval {part[key]}: refused"
        yield manifest.finding(f"{where}.scrapeTimeout", message)


def _probe(manifest: Manifest) -> Iterator[Finding]:
    spec = manifest.spec
    yield from _timing(manifest, "spec", spec, "interval")
    if not re.fullmatch(r"[\w.-]+:\d+", str((spec.get("prober") or {}).get("url", ""))):
        message = "the prober's url is host:port, without a scheme"
        yield manifest.finding("spec.prober.url", message)
    if not spec.get("module"):
        yield manifest.finding("spec.module", "the blackbox exporter is not told how to probe")
    if not ((spec.get("targets") or {}).get("staticConfig") or {}).get("static"):
        yield manifest.finding("spec.targets", "there is no target")


def _relabelled_job(endpoint: Mapping[str, Any]) -> bool:
    return any(part.get("targetLabel") == "job" for part in entries(endpoint.get("relabelings")))


def _jobs(manifest: Manifest) -> Iterator[str]:
    spec = manifest.spec
    if spec.get("jobName"):
        yield str(spec["jobName"])
    for endpoint in (*entries(spec.get("endpoints")), *entries(spec.get("podMetricsEndpoints"))):
        yield from _job_of(endpoint)
    for static in entries(spec.get("staticConfigs")):
        job = (static.get("labels") or {}).get("job")
        if job:
            yield str(job)


def _job_of(endpoint: Mapping[str, Any]) -> Iterator[str]:
    for part in entries(endpoint.get("relabelings")):
        if part.get("targetLabel") == "job":
            yield str(part.get("replacement"))


def _rule(manifest: Manifest, text: str) -> Iterator[Finding]:
    groups = entries(manifest.spec.get("groups"))
    if not groups:
        yield manifest.finding("spec.groups", "there is no group of rules")
    for group in groups:
        if not group.get("name") or not isinstance(group.get("rules"), list):
            yield manifest.finding("spec.groups", "a group needs a name and rules")
    if len(text.encode()) > _OBJECT_LIMIT:
        yield manifest.finding("spec", "the object is larger than Kubernetes keeps")


def _values(path: str, text: str, release: str, jobs: dict[str, list[str]]) -> Iterator[Finding]:
    document, findings = mapping(path, text)
    yield from findings
    for where, monitor in _switched_on(document, ""):
        message = port_problem(monitor.get("port"))
        if message:
            yield Finding(path, f"{where}.port", message, "write scrape: {port: <name>} in the catalog")
        if release and (monitor.get("labels") or {}).get("release") != release:
            message = f"without the label release: {release} the operator passes over it"
            yield Finding(path, f"{where}.labels", message, f"add release: {release}")
        for job in _job_of(monitor):
            jobs[job].append(path)


def _switched_on(values: Mapping[str, Any], where: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every part that switches a monitor on: one that is enabled and relabels."""
    if values.get("enabled") is True and "relabelings" in values:
        yield where, values
        return
    for key, part in values.items():
        if isinstance(part, dict):
            yield from _switched_on(part, f"{where}.{key}" if where else str(key))
