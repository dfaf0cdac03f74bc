"""Jaeger 2: an OpenTelemetry Collector that keeps traces in Badger, on its own volume."""

from typing import Any

from bongsu.stack.alloy.endpoints import otlp_ports
from bongsu.stack.check.go import format_go_duration
from bongsu.stack.files import to_yaml
from bongsu.stack.model import Stack, StackError
from bongsu.stack.systems import SYSTEMS

HEALTH_PORT = 13133
_HOST = "${env:JAEGER_LISTEN_HOST:-localhost}"
"""Loopback unless the environment says 0.0.0.0, as it does in a container."""
_FOLDERS = {"local": "data/jaeger"}
_STORE = "traces"


def render(stack: Stack) -> dict[str, str]:
    """``jaeger.yml``. StackError for Jaeger 1, whose configuration is flags."""
    version = stack.version("jaeger")
    if version.major < 2:
        raise StackError(
            f'targets: jaeger: "{version}" is not supported: Jaeger 1 ended with 1.76 and has no '
            'configuration file; declare "2.11" (applications send OTLP to 4317 or 4318, as the Thrift '
            "exporters are gone)"
        )
    if version.major > 2:
        raise StackError(f'targets: jaeger: "{version}" is not known yet; declare 2.x')
    return {"jaeger/jaeger.yml": to_yaml(_configuration(stack))}


def _configuration(stack: Stack) -> dict[str, Any]:
    grpc, http = otlp_ports(stack, "jaeger")
    return {
        "service": {
            "extensions": ["jaeger_storage", "jaeger_query", "healthcheckv2"],
            "pipelines": {
                "traces": {
                    "receivers": ["otlp"],
                    "processors": ["memory_limiter", "batch"],
                    "exporters": ["jaeger_storage_exporter"],
                }
            },
            "telemetry": {
                "resource": {"service.name": "jaeger"},
                "metrics": {
                    "level": "normal",
                    "readers": [
                        {"pull": {"exporter": {"prometheus": {"host": _HOST, "port": 8888}}}},
                    ],
                },
                "logs": {"level": "warn"},
            },
        },
        "extensions": {
            "jaeger_query": {
                "storage": {"traces": _STORE},
                "http": {"endpoint": f"{_HOST}:{SYSTEMS['jaeger'].port}"},
                "grpc": {"endpoint": f"{_HOST}:{SYSTEMS['jaeger'].port - 1}"},
            },
            "jaeger_storage": {"backends": {_STORE: {"badger": _badger(stack)}}},
            "healthcheckv2": {"use_v2": True, "http": {"endpoint": f"{_HOST}:{HEALTH_PORT}"}},
        },
        "receivers": {
            "otlp": {
                "protocols": {
                    "grpc": {"endpoint": f"{_HOST}:{grpc}"},
                    "http": {"endpoint": f"{_HOST}:{http}"},
                }
            }
        },
        "processors": {
            "memory_limiter": {"check_interval": "1s", "limit_percentage": 75, "spike_limit_percentage": 15},
            "batch": {},
        },
        "exporters": {"jaeger_storage_exporter": {"trace_storage": _STORE}},
    }


def _badger(stack: Stack) -> dict[str, Any]:
    folder = _FOLDERS.get(stack.place, "/badger")
    return {
        "directories": {"keys": f"{folder}/keys", "values": f"{folder}/values"},
        "ephemeral": False,
        "ttl": {"spans": format_go_duration(stack.catalog.retention.traces)},
    }
