"""Why the Prometheus Operator's Prometheus has no target for a service.

The operator turns each monitor that it picks up into a scrape pool ``serviceMonitor/NAMESPACE/NAME/INDEX``.
Prometheus lists what the pool discovered and dropped, with the names of the ports: that tells most of it.
What the operator did not pick up has no pool; ``kubectl``, where it works, tells why.
"""

import asyncio
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bongsu.catalog import ResolvedService
from bongsu.signals.model import Text
from bongsu.stack.model import Stack
from bongsu.stack.verify.model import said

_SECONDS = 10.0
_KINDS = "prometheuses.monitoring.coreos.com,servicemonitors.monitoring.coreos.com"
_PORT = "__meta_kubernetes_endpoint_port_name"
_SERVICE = "__meta_kubernetes_service_name"

Why = tuple[Text, Text]
"""Why, and what to do."""


async def read_cluster() -> Sequence[Mapping[str, Any]]:
    """The Prometheus and ServiceMonitor objects of the cluster; none where ``kubectl`` cannot tell."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        return ()
    child = await asyncio.create_subprocess_exec(
        kubectl,
        "get",
        _KINDS,
        "--all-namespaces",
        "--output=json",
        f"--request-timeout={_SECONDS:g}s",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        output, _ = await asyncio.wait_for(child.communicate(), _SECONDS)
        items = json.loads(output)["items"] if child.returncode == 0 else []
    except (TimeoutError, ValueError, KeyError, TypeError):
        if child.returncode is None:
            child.kill()
            await child.wait()
        return ()
    return items if isinstance(items, list) else ()


def why_not(
    stack: Stack,
    service: ResolvedService,
    targets: Mapping[str, Any],
    pools: Sequence[str],
    cluster: Sequence[Mapping[str, Any]],
) -> Why:
    """Why no target of Prometheus (``/api/v1/targets``) is the service's; ``pools`` are its job names."""
    mine = [pool for pool in pools if _names(pool, service.name)]
    if mine:
        return _picked_up(
            stack,
            service,
            [t for t in _dropped(targets) if t.get("scrapePool") in mine or _of(t, service.name)],
        )
    return next(_not_picked_up(service, cluster), _unknown(stack, service))


def _names(pool: str, service: str) -> bool:
    parts = pool.split("/")
    return len(parts) == 4 and parts[0] in ("serviceMonitor", "podMonitor", "probe") and parts[2] == service


def _dropped(targets: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(targets.get("droppedTargets") or ())


def _of(target: Mapping[str, Any], service: str) -> bool:
    return (target.get("discoveredLabels") or {}).get(_SERVICE) == service


def _picked_up(stack: Stack, service: ResolvedService, dropped: Sequence[Mapping[str, Any]]) -> Why:
    port = service.spec.scrape.port or stack.catalog.scrape.port or "http"
    found = [target.get("discoveredLabels") or {} for target in dropped]
    same = [labels for labels in found if labels.get(_SERVICE) == service.name]
    ports = sorted({labels.get(_PORT, "") for labels in same} - {""})
    if same and port not in ports:
        names = ", ".join(ports) or "none"
        return (
            said(
                f"its monitor asks for the port {port!r}; the Service has {names}",
                f"모니터는 {port!r} 포트를 찾지만 Service의 포트 이름은 {names}",
            ),
            said(
                f"name the port {port!r} in the Service, or declare services.{service.name}.scrape.port",
                f"Service의 포트 이름을 {port!r}로 하거나 services.{service.name}.scrape.port를 선언하세요",
            ),
        )
    if same:
        return (
            said(
                "its Service is found, but its labels are not those of the monitor's selector",
                "Service는 찾았지만 라벨이 모니터의 selector와 다름",
            ),
            said(
                "compare spec.selector.matchLabels with the Service's labels",
                "spec.selector.matchLabels와 Service 라벨을 비교하세요",
            ),
        )
    namespace = service.spec.runs.namespace or "default"
    return (
        said(
            f"its monitor is picked up but finds no Service of it in {namespace!r}",
            f"모니터는 등록되었지만 {namespace!r} 네임스페이스에서 Service를 찾지 못함",
        ),
        said(
            "the namespaceSelector must name its namespace, and the Service must have endpoints (ready pods)",
            "namespaceSelector에 네임스페이스가 있어야 하고, Service에 준비된 파드가 있어야 합니다",
        ),
    )


def _not_picked_up(service: ResolvedService, cluster: Sequence[Mapping[str, Any]]) -> Iterator[Why]:
    monitors = [o for o in cluster if o.get("kind") == "ServiceMonitor" and _name(o) == service.name]
    servers = [o for o in cluster if o.get("kind") == "Prometheus"]
    if cluster and not monitors:
        yield (
            said(
                "there is no ServiceMonitor of it in the cluster",
                "클러스터에 이 서비스의 ServiceMonitor가 없음",
            ),
            said(
                "apply the rendered manifests: kubectl apply -k",
                "렌더링한 매니페스트를 적용하세요: kubectl apply -k",
            ),
        )
    for monitor in monitors:
        labels = monitor["metadata"].get("labels") or {}
        for server in servers:
            spec = server.get("spec") or {}
            wanted = (spec.get("serviceMonitorSelector") or {}).get("matchLabels") or {}
            lacking = {name: value for name, value in wanted.items() if labels.get(name) != value}
            if lacking:
                text = ", ".join(f"{name}: {value}" for name, value in lacking.items())
                yield (
                    said(
                        f"Prometheus {_name(server)!r} picks up monitors labelled {text}; this one is not",
                        f"Prometheus {_name(server)!r}는 {text} 라벨만 선택하는데 이 모니터에는 없음",
                    ),
                    said(
                        f"declare kubernetes.release: {next(iter(lacking.values()))}",
                        f"kubernetes.release: {next(iter(lacking.values()))}를 선언하세요",
                    ),
                )
            if spec.get("serviceMonitorSelector") is None:
                yield (
                    said(
                        f"Prometheus {_name(server)!r} has no serviceMonitorSelector: it picks up none",
                        f"Prometheus {_name(server)!r}에 serviceMonitorSelector가 없어 선택이 없음",
                    ),
                    said(
                        "set spec.serviceMonitorSelector: {}", "spec.serviceMonitorSelector: {}를 설정하세요"
                    ),
                )
            elif spec.get("serviceMonitorNamespaceSelector") is None and _space(monitor) != _space(server):
                yield (
                    said(
                        f"Prometheus {_name(server)!r} looks for monitors in {_space(server)!r} only",
                        f"Prometheus {_name(server)!r}는 {_space(server)!r} 네임스페이스의 모니터만 봄",
                    ),
                    said(
                        "set spec.serviceMonitorNamespaceSelector: {}",
                        "spec.serviceMonitorNamespaceSelector: {}를 설정하세요",
                    ),
                )


def _unknown(stack: Stack, service: ResolvedService) -> Why:
    release = stack.catalog.kubernetes.release
    hint = f"it must carry the label release: {release}" if release else "kubernetes.release must be declared"
    hint_ko = (
        f"release: {release} 라벨이 있어야 합니다" if release else "kubernetes.release를 선언해야 합니다"
    )
    return (
        said(
            f"no ServiceMonitor of {service.name} is picked up by the operator",
            f"오퍼레이터가 {service.name}의 ServiceMonitor를 선택하지 않음",
        ),
        said(
            f"{hint}, and the Prometheus must look into its namespace (kubectl get prometheus -A -o yaml)",
            f"{hint_ko}. 네임스페이스 설정도 확인하세요 (kubectl get prometheus -A -o yaml)",
        ),
    )


def _name(thing: Mapping[str, Any]) -> str:
    return str((thing.get("metadata") or {}).get("name", ""))


def _space(thing: Mapping[str, Any]) -> str:
    return str((thing.get("metadata") or {}).get("namespace", ""))
