"""``bongsu diff``: what a render would change in a folder, and in systems that run.

Grafana is not run here: a loopback server answers what its HTTP API documents (``/api/dashboards/uid/…``,
``/api/v1/provisioning/alert-rules``), and refuses what it would refuse.
"""

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bongsu.catalog import loads
from bongsu.cli import main
from bongsu.stack.diff import of_configuration, of_dashboard
from bongsu.stack.files import write
from bongsu.stack.model import Stack
from bongsu.stack.targets import render
from tests.live_servers import alertmanager, prometheus

CATALOG = """\
name: corner
targets: {prometheus: "2.42", alertmanager: "0.25", grafana: "12.0"}
services:
  shop: {kind: generic-http, prefix: shop, targets: "127.0.0.1:1", runbook: "https://wiki.example.com/shop"}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bongsu.yaml").write_text(CATALOG)
    return tmp_path


def bongsu(*arguments: str, **env: str) -> Result:
    runner = CliRunner(env={"LANG": "C", "LC_ALL": "C", "BONGSU_LANGUAGE": "en", **env})
    return runner.invoke(main, list(arguments))


def diff(folder: Path, *options: str, **env: str) -> Result:
    return bongsu("diff", str(folder / "bongsu.yaml"), "--data", str(folder / "none"), *options, **env)


@pytest.fixture
def rendered(folder: Path) -> Path:
    result = bongsu("render", str(folder / "bongsu.yaml"), "--out", str(folder / "out"))
    assert result.exit_code == 0, result.output
    return folder


def test_after_a_render_nothing_differs(rendered: Path) -> None:
    result = diff(rendered, "--out", str(rendered / "out"))
    assert result.exit_code == 0
    assert result.output.startswith("0 new, 0 changed, 0 removed,")


def test_a_changed_catalog_is_shown_line_by_line_and_changes_nothing(rendered: Path) -> None:
    before = {p: p.read_bytes() for p in (rendered / "out").rglob("*") if p.is_file()}
    text = CATALOG.replace("127.0.0.1:1", "127.0.0.1:2").replace("prefix: shop", "prefix: store")
    (rendered / "bongsu.yaml").write_text(text)
    result = diff(rendered, "--out", str(rendered / "out"))
    assert result.exit_code == 1
    assert "~ prometheus/prometheus.yml" in result.output
    assert "\n-    - 127.0.0.1:1\n+    - 127.0.0.1:2\n" in result.output
    assert {p: p.read_bytes() for p in (rendered / "out").rglob("*") if p.is_file()} == before


def test_files_that_would_go_and_files_changed_by_hand_are_told(rendered: Path) -> None:
    (rendered / "out/prometheus/prometheus.yml").write_text("mine: true\n")
    (rendered / "bongsu.yaml").write_text(
        CATALOG.replace("generic-http", "node").replace("prefix: shop, ", "")
    )
    result = diff(rendered, "--out", str(rendered / "out"), "--stat")
    assert "~ prometheus/prometheus.yml (changed by hand since the last render)" in result.output
    assert "- prometheus/rules/error_ratio.yml" in result.output
    assert "1 changed by hand since" in result.output
    assert "mine" not in result.output


def test_what_cannot_be_told_is_an_error(folder: Path) -> None:
    assert diff(folder).exit_code == 2
    assert diff(folder, "--prometheus", "http://127.0.0.1:9").exit_code == 2
    (folder / "bongsu.yaml").write_text("nonsense")
    assert diff(folder, "--out", str(folder)).exit_code == 2


def stack_at(alertmanager_address: str = "127.0.0.1:9093") -> Stack:
    return Stack(loads(CATALOG), addresses={"alertmanager": alertmanager_address})


@contextmanager
def running_prometheus(files: dict[str, str]) -> Iterator[tuple[str, Path, int]]:
    """A real Prometheus with these generated files; its URL, its folder and its process."""
    with prometheus() as server:
        write({f.removeprefix("prometheus/"): text for f, text in files.items()}, server.directory)
        os.kill(server.pid, signal.SIGHUP)
        yield server.url, server.directory, server.pid


def until(folder: Path, code: int, *options: str) -> Result:
    """The result as soon as its exit status is ``code``; a reload takes a moment."""
    for _ in range(100):
        result = diff(folder, *options)
        if result.exit_code == code:
            return result
    raise AssertionError(result.output)


@pytest.mark.live
def test_a_prometheus_that_runs_what_the_catalog_says_does_not_differ(folder: Path) -> None:
    with running_prometheus(render(stack_at())["prometheus"]) as (url, where, pid):
        result = until(folder, 0, "--prometheus", url)
        assert result.output == "0 difference(s) in what runs\n"
        rules = where / "rules" / "error_ratio.yml"
        rules.write_text(rules.read_text().replace("> 0.05", "> 0.07"))
        config = where / "prometheus.yml"
        config.write_text(config.read_text().replace("127.0.0.1:1\n", "127.0.0.1:7\n") + "# drifted\n")
        (where / "rules" / "latency_p95.yml").unlink()
        os.kill(pid, signal.SIGHUP)
        drifted = until(folder, 1, "--prometheus", url).output
    assert "+ prometheus: latency_p95/LatencyP95High: declared, not there" in drifted
    assert "~ prometheus: error_ratio/ErrorRatioHigh.expr: differs" in drifted
    assert "prometheus: scrape_configs[shop].static_configs[0].targets: differs" in drifted


@pytest.mark.live
def test_an_alertmanager_that_runs_what_the_catalog_says_does_not_differ(folder: Path) -> None:
    made = render(stack_at())["alertmanager"]["alertmanager/alertmanager.yml"]
    with alertmanager(config=made) as server:
        assert diff(folder, "--alertmanager", server.url).exit_code == 0
    with alertmanager(config=made.replace("group_wait: 5s", "group_wait: 9s")) as server:
        drifted = diff(folder, "--alertmanager", server.url)
    assert drifted.exit_code == 1
    assert "~ alertmanager: route.group_wait: differs\n    - 9s\n    + 5s" in drifted.output


@dataclass
class Grafana:
    """What Grafana's API documents of dashboards: with a token, by uid, with what Grafana adds itself."""

    dashboards: dict[str, Any] = field(default_factory=dict)
    rules: list[dict[str, Any]] = field(default_factory=list)
    token: str = "grafana-token"
    url: str = ""

    def answer(self, path: str, authorization: str) -> tuple[int, Any]:
        if authorization != f"Bearer {self.token}":
            return 401, {"message": "Unauthorized"}
        uid = path.removeprefix("/api/dashboards/uid/")
        if uid in self.dashboards:
            own = {"id": 7, "version": 3}
            return 200, {"meta": {"provisioned": True}, "dashboard": {**self.dashboards[uid], **own}}
        if path == "/api/v1/provisioning/alert-rules":
            return 200, self.rules
        return 404, {"message": "Dashboard not found"}


@pytest.fixture
def grafana() -> Iterator[Grafana]:
    fake = Grafana()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = fake.answer(self.path, self.headers.get("authorization", ""))
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    made = render(Stack(loads(CATALOG)))["grafana"]
    documents = [json.loads(text) for name, text in made.items() if name.startswith("grafana/dashboards/")]
    fake.dashboards = {document["uid"]: document for document in documents}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield fake
    server.shutdown()
    server.server_close()


def test_a_grafana_with_the_declared_dashboards_does_not_differ(folder: Path, grafana: Grafana) -> None:
    options = ("--grafana", grafana.url, "--token", "grafana=GT")
    assert diff(folder, *options, GT=grafana.token).exit_code == 0
    gone, changed = list(grafana.dashboards)[:2]
    del grafana.dashboards[gone]
    grafana.dashboards[changed] = {**grafana.dashboards[changed], "title": "edited in the browser"}
    drifted = diff(folder, *options, GT=grafana.token)
    assert drifted.exit_code == 1
    assert f"+ grafana: dashboard[{gone}]: declared, not there" in drifted.output
    assert f"~ grafana: dashboard[{changed}].title: differs\n    - edited in the browser" in drifted.output


def test_a_grafana_that_refuses_the_token_is_an_error_that_keeps_it_secret(
    folder: Path, grafana: Grafana
) -> None:
    refused = diff(folder, "--grafana", grafana.url, "--token", "grafana=GT", GT="wrong-and-secret")
    assert refused.exit_code == 2
    assert "HTTP 401: Unauthorized" in refused.output
    assert "wrong-and-secret" not in refused.output


@pytest.mark.parametrize(
    ("declared", "running", "differs"),
    [
        ("{a: 1}", "{a: 1, honor_timestamps: true}", []),
        ("{a: 1}", "{a: 1, honor_timestamps: false}", ["honor_timestamps"]),
        ("{interval: 60s}", "{interval: 1m}", []),
        ("{password: x}", "{password: <secret>}", []),
        ("{s: [{job_name: a}, {job_name: b}]}", "{s: [{job_name: b}, {job_name: a}]}", []),
        ("{s: [{job_name: a}]}", "{s: [{job_name: a}, {job_name: z}]}", ["s[z]"]),
        ("{m: ['b', 'a']}", "{m: ['a', 'b']}", []),
        ("{m: ['b']}", "{m: ['a']}", ["m"]),
        ("{x: {y: 1}}", "{}", ["x"]),
    ],
)
def test_what_a_system_fills_in_is_no_difference(declared: str, running: str, differs: list[str]) -> None:
    assert [found.where for found in of_configuration("x", declared, running)] == differs


def test_a_panel_that_somebody_added_is_a_difference() -> None:
    declared = {"uid": "u", "panels": [{"id": 1, "title": "a"}]}
    running = {
        "uid": "u",
        "panels": [{"id": 1, "title": "a", "pluginVersion": "12"}, {"id": 2, "title": "b"}],
    }
    [found] = of_dashboard(declared, running)
    assert (found.where, found.how) == ("dashboard[u].panels[1]", "unknown")
