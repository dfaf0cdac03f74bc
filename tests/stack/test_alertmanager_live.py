"""A real Alertmanager with the generated file: what it holds back, what it sends, and when."""

import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bongsu.catalog import loads
from bongsu.stack import alertmanager as target
from bongsu.stack.model import Stack
from tests import live_servers
from tests.stack.alertmanagers import CONFIGURATION

pytestmark = pytest.mark.live

HEAD = """
name: t
language: ko
targets: {prometheus: "3.5", alertmanager: "0.25"}
notifier: alertmanager
grouping: {wait: 1s, interval: 1s, by: [alertname]}
owners: {ops: {name: 운영팀, slack: U7}}
services: {web: {kind: [fastapi, node], owner: ops}, pay: {kind: fastapi, owner: ops}, db: {kind: postgres}}
"""


@dataclass
class Inbox:
    """Everything that was posted, by path."""

    url: str = ""
    posts: list[tuple[str, dict[str, Any], str]] = field(default_factory=list)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def names(self, path: str) -> list[str]:
        return [a["labels"]["alertname"] for p, body, _ in self.posts if p == path for a in body["alerts"]]

    def until(self, path: str, alertname: str) -> None:
        with self.arrived:
            assert self.arrived.wait_for(lambda: alertname in self.names(path), 20), (
                path,
                alertname,
                self.posts,
            )


@contextmanager
def inbox() -> Iterator[Inbox]:
    box = Inbox()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with box.arrived:
                box.posts.append((self.path, body, self.headers.get("authorization", "")))
                box.arrived.notify_all()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    box.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield box
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@dataclass(frozen=True)
class Running:
    url: str
    box: Inbox

    def fire(self, *alerts: dict[str, str]) -> None:
        document = [
            {
                "labels": labels,
                "annotations": {"summary": f"{labels.get('service')}: <!channel> 느림"},
                "startsAt": datetime.now(UTC).isoformat(),
                "endsAt": (datetime.now(UTC) + timedelta(minutes=5)).isoformat(),
            }
            for labels in alerts
        ]
        request = urllib.request.Request(
            f"{self.url}/api/v2/alerts",
            data=json.dumps(document).encode(),
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=5) as response:
            assert response.status == 200

    def held_back(self) -> set[str]:
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=5) as response:
            alerts = json.load(response)
        return {a["labels"]["alertname"] for a in alerts if a["status"]["inhibitedBy"]}


@contextmanager
def running(rest: str, folder: Path) -> Iterator[Running]:
    with ExitStack() as stack:
        box = stack.enter_context(inbox())
        catalog = loads(HEAD + rest.replace("BOX", box.url))
        for name, text in {"BONGSU_INGEST_TOKEN": "token-1", "CHAT": f"{box.url}/chat"}.items():
            (folder / name).write_text(text)
        made = Stack(
            catalog, addresses={"bongsu": box.url.removeprefix("http://")}, secrets_folder=str(folder)
        )
        files = target.render(made)
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        config = files[CONFIGURATION].replace("templates/*.tmpl", f"{folder}/alertmanager/templates/*.tmpl")
        arguments = [flag for flag in target.flags(made) if not flag.startswith("--cluster")]
        server = stack.enter_context(live_servers.alertmanager(config=config, arguments=arguments))
        yield Running(server.url, box)


def of(name: str, signal: str, severity: str, service: str = "web", **labels: str) -> dict[str, str]:
    return {
        "alertname": name,
        "signal": signal,
        "severity": severity,
        "service": service,
        "owner": "ops",
        **labels,
    }


def test_a_worse_alert_holds_back_the_lesser_ones_of_the_same_thing_only(tmp_path: Path) -> None:
    with running("", tmp_path) as server:
        server.fire(
            of("DiskCritical", "disk_used", "critical", mountpoint="/data"),
            of("SameDisk", "disk_used", "warning", mountpoint="/data"),
            of("OtherDisk", "disk_used", "warning", mountpoint="/"),
            of("OtherService", "disk_used", "warning", service="pay", mountpoint="/data"),
            of("OtherSignal", "memory_used", "warning"),
            of("End", "latency_p95", "info", service="pay"),
        )
        for name in ("DiskCritical", "OtherDisk", "OtherService", "OtherSignal", "End"):
            server.box.until("/webhooks/alertmanager", name)
        assert server.held_back() == {"SameDisk"}
        assert "SameDisk" not in server.box.names("/webhooks/alertmanager")


def test_a_service_that_is_gone_holds_back_its_symptoms_but_nothing_worse(tmp_path: Path) -> None:
    with running("", tmp_path) as server:
        server.fire(
            of("WebGone", "up", "critical"),
            of("WebErrors", "error_ratio", "critical"),
            of("WebSlow", "latency_p95", "high"),
            of("PaySlow", "latency_p95", "high", service="pay"),
        )
        for name in ("WebGone", "PaySlow"):
            server.box.until("/webhooks/alertmanager", name)
        assert server.held_back() == {"WebErrors", "WebSlow"}


def test_an_exporter_that_is_gone_never_holds_back_what_is_worse(tmp_path: Path) -> None:
    with running("", tmp_path) as server:
        server.fire(
            of("ExporterGone", "up", "high", service="db"),
            of("DatabaseGone", "database_up", "critical", service="db"),
            of("DatabaseFull", "connections_used", "warning", service="db"),
        )
        for name in ("ExporterGone", "DatabaseGone"):
            server.box.until("/webhooks/alertmanager", name)
        assert server.held_back() == {"DatabaseFull"}


def test_bongsu_is_told_with_its_token_and_the_watchdog_tells_nobody(tmp_path: Path) -> None:
    with running("", tmp_path) as server:
        server.fire({"alertname": "Watchdog", "severity": "info"}, of("Real", "error_ratio", "high"))
        server.box.until("/webhooks/alertmanager", "Real")
        assert {authorization for _, _, authorization in server.box.posts} == {"Bearer token-1"}
        assert server.box.names("/webhooks/alertmanager") == ["Real"]


def test_a_slack_message_calls_on_the_owner_and_on_nobody_that_telemetry_names(tmp_path: Path) -> None:
    rest = "channels: {chat: {type: slack, webhook: {env: CHAT}}}\nroutes: [{to: chat, severity: P2}]\n"
    with running(rest, tmp_path) as server:
        server.fire(of("Slow", "latency_p95", "high"))
        with server.box.arrived:
            posts = server.box.posts
            assert server.box.arrived.wait_for(lambda: any(p == "/chat" for p, _, _ in posts), 20), posts
        body = next(body for path, body, _ in posts if path == "/chat")
        (attachment,) = body["attachments"]
        assert attachment["pretext"] == "<@U7>"
        assert attachment["title"] == "🟠 P2 높음: web: &lt;!channel&gt; 느림"
        assert attachment["color"] == "#F76B15"
        assert "담당: 운영팀" in attachment["text"]
        assert "<!channel>" not in json.dumps(body)


def test_hours_and_maintenance_hold_now(tmp_path: Path) -> None:
    """Both ends of an hour are an hour away, so that the test is the same all day."""
    now = datetime.now(UTC)
    clock = [f"{now + timedelta(hours=h):%H:%M}" for h in (-1, 1, 2)]
    window = {"start": now - timedelta(hours=1), "end": now + timedelta(hours=1)}
    rest = f"""
channels:
  now: {{type: webhook, url: "BOX/now"}}
  later: {{type: webhook, url: "BOX/later"}}
routes:
  - {{to: now, during: "{clock[0]}-{clock[1]}"}}
  - {{to: later, during: "{clock[1]}-{clock[2]}"}}
maintenance: [{{services: pay, start: "{window["start"].isoformat()}", end: "{window["end"].isoformat()}"}}]
"""
    with running(rest, tmp_path) as server:
        server.fire(of("First", "error_ratio", "high"), of("Quiet", "error_ratio", "high", service="pay"))
        server.box.until("/now", "First")
        server.box.until("/webhooks/alertmanager", "First")
        server.fire(of("Second", "error_ratio", "high"))
        server.box.until("/now", "Second")
        assert {path for path, _, _ in server.box.posts} == {"/now", "/webhooks/alertmanager"}
        assert "Quiet" not in server.box.names("/now") + server.box.names("/webhooks/alertmanager")
