"""OTLP from applications, and how traces, metrics and logs come to their stores."""

from collections.abc import Iterator

from bongsu.stack.alloy.endpoints import http, is_embedded, listen_host, otlp_grpc, otlp_ports, takes_samples
from bongsu.stack.alloy.metrics import RECEIVER
from bongsu.stack.alloy.tree import Block, Plain, block, call, ref
from bongsu.stack.bongsu_server import INGEST_TOKEN
from bongsu.stack.model import Stack

_TRACES = ("tempo", "jaeger")


def otlp(stack: Stack) -> list[Block]:
    """One receiver for all applications; nothing where nobody keeps any of it."""
    outputs = _outputs(stack)
    if not outputs:
        return []
    grpc, web = otlp_ports(stack, "alloy")
    host = listen_host(stack)
    limited = {name: [ref("otelcol.processor.memory_limiter.otlp.input")] for name in outputs}
    batched = {name: [ref("otelcol.processor.batch.otlp.input")] for name in outputs}
    return [
        block(
            "otelcol.receiver.otlp",
            "otlp",
            block("grpc", endpoint=f"{host}:{grpc}"),
            block("http", endpoint=f"{host}:{web}"),
            block("output", **limited),
        ),
        block(
            "otelcol.processor.memory_limiter",
            "otlp",
            block("output", **batched),
            check_interval="1s",
            limit_percentage=75,
            spike_limit_percentage=20,
        ),
        block("otelcol.processor.batch", "otlp", block("output", **outputs)),
        *_exporters(stack),
    ]


def _outputs(stack: Stack) -> dict[str, Plain]:
    """Kind of telemetry → who takes it."""
    bongsu: list[Plain] = [ref("otelcol.exporter.otlphttp.bongsu.input")] if is_embedded(stack) else []
    found: dict[str, list[Plain]] = {"metrics": [*bongsu], "logs": [*bongsu], "traces": [*bongsu]}
    if takes_samples(stack):
        found["metrics"].append(ref("otelcol.exporter.prometheus.otlp.input"))
    if stack.has("loki"):
        found["logs"].append(ref("otelcol.exporter.otlphttp.loki.input"))
    found["traces"] += [ref(f"otelcol.exporter.otlp.{name}.input") for name in _TRACES if stack.has(name)]
    return {name: takers for name, takers in found.items() if takers}


def _exporters(stack: Stack) -> Iterator[Block]:
    for name in (name for name in _TRACES if stack.has(name)):
        client = block("client", "", block("tls", insecure=True), endpoint=otlp_grpc(stack, name))
        yield block("otelcol.exporter.otlp", name, client)
    if takes_samples(stack):
        yield block("otelcol.exporter.prometheus", "otlp", forward_to=[ref(RECEIVER)])
    if stack.has("loki"):
        yield block(
            "otelcol.exporter.otlphttp", "loki", block("client", endpoint=http(stack, "loki", "/otlp"))
        )
    if is_embedded(stack):
        yield from _bongsu(stack)


def _bongsu(stack: Stack) -> Iterator[Block]:
    yield block("local.file", "ingest_token", filename=stack.secret_file(INGEST_TOKEN), is_secret=True)
    token = call("convert.nonsensitive", ref("local.file.ingest_token.content"))
    yield block("otelcol.auth.bearer", "bongsu", token=call("string.trim_space", token))
    client = block(
        "client", endpoint=http(stack, "bongsu", ""), auth=ref("otelcol.auth.bearer.bongsu.handler")
    )
    yield block("otelcol.exporter.otlphttp", "bongsu", client)
