"""Probes: a real blackbox exporter and a real Prometheus with the generated configuration."""

import json
import shutil
import socket
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from bongsu.catalog import loads
from bongsu.stack import blackbox_exporter, node_exporter, prometheus
from bongsu.stack.blackbox_exporter import probe_address, probe_module
from bongsu.stack.model import Stack
from tests import live_servers
from tests.live_servers import free_port, serve


@pytest.mark.parametrize(
    ("target", "module", "address"),
    [
        ("https://shop.example.com/health", "http_2xx", "https://shop.example.com/health"),
        ("shop.example.com", "http_2xx", "shop.example.com"),
        ("db.example.com:5432", "tcp_connect", "db.example.com:5432"),
        ("tcp://db:5432", "tcp_connect", "db:5432"),
        ("tls://mail:993", "tcp_tls", "mail:993"),
        ("icmp://10.0.0.1", "icmp", "10.0.0.1"),
    ],
)
def test_a_target_says_how_it_is_probed(target: str, module: str, address: str) -> None:
    assert (probe_module(target), probe_address(target)) == (module, address)


def test_only_the_modules_that_are_used_are_written() -> None:
    text = 'name: t\nservices: {site: {kind: blackbox, targets: ["https://a", "tcp://b:1"]}}\n'
    found = yaml.safe_load(blackbox_exporter.render(Stack(loads(text)))[blackbox_exporter.CONFIGURATION])
    assert list(found["modules"]) == ["http_2xx", "tcp_connect"]


def test_targets_of_several_sorts_are_one_service() -> None:
    text = 'name: t\nservices: {site: {kind: blackbox, targets: ["https://a", "tcp://b:1"]}}\n'
    config = yaml.safe_load(prometheus.configuration(Stack(loads(text), "compose")))
    found = {j["job_name"]: j for j in config["scrape_configs"] if j["job_name"].startswith("site")}
    assert {name: job["params"]["module"] for name, job in found.items()} == {
        "site/http_2xx": ["http_2xx"],
        "site/tcp_connect": ["tcp_connect"],
    }
    assert all(job["static_configs"][0]["labels"] == {"job": "site"} for job in found.values())


@contextmanager
def website() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/ok" else 503)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def _asked(url: str, query: str) -> dict[str, float]:
    """``instance`` (or job) → value."""
    with urllib.request.urlopen(f"{url}/api/v1/query?query={urllib.parse.quote(query)}", timeout=5) as answer:
        rows: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    return {row["metric"]["instance"]: float(row["value"][1]) for row in rows}


@pytest.mark.live
def test_probes_tell_what_answers_from_what_does_not_and_the_prober_from_both(tmp_path: Path) -> None:
    binary = shutil.which("prometheus-blackbox-exporter") or shutil.which("blackbox_exporter")
    if binary is None:
        pytest.skip("the blackbox exporter is not installed: this test needs the real server")
    with website() as site, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        targets = [f"{site}/ok", f"{site}/broken", f"tcp://127.0.0.1:{closed.getsockname()[1]}"]
        text = (
            f"name: t\nscrape: {{interval: 1s}}\nservices: {{site: {{kind: blackbox, targets: {targets}}}}}\n"
        )
        port = free_port()
        stack = Stack(loads(text), addresses={"blackbox-exporter": f"127.0.0.1:{port}"})
        config = tmp_path / "blackbox.yml"
        config.write_text(blackbox_exporter.render(stack)[blackbox_exporter.CONFIGURATION])
        url = f"http://127.0.0.1:{port}"
        command = [binary, f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}"]
        with serve(command, url, f"{url}/-/healthy", tmp_path):
            generated = prometheus.configuration(stack)
            with live_servers.prometheus(config=generated) as server:
                found: dict[str, float] = {}
                deadline = time.monotonic() + 20
                while len(found) < 3 and time.monotonic() < deadline:
                    found = _asked(server.url, 'probe_success{job="site"}')
                    time.sleep(0.1)
                assert found == {targets[0]: 1.0, targets[1]: 0.0, targets[2].removeprefix("tcp://"): 0.0}
                # The prober answers for all of them: what fails is what it looks at.
                assert set(_asked(server.url, 'up{job="site"}').values()) == {1.0}


@pytest.mark.live
def test_the_node_exporter_takes_its_flags_and_leaves_containers_out(tmp_path: Path) -> None:
    binary = shutil.which("prometheus-node-exporter") or shutil.which("node_exporter")
    if binary is None:
        pytest.skip("the node exporter is not installed: this test needs the real server")
    stack = Stack(loads("name: t\nservices: {box: {kind: node}}\n"))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [binary, *node_exporter.flags(stack), f"--web.listen-address=127.0.0.1:{port}"]
    with serve(command, url, f"{url}/metrics", tmp_path), urllib.request.urlopen(f"{url}/metrics") as answer:
        text = answer.read().decode()
    assert "node_memory_MemAvailable_bytes" in text
    assert 'mountpoint="/proc' not in text
