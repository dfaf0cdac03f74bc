"""The generated Alertmanager takes its file, whatever the version, and no secret of ours."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from bongsu.stack import alertmanager
from bongsu.stack.check import alertmanager as checker
from bongsu.stack.model import PLACES, Stack, StackError
from tests.live_servers import require
from tests.stack.alertmanagers import CONFIGURATION, NAMES, rendered, stack_of, written
from tests.stack.examples import example, schema

INSTALLED = "0.25"


@pytest.mark.live
@pytest.mark.parametrize("notifier", ["bongsu", "alertmanager"])
@pytest.mark.parametrize("name", NAMES)
def test_amtool_takes_what_every_example_comes_to(name: str, notifier: str, tmp_path: Path) -> None:
    (amtool,) = require("amtool")
    catalog = example(name, alertmanager=INSTALLED).model_copy(update={"notifier": notifier})
    configs = [str(written(alertmanager.render(Stack(catalog, place)), tmp_path / place)) for place in PLACES]
    done = subprocess.run([amtool, "check-config", *configs], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("version", ["0.25", "0.28", "0.29"])
@pytest.mark.parametrize("name", NAMES)
def test_the_published_schema_and_our_own_check_take_every_version(name: str, version: str) -> None:
    published = json.loads(schema("schemastore-prometheus-alertmanager.json").read_text("utf-8"))
    catalog = example(name, alertmanager=version).model_copy(update={"notifier": "alertmanager"})
    stack = Stack(catalog, "compose")
    files = alertmanager.render(stack)
    validator = Draft7Validator(published)
    assert [e.message for e in validator.iter_errors(yaml.safe_load(files[CONFIGURATION]))] == []
    assert checker.check(files, stack.version("alertmanager")) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_newer_version_changes_only_what_it_learned(name: str) -> None:
    def receivers(version: str) -> dict[str, Any]:
        catalog = example(name, alertmanager=version).model_copy(update={"notifier": "alertmanager"})
        return {r["name"]: r for r in rendered(Stack(catalog, "compose"))["receivers"]}

    old, new = receivers("0.25"), receivers("0.28")
    assert {name: receiver for name, receiver in new.items() if "discord_configs" not in receiver} == old


EVERY_CHANNEL = """
name: team
language: ko
targets: {prometheus: "3.5", alertmanager: "%s"}
notifier: alertmanager
services: {web: {kind: fastapi}}
channels:
  chat: {type: slack, webhook: {env: CHAT_HOOK}}
  app: {type: slack, token: {env: APP_TOKEN}, channel: "#alerts"}
  discord: {type: discord, webhook: {file: /keys/discord}}
  mail: {type: email, smtp: "mail.example.com:587", from: a@example.com, to: [b@example.com, c@example.com],
    username: a, password: {env: MAIL_PASSWORD}}
  tls: {type: email, smtp: "mail.example.com:465", from: a@example.com, to: b@example.com, tls: tls}
  odd: {type: email, smtp: "mail.example.com:2465", from: a@example.com, to: b@example.com, tls: tls}
  pager: {type: pagerduty, routing_key: {env: PAGER_KEY}, region: eu}
  hook: {type: webhook, url: "https://hook.example.com/x", token: {env: HOOK_TOKEN}}
  signed: {type: webhook, url: "https://hook.example.com/y", sign: {env: HOOK_SIGN}}
  teams: {type: teams, webhook: {env: TEAMS_HOOK}}
  jira: {type: jira, url: "https://team.atlassian.net", project: OPS, email: a@example.com,
    token: {env: JIRA_TOKEN}, priorities: {P1: Highest, P3: Low}}
  desk: {type: jira, url: "https://jira.example.com", project: OPS, token: {env: DESK_TOKEN}}
routes: [{to: [chat, app, discord, mail, tls, odd, pager, hook, signed, teams, jira, desk]}]
"""


@pytest.mark.parametrize(
    ("version", "left"),
    [
        ("0.25", {"discord", "odd", "signed", "teams", "jira", "desk"}),
        ("0.27", {"discord", "odd", "signed", "teams", "jira", "desk"}),
        ("0.28", {"odd", "signed", "jira"}),
        ("0.29", {"odd", "signed"}),
    ],
)
def test_a_channel_that_this_version_cannot_tell_stays_with_bongsu_and_the_file_says_why(
    version: str, left: set[str]
) -> None:
    stack = stack_of(EVERY_CHANNEL % version)
    text = alertmanager.render(stack)[CONFIGURATION]
    told = {r["name"].split("/")[1] for r in rendered(stack)["receivers"] if r["name"].startswith("channel/")}
    assert told == set(stack.catalog.channels) - left
    notes = [line for line in text.splitlines() if line.startswith("# ") and "채널에는" in line]
    assert len(notes) == len(left)
    assert all(any(f"# {name} " in note for note in notes) for name in left)


def test_every_secret_is_named_by_a_file_and_never_by_its_variable_alone() -> None:
    text = alertmanager.render(stack_of(EVERY_CHANNEL % "0.29"))[CONFIGURATION]
    names = ["CHAT_HOOK", "APP_TOKEN", "discord", "MAIL_PASSWORD", "PAGER_KEY", "HOOK_TOKEN", "TEAMS_HOOK"]
    for name in [*names, "JIRA_TOKEN", "DESK_TOKEN", "BONGSU_INGEST_TOKEN"]:
        lines = [line.strip() for line in text.splitlines() if f"/run/secrets/{name}" in line]
        assert lines
        assert all(line.split(":")[0].removeprefix("- ").endswith("_file") for line in lines), name


def test_mail_says_how_its_connection_is_kept_private() -> None:
    configs = {
        r["name"]: r["email_configs"][0]
        for r in rendered(stack_of(EVERY_CHANNEL % "0.28"))["receivers"]
        if "email_configs" in r
    }
    # On port 465 there is no STARTTLS to ask for: Alertmanager refuses to send when it is required.
    assert {name: c["require_tls"] for name, c in configs.items()} == {
        "channel/mail": True,
        "channel/tls": False,
    }
    assert "body" not in configs["channel/mail"]
    assert configs["channel/mail"]["to"] == "b@example.com, c@example.com"


def test_the_heartbeat_is_called_by_the_watchdog_alone() -> None:
    text = "name: t\nheartbeat: {env: BEAT_URL}\nservices: {web: {kind: fastapi}}\n"
    config = rendered(stack_of(text))
    route = config["route"]["routes"][0]
    assert route["matchers"] == ['alertname="Watchdog"']
    assert "continue" not in route
    receiver = next(r for r in config["receivers"] if r["name"] == route["receiver"])
    assert receiver["webhook_configs"] == [{"url_file": "/run/secrets/BEAT_URL", "send_resolved": False}]
    old = 'targets: {prometheus: "2.55", alertmanager: "0.25"}\n'
    with pytest.raises(StackError, match=r'alertmanager: "0\.26"'):
        rendered(stack_of(text + old))


def test_without_a_heartbeat_the_watchdog_troubles_nobody() -> None:
    config = rendered(stack_of("name: t\nservices: {web: {kind: fastapi}}\n"))
    assert config["route"]["routes"][0] == {"receiver": "nobody", "matchers": ['alertname="Watchdog"']}
    assert {"name": "nobody"} in config["receivers"]


def test_what_was_told_is_remembered_for_as_long_as_it_is_repeated() -> None:
    text = "name: t\ngrouping: {repeat: %s}\nservices: {web: {kind: fastapi}}\n"
    assert alertmanager.flags(stack_of(text % "12h")) == ["--cluster.listen-address="]
    assert "--data.retention=14d" in alertmanager.flags(stack_of(text % "7d"))
