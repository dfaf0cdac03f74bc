"""The machine on AWS: Terraform itself where it is installed, the host's scripts, the validator."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from bongsu.catalog import loads
from bongsu.stack.check.terraform import check
from bongsu.stack.terraform.aws import architecture
from tests.stack.test_places import EXAMPLES, FLEET, flat, rendered

Document = dict[str, Any]
KEY = "A" * 43 + "="
PEERS = f"""
host:
  instance_type: m7i.large
  disk: 100 GiB
  tunnel: 10.9.0.0/24
  peers: {{laptop: {{public_key: "{KEY}", address: 10.9.0.2}}}}
"""


def document(files: dict[str, str], name: str) -> Document:
    found: Document = json.loads(files[f"terraform/{name}.tf.json"])
    return found


def written(files: dict[str, str], folder: Path) -> Path:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder / "terraform"


@pytest.mark.live
@pytest.mark.parametrize("example", ["doktori", "fleet"])
def test_terraform_takes_the_configuration_and_its_tests_pass(example: str, tmp_path: Path) -> None:
    terraform, mirror = shutil.which("terraform"), os.environ.get("TERRAFORM_PROVIDERS", "")
    if terraform is None or not Path(mirror, "registry.terraform.io/hashicorp/aws").is_dir():
        pytest.skip("NOT CHECKED: needs terraform, and in TERRAFORM_PROVIDERS a folder with the AWS provider")
    folder = written(rendered(example, "terraform"), tmp_path)
    settings = {k: v for k, v in os.environ.items() if not k.startswith("TF_")} | {"CHECKPOINT_DISABLE": "1"}
    for command in (
        ["init", "-backend=false", f"-plugin-dir={mirror}"],
        ["fmt", "-check", "-recursive"],
        ["validate"],
        ["test"],
    ):
        done = subprocess.run(
            [terraform, *command, *(["-no-color"] if command[0] != "fmt" else [])],
            cwd=folder,
            env=settings,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_only_wireguard_comes_in() -> None:
    for example in EXAMPLES:
        network = document(rendered(example, "terraform"), "network")["resource"]
        rules = list(network["aws_vpc_security_group_ingress_rule"].values())
        assert [(r["ip_protocol"], r["from_port"], r["to_port"]) for r in rules] == [("udp", 51820, 51820)]


def test_people_reach_the_stack_at_its_address_in_the_tunnel() -> None:
    files = flat(loads(FLEET + PEERS), "terraform")
    assert files["terraform/host/address"] == "10.9.0.1\n"
    tunnel = files["terraform/host/wg0.conf"]
    assert "Address = 10.9.0.1/24" in tunnel
    assert f"# laptop\n[Peer]\nPublicKey = {KEY}\nAllowedIPs = 10.9.0.2/32\n" in tunnel
    assert "PrivateKey" not in tunnel


def test_the_machine_is_as_big_as_the_catalog_says() -> None:
    variables = document(flat(loads(FLEET + PEERS), "terraform"), "variables")["variable"]
    assert variables["instance_type"]["default"] == "m7i.large"
    assert variables["disk"]["default"] == 100
    assert variables["region"]["default"] == "ap-northeast-2"


@pytest.mark.parametrize(
    ("instance", "expected"),
    [("t4g.small", "arm64"), ("c7gn.large", "arm64"), ("a1.medium", "arm64"), ("t3.small", "amd64"),
     ("g5.xlarge", "amd64"), ("m7i.large", "amd64"), ("g5g.xlarge", "arm64")],
)  # fmt: skip
def test_the_image_fits_the_processor(instance: str, expected: str) -> None:
    assert architecture(instance) == expected


def test_the_host_may_write_no_parameter_but_those_of_its_tunnel() -> None:
    resources = document(rendered("doktori", "terraform"), "access")["resource"]
    policy = json.loads(resources["aws_iam_role_policy"]["host"]["policy"])
    puts = [s for s in policy["Statement"] if "ssm:PutParameter" in s["Action"]]
    assert [s["Resource"].rsplit(":", 1)[1] for s in puts] == ["parameter/${var.name}/wireguard/*"]


def test_every_file_that_compose_mounts_is_sent_to_the_host() -> None:
    files = rendered("doktori", "terraform")
    sent = document(files, "files")["locals"]["stack"]
    for folder in {path.split("/")[0] for path in files if "/" in path} - {"terraform"}:
        assert f'"{folder}/**"' in sent


@pytest.mark.parametrize("script", ["boot.sh", "deploy.sh"])
def test_the_scripts_are_bash(script: str, tmp_path: Path) -> None:
    folder = written(rendered("doktori", "terraform"), tmp_path)
    done = subprocess.run(["bash", "-n", str(folder / "host" / script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


SHOW = "import json, os; print(json.dumps(dict(os.environ)))"


def started(folder: Path, parameters: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The host's own script, fed as the Parameter Store would, with a command that tells its variables."""
    listed = [{"Name": f"/fleet-monitoring/secrets/{n}", "Value": v} for n, v in parameters.items()]
    program = [sys.executable, str(folder / "terraform/host/with_secrets.py"), str(folder / ".env.example")]
    return subprocess.run(
        [*program, "BIND_ADDRESS=10.8.0.1", "--", sys.executable, "-c", SHOW],
        input=json.dumps({"Parameters": listed}),
        capture_output=True,
        text=True,
        check=False,
    )


def needed(files: dict[str, str]) -> list[str]:
    return [line[:-1] for line in files[".env.example"].splitlines() if line.endswith("=")]


@pytest.mark.parametrize(
    "value", ["plain", "a$b#c", "it's", "back\\slash", 'qu"ote', "띄어 쓰기", "two\nlines"]
)
def test_a_secret_reaches_compose_as_it_is(value: str, tmp_path: Path) -> None:
    files = rendered("doktori", "terraform")
    written(files, tmp_path)
    done = started(tmp_path, dict.fromkeys(needed(files), value))
    assert done.returncode == 0, done.stderr
    variables = json.loads(done.stdout)
    assert variables["BIND_ADDRESS"] == "10.8.0.1"
    assert {name: variables[name] for name in needed(files)} == dict.fromkeys(needed(files), value)


def test_a_secret_of_a_file_comes_from_the_parameter_store_too() -> None:
    text = FLEET.replace("{env: SLACK_WEBHOOK_URL}", "{file: /srv/secrets/slack.txt}")
    files = flat(loads(text), "terraform")
    assert "SLACK_TXT" in needed(files)
    declared = yaml.safe_load(files["compose.yaml"])["secrets"]
    assert declared["slack.txt"] == {"environment": "SLACK_TXT"}


def test_a_secret_that_is_not_stored_is_named_and_no_other_is_shown(tmp_path: Path) -> None:
    files = rendered("doktori", "terraform")
    written(files, tmp_path)
    given = dict.fromkeys(needed(files), "hidden-value")
    del given["DISCORD_URGENT_WEBHOOK"]
    done = started(tmp_path, given)
    assert done.returncode == 1
    assert "DISCORD_URGENT_WEBHOOK" in done.stderr
    assert "hidden-value" not in done.stdout + done.stderr


def _change(name: str, change: Callable[[Document], object]) -> Callable[[dict[str, str]], None]:
    def sabotage(files: dict[str, str]) -> None:
        found = document(files, name)
        change(found)
        files[f"terraform/{name}.tf.json"] = json.dumps(found)

    return sabotage


def _host(change: Callable[[Document], object]) -> Callable[[dict[str, str]], None]:
    return _change("host", lambda d: change(d["resource"]["aws_instance"]["host"]))


def _ingress(**rule: Any) -> Callable[[dict[str, str]], None]:
    rules = "aws_vpc_security_group_ingress_rule"
    return _change("network", lambda d: d["resource"][rules].update(ssh=rule))


SABOTAGE: dict[str, tuple[Callable[[dict[str, str]], object], str]] = {
    "an open port": (_ingress(ip_protocol="tcp", from_port=22, to_port=22), "other than WireGuard"),
    "open ports by the range": (
        _ingress(ip_protocol="udp", from_port=1, to_port=51820),
        "other than WireGuard",
    ),
    "rules within the group": (
        _change("network", lambda d: d["resource"]["aws_security_group"]["host"].update(ingress=[{}])),
        "rules within the group",
    ),
    "credentials for whoever asks": (
        _host(lambda h: h.pop("metadata_options")),
        "read the role's credentials",
    ),
    "a bare disk": (
        _host(lambda h: h["root_block_device"].update(encrypted=False)),
        "the disk is not encrypted",
    ),
    "a bare volume": (
        _change("host", lambda d: d["resource"]["aws_ebs_volume"]["data"].pop("encrypted")),
        "the volume is not encrypted",
    ),
    "an open bucket": (
        _change("files", lambda d: d["resource"].pop("aws_s3_bucket_public_access_block")),
        "opened to everybody",
    ),
    "what nobody declares": (
        _host(lambda h: h.update(subnet_id="${aws_subnet.mine.id}")),
        "nothing declares aws_subnet.mine",
    ),
    "an unknown variable": (
        _host(lambda h: h.update(instance_type="${var.size}")),
        "nothing declares var.size",
    ),
    "waiting for what is not there": (
        _change(
            "host", lambda d: d["resource"]["aws_ssm_association"]["deploy"].update(depends_on=["aws_eip.x"])
        ),
        "nothing declares aws_eip.x",
    ),
    "a script that is not there": (
        lambda f: f.pop("terraform/host/boot.sh"),
        "no file terraform/host/boot.sh",
    ),
    "too much user data": (
        lambda f: f.update({"terraform/host/boot.sh": "#" * 20_000}),
        "more than EC2 takes",
    ),
    "a provider at will": (
        _change("versions", lambda d: d["terraform"]["required_providers"]["aws"].update(version=">= 5")),
        "is not pinned",
    ),
    "a secret in the state": (
        _change("variables", lambda d: d["variable"].update(slack_token={"type": "string"})),
        "come into the state",
    ),
    "a parameter in the state": (
        _change("access", lambda d: d["resource"].update(aws_ssm_parameter={"x": {"value": "y"}})),
        "come into the state",
    ),
    "an unknown block": (_change("host", lambda d: d.update(resources={})), "no block 'resources'"),
    "one name twice": (
        _change("outputs", lambda d: d.update(variable={"name": {"type": "string"}})),
        "is declared in",
    ),
    "no JSON": (lambda f: f.update({"terraform/x.tf.json": "{"}), "this is not JSON"),
    "a private key": (
        lambda f: f.update(
            {"terraform/host/wg0.conf": f["terraform/host/wg0.conf"] + f"PrivateKey = {KEY}\n"}
        ),
        "a private key is written here",
    ),
    "a peer elsewhere": (
        lambda f: f.update(
            {"terraform/host/wg0.conf": f["terraform/host/wg0.conf"] + "AllowedIPs = 10.1.0.2/32\n"}
        ),
        "not within the tunnel's network",
    ),
    "two peers of one address": (
        lambda f: f.update(
            {"terraform/host/wg0.conf": f["terraform/host/wg0.conf"] + "AllowedIPs = 10.8.0.1/32\n"}
        ),
        "is given twice",
    ),
}


@pytest.mark.parametrize("name", SABOTAGE)
def test_the_validator_finds(name: str) -> None:
    sabotage, message = SABOTAGE[name]
    files = dict(rendered("fleet", "terraform"))
    sabotage(files)
    assert any(message in str(f) for f in check(files)), [str(f) for f in check(files)]
