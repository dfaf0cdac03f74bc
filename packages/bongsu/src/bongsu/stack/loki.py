"""Loki: one binary that keeps its logs on its own volume."""

from math import ceil
from typing import Any

from bongsu.stack.alloy.endpoints import listen_host, listen_port
from bongsu.stack.check.go import format_go_duration
from bongsu.stack.files import to_yaml
from bongsu.stack.model import Stack, StackError
from bongsu.stack.systems import Version

OLDEST = Version(3, 4)
_DAY = 86_400
_WEEK = 7 * _DAY
_SCHEMA_BEGINS = "2024-04-01"
"""In the past, so that a new Loki takes logs at once; never to change: stored logs are read by it."""
_FOLDERS = {"local": "data/loki"}


def render(stack: Stack) -> dict[str, str]:
    """``loki.yml``. StackError for versions that this is not right for."""
    version = stack.version("loki")
    if version < OLDEST:
        raise StackError(
            f'targets: loki: "{version}" is too old: configuration is generated for 3.4 and later; '
            "upgrade Loki (its schema v13 is read by every 3.x)"
        )
    return {"loki/loki.yml": to_yaml(_configuration(stack))}


def retention(stack: Stack) -> int:
    """How long logs are kept, in seconds: whole days, as the compactor deletes by the day."""
    return max(1, ceil(stack.catalog.retention.logs / _DAY)) * _DAY


def _configuration(stack: Stack) -> dict[str, Any]:
    folder = _FOLDERS.get(stack.place, "/loki")
    config: dict[str, Any] = {
        "auth_enabled": False,
        "server": {
            "http_listen_address": listen_host(stack),
            "http_listen_port": listen_port(stack, "loki", 3100),
            "grpc_listen_address": "127.0.0.1",
            "grpc_listen_port": 9096,
            "log_level": "warn",
        },
        "common": {
            "instance_addr": "127.0.0.1",
            "path_prefix": folder,
            "replication_factor": 1,
            "ring": {"kvstore": {"store": "inmemory"}},
            "storage": {
                "filesystem": {"chunks_directory": f"{folder}/chunks", "rules_directory": f"{folder}/rules"}
            },
        },
        "schema_config": {
            "configs": [
                {
                    "from": _SCHEMA_BEGINS,
                    "store": "tsdb",
                    "object_store": "filesystem",
                    "schema": "v13",
                    "index": {"prefix": "index_", "period": "24h"},
                }
            ]
        },
        "compactor": {
            "working_directory": f"{folder}/compactor",
            "retention_enabled": True,
            "delete_request_store": "filesystem",
        },
        "limits_config": _limits(stack),
        "query_range": {
            "results_cache": {"cache": {"embedded_cache": {"enabled": True, "max_size_mb": 100}}}
        },
        "pattern_ingester": {"enabled": True},
        "analytics": {"reporting_enabled": False},
    }
    if stack.has("alertmanager"):
        config["ruler"] = {"alertmanager_url": stack.url("alertmanager"), "enable_api": True}
    return config


def _limits(stack: Stack) -> dict[str, Any]:
    kept = retention(stack)
    return {
        "retention_period": format_go_duration(kept),
        "reject_old_samples": True,
        "reject_old_samples_max_age": format_go_duration(min(kept, _WEEK)),
        "allow_structured_metadata": True,
        "volume_enabled": True,
        # A stack trace longer than this is cut short instead of being refused.
        "max_line_size": "256KB",
        "max_line_size_truncate": True,
        "ingestion_rate_mb": 8,
        "ingestion_burst_size_mb": 16,
        "per_stream_rate_limit": "5MB",
        "per_stream_rate_limit_burst": "20MB",
    }
