"""What Loki would refuse of its configuration, or take and do wrong."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

from bongsu.signals.quantities import parse_duration
from bongsu.stack.check.model import Finding
from bongsu.stack.check.shapes import entries, mapping, unknown_keys, words
from bongsu.stack.systems import Version

CONFIGURATION = "loki/loki.yml"

_DAY = 86_400
_TOP = words(
    "target auth_enabled ballast_bytes server distributor querier query_scheduler frontend query_range ruler "
    "ruler_storage ingester_client ingester block_builder block_scheduler pattern_ingester index_gateway "
    "bloom_build bloom_gateway storage_config chunk_store_config schema_config compactor "
    "compactor_grpc_client limits_config frontend_worker table_manager memberlist kafka_config dataobj "
    "ingest_limits ingest_limits_frontend ingest_limits_frontend_client runtime_config operational_config "
    "tracing analytics ui profiling common shutdown_delay metrics_namespace http_prefix"
)
_COMMON = words(
    "path_prefix storage persist_tokens replication_factor ring instance_interface_names instance_addr "
    "compactor_address compactor_grpc_address"
)
_COMPACTOR = words(
    "working_directory compaction_interval apply_retention_interval retention_enabled retention_delete_delay "
    "retention_delete_worker_count retention_table_timeout retention_backoff_config delete_request_store "
    "delete_request_store_key_prefix delete_request_store_db_type backup_delete_request_store_db_type "
    "delete_batch_size delete_request_cancel_period delete_max_interval max_compaction_parallelism "
    "upload_parallelism compactor_ring tables_to_compact skip_latest_n_tables horizontal_scaling_mode "
    "jobs_config worker_config"
)
_PERIOD = words("from store object_store schema index chunks row_shards")
_REMOVED = {
    "compactor.shared_store": "compactor.delete_request_store",
    "compactor.shared_store_key_prefix": "compactor.delete_request_store_key_prefix",
    "compactor.deletion_mode": "limits_config.deletion_mode",
    "storage_config.boltdb_shipper.shared_store": "object_store in schema_config",
    "storage_config.tsdb_shipper.shared_store": "object_store in schema_config",
    "limits_config.enforce_metric_name": "",
    "ingester.max_transfer_retries": "",
    "query_range.split_queries_by_interval": "limits_config.split_queries_by_interval",
    "chunk_store_config.max_look_back_period": "limits_config.max_query_lookback",
}
"""What Loki 3 refuses → where it went."""


def check(files: Mapping[str, str], version: Version, today: date | None = None) -> list[Finding]:
    """What is wrong with ``loki/loki.yml`` for that version of Loki 3, installed ``today``."""
    if CONFIGURATION not in files:
        return []
    config, findings = mapping(CONFIGURATION, files[CONFIGURATION])
    if findings:
        return findings
    found = _Loki(config, today or datetime.now(UTC).date())
    if version < Version(3):
        findings.append(_finding("", f"Loki {version} is not known", "use 3.4 or later"))
    return [*findings, *found.all()]


def _finding(where: str, message: str, fix: str = "") -> Finding:
    return Finding(CONFIGURATION, where, message, fix)


class _Loki:
    def __init__(self, config: Mapping[str, Any], today: date) -> None:
        self._config, self._today = config, today

    def _section(self, name: str) -> Mapping[str, Any]:
        found = self._config.get(name)
        return found if isinstance(found, Mapping) else {}

    def all(self) -> Iterator[Finding]:
        removed = list(self._removed())
        yield from removed
        told = {finding.where for finding in removed}
        for where, known in (("", _TOP), ("common", _COMMON), ("compactor", _COMPACTOR)):
            given = self._section(where) if where else self._config
            yield from (f for f in unknown_keys(CONFIGURATION, where, given, known) if f.where not in told)
        yield from self._access()
        yield from self._schema()
        yield from self._retention()

    def _removed(self) -> Iterator[Finding]:
        for path, instead in _REMOVED.items():
            section: Any = self._config
            *parents, key = path.split(".")
            for name in parents:
                section = section.get(name) if isinstance(section, Mapping) else None
            if isinstance(section, Mapping) and key in section:
                yield _finding(path, f"Loki 3 refuses {key}", f"use {instead}" if instead else "remove it")

    def _access(self) -> Iterator[Finding]:
        if "auth_enabled" not in self._config:
            message = "auth_enabled is true unless set: whoever sends no X-Scope-OrgID is refused"
            yield _finding("auth_enabled", message, "set it to false, or name tenants everywhere")
        common = self._section("common")
        ring = common.get("ring")
        store = ring.get("kvstore", {}).get("store") if isinstance(ring, Mapping) else None
        if store == "inmemory" and common.get("replication_factor", 3) != 1:
            message = "one Loki cannot keep three copies, and takes no logs"
            yield _finding("common.replication_factor", message, "set it to 1")

    def _schema(self) -> Iterator[Finding]:
        periods = entries(self._section("schema_config").get("configs"))
        if not periods:
            yield _finding("schema_config.configs", "no period says how logs are stored", "add one with v13")
            return
        for index, period in enumerate(periods):
            where = f"schema_config.configs[{index}]"
            yield from unknown_keys(CONFIGURATION, where, period, _PERIOD)
            yield from self._begins(where, period.get("from"))
            index_period = (period.get("index") or {}).get("period")
            if period.get("store") == "tsdb" and index_period != "24h":
                yield _finding(f"{where}.index.period", "tsdb needs an index of 24h", "set it to 24h")
        yield from self._newest(len(periods) - 1, periods[-1])
        if not any(self._date(period.get("from")) <= self._today for period in periods):
            fix = "let the first begin in the past"
            yield _finding("schema_config.configs[0].from", "no period has begun: logs are refused", fix)

    def _newest(self, index: int, period: Mapping[str, Any]) -> Iterator[Finding]:
        where = f"schema_config.configs[{index}]"
        structured = self._section("limits_config").get("allow_structured_metadata", True)
        fix = "add a period with store: tsdb and schema: v13, or set allow_structured_metadata to false"
        if period.get("store") != "tsdb" and structured:
            message = (
                f"structured metadata needs store tsdb, not {period.get('store')!r}: Loki does not start"
            )
            yield _finding(f"{where}.store", message, fix)
        if period.get("schema") != "v13" and structured:
            message = (
                f"structured metadata needs schema v13, not {period.get('schema')!r}: Loki does not start"
            )
            yield _finding(f"{where}.schema", message, fix)

    def _begins(self, where: str, begin: object) -> Iterator[Finding]:
        if self._date(begin) == date.max:
            yield _finding(f"{where}.from", f"{begin!r} is not a date", "write it like 2024-04-01")

    @staticmethod
    def _date(value: object) -> date:
        try:
            return value if isinstance(value, date) else date.fromisoformat(str(value))
        except ValueError:
            return date.max

    def _retention(self) -> Iterator[Finding]:
        compactor, limits = self._section("compactor"), self._section("limits_config")
        enabled, period = compactor.get("retention_enabled") is True, limits.get("retention_period")
        if enabled and not compactor.get("delete_request_store"):
            message = "retention_enabled needs to know where deletions are noted: Loki does not start"
            yield _finding(
                "compactor.delete_request_store", message, "name the object store, such as filesystem"
            )
        if enabled and period is None:
            message = "nothing says how long logs are kept, so all are kept"
            yield _finding("limits_config.retention_period", message, "set it, such as 336h")
        if period is None:
            return
        if not enabled:
            message = "nothing deletes logs, whatever retention_period says"
            yield _finding("compactor.retention_enabled", message, "set it to true")
        try:
            seconds = parse_duration(period)
        except ValueError as error:
            yield _finding("limits_config.retention_period", str(error))
            return
        if 0 < seconds < _DAY:
            message = "logs cannot be kept for less than a day: Loki does not start"
            yield _finding("limits_config.retention_period", message, "set it to 24h or more")
        elif seconds % _DAY:
            message = "logs are deleted by the day"
            yield _finding("limits_config.retention_period", message, "set it to a multiple of 24h")
