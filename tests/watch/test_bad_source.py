"""A source that is down, slow or lying pages nobody for its services: the watch says what it lacks."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from bongsu.catalog import loads, resolve
from bongsu.incidents.model import Alert
from bongsu.incidents.store import Store
from bongsu.processes import free_port
from bongsu.sources.opening import open_sources
from bongsu.watch.judgement import Judgement
from bongsu.watch.watch import Watch
from tests.sources.fakes.server import Asked, Reply, serve

pytestmark = pytest.mark.anyio
CATALOG = """
name: shop
watch: {{interval: 60s}}
sources: {{metrics: {{type: prometheus, url: "{url}", timeout: 300ms}}}}
services:
  orders: {{kind: fastapi, thresholds: {{up: {{P1: "< 1"}}, error_ratio: {{P1: "> 50%"}}}}}}
  payments: {{kind: fastapi}}
"""
NOON = 1_699_272_000.0


def vector(*rows: tuple[dict[str, str], float, object]) -> Reply:
    result = [{"metric": labels, "value": [at, value]} for labels, at, value in rows]
    return Reply(200, {"status": "success", "data": {"resultType": "vector", "result": result}})


def slow(_: Asked) -> Reply:
    time.sleep(0.6)
    return vector()


def wrong_types(_: Asked) -> Reply:
    return vector(({"job": "orders"}, NOON, {"not": "a number"}))


def no_json(_: Asked) -> Reply:
    return Reply(200, b"<html>a login page</html>")


def huge(_: Asked) -> Reply:
    return Reply(200, json.dumps({"status": "x" * 70 * 2**20}).encode())


def refusing(_: Asked) -> Reply:
    return Reply(403, {"message": "no"})


def of_the_future(asked: Asked) -> Reply:
    """Says that everything is down and fails, but next week."""
    assert parse_qs(asked.body.decode())["query"]
    return vector(({"job": "orders"}, NOON + 7 * 86400, "0.9"), ({"job": "payments"}, NOON + 7 * 86400, "0"))


async def watched(folder: Path, url: str) -> list[Alert]:
    """What is told in five rounds, a minute apart."""
    told: list[Alert] = []

    async def take(alerts: Sequence[Alert]) -> None:
        told.extend(alerts)

    catalog = loads(CATALOG.format(url=url))
    source, store = open_sources(catalog, None), Store(folder / "incidents.sqlite")
    watch = Watch(source, Judgement.of(catalog, resolve(catalog)), store, take)
    try:
        for minute in range(5):
            await watch.round(NOON + 60 * minute)
    finally:
        await source.aclose()
        await store.close()
    return told


@pytest.mark.parametrize("answer", [slow, wrong_types, no_json, huge, refusing])
async def test_a_source_that_gives_no_answer_is_told_of_once_and_its_services_are_not(
    tmp_path: Path, answer: Callable[[Asked], Reply]
) -> None:
    with serve(answer) as server:
        told = await watched(tmp_path, server.url)
    assert [(alert.name, alert.service) for alert in told] == [("source_down", "")]
    assert "no data from metrics since" in told[0].summary


async def test_a_source_that_is_down_is_told_of_once(tmp_path: Path) -> None:
    told = await watched(tmp_path, f"http://127.0.0.1:{free_port()}")
    assert [alert.name for alert in told] == ["source_down"]


async def test_values_of_a_time_to_come_are_no_answer(tmp_path: Path) -> None:
    with serve(of_the_future) as server:
        told = await watched(tmp_path, server.url)
    assert [(alert.name, alert.service) for alert in told] == [("source_down", "")]
