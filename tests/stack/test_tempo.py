"""Tempo's configuration by version, and what its validator refuses."""

from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from bongsu.stack import tempo
from bongsu.stack.check.tempo import CONFIGURATION, check
from bongsu.stack.files import to_yaml
from bongsu.stack.model import Stack, StackError
from bongsu.stack.systems import Version
from tests.stack.examples import named, stack, stacks

OLD, NEW = ("2.7", "2.9", "2.10"), ("3.0", "3.1.2")


def rendered(found: Stack) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load(tempo.render(found)[CONFIGURATION])
    return config


def findings(config: Mapping[str, Any], version: str) -> list[str]:
    return [str(f) for f in check({CONFIGURATION: to_yaml(config)}, Version.parse(version))]


@pytest.mark.parametrize("version", [*OLD, *NEW])
@pytest.mark.parametrize("found", stacks("tempo"), ids=named)
def test_every_example_passes_the_validator_of_its_version(found: Stack, version: str) -> None:
    targets = {**found.catalog.targets, "tempo": version}
    declared = Stack(found.catalog.model_copy(update={"targets": targets}), found.place)
    files = tempo.render(declared)
    assert list(files) == [CONFIGURATION]
    assert check(files, declared.version("tempo"), loopback=found.place == "local") == []
    assert files == tempo.render(declared)


@pytest.mark.parametrize(("written", "read"), [("2.10", "3.0"), ("3.0", "2.10")])
def test_each_side_of_3_0_refuses_the_others_file(written: str, read: str) -> None:
    config = rendered(stack("doktori", tempo=written))
    refused = [found for found in findings(config, read) if f"Tempo {Version.parse(read)} refuses" in found]
    assert refused
    assert all(";" in found for found in refused)


def test_an_upgrade_changes_what_it_must_and_nothing_else() -> None:
    old, new = rendered(stack("doktori", tempo="2.9")), rendered(stack("doktori", tempo="3.0"))
    assert {key: old[key] for key in old if key != "compactor"} == {
        key: new[key] for key in new if key not in ("live_store", "backend_scheduler", "backend_worker")
    }
    for near, far in (("2.7", "2.10"), ("3.0", "3.1")):
        assert tempo.render(stack("doktori", tempo=near)) == tempo.render(stack("doktori", tempo=far))


def test_traces_are_kept_as_long_as_the_catalog_says() -> None:
    for version, paths in (
        ("2.9", [("compactor", "compaction")]),
        (
            "3.0",
            [("backend_worker", "compaction"), ("backend_scheduler", "provider", "compaction", "compaction")],
        ),
    ):
        for path in paths:
            found: Any = rendered(stack("doktori", tempo=version))
            for key in path:
                found = found[key]
            assert found["block_retention"] == "168h"


def test_spans_are_taken_from_other_containers_but_not_from_other_machines() -> None:
    def endpoints(found: Stack) -> list[str]:
        protocols = rendered(found)["distributor"]["receivers"]["otlp"]["protocols"]
        return [protocols[name]["endpoint"] for name in ("grpc", "http")]

    assert endpoints(stack("doktori")) == ["0.0.0.0:4317", "0.0.0.0:4318"]
    alone = stack("aegis", "local", tempo="2.9")
    assert endpoints(alone)[0] == "127.0.0.1:4317"
    beside_the_agent = stack("doktori", "local")
    assert endpoints(beside_the_agent) == ["127.0.0.1:4327", "127.0.0.1:4328"]


def test_spans_become_metrics_with_exemplars_where_prometheus_takes_them() -> None:
    config = rendered(stack("doktori"))
    (write,) = config["metrics_generator"]["storage"]["remote_write"]
    assert write == {"url": "http://prometheus:9090/api/v1/write", "send_exemplars": True}
    processors = config["overrides"]["defaults"]["metrics_generator"]["processors"]
    assert processors == ["service-graphs", "span-metrics"]
    for found in (stack("ops-monitor", tempo="2.9"), stack("observer", "operator", tempo="2.9")):
        assert not {"metrics_generator", "overrides"} & rendered(found).keys()


@pytest.mark.parametrize("version", ["1.5", "2.6", "4.0"])
def test_a_version_that_is_not_known_is_refused(version: str) -> None:
    with pytest.raises(StackError, match=version):
        tempo.render(stack("doktori", tempo=version))


def changed(config: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    *parents, last = path.split(".")
    section = config
    for name in parents:
        section = section.setdefault(name, {})
    section[last] = value
    return config


_OTLP = "distributor.receivers.otlp.protocols"
TRAPS = [
    ("2.9", f"{_OTLP}.grpc", None, "its own container only; write 0.0.0.0:4317"),
    ("2.9", f"{_OTLP}.http.endpoint", "localhost:4318", "its own container only; write 0.0.0.0:4318"),
    ("2.9", "distributor.receivers", {}, "nobody can send spans"),
    ("2.9", "compactor.compaction.block_retention", "7d", "hours are the largest unit"),
    ("2.9", "compactor.compaction", {}, "kept for 14 days unless this is set"),
    ("3.0", "backend_worker.compaction.block_retention", "24h", "write the same twice"),
    ("3.0", "ingester", {"max_block_duration": "5m"}, "Tempo 3.0.0 refuses ingester"),
    ("3.0", "storage.trace.block.version", "vParquet3", "3.0 cannot read vParquet3"),
    ("3.0", "overrides.defaults.metrics_generator.processors", ["local-blocks"], "local-blocks is gone"),
    ("3.0", "distributor.receivers.opencensus", None, "it is gone since 3.0; send OTLP"),
    ("3.0", "overrides.metrics_generator_processors", ["span-metrics"], "flat overrides are gone"),
    ("2.9", "overrides.defaults.metrics_generator.processors", [], "nothing is measured of spans"),
    ("2.9", "metrics_generator.storage.remote_write", [], "goes nowhere"),
    ("2.9", "metrics_generator.storage.remote_write", [{"url": "http://p:9090"}], "end it in /api/v1/write"),
    ("2.9", "storage.trace.backend", "", "nothing says where traces are kept"),
    ("2.9", "storage.trace.local", {}, "the folder of the traces is missing"),
    ("2.9", "distributer", {}, "did you mean 'distributor'?"),
]


@pytest.mark.parametrize(
    ("version", "path", "value", "expected"), TRAPS, ids=[f"{t[0]}-{t[1]}" for t in TRAPS]
)
def test_a_known_trap_is_told_with_its_remedy(version: str, path: str, value: object, expected: str) -> None:
    config = rendered(stack("doktori", tempo=version))
    assert findings(config, version) == []
    (found,) = findings(changed(config, path, value), version)
    assert expected in found
