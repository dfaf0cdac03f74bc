"""``bongsu query`` asks a real Prometheus and a real server, and says what to do when it cannot."""

import json
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from bongsu.catalog import loads, resolve
from bongsu.query_api import query_router
from bongsu.security import Credentials
from bongsu.signals.query import FleetQuery
from bongsu.sources.base import Series, SourceError
from tests import live_servers
from tests.cli.conftest import Run, application, call, eventually
from tests.signals.signoz_evaluator import Series as Recorded
from tests.sources.fakes import signoz as fakes

CATALOG = """\
name: team
timezone: Asia/Seoul
sources: {SOURCE}
watch: {interval: 1s}
services:
  orders:
    kind: fastapi
    prefix: shop
    targets: "TARGET"
    signals:
      disk: {form: gauge, metric: disk, by: [mount], unit: ratio, thresholds: {P1: "> 90%"}}
"""
EMBEDDED = "local: {type: embedded, scrape_interval: 1s}"


def write(source: str = EMBEDDED, target: str = "127.0.0.1:1") -> None:
    Path("bongsu.yaml").write_text(CATALOG.replace("SOURCE", source).replace("TARGET", target))


@pytest.mark.live
def test_a_real_prometheus_is_asked_directly(run: Run) -> None:
    now = round(time.time()) // 15 * 15
    lines = ["# TYPE disk gauge"]
    for mount, level in (("/", 0.5), ("/data", 0.95)):
        lines += [
            f'disk{{job="orders",mount="{mount}"}} {level} {at}'
            for at in range(now - 3600, now + 1, 15)
            if not now - 2400 < at < now - 1200
        ]
    with live_servers.prometheus(openmetrics="\n".join([*lines, "# EOF\n"])) as server:
        write(f"prom: {{type: prometheus, url: '{server.url}'}}")
        drawn = run("query", "orders", "disk", "--since", "55m")
        document = json.loads(run("query", "orders", "disk", "--step", "1m", "--json").output)
        empty = run("query", "orders", "memory")
    assert drawn.exit_code == 0, drawn.output
    assert "95%" in drawn.output
    assert "P1 > 90%" in drawn.output
    assert "source prom" in drawn.output
    assert "no data in" in drawn.output
    assert "mount=/data" in drawn.output
    assert document["unit"] == "ratio"
    assert len(document["times"]) == len(document["values"]) == 61
    assert {one["labels"]["mount"] for one in document["series"]} == {"/", "/data"}
    assert None in document["values"]
    assert "no data in this time" in empty.output


def test_a_prometheus_that_does_not_answer(run: Run) -> None:
    write("prom: {type: prometheus, url: 'http://127.0.0.1:1'}")
    result = run("query", "orders", "memory")
    assert result.exit_code == 1
    assert "http://127.0.0.1:1/api/v1/query_range" in result.output
    assert "is it running" in result.output
    assert "longer --step" in run("query", "orders", "memory", "--step", "1ms").output


SIGNOZ = "cloud: {type: signoz, url: 'URL', token: {env: TEAM_KEY}}"


@pytest.mark.skipif(not fakes.SPEC.exists(), reason=f"CONTRACT NOT CHECKED: SigNoz's is not at {fakes.SPEC}")
def test_another_source_is_asked_directly_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_KEY", fakes.KEY)
    at = np.arange(time.time() - 3600, time.time(), 30)
    disk = Recorded("disk", {"service.name": "orders", "mount": "/"}, at.astype(int) * 1000, at * 0 + 0.97)
    with fakes.signoz(fakes.Signoz(series=[disk])) as server:
        write(SIGNOZ.replace("URL", server.url))
        drawn = run("query", "orders", "disk", "--since", "30m")
        monkeypatch.setenv("TEAM_KEY", "a-wrong-key")
        refused = run("query", "orders", "disk")
        monkeypatch.delenv("TEAM_KEY")
        unset = run("query", "orders", "disk")
    assert drawn.exit_code == 0, drawn.output
    assert "97%" in drawn.output
    assert "source cloud" in drawn.output
    assert refused.exit_code == 1
    assert "HTTP 401: invalid api key; check the token of the source" in refused.output
    assert "a-wrong-key" not in refused.output
    assert "cloud: the secret in environment variable TEAM_KEY is not set" in unset.output


def test_a_source_without_metrics_names_one_that_has_them(run: Run) -> None:
    write(
        "prom: {type: prometheus, url: 'http://127.0.0.1:1'}, logs: {type: loki, url: 'http://127.0.0.1:1'}"
    )
    result = run("query", "orders", "disk", "--source", "logs")
    assert result.exit_code == 1
    assert "the source logs (loki) has no metrics" in result.output
    assert "--source prom" in result.output


def test_a_running_server_is_asked_for_what_it_keeps(run: Run, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{live_servers.free_port()}"
    argv = [sys.executable, "-m", "bongsu", "serve", "--port", url.rpartition(":")[2], "--data", "data"]
    with application("shop") as address:
        write(target=address)
        with live_servers.serve([*argv, "--no-watch"], url, f"{url}/readyz", tmp_path, timeout=60):
            place = ("--server", url, "--data", "data", "--since", "30s", "--step", "1s")

            def answered() -> bool:
                call(address, 1, 2)
                output = run("query", "orders", "request_rate", *place, "--json").output
                return sum(value is not None for value in json.loads(output)["values"]) > 2

            eventually(answered, 40)
            drawn = run("query", "orders", "request_rate", *place)
            plain = run("query", "orders", "request_rate", *place, "--ascii")
            raw = run("query", "orders", "disk", *place)
            Path("data/admin.token").write_text("another")
            refused = run("query", "orders", "request_rate", *place)
    assert "orders request_rate – requests per second" in drawn.output
    assert "source local" in drawn.output
    assert "█" in drawn.output
    assert plain.output.isascii()
    assert "no data in this time" in raw.output
    assert refused.exit_code == 1
    assert "the token was refused" in refused.output


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["order", "memory"], 1, "there is no service 'order'; did you mean 'orders'?"),
        (["orders", "memry"], 1, "did you mean 'memory'?"),
        (["orders", "memory", "--source", "locl"], 1, "did you mean 'local'?"),
        (["orders", "memory", "--since", "1 hour"], 2, "is not a duration"),
        (["orders", "memory", "--since", "0s"], 2, "more than nothing"),
        (["bongsu.yaml", "orders"], 2, "name a service and a signal"),
        (["nothing.yaml", "orders", "memory"], 1, "write one with: bongsu init"),
        (["orders", "memory"], 1, "set BONGSU_ADMIN_TOKEN"),
    ],
)
def test_mistakes(run: Run, arguments: list[str], status: int, told: str) -> None:
    write()
    result = run("query", *arguments)
    assert result.exit_code == status
    assert told in result.output


def test_a_server_that_is_not_running(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    write()
    monkeypatch.setenv("BONGSU_ADMIN_TOKEN", "token")
    result = run("query", "orders", "memory", "--server", "http://127.0.0.1:1")
    assert result.exit_code == 1
    assert "http://127.0.0.1:1/api/query" in result.output
    assert "bongsu serve" in result.output


class Fixed:
    """A source with two series, one of them with a gap; or one that fails."""

    name = "fixed"

    def __init__(self, failure: str = "") -> None:
        self.failure = failure

    async def range(self, query: FleetQuery, start: float, end: float, step: float) -> Sequence[Series]:
        if self.failure:
            raise SourceError(self.failure)
        times = [start, start + step]
        return [
            Series("orders", times, [0.2, math.nan], {"mount": "/"}),
            Series("orders", times, [0.4, math.nan], {"mount": "/data"}),
        ]


def ask(path: str, *, token: str = "admin", failure: str = "") -> tuple[int, Any]:
    services = resolve(loads(CATALOG.replace("SOURCE", EMBEDDED).replace("TARGET", "127.0.0.1:1")))
    app = FastAPI()
    credentials = Credentials(admin="admin", ingest="ingest")
    app.include_router(query_router(credentials, services, Fixed(failure)))  # type: ignore[arg-type]
    answer = TestClient(app).get(path, headers={"authorization": f"Bearer {token}"})
    return answer.status_code, answer.json()


def test_the_endpoint_answers_with_the_worst_and_no_nan() -> None:
    status, document = ask("/api/query?service=orders&signal=disk&start=100&end=160&step=60")
    assert status == 200
    assert document["times"] == [100, 160]
    assert document["values"] == [0.4, None]
    assert document["threshold"] == {"P1": {"op": ">", "value": 0.9, "for": 0.0}}
    assert (document["unit"], document["source"]) == ("ratio", "fixed")


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("?signal=disk", 400, "service and signal are needed"),
        ("?service=order&signal=disk", 404, "did you mean 'orders'?"),
        ("?service=orders&signal=disc", 404, "did you mean 'disk'?"),
        ("?service=orders&signal=disk&start=abc", 400, "start is a number of seconds, not 'abc'"),
        ("?service=orders&signal=disk&start=nan", 400, "start is a number of seconds"),
        ("?service=orders&signal=disk&start=5&end=5", 400, "start must lie before end"),
        ("?service=orders&signal=disk&start=0&end=1e9&step=1", 400, "at most 11000 values"),
        ("?service=orders&signal=disk&step=-1", 400, "step must give"),
    ],
)
def test_the_endpoint_says_what_is_wrong(path: str, status: int, told: str) -> None:
    found, document = ask(f"/api/query{path}")
    assert found == status
    assert told in document["detail"]


def test_the_endpoint_needs_the_admin_token() -> None:
    assert ask("/api/query?service=orders&signal=disk", token="ingest")[0] == 401


def test_a_source_that_fails_is_a_bad_gateway() -> None:
    status, document = ask("/api/query?service=orders&signal=disk", failure="fixed: no answer")
    assert (status, document["detail"]) == (502, "fixed: no answer")
