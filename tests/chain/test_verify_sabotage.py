"""A whole stack on this machine, from one catalog: all is green; each sabotage turns its own line red, alone.

What only follows from a trouble is not judged: the metrics of a service that is not collected, the scrape
of a prober that lacks its module, the hops behind a server that does not answer.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bongsu.cli.running import Running, running, stack_of
from bongsu.stack.verify import Line, reading, verify
from tests.live_servers import free_port, require

pytestmark = pytest.mark.live

CATALOG = """\
name: corner
targets: {{prometheus: "2.42", alertmanager: "0.25", grafana: "12.0"}}
scrape: {{interval: 1s, timeout: 1s}}
sources: {{metrics: {{type: prometheus, url: "http://127.0.0.1:9090"}}}}
defaults: {{window: 10s}}
services:
  shop:
    kind: generic-http
    prefix: shop
    targets: 127.0.0.1:{port}
    signals:
      backlog_share:
        form: expr
        expr: shop_backlog{{$selector}} / on (job) shop_backlog_limit{{$selector}}
        help: share of the backlog in use
        thresholds: {{P3: "> 90% for 5m"}}
        unit: ratio
  web: {{kind: blackbox, targets: "http://127.0.0.1:{port}/health"}}
  machine: {{kind: node}}
"""
PAGE = """\
# TYPE shop_http_requests_total counter
shop_http_requests_total{{method="GET",path="/buy",status="200"}} {n}
# TYPE shop_http_request_duration_seconds histogram
shop_http_request_duration_seconds_bucket{{method="GET",path="/buy",le="0.1"}} {n}
shop_http_request_duration_seconds_bucket{{method="GET",path="/buy",le="2.5"}} {n}
shop_http_request_duration_seconds_bucket{{method="GET",path="/buy",le="+Inf"}} {n}
shop_http_request_duration_seconds_sum{{method="GET",path="/buy"}} {n}
shop_http_request_duration_seconds_count{{method="GET",path="/buy"}} {n}
# TYPE shop_http_active_connections gauge
shop_http_active_connections 1
# TYPE shop_http_request_size_bytes summary
shop_http_request_size_bytes_sum{{method="GET",path="/buy",status="200"}} {n}
shop_http_request_size_bytes_count{{method="GET",path="/buy",status="200"}} {n}
# TYPE shop_http_response_size_bytes summary
shop_http_response_size_bytes_sum{{method="GET",path="/buy",status="200"}} {n}
shop_http_response_size_bytes_count{{method="GET",path="/buy",status="200"}} {n}
# TYPE shop_backlog gauge
shop_backlog{{queue="orders"}} 1
# TYPE shop_backlog_limit gauge
shop_backlog_limit 10
"""


class Shop:
    """A small server with a page of metrics, whose text ``spoil`` may change."""

    def __init__(self) -> None:
        self.spoil: Callable[[str], str] = lambda page: page
        self.count = 0
        self.pages: tuple[str, ...] = ("/metrics", "/health")
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                shop.count += 10
                known = self.path in shop.pages
                self.send_response(200 if known else 404)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(shop.spoil(PAGE.format(n=shop.count)).encode() if known else b"")

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@dataclass
class Corner:
    """What ``bongsu up`` runs, and hands on it."""

    shop: Shop
    folder: Path
    process: subprocess.Popen[bytes]
    now: Running
    files: dict[str, str]
    undo: list[Callable[[], None]] = field(default_factory=list)

    def lines(self) -> list[Line]:
        return asyncio.run(verify(self.now.stack, self.now.places, self.files))

    def until_red(self, names: set[str], seconds: float = 25.0) -> dict[str, Line]:
        """All lines by name, as soon as exactly these are red in two verifications in a row."""
        deadline, before = time.monotonic() + seconds, False
        while True:
            lines = {line.name: line for line in self.lines()}
            red = {name for name, line in lines.items() if line.state == "bad"}
            if before and red == names:
                return lines
            before = red == names
            if time.monotonic() > deadline:
                told = "\n".join(f"{lines[name].name}: {lines[name].why.en}" for name in red)
                pytest.fail(f"red should be {names or 'nothing'}; is:\n{told}")

    def pid(self, system: str) -> int:
        """The process of a system: the only child of ``up`` whose command line has its file."""
        marks = {"bongsu": "serve", "node-exporter": "node"}
        mark = marks.get(system, f"{self.folder}/stack/{system}/").encode()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    parent = (entry / "stat").read_text().rsplit(")", 1)[1].split()[1]
                    if int(parent) == self.process.pid and mark in (entry / "cmdline").read_bytes():
                        return int(entry.name)
                except OSError:
                    continue
        raise AssertionError(f"{system} does not run")

    def hold(self, system: str) -> None:
        """Let the process hang until the test is over."""
        pid = self.pid(system)
        os.kill(pid, signal.SIGSTOP)
        self.undo.append(lambda: os.kill(pid, signal.SIGCONT))

    def edit(self, path: str, change: Callable[[str], str], system: str = "") -> None:
        """Change a file (nothing left: remove it) and let ``system`` read it."""
        file = self.folder / path
        before = file.read_text()
        after = change(before)
        assert after != before
        if after:
            file.write_text(after)
        else:
            file.unlink()

        def back() -> None:
            file.write_text(before)
            if system:
                os.kill(self.pid(system), signal.SIGHUP)

        self.undo.append(back)
        if system:
            os.kill(self.pid(system), signal.SIGHUP)

    def prometheus(self, before: str, after: str) -> None:
        self.edit("stack/prometheus/prometheus.yml", lambda t: t.replace(before, after), "prometheus")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Corner]:
    require(
        "prometheus", "prometheus-alertmanager", "prometheus-node-exporter", "prometheus-blackbox-exporter"
    )
    folder, shop = tmp_path_factory.mktemp("stack"), Shop()
    catalog, data = folder / "bongsu.yaml", folder / "data"
    catalog.write_text(CATALOG.format(port=shop.port))
    systems = ("prometheus", "alertmanager", "node-exporter", "blackbox-exporter", "bongsu")
    ports = [option for system in systems for option in ("--port", f"{system}={free_port()}")]
    command = [sys.executable, "-m", "bongsu", "up", str(catalog), "--data", str(data), *ports]
    env = {k: v for k, v in os.environ.items() if not k.startswith("BONGSU_")}
    with (folder / "up.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=env)
    try:
        deadline = time.monotonic() + 90
        while not (data / "up.json").exists():
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail((folder / "up.log").read_text())
            time.sleep(0.1)
        now = running(stack_of(catalog, "", "local"), {}, data, ())
        whole = Corner(shop, data, process, now, now.files())
        whole.until_red(set(), 40)
        yield whole
    finally:
        process.terminate()
        process.wait(30)
        shop.server.shutdown()
        shop.server.server_close()


@pytest.fixture
def up(stack: Corner, monkeypatch: pytest.MonkeyPatch) -> Iterator[Corner]:
    monkeypatch.setattr(reading, "SECONDS", 1.0)
    stack.undo.clear()
    yield stack
    for undo in reversed(stack.undo):
        undo()
    stack.shop.spoil, stack.shop.pages = lambda page: page, ("/metrics", "/health")
    stack.until_red(set(), 40)


def test_a_stack_that_up_runs_is_right_in_every_line(up: Corner) -> None:
    lines = up.until_red(set())
    assert {line.state for line in lines.values()} == {"ok"}
    assert {"scrape shop", "metrics shop", "rules loaded", "routes", "webhook", "dashboards"} <= lines.keys()


def test_a_wrong_port(up: Corner) -> None:
    up.prometheus(f"127.0.0.1:{up.shop.port}\n", f"127.0.0.1:{free_port()}\n")
    lines = up.until_red({"scrape shop"})
    assert "connection refused" in lines["scrape shop"].why.en
    assert f"the catalog says http://127.0.0.1:{up.shop.port}/metrics" in lines["scrape shop"].why.en
    assert lines["metrics shop"].state == "skipped"


def test_a_wrong_path(up: Corner) -> None:
    up.shop.pages = ("/health", "/actuator/prometheus")
    lines = up.until_red({"scrape shop"})
    assert "HTTP 404" in lines["scrape shop"].why.en


def test_a_wrong_job(up: Corner) -> None:
    up.prometheus("job_name: shop\n", "job_name: shopp\n")
    lines = up.until_red({"scrape shop"})
    assert 'is scraped as {job="shopp"}; the catalog selects {job="shop"}' in lines["scrape shop"].why.en


def test_a_target_that_relabeling_drops(up: Corner) -> None:
    drop = "  relabel_configs:\n  - {source_labels: [__address__], regex: '.*', action: drop}\n"
    up.prometheus("- job_name: shop\n", f"- job_name: shop\n{drop}")
    lines = up.until_red({"scrape shop"})
    assert "is dropped by the relabeling of job 'shop'" in lines["scrape shop"].why.en


def test_a_page_that_is_no_metrics(up: Corner) -> None:
    up.shop.spoil = lambda _: "<html>It works!</html>"
    lines = up.until_red({"scrape shop"})
    assert "not the metrics format" in lines["scrape shop"].why.en


def test_a_rule_that_is_not_loaded(up: Corner) -> None:
    up.edit("stack/prometheus/rules/error_ratio.yml", lambda _: "", "prometheus")
    lines = up.until_red({"rules loaded"})
    assert "not loaded: error_ratio/ErrorRatio" in lines["rules loaded"].why.en


def test_a_rule_that_cannot_be_evaluated(up: Corner) -> None:
    up.shop.spoil = lambda page: page + 'shop_backlog_limit{part="2"} 10\n'
    lines = up.until_red({"rules healthy"})
    assert "backlog_share" in lines["rules healthy"].why.en
    assert "many-to-many" in lines["rules healthy"].why.en or "duplicate" in lines["rules healthy"].why.en
    assert lines["dashboards"].state == "skipped"


def test_a_renamed_metric(up: Corner) -> None:
    up.shop.spoil = lambda page: page.replace("shop_http_requests_total", "shop_http_request_total")
    lines = up.until_red({"metrics shop"})
    assert (
        "shop_http_requests_total is not there; found shop_http_request_total" in lines["metrics shop"].why.en
    )
    assert "did you mean shop_http_request_total?" in lines["metrics shop"].fix.en


def test_a_label_that_is_missing(up: Corner) -> None:
    up.shop.spoil = lambda page: page.replace("status=", "code=")
    lines = up.until_red({"metrics shop"})
    assert "has no label 'status'; it has code, method, path" in lines["metrics shop"].why.en


def test_a_blackbox_exporter_without_the_module(up: Corner) -> None:
    change: Callable[[str], str] = lambda text: text.replace("http_2xx:", "http_3xx:")  # noqa: E731
    up.edit("stack/blackbox-exporter/blackbox.yml", change, "blackbox-exporter")
    lines = up.until_red({"blackbox-exporter"})
    assert "it has no module http_2xx" in lines["blackbox-exporter"].why.en
    assert lines["scrape web"].state == "skipped"


def test_a_node_exporter_that_hangs(up: Corner) -> None:
    up.hold("node-exporter")
    lines = up.until_red({"scrape machine"})
    assert "no answer in time" in lines["scrape machine"].why.en


def test_other_routes_than_the_catalogs(up: Corner) -> None:
    change: Callable[[str], str] = lambda text: text.replace("group_wait: 5s", "group_wait: 50s")  # noqa: E731
    up.edit("stack/alertmanager/alertmanager.yml", change, "alertmanager")
    lines = up.until_red({"routes"})
    assert "it runs another configuration: route.group_wait" in lines["routes"].why.en


def test_an_alertmanager_that_hangs(up: Corner) -> None:
    up.hold("alertmanager")
    lines = up.until_red({"alertmanager"})
    assert "no answer" in lines["alertmanager"].why.en
    assert lines["scrape alertmanager"].state == "skipped"
    assert "routes" not in lines


def test_a_bongsu_that_hangs(up: Corner) -> None:
    up.hold("bongsu")
    lines = up.until_red({"bongsu"})
    assert "no answer" in lines["bongsu"].why.en
    assert lines["webhook"].state == "skipped"


def test_a_wrong_token(up: Corner) -> None:
    up.edit("secrets/BONGSU_INGEST_TOKEN", lambda _: "not-the-token")
    lines = up.until_red({"webhook"})
    assert "Bongsu refuses the token of" in lines["webhook"].why.en
    assert "not-the-token" not in json.dumps([line.why.en for line in lines.values()])
