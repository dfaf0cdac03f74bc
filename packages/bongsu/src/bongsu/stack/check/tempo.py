"""What Tempo would refuse of its configuration, or take and do wrong, by its version."""

from collections.abc import Iterator, Mapping
from typing import Any

from bongsu.stack.check.go import parse_go_duration
from bongsu.stack.check.model import Finding
from bongsu.stack.check.shapes import mapping, unknown_keys, words
from bongsu.stack.systems import Version

CONFIGURATION = "tempo/tempo.yml"

_NEW = Version(3)
_TOP = words(
    "target auth_enabled multitenancy_enabled stream_over_http_enabled http_api_prefix "
    "autocomplete_filtering_enabled enable_go_runtime_metrics shutdown_delay span_profiling server "
    "internal_server distributor querier query_frontend metrics_generator storage overrides memberlist "
    "usage_report cache cache_provider"
)
_OLD_ONLY = words("ingester ingester_client compactor metrics_generator_client use_otel_tracer")
_NEW_ONLY = words(
    "ingest block_builder live_store live_store_client backend_scheduler backend_scheduler_client "
    "backend_worker"
)
_INSTEAD = {
    "compactor": "backend_worker.compaction and backend_scheduler.provider.compaction.compaction",
    "ingester": "nothing: the live_store has its work",
    "backend_scheduler": "compactor.compaction.block_retention",
    "backend_worker": "compactor.compaction.block_retention",
    "live_store": "ingester",
}
_RETENTIONS = {
    False: ("compactor.compaction.block_retention",),
    True: (
        "backend_scheduler.provider.compaction.compaction.block_retention",
        "backend_worker.compaction.block_retention",
    ),
}
_OLD_BLOCKS = frozenset({"v2", "vParquet", "vParquet2", "vParquet3"})
_LOOPBACK = ("localhost:", "127.0.0.1:", "[::1]:")


def check(files: Mapping[str, str], version: Version, *, loopback: bool = False) -> list[Finding]:
    """What is wrong with ``tempo/tempo.yml`` for that version; ``loopback``: spans come from here alone."""
    if CONFIGURATION not in files:
        return []
    config, findings = mapping(CONFIGURATION, files[CONFIGURATION])
    if findings:
        return findings
    return [
        *_keys(config, version),
        *_receivers(config, version, loopback=loopback),
        *_retention(config, version),
        *_generator(config, version),
        *_storage(config, version),
    ]


def _finding(where: str, message: str, fix: str = "") -> Finding:
    return Finding(CONFIGURATION, where, message, fix)


def _at(config: Any, path: str) -> Any:
    for name in path.split("."):
        config = config.get(name) if isinstance(config, Mapping) else None
    return config


def _keys(config: Mapping[str, Any], version: Version) -> Iterator[Finding]:
    new = version >= _NEW
    strangers = _OLD_ONLY if new else _NEW_ONLY
    for key in config:
        if key in strangers:
            side = "since 3.0" if new else "before 3.0"
            fix = f"use {_INSTEAD[key]}" if key in _INSTEAD else "remove it"
            yield _finding(key, f"Tempo {version} refuses {key}, which is not there {side}", fix)
    known = _TOP | strangers | (_NEW_ONLY if new else _OLD_ONLY)
    yield from unknown_keys(CONFIGURATION, "", config, known)


def _receivers(config: Mapping[str, Any], version: Version, *, loopback: bool) -> Iterator[Finding]:
    receivers = _at(config, "distributor.receivers")
    if not isinstance(receivers, Mapping) or not receivers:
        yield _finding("distributor.receivers", "nobody can send spans", "add otlp with grpc and http")
        return
    if "opencensus" in receivers and version >= _NEW:
        yield _finding("distributor.receivers.opencensus", "it is gone since 3.0", "send OTLP")
    protocols = _at(receivers, "otlp.protocols")
    for name, options in (protocols or {}).items():
        endpoint = str((options or {}).get("endpoint") or "")
        if loopback or (endpoint and not endpoint.startswith(_LOOPBACK)):
            continue
        port = 4317 if name == "grpc" else 4318
        where = f"distributor.receivers.otlp.protocols.{name}.endpoint"
        yield _finding(where, "spans are taken from within its own container only", f"write 0.0.0.0:{port}")


def _retention(config: Mapping[str, Any], version: Version) -> Iterator[Finding]:
    found = {}
    for path in _RETENTIONS[version >= _NEW]:
        value = _at(config, path)
        if value is None:
            yield _finding(path, "traces are kept for 14 days unless this is set", "set it, such as 168h")
            continue
        try:
            found[path] = parse_go_duration(value)
        except ValueError as error:
            yield _finding(path, str(error))
    if len(set(found.values())) > 1:
        scheduler, worker = found
        yield _finding(worker, f"this differs from {scheduler}", "write the same twice")


def _generator(config: Mapping[str, Any], version: Version) -> Iterator[Finding]:
    processors = _at(config, "overrides.defaults.metrics_generator.processors") or []
    generator = _at(config, "metrics_generator")
    writes = _at(config, "metrics_generator.storage.remote_write")
    if generator and not processors:
        where = "overrides.defaults.metrics_generator.processors"
        yield _finding(where, "nothing is measured of spans", "write [service-graphs, span-metrics]")
    if processors and not writes:
        where = "metrics_generator.storage.remote_write"
        yield _finding(where, "what is measured of spans goes nowhere", "name Prometheus' /api/v1/write")
    for index, write in enumerate(writes or []):
        if not str(_at(write, "url") or "").endswith(("/api/v1/write", "/api/v1/push")):
            where = f"metrics_generator.storage.remote_write[{index}].url"
            yield _finding(where, "this is no address that takes samples", "end it in /api/v1/write")
    if version >= _NEW and "local-blocks" in processors:
        where = "overrides.defaults.metrics_generator.processors"
        yield _finding(where, "local-blocks is gone since 3.0", "remove it")
    overrides = _at(config, "overrides")
    legacy = [key for key in overrides or {} if key.startswith("metrics_generator_")]
    if legacy and version >= _NEW:
        yield _finding(
            f"overrides.{legacy[0]}", "flat overrides are gone since 3.0", "put them below defaults"
        )


def _storage(config: Mapping[str, Any], version: Version) -> Iterator[Finding]:
    trace = _at(config, "storage.trace")
    if not isinstance(trace, Mapping) or not trace.get("backend"):
        yield _finding(
            "storage.trace.backend", "nothing says where traces are kept", "write local, s3, gcs, …"
        )
        return
    if trace["backend"] == "local" and not _at(trace, "local.path"):
        yield _finding("storage.trace.local.path", "the folder of the traces is missing", "set it")
    block = _at(trace, "block.version")
    if version >= _NEW and block in _OLD_BLOCKS:
        yield _finding("storage.trace.block.version", f"3.0 cannot read {block}", "use vParquet4 or later")
