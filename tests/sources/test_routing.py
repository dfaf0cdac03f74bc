"""Several sources as one: each question goes to the backends that can answer it."""

import pytest

from bongsu.catalog import fleet_queries, loads, resolve
from bongsu.signals.query import FleetQuery
from bongsu.sources.base import Capability, LogRecord, Sample, Source, SourceError
from bongsu.sources.opening import open_sources
from bongsu.sources.sources import Sources

pytestmark = pytest.mark.anyio

TWO_SOURCES = """
name: shop
sources:
  east: {type: prometheus, url: "http://127.0.0.1:1"}
  west: {type: prometheus, url: "http://127.0.0.1:2", token: {env: NO_SUCH_TOKEN}}
services:
  orders: {kind: fastapi}
  payments: {kind: fastapi, source: west}
"""


class Known(Source):
    """Answers with its name; ``broken`` fails instead."""

    def __init__(self, name: str, *capabilities: Capability, broken: bool = False) -> None:
        self._name = name
        self.capabilities = frozenset(capabilities)
        self._broken = broken

    @property
    def name(self) -> str:
        return self._name

    async def instant(self, query: FleetQuery, at: float) -> list[Sample]:
        return [Sample(self._name, at)]

    async def logs(self, *_: object, limit: int, **__: object) -> list[LogRecord]:
        if self._broken:
            raise SourceError(f"{self._name}: down")
        return [LogRecord(float(i), self._name, "ERROR", "") for i in range(limit)]


def queries(text: str) -> list[FleetQuery]:
    return fleet_queries(resolve(loads(text)).values(), by_source=True)


def test_services_of_different_sources_are_asked_in_different_queries() -> None:
    asked = {(q.source, *q.services) for q in queries(TWO_SOURCES) if q.name == "up"}
    assert asked == {("east", "orders"), ("west", "payments")}


async def test_metrics_come_from_the_querys_source_and_else_from_the_default() -> None:
    sources = Sources({"east": Known("east", "metrics"), "west": Known("west", "metrics")}, "east")
    up = {q.source: q for q in queries(TWO_SOURCES) if q.name == "up"}
    assert (await sources.instant(up["west"], 1.0))[0].service == "west"
    unnamed = FleetQuery(up["west"].name, up["west"].signal, up["west"].services)
    assert (await sources.instant(unnamed, 1.0))[0].service == "east"


async def test_logs_come_from_every_source_that_has_them_newest_last() -> None:
    members = {"a": Known("a", "logs"), "b": Known("b", "metrics"), "c": Known("c", "logs")}
    found = await Sources(members, "b").logs([], 0, 9, errors_only=True, limit=3)
    assert [record.time for record in found] == [1.0, 2.0, 2.0]
    assert {record.service for record in found} == {"a", "c"}


async def test_one_source_that_fails_does_not_take_the_others_answers() -> None:
    sources = Sources({"a": Known("a", "logs", broken=True), "b": Known("b", "logs")}, "a")
    assert {r.service for r in await sources.logs([], 0, 9, errors_only=True, limit=2)} == {"b"}


async def test_an_answer_that_nobody_can_give_is_an_error_and_no_empty_answer() -> None:
    with pytest.raises(SourceError, match="a: down"):
        await Sources({"a": Known("a", "logs", broken=True)}, "a").logs([], 0, 9, errors_only=True, limit=2)


async def test_a_source_whose_secret_is_missing_says_so_when_it_is_asked() -> None:
    sources = open_sources(loads(TWO_SOURCES), None)
    west = next(q for q in queries(TWO_SOURCES) if q.source == "west")
    with pytest.raises(
        SourceError, match="west: the secret in environment variable NO_SUCH_TOKEN is not set"
    ):
        await sources.instant(west, 1.0)
    await sources.aclose()
