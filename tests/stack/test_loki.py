"""Loki's configuration, and what its validator refuses."""

import json
from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, date, datetime
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from bongsu.stack import loki
from bongsu.stack.check.loki import CONFIGURATION, check
from bongsu.stack.files import to_yaml
from bongsu.stack.model import Stack, StackError
from bongsu.stack.systems import Version
from tests.stack.examples import named, schema, stack, stacks

TODAY = date(2026, 1, 1)


def rendered(found: Stack) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load(loki.render(found)[CONFIGURATION])
    return config


def findings(config: Mapping[str, Any], version: str = "3.5") -> list[str]:
    return [str(f) for f in check({CONFIGURATION: to_yaml(config)}, Version.parse(version), TODAY)]


@pytest.fixture
def config() -> dict[str, Any]:
    return rendered(stack("doktori"))


@pytest.mark.parametrize("found", stacks("loki"), ids=named)
def test_every_example_fits_the_schema_and_passes_the_validator(found: Stack) -> None:
    files = loki.render(found)
    assert list(files) == [CONFIGURATION]
    assert check(files, found.version("loki")) == []
    validator = Draft7Validator(json.loads(schema("schemastore-loki.json").read_text("utf-8")))
    assert [e.message for e in validator.iter_errors(yaml.safe_load(files[CONFIGURATION]))] == []


def test_the_same_catalog_gives_the_same_bytes() -> None:
    assert loki.render(stack("doktori")) == loki.render(stack("doktori"))


def test_logs_are_stored_as_a_new_loki_needs_it(config: dict[str, Any]) -> None:
    (period,) = config["schema_config"]["configs"]
    assert (period["store"], period["schema"], period["index"]["period"]) == ("tsdb", "v13", "24h")
    assert date.fromisoformat(period["from"]) < datetime.now(UTC).date()
    assert config["auth_enabled"] is False
    assert config["limits_config"]["allow_structured_metadata"] is True
    assert config["common"]["replication_factor"] == 1


def test_the_compactor_deletes_what_the_catalog_does_not_keep(config: dict[str, Any]) -> None:
    assert config["limits_config"]["retention_period"] == "336h"
    assert config["compactor"]["retention_enabled"] is True
    assert config["compactor"]["delete_request_store"] == "filesystem"


@given(st.floats(min_value=1, max_value=400 * 86_400))
def test_logs_are_kept_for_whole_days_and_never_shorter_than_asked(seconds: float) -> None:
    found = stack("doktori")
    kept = found.catalog.retention.model_copy(update={"logs": seconds})
    asked = Stack(found.catalog.model_copy(update={"retention": kept}), "compose")
    days = loki.retention(asked) / 86_400
    assert days == int(days) >= 1
    assert 0 <= loki.retention(asked) - seconds < 86_400 or days == 1


def test_old_lines_are_taken_no_longer_than_they_are_kept() -> None:
    found = stack("doktori")
    kept = found.catalog.retention.model_copy(update={"logs": 2 * 86_400.0})
    limits = rendered(Stack(found.catalog.model_copy(update={"retention": kept}), "compose"))["limits_config"]
    assert limits["reject_old_samples_max_age"] == limits["retention_period"] == "48h"


def test_rules_are_told_to_alertmanager_where_there_is_one() -> None:
    assert "ruler" not in rendered(stack("doktori"))
    ruler = rendered(stack("aegis", "kubernetes", loki="3.5"))["ruler"]
    assert ruler["alertmanager_url"] == "http://alertmanager.monitoring.svc:9093"


def test_on_ones_own_machine_only_this_machine_is_answered() -> None:
    server = rendered(stack("doktori", "local"))["server"]
    assert {server["http_listen_address"], server["grpc_listen_address"]} == {"127.0.0.1"}


@pytest.mark.parametrize("version", ["3.4", "3.6", "3.5.3"])
def test_another_version_of_loki_3_reads_the_same_file(version: str) -> None:
    assert loki.render(stack("doktori", loki=version)) == loki.render(stack("doktori", loki="3.5"))


@pytest.mark.parametrize("version", ["2.9", "3.3"])
def test_an_old_version_is_refused_with_what_to_do(version: str) -> None:
    with pytest.raises(StackError, match=rf"{version}.* is too old.*3\.4 and later"):
        loki.render(stack("doktori", loki=version))


TRAPS: list[tuple[str, dict[str, Any], str]] = [
    ("compactor", {"shared_store": "filesystem"}, "compactor.shared_store: Loki 3 refuses shared_store"),
    ("limits_config", {"enforce_metric_name": False}, "Loki 3 refuses enforce_metric_name; remove it"),
    ("ingester", {"max_transfer_retries": 0}, "Loki 3 refuses max_transfer_retries"),
    ("compactor", {"delete_request_store": ""}, "Loki does not start; name the object store"),
    ("compactor", {"retention_enabled": False}, "nothing deletes logs"),
    ("compactor", {"retention_enable": True}, "did you mean 'retention_enabled'?"),
    ("limits_config", {"retention_period": "12h"}, "less than a day"),
    ("limits_config", {"retention_period": "36h"}, "set it to a multiple of 24h"),
    ("limits_config", {"retention_period": "soon"}, "is not a duration"),
    ("limits_config", {"retention_period": None}, "so all are kept"),
    ("common", {"replication_factor": 3}, "takes no logs; set it to 1"),
    ("loki", {}, "the key 'loki' is not known here"),
]


@pytest.mark.parametrize(("section", "change", "expected"), TRAPS, ids=[str(t[1] or t[0]) for t in TRAPS])
def test_a_known_trap_is_told_with_its_remedy(
    config: dict[str, Any], section: str, change: dict[str, Any], expected: str
) -> None:
    assert findings(config) == []
    config[section] = {**config.get(section, {}), **change}
    (found,) = findings(config)
    assert expected in found


PERIODS = [
    ({"schema": "v12"}, "structured metadata needs schema v13"),
    ({"store": "boltdb-shipper"}, "structured metadata needs store tsdb"),
    ({"from": "2999-01-01"}, "no period has begun: logs are refused"),
    ({"from": "soon"}, "is not a date"),
    ({"index": {"prefix": "index_", "period": "168h"}}, "tsdb needs an index of 24h"),
    ({"shema": "v13"}, "did you mean 'schema'?"),
]


@pytest.mark.parametrize(("change", "expected"), PERIODS)
def test_a_schema_that_loki_does_not_start_with_is_told(
    config: dict[str, Any], change: dict[str, Any], expected: str
) -> None:
    config["schema_config"]["configs"][0] |= change
    assert any(expected in found for found in findings(config))


def test_a_period_before_today_may_be_followed_by_one_to_come(config: dict[str, Any]) -> None:
    periods = config["schema_config"]["configs"]
    periods.append({**deepcopy(periods[0]), "from": "2999-01-01"})
    assert findings(config) == []


def test_a_file_that_the_public_schema_takes_and_loki_refuses_is_found(config: dict[str, Any]) -> None:
    config["compactor"]["shared_store"] = "filesystem"
    del config["auth_enabled"]
    validator = Draft7Validator(json.loads(schema("schemastore-loki.json").read_text("utf-8")))
    assert list(validator.iter_errors(config)) == []
    assert len(findings(config)) == 2


@pytest.mark.parametrize("text", ["", "- a", "a: [", "a: 1\n---\nb: 2"])
def test_what_is_no_configuration_is_told(text: str) -> None:
    assert len(check({CONFIGURATION: text}, Version(3, 5))) == 1
