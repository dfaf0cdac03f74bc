"""``bongsu watch`` shows what it reads and judges, and tells people only when it is meant to."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from click.testing import CliRunner, Result

from bongsu.cli import main
from bongsu.folder import DataFolder

CATALOG = """
name: shop
sources: {metrics: {type: prometheus, url: "http://127.0.0.1:%d"}}
services:
  orders: {kind: fastapi, thresholds: {up: {P1: "< 1 for 2m"}, error_ratio: {P2: "> 5%%", P1: none}}}
  payments: {kind: fastapi}
channels: {ops: {type: webhook, url: "http://127.0.0.1:1"}}
"""


class Prometheus(BaseHTTPRequestHandler):
    """Answers ``up`` with 0, error ratios with 12 % for orders, and nothing else."""

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        query, at = form["query"][0], float(form["time"][0])
        value = "0" if query.startswith("max by (job) (up") else "0.12" if "5.." in query else ""
        result = [{"metric": {"job": "orders"}, "value": [at, value]}] if value else []
        body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Path]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Prometheus)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    path = tmp_path / "bongsu.yaml"
    path.write_text(CATALOG % server.server_port)
    yield path
    server.shutdown()


def watch(catalog: Path, *options: str) -> Result:
    return CliRunner(env={"BONGSU_LANGUAGE": "en"}).invoke(main, ["watch", str(catalog), "--once", *options])


def test_a_dry_run_shows_values_conditions_and_what_would_be_said(catalog: Path) -> None:
    result = watch(catalog, "--dry-run")
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    assert "orders error_ratio 12% FIRING P2 (0s; threshold)" in lines
    assert "orders up 0 pending P1 (0s of 2m; threshold)" in lines
    assert "would be said: 1" in lines
    assert lines[-1] == "firing P2 orders: too many requests fail"
    assert not (catalog.parent / "bongsu-data").exists()


def test_one_service_can_be_looked_at_alone(catalog: Path) -> None:
    result = watch(catalog, "--dry-run", "--service", "payments", "--json")
    document = json.loads(result.output)
    assert {row["service"] for row in document["rows"]} == {"payments"}
    assert document["alerts"] == []


def test_an_unknown_service_is_refused_with_a_hint(catalog: Path) -> None:
    result = watch(catalog, "--dry-run", "--service", "order")
    assert result.exit_code != 0
    assert "orders" in result.output


def test_a_round_keeps_the_incident_that_it_opens(catalog: Path) -> None:
    data = catalog.parent / "data"
    result = watch(catalog, "--data", str(data))
    assert result.exit_code == 0, result.output
    assert "said: 1" in result.output
    again = watch(catalog, "--data", str(data))
    assert "said: 0" in again.output, "it is told once"


def test_a_folder_that_a_server_works_in_is_not_touched(catalog: Path, tmp_path: Path) -> None:
    held = DataFolder(tmp_path / "data")
    result = watch(catalog, "--data", str(tmp_path / "data"))
    held.close()
    assert result.exit_code == 1
    assert "is in use by process" in result.output


def test_the_embedded_source_is_watched_by_its_server(tmp_path: Path) -> None:
    path = tmp_path / "bongsu.yaml"
    path.write_text("name: shop\nservices: {orders: {kind: fastapi}}\n")
    result = watch(path, "--dry-run")
    assert result.exit_code == 1
    assert "bongsu serve" in result.output
