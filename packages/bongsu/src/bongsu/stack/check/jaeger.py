"""What Jaeger 2 would refuse of its configuration, or take and do wrong."""

from collections.abc import Iterator, Mapping
from typing import Any

from bongsu.catalog.errors import nearest
from bongsu.stack.check.go import parse_go_duration
from bongsu.stack.check.model import Finding
from bongsu.stack.check.shapes import mapping, unknown_keys, words
from bongsu.stack.systems import Version

CONFIGURATION = "jaeger/jaeger.yml"

_TOP = words("service extensions receivers processors exporters connectors")
_BADGER = words(
    "directories ephemeral ttl consistency maintenance_interval metrics_update_interval read_only"
)
_KINDS = ("receivers", "processors", "exporters")
_LOOPBACK = ("localhost:", "127.0.0.1:")


def check(files: Mapping[str, str], version: Version, *, loopback: bool = False) -> list[Finding]:
    """What is wrong with ``jaeger/jaeger.yml``; ``loopback``: spans come from this machine alone."""
    if CONFIGURATION not in files:
        return []
    if version < Version(2):
        message = f"Jaeger {version} has no configuration file, and ended with 1.76"
        return [_finding("", message, "use 2.x, and send OTLP to it")]
    config, findings = mapping(CONFIGURATION, files[CONFIGURATION])
    if findings:
        return findings
    return [
        *unknown_keys(CONFIGURATION, "", config, _TOP),
        *_pipelines(config),
        *_receivers(config, loopback=loopback),
        *_storage(config),
        *_telemetry(config),
    ]


def _finding(where: str, message: str, fix: str = "") -> Finding:
    return Finding(CONFIGURATION, where, message, fix)


def _at(config: Any, path: str) -> Any:
    for name in path.split("."):
        config = config.get(name) if isinstance(config, Mapping) else None
    return config


def _pipelines(config: Mapping[str, Any]) -> Iterator[Finding]:
    """Everything that the service names is configured, and everything configured is named."""
    used: dict[str, set[str]] = {kind: set() for kind in (*_KINDS, "extensions")}
    used["extensions"] |= set(_at(config, "service.extensions") or [])
    pipelines = _at(config, "service.pipelines") or {}
    if "traces" not in pipelines:
        yield _finding("service.pipelines.traces", "no pipeline takes traces", "add one")
    for name, pipeline in pipelines.items():
        for kind in _KINDS:
            used[kind] |= set((pipeline or {}).get(kind) or [])
        order = (pipeline or {}).get("processors") or []
        if "memory_limiter" in order[1:]:
            where = f"service.pipelines.{name}.processors"
            yield _finding(where, "memory_limiter protects only what comes after it", "put it first")
    connectors = set(_at(config, "connectors") or {})
    for kind, names in used.items():
        given = set(_at(config, kind) or {})
        for name in sorted(names - given - connectors):
            yield _finding(
                f"service ({kind})", f"{name} is not configured: Jaeger does not start", nearest(name, given)
            )
        for name in sorted(given - names):
            yield _finding(f"{kind}.{name}", "nothing uses it", "name it in service, or remove it")


def _receivers(config: Mapping[str, Any], *, loopback: bool) -> Iterator[Finding]:
    for name, options in (_at(config, "receivers.otlp.protocols") or {}).items():
        endpoint = str((options or {}).get("endpoint") or "localhost:")
        if not loopback and endpoint.startswith(_LOOPBACK):
            port = 4317 if name == "grpc" else 4318
            where = f"receivers.otlp.protocols.{name}.endpoint"
            fix = f'write "${{env:JAEGER_LISTEN_HOST:-localhost}}:{port}" and set JAEGER_LISTEN_HOST'
            yield _finding(where, "spans are taken from within its own container only", fix)


def _storage(config: Mapping[str, Any]) -> Iterator[Finding]:
    backends = _at(config, "extensions.jaeger_storage.backends") or {}
    query = _at(config, "extensions.jaeger_query") or {}
    if "trace_storage" in query:
        where = "extensions.jaeger_query.trace_storage"
        yield _finding(where, "Jaeger 2 does not know this key", "write storage: {traces: …}")
    named = {
        "extensions.jaeger_query.storage.traces": _at(query, "storage.traces"),
        "exporters.jaeger_storage_exporter.trace_storage": _at(
            config, "exporters.jaeger_storage_exporter.trace_storage"
        ),
    }
    for where, name in named.items():
        if name not in backends:
            message = f"{name!r} is no backend of jaeger_storage: Jaeger does not start"
            yield _finding(where, message, nearest(str(name), backends))
    for name, backend in backends.items():
        where = f"extensions.jaeger_storage.backends.{name}"
        if isinstance(_at(backend, "badger"), Mapping):
            yield from _badger(f"{where}.badger", backend["badger"])
        if "memory" in (backend or {}) and not _at(backend, "memory.max_traces"):
            yield _finding(f"{where}.memory.max_traces", "memory needs a limit", "set it, such as 100000")


def _badger(where: str, badger: Mapping[str, Any]) -> Iterator[Finding]:
    yield from unknown_keys(CONFIGURATION, where, badger, _BADGER)
    if badger.get("ephemeral") is not False:
        yield _finding(f"{where}.ephemeral", "traces are lost at a restart", "set it to false")
    ttl = _at(badger, "ttl.spans")
    if ttl is None:
        yield _finding(f"{where}.ttl.spans", "traces are kept for 72h unless this is set", "set it")
        return
    try:
        if parse_go_duration(ttl) <= 0:
            yield _finding(f"{where}.ttl.spans", "this must be longer than zero", "set it, such as 168h")
    except ValueError as error:
        yield _finding(f"{where}.ttl.spans", str(error))


def _telemetry(config: Mapping[str, Any]) -> Iterator[Finding]:
    if _at(config, "service.telemetry.metrics.address") is not None:
        where = "service.telemetry.metrics.address"
        yield _finding(where, "this key is gone from the collector", "use readers with a pull exporter")
