"""Jaeger's configuration, and what its validator refuses."""

from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from bongsu.stack import jaeger
from bongsu.stack.check.jaeger import CONFIGURATION, check
from bongsu.stack.files import to_yaml
from bongsu.stack.model import Stack, StackError
from bongsu.stack.systems import Version
from tests.stack.examples import named, stack, stacks
from tests.stack.test_tempo import changed


def rendered(found: Stack) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load(jaeger.render(found)[CONFIGURATION])
    return config


def findings(config: Mapping[str, Any], version: str = "2.11") -> list[str]:
    return [str(f) for f in check({CONFIGURATION: to_yaml(config)}, Version.parse(version))]


@pytest.fixture
def config() -> dict[str, Any]:
    return rendered(stack("aegis", "kubernetes"))


@pytest.mark.parametrize("found", stacks("jaeger"), ids=named)
def test_every_example_passes_the_validator(found: Stack) -> None:
    files = jaeger.render(found)
    assert list(files) == [CONFIGURATION]
    assert check(files, found.version("jaeger")) == []
    assert files == jaeger.render(found)


def test_traces_survive_a_restart_and_go_when_the_catalog_says(config: dict[str, Any]) -> None:
    (backend,) = config["extensions"]["jaeger_storage"]["backends"].values()
    assert backend["badger"]["ephemeral"] is False
    assert backend["badger"]["ttl"] == {"spans": "168h"}


def test_applications_send_otlp_to_the_usual_ports(config: dict[str, Any]) -> None:
    protocols = config["receivers"]["otlp"]["protocols"]
    assert protocols["grpc"]["endpoint"].endswith("}:4317")
    assert protocols["http"]["endpoint"].endswith("}:4318")


def test_what_listens_is_told_by_the_environment_where(config: dict[str, Any]) -> None:
    endpoints: list[str] = []

    def collect(node: object) -> None:
        if isinstance(node, dict):
            for key, value in node.items():
                if key in ("endpoint", "host"):
                    endpoints.append(value)
                collect(value)

    collect(config["extensions"] | config["receivers"])
    assert len(endpoints) == 5
    assert all(e.startswith("${env:JAEGER_LISTEN_HOST:-localhost}:") for e in endpoints)


def test_an_overload_refuses_spans_before_they_are_batched(config: dict[str, Any]) -> None:
    assert config["service"]["pipelines"]["traces"]["processors"] == ["memory_limiter", "batch"]


@pytest.mark.parametrize("version", ["2.0", "2.14.1"])
def test_another_version_of_jaeger_2_reads_the_same_file(version: str) -> None:
    assert jaeger.render(stack("aegis", jaeger=version)) == jaeger.render(stack("aegis"))


def test_jaeger_1_is_refused_with_the_reason() -> None:
    with pytest.raises(StackError, match=r"Jaeger 1 ended with 1\.76.*declare \"2\.11\".*OTLP"):
        jaeger.render(stack("aegis", jaeger="1.76"))
    assert "ended with 1.76" in findings(rendered(stack("aegis")), "1.62")[0]


_BADGER = "extensions.jaeger_storage.backends.traces.badger"
TRAPS = [
    ("receivers.otlp.protocols.grpc.endpoint", "localhost:4317", "its own container only"),
    ("receivers.otlp.protocols.http", None, "its own container only"),
    (f"{_BADGER}.ttl.spans", "7d", "hours are the largest unit"),
    (f"{_BADGER}.ttl.spans", "0s", "longer than zero"),
    (f"{_BADGER}.ttl", {}, "kept for 72h unless this is set"),
    (f"{_BADGER}.ephemeral", True, "traces are lost at a restart"),
    (f"{_BADGER}.directory_key", "/tmp", "the key 'directory_key' is not known here"),
    ("extensions.jaeger_query.storage.traces", "store", "'store' is no backend"),
    ("extensions.jaeger_query.trace_storage", "traces", "write storage: {traces: …}"),
    ("exporters.jaeger_storage_exporter.trace_storage", "trace", "did you mean 'traces'?"),
    ("service.pipelines.traces.receivers", ["otlp", "zipkin"], "zipkin is not configured"),
    ("processors.filter", {}, "nothing uses it"),
    ("service.pipelines.traces.processors", ["batch", "memory_limiter"], "put it first"),
    ("service.telemetry.metrics.address", "localhost:8888", "use readers"),
    ("extension", {}, "did you mean 'extensions'?"),
]


@pytest.mark.parametrize(("path", "value", "expected"), TRAPS, ids=[f"{t[0]}={t[1]}" for t in TRAPS])
def test_a_known_trap_is_told_with_its_remedy(
    config: dict[str, Any], path: str, value: object, expected: str
) -> None:
    assert findings(config) == []
    (found,) = findings(changed(config, path, value))
    assert expected in found
