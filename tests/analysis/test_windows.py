"""A window is shortened for a sharp onset only where it is no part of what is measured."""

import asyncio
from typing import Any

import pytest

from bongsu.analysis.collect import collect
from bongsu.analysis.request import CollectRequest
from bongsu.signals.query import FleetQuery
from bongsu.sources.base import Series, Source
from tests.sources.generated import signal


class Listening(Source):
    """A source without data that notes the windows it is asked for."""

    def __init__(self) -> None:
        self.windows: list[float] = []

    async def range(self, query: FleetQuery, start: float, end: float, step: float) -> list[Series]:
        self.windows.append(query.signal.window)
        return []


def windows(**fields: Any) -> list[float]:
    query = FleetQuery("q", signal(window=600, **fields), {"a": {"job": "a"}})
    source: Any = Listening()
    request = CollectRequest("i", [], 1_700_000_000.0, 1_700_000_300.0, {"a": []}, [query])
    asyncio.run(collect(request, source))
    return list(source.windows)


@pytest.mark.parametrize(
    "fields",
    [
        {"form": "rate", "metric": "m"},
        {"form": "ratio", "metric": "m"},
        {"form": "quantile", "metric": "m", "q": 0.5},
    ],
    ids=lambda fields: fields["form"],
)
def test_what_is_per_second_is_read_sharply_first(fields: dict) -> None:
    assert windows(**fields) == [60, 600]


@pytest.mark.parametrize(
    "fields",
    [
        {"form": "increase", "metric": "m"},
        {"form": "gauge", "metric": "m"},
        {"form": "gauge", "metric": "m", "over": "min"},
        {"form": "age", "metric": "m", "over": "last"},
        {"form": "age", "metric": "m", "left": True},
        {"form": "presence"},
        {"form": "expr", "expr": "deriv(m{$selector}[$window])"},
    ],
    ids=lambda fields: "-".join(map(str, fields.values())),
)
def test_the_window_of_other_forms_is_kept(fields: dict) -> None:
    assert windows(**fields) == [600]
