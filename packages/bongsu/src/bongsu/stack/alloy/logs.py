"""Log files and containers' logs, and how they come to Loki or to Bongsu's own store."""

from collections.abc import Iterator

from bongsu.catalog import ResolvedService
from bongsu.catalog.models import LokiSource
from bongsu.stack.alloy import lines
from bongsu.stack.alloy.endpoints import http, is_embedded
from bongsu.stack.alloy.tree import Binary, Block, Expr, Plain, block, call, ref, string
from bongsu.stack.model import Stack

_POD = "__meta_kubernetes_pod_"
_NAMESPACE = "__meta_kubernetes_namespace"


def logs(stack: Stack) -> list[Block]:
    """From files, or in a cluster from containers, to wherever logs are kept."""
    receivers = _receivers(stack)
    if not receivers:
        return []
    found = list(_pods(stack, receivers) if _in_cluster(stack) else _files(stack, receivers))
    return [*found, *_writers(stack, files=bool(found))]


def service_label(stack: Stack) -> str:
    """The stream label by which Loki knows a service."""
    sources = (s for s in stack.catalog.sources.values() if isinstance(s, LokiSource))
    return next((source.service_label for source in sources), "service_name")


def _in_cluster(stack: Stack) -> bool:
    return stack.place in ("kubernetes", "operator")


def _receivers(stack: Stack) -> list[Plain]:
    found: list[Plain] = []
    if stack.has("loki"):
        found.append(ref("loki.write.loki.receiver"))
    if is_embedded(stack):
        found.append(ref("otelcol.receiver.loki.bongsu.receiver"))
    return found


def _writers(stack: Stack, *, files: bool) -> Iterator[Block]:
    if not files:
        return
    if stack.has("loki"):
        endpoint = block("endpoint", url=http(stack, "loki", "/loki/api/v1/push"))
        yield block("loki.write", "loki", endpoint)
    if is_embedded(stack):
        yield from _to_otlp(service_label(stack))


def _to_otlp(label: str) -> Iterator[Block]:
    """Entries become OTLP records whose resource is the service; its store reads the rest from the line."""
    output = block("output", logs=[ref("otelcol.processor.attributes.bongsu.input")])
    yield block("otelcol.receiver.loki", "bongsu", output)
    yield block(
        "otelcol.processor.attributes",
        "bongsu",
        block("action", key="service.name", from_attribute=label, action="insert"),
        block("output", logs=[ref("otelcol.processor.groupbyattrs.bongsu.input")]),
    )
    yield block(
        "otelcol.processor.groupbyattrs",
        "bongsu",
        block("output", logs=[ref("otelcol.exporter.otlphttp.bongsu.input")]),
        keys=["service.name"],
    )


def _files(stack: Stack, receivers: list[Plain]) -> Iterator[Block]:
    """One pipeline a format: several services share it, each with its own files and label."""
    label = service_label(stack)
    formats: dict[lines.Format, list[Plain]] = {}
    for service in stack.resolved.values():
        for path in service.spec.logs:
            target: Plain = {"__path__": path, label: service.name}
            formats.setdefault(lines.format_of(service, path), []).append(target)
    for form, targets in formats.items():
        yield block("local.file_match", form, path_targets=targets)
        yield _source(form, ref(f"local.file_match.{form}.targets"))
        yield block("loki.process", form, *lines.stages(form), forward_to=receivers)


def _source(name: str, targets: Expr) -> Block:
    return block("loki.source.file", name, targets=targets, forward_to=[ref(f"loki.process.{name}.receiver")])


def _pods(stack: Stack, receivers: list[Plain]) -> Iterator[Block]:
    """The containers of this node, in the namespaces of the catalog's services where all of them name one."""
    spaces = [service.spec.runs.namespace for service in stack.resolved.values() if _runs(service)]
    node = call("coalesce", call("sys.env", "NODE_NAME"), ref("constants.hostname"))
    body = [block("selectors", role="pod", field=Binary(string("spec.nodeName="), "+", node))]
    if spaces and all(spaces):
        body.append(block("namespaces", names=sorted(set(spaces))))
    yield block("discovery.kubernetes", "pods", *body, role="pod")
    yield block(
        "discovery.relabel",
        "pods",
        *_pod_rules(stack),
        targets=ref("discovery.kubernetes.pods.targets"),
    )
    yield block("local.file_match", "pods", path_targets=ref("discovery.relabel.pods.output"))
    yield _source("pods", ref("local.file_match.pods.targets"))
    yield block("loki.process", "pods", *_pod_stages(stack), forward_to=receivers)


def _runs(service: ResolvedService) -> bool:
    """Whether the service is something that runs in pods and not, say, a machine."""
    return "node" not in service.spec.kind and "blackbox" not in service.spec.kind


def _pod_rules(stack: Stack) -> Iterator[Block]:
    label = service_label(stack)
    yield block(
        "rule", source_labels=[f"{_POD}phase"], regex="Pending|Succeeded|Failed|Unknown", action="drop"
    )
    for source, target in (
        (_NAMESPACE, "namespace"),
        (f"{_POD}name", "pod"),
        (f"{_POD}container_name", "container"),
    ):
        yield block("rule", source_labels=[source], target_label=target)
    sources = [f"{_POD}container_name", f"{_POD}label_app", f"{_POD}label_app_kubernetes_io_name"]
    for source in sources:
        yield block("rule", source_labels=[source], regex="(.+)", target_label=label)
    for service in (s for s in stack.resolved.values() if _runs(s)):
        yield block(
            "rule",
            source_labels=[_NAMESPACE, f"{_POD}name"],
            separator="/",
            regex=pod_pattern(service),
            target_label=label,
            replacement=service.name,
        )
    yield block(
        "rule",
        source_labels=[f"{_POD}uid", f"{_POD}container_name"],
        separator="/",
        target_label="__path__",
        replacement="/var/log/pods/*$1/*.log",
    )


def pod_pattern(service: ResolvedService) -> str:
    """``namespace/pod``: a Deployment's pods end in two random words, a StatefulSet's in a number."""
    runs = service.spec.runs
    names = dict.fromkeys(_literal(name or service.name) for name in (runs.deployment, runs.statefulset))
    name = "|".join(names) if len(names) == 1 else f"(?:{'|'.join(names)})"
    space = _literal(runs.namespace) if runs.namespace else "[^/]+"
    return f"{space}/{name}-(?:[a-z0-9]+-[a-z0-9]{{5}}|[a-z0-9]{{5}}|[0-9]+)"


def _literal(name: str) -> str:
    """A name as a regular expression: names have no sign but ``.`` that means anything there."""
    return name.replace(".", r"\.")


def _pod_stages(stack: Stack) -> Iterator[Block]:
    yield block("stage.cri")
    joined = [s.name for s in stack.resolved.values() if lines.format_of(s) == "application"]
    if joined:
        pattern = "|".join(_literal(name).replace("\\", "\\\\") for name in joined)
        yield block("stage.match", "", lines.multiline(), selector=f'{{{service_label(stack)}=~"{pattern}"}}')
    yield from lines.stages("plain")
