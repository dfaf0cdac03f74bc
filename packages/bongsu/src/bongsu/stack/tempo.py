"""Tempo: one binary that keeps its traces on its own volume, and measures services by their spans."""

from typing import Any

from bongsu.stack.alloy.endpoints import listen_host, listen_port, otlp_ports, remote_write_url
from bongsu.stack.check.go import format_go_duration
from bongsu.stack.files import to_yaml
from bongsu.stack.model import Stack, StackError
from bongsu.stack.systems import Version

OLDEST = Version(2, 7)
_NEW_ARCHITECTURE = Version(3, 0)
_FOLDERS = {"local": "data/tempo"}
_GRPC = 9095


def render(stack: Stack) -> dict[str, str]:
    """``tempo.yml``. StackError for versions that this is not right for."""
    version = stack.version("tempo")
    if version < OLDEST:
        raise StackError(
            f'targets: tempo: "{version}" is too old: configuration is generated for 2.7 and later; '
            "upgrade Tempo"
        )
    if version.major > _NEW_ARCHITECTURE.major:
        raise StackError(f'targets: tempo: "{version}" is not known yet; declare 2.7 to 3.x')
    return {"tempo/tempo.yml": to_yaml(_configuration(stack))}


def _configuration(stack: Stack) -> dict[str, Any]:
    folder = _FOLDERS.get(stack.place, "/var/tempo")
    host = listen_host(stack)
    grpc, http = otlp_ports(stack, "tempo")
    config: dict[str, Any] = {
        "stream_over_http_enabled": True,
        "server": {
            "http_listen_address": host,
            "http_listen_port": listen_port(stack, "tempo", 3200),
            **({"grpc_listen_address": host} if stack.place == "local" else {}),
            "grpc_listen_port": _GRPC,
            "log_level": "warn",
        },
        # Without a host Tempo takes spans from its own container only.
        "distributor": {
            "receivers": {
                "otlp": {
                    "protocols": {
                        "grpc": {"endpoint": f"{host}:{grpc}"},
                        "http": {"endpoint": f"{host}:{http}"},
                    }
                }
            }
        },
        **_retention(stack, folder),
    }
    generator = _metrics_generator(stack, folder)
    if generator:
        config["metrics_generator"] = {**_ring(stack), **generator}
    config["storage"] = {
        "trace": {
            "backend": "local",
            "wal": {"path": f"{folder}/wal"},
            "local": {"path": f"{folder}/blocks"},
        }
    }
    if generator:
        config["overrides"] = {
            "defaults": {"metrics_generator": {"processors": ["service-graphs", "span-metrics"]}}
        }
    config["usage_report"] = {"reporting_enabled": False}
    return config


def _retention(stack: Stack, folder: str) -> dict[str, Any]:
    kept = {"block_retention": format_go_duration(stack.catalog.retention.traces)}
    if stack.version("tempo") < _NEW_ARCHITECTURE:
        local = (
            {"ingester": {"lifecycler": {"address": listen_host(stack)}}} if stack.place == "local" else {}
        )
        return {**local, "compactor": {"compaction": kept}}
    return {
        "live_store": {
            **_ring(stack),
            "shutdown_marker_dir": f"{folder}/live-store/shutdown-marker",
            "wal": {"path": f"{folder}/live-store/traces"},
        },
        "backend_scheduler": {
            "local_work_path": f"{folder}/scheduler",
            "provider": {"compaction": {"compaction": kept}},
        },
        "backend_worker": {"backend_scheduler_addr": f"127.0.0.1:{_GRPC}", "compaction": dict(kept)},
    }


def _ring(stack: Stack) -> dict[str, Any]:
    """Where the parts of Tempo reach each other, where they listen on loopback alone."""
    return {"ring": {"instance_addr": listen_host(stack)}} if stack.place == "local" else {}


def _metrics_generator(stack: Stack, folder: str) -> dict[str, Any]:
    """Request rate, errors and durations of every span, and who calls whom, with exemplars."""
    url = remote_write_url(stack)
    if not url:
        return {}
    return {
        "registry": {"external_labels": {"source": "tempo"}},
        "storage": {
            "path": f"{folder}/generator/wal",
            "remote_write": [{"url": url, "send_exemplars": True}],
        },
    }
