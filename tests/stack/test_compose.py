"""``compose.yaml``: Docker Compose's own schema, what the images can do, and what the validator finds."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from bongsu.catalog import loads
from bongsu.stack.check.compose import check
from tests.stack.test_places import EXAMPLES, FLEET, SCHEMAS, flat, rendered

Document = dict[str, Any]


def document(example: str, name: str = "compose.yaml") -> Document:
    found: Document = yaml.safe_load(rendered(example, "compose")[name])
    return found


@pytest.fixture(scope="module")
def schema() -> Draft202012Validator:
    path = SCHEMAS / "compose-spec.json"
    if not path.exists():
        pytest.skip(f"CONTRACT NOT CHECKED: the Compose specification is not at {path}")
    return Draft202012Validator(json.loads(path.read_text("utf-8")))


@pytest.mark.parametrize("example", [*EXAMPLES, "fleet"])
def test_the_specification_takes_every_compose_file(example: str, schema: Draft202012Validator) -> None:
    for name in ("compose.yaml", "agent.compose.yaml"):
        if name in rendered(example, "compose"):
            problems = [f"{e.json_path}: {e.message}" for e in schema.iter_errors(document(example, name))]
            assert not problems


def test_the_stack_fits_a_small_machine() -> None:
    services = document("doktori")["services"]
    lasting = [s for s in services.values() if s.get("restart") != "no"]
    total = sum(int(service["mem_limit"].removesuffix("m")) for service in lasting)
    assert total <= 1638


def test_a_service_waits_for_health_only_where_its_image_can_tell() -> None:
    services = document("doktori")["services"]
    assert services["grafana"]["depends_on"]["prometheus"] == {"condition": "service_healthy"}
    assert services["grafana"]["depends_on"]["loki"] == {"condition": "service_started"}
    assert not [name for name in ("loki", "tempo", "alloy") if "healthcheck" in services[name]]


def test_every_volume_belongs_to_the_user_that_writes_to_it() -> None:
    services = document("doktori")["services"]
    command = services["volume-owners"]["command"][-1]
    for name, service in services.items():
        if any(str(m).startswith(f"{name}:") for m in service.get("volumes", ())):
            assert f"chown {service['user']} /volumes/{name}" in command
            assert service["depends_on"]["volume-owners"]["condition"] == "service_completed_successfully"


def test_nothing_listens_on_every_address() -> None:
    for service in document("fleet")["services"].values():
        assert all(port.startswith("${BIND_ADDRESS:-127.0.0.1}:") for port in service.get("ports", ()))


def test_no_service_has_more_rights_than_it_needs() -> None:
    for name, service in document("fleet")["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert service.get("read_only") or service["secrets"], name


def test_secrets_come_from_the_environment_and_reach_only_their_readers() -> None:
    found = document("fleet")
    readers = {name for name, s in found["services"].items() if "SLACK_WEBHOOK_URL" in s.get("secrets", ())}
    assert readers == {"bongsu"}
    assert found["secrets"]["SLACK_WEBHOOK_URL"] == {"environment": "SLACK_WEBHOOK_URL"}
    example = rendered("fleet", "compose")[".env.example"]
    assert {f"{name}=" for name in found["secrets"]} <= set(example.splitlines())


def test_a_secret_in_a_file_is_mounted_from_there() -> None:
    text = FLEET.replace("{env: SLACK_WEBHOOK_URL}", "{file: /srv/secrets/slack.txt}")
    files = flat(loads(text), "compose")
    assert yaml.safe_load(files["compose.yaml"])["secrets"]["slack.txt"] == {"file": "/srv/secrets/slack.txt"}
    assert "slack" not in files[".env.example"]


def test_changed_rules_start_prometheus_anew_and_a_changed_dashboard_nothing() -> None:
    def digests(text: str) -> dict[str, str]:
        services = yaml.safe_load(flat(loads(text), "compose")["compose.yaml"])["services"]
        return {n: s["labels"]["bongsu.configuration"] for n, s in services.items() if "labels" in s}

    before = digests(FLEET)
    stricter = (
        "  api: {kind: fastapi, thresholds: {error_ratio: {P1: '> 42% for 1m'}}, runs: {namespace: shop}}\n"
    )
    lines = [stricter if line.startswith("  api:") else line for line in FLEET.splitlines(keepends=True)]
    after = digests("".join(lines))
    assert before["prometheus"] != after["prometheus"]
    assert {name for name in before if before[name] != after[name]} <= {
        "prometheus",
        "alertmanager",
        "bongsu",
    }


def test_services_of_another_compose_project_are_reached_over_its_network() -> None:
    text = FLEET.replace(
        "api: {kind: fastapi, runs: {namespace: shop}", "api: {kind: fastapi, runs: {compose: api}"
    )
    found = yaml.safe_load(flat(loads(text), "compose")["compose.yaml"])
    assert found["networks"]["applications"]["external"] is True
    assert "applications" in found["services"]["prometheus"]["networks"]
    assert "applications" not in found["services"]["grafana"]["networks"]


def test_an_agent_for_other_machines_knows_where_the_stack_is() -> None:
    agent = document("doktori", "agent.compose.yaml")["services"]["alloy"]
    assert agent["environment"]["BONGSU_STACK_HOST"].startswith("${BONGSU_STACK_HOST:?")
    assert agent["network_mode"] == "host"
    assert "/var/log/nginx:/var/log/nginx:ro" in agent["volumes"]


@pytest.mark.live
def test_docker_compose_takes_the_files(tmp_path: Path) -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True).returncode:
        pytest.skip("NOT CHECKED: docker compose is not installed")
    files = rendered("fleet", "compose")
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    filled = [f"{line}x" if line.endswith("=") else line for line in files[".env.example"].splitlines()]
    (tmp_path / ".env").write_text("\n".join(filled))
    done = subprocess.run([docker, "compose", "config", "-q"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _service(name: str, **change: Any) -> Callable[[Document], None]:
    return lambda found: found["services"][name].update(change)


SABOTAGE: dict[str, tuple[Callable[[Document], object], str]] = {
    "an unknown key": (_service("loki", restrat="always"), "'restrat' is not known"),
    "latest": (_service("loki", image="grafana/loki:latest"), "not the same tomorrow"),
    "no tag": (_service("loki", image="localhost:5000/loki"), "not the same tomorrow"),
    "neither image nor build": (lambda d: d["services"]["loki"].pop("image"), "neither an image nor a build"),
    "waiting for health that nobody tells": (
        lambda d: d["services"]["grafana"]["depends_on"]["loki"].update(condition="service_healthy"),
        "loki has no health check",
    ),
    "an unknown condition": (
        lambda d: d["services"]["grafana"]["depends_on"]["loki"].update(condition="service_ready"),
        "'service_ready' is no condition",
    ),
    "waiting for what is not there": (_service("loki", depends_on=["mimir"]), "no service 'mimir'"),
    "waiting for the end of what goes on": (
        lambda d: d["services"]["volume-owners"].update(restart="always"),
        "started again whenever it ends",
    ),
    "a circle": (_service("prometheus", depends_on=["grafana"]), "each waits for the next"),
    "an open port": (_service("loki", ports=["3100:3100"]), "open to everybody"),
    "the same port twice": (_service("tempo", ports=["127.0.0.1:9090:3200"]), "port 9090 is taken"),
    "an undeclared secret": (_service("grafana", secrets=["NOWHERE"]), "'NOWHERE' is not declared"),
    "a secret in a read-only container": (_service("grafana", read_only=True), "read-only container"),
    "a secret without a source": (lambda d: d["secrets"].update(GRAFANA_ADMIN_PASSWORD={}), "exactly one of"),
    "an undeclared volume": (_service("tempo", volumes=["traces:/var/tempo"]), "'traces' is not declared"),
    "a file that is not there": (
        _service("tempo", volumes=["./tmepo:/etc/tempo"]),
        "no file or folder ./tmepo",
    ),
    "two mounts at one place": (
        _service("tempo", volumes=["tempo:/a", "./tempo:/a:ro"]),
        "two mounts lie at /a",
    ),
    "an undeclared network": (_service("tempo", networks=["backstage"]), "'backstage' is not declared"),
    "a network of the host with ports": (_service("prometheus", network_mode="host"), "leaves no room"),
    "a health check without CMD": (
        _service("tempo", healthcheck={"test": ["wget", "x"]}),
        "begins with CMD",
    ),
    "a variable that nobody is told of": (_service("tempo", user="${TEMPO_USER}"), "variable TEMPO_USER"),
}


@pytest.mark.parametrize("name", SABOTAGE)
def test_the_validator_finds(name: str) -> None:
    sabotage, message = SABOTAGE[name]
    files = dict(rendered("fleet", "compose"))
    found = yaml.safe_load(files["compose.yaml"])
    sabotage(found)
    files["compose.yaml"] = yaml.safe_dump(found)
    assert any(message in f.message for f in check(files)), list(check(files))


def test_the_validator_finds_what_is_no_yaml() -> None:
    assert [f.where for f in check({"compose.yaml": "services: [\n"})] == ["line 2"]
