"""What the generated Alertmanager writes to people."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from bongsu.stack import alertmanager
from bongsu.stack.notices import PATH
from tests.live_servers import require
from tests.stack.alertmanagers import stack_of, written

WORDS_OF = """
name: t
language: ko
targets: {prometheus: "3.5", alertmanager: "0.28"}
notifier: alertmanager
owners: {ops: {name: 운영팀, slack: S01, discord: {role: "7"}}, a: {slack: U1}, b: {slack: U2},
  both: {members: [a, b]}}
services: {web: {kind: fastapi, owner: ops}}
channels:
  chat: {type: slack, webhook: {env: A}}
  english: {type: discord, webhook: {env: B}, language: en}
  mail: {type: email, smtp: "m:25", from: a@b, to: c@d, tls: none}
routes: [{to: [chat, english, mail]}]
"""
HOSTILE = "<!channel> *bold* [x](http://evil) <script>alert(1)</script>"


def data(*alerts: Mapping[str, Any], status: str = "firing") -> dict[str, Any]:
    common = dict(alerts[0]["labels"]) if len(alerts) == 1 else {}
    return {
        "receiver": "x",
        "status": status,
        "alerts": [{"status": status, "annotations": {}, **alert} for alert in alerts],
        "groupLabels": {},
        "commonLabels": common,
        "commonAnnotations": {},
        "externalURL": "http://am",
    }


@pytest.fixture
def say(tmp_path: Path) -> Iterator[Any]:
    """``say("slack.text.ko", data)``: what Alertmanager makes of a template."""
    (amtool,) = require("amtool")
    files = alertmanager.render(stack_of(WORDS_OF))
    written(files, tmp_path)

    def run(name: str, group: Mapping[str, Any], kind: str = "text") -> str:
        (tmp_path / "data.json").write_text(json.dumps(group), encoding="utf-8")
        command = [amtool, "template", "render", f"--template.glob={tmp_path / PATH}"]
        command += [f"--template.type={kind}", f"--template.data={tmp_path / 'data.json'}"]
        command.append(f'--template.text={{{{ template "bongsu.{name}" . }}}}')
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def alert(summary: str, severity: str = "critical", **changes: str) -> dict[str, Any]:
    annotations = {"summary": summary, "description": "5% > 1%", "runbook_url": "https://wiki/x"}
    return {
        "labels": {"alertname": "X", "severity": severity, "owner": "ops"} | changes,
        "annotations": annotations,
    }


@pytest.mark.live
def test_the_title_names_the_worst_severity_and_the_number_of_alerts(say: Any) -> None:
    group = data(alert("web: 느림", "warning"), alert("web: 오류", "high"))
    assert say("plain.title.ko", group).strip() == "🟠 P2 높음: web: 느림 [2]"
    over = data(alert("web: 느림", "warning"), status="resolved")
    assert say("plain.title.ko", over).strip() == "✅ 해결: web: 느림"
    assert say("discord.title.en", data(alert("web is slow", "info"))).strip() == "🔵 P4 info: web is slow"


@pytest.mark.live
def test_an_alert_says_what_whose_and_where_to_read_on(say: Any) -> None:
    assert say("plain.text.ko", data(alert("web: 오류"))).strip().splitlines() == [
        "• web: 오류",
        "5% > 1%",
        "담당: 운영팀",
        "런북: https://wiki/x",
    ]


@pytest.mark.live
def test_the_owner_is_called_upon_while_it_burns_and_left_alone_after(say: Any) -> None:
    assert say("slack.mention", data(alert("x"))).strip() == "<!subteam^S01>"
    assert say("slack.mention", data(alert("x", owner="both"))).strip() == "<@U1> <@U2>"
    assert say("slack.mention", data(alert("x"), status="resolved")).strip() == ""
    assert say("slack.here", data(alert("x"))).strip() == "<!here>"
    assert say("discord.mention", data(alert("x"))).strip() == "<@&7>"


@pytest.mark.live
def test_what_telemetry_says_is_no_markup(say: Any) -> None:
    group = data(alert(HOSTILE))
    slack = say("slack.text.ko", group)
    assert "<!channel>" not in slack
    assert "&lt;!channel&gt;" in slack
    discord = say("discord.text.en", group)
    assert r"\[x\](http://evil)" in discord
    assert r"\*bold\*" in discord
    html = say("email.html.ko", group, "html")
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
