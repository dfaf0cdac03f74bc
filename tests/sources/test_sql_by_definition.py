"""The embedded store's answers beside those of the definitions in plain Python, for every form and field."""

import asyncio
import math

import numpy as np
import promql_parser
import pytest
from hypothesis import given, settings

from bongsu.signals import promql
from bongsu.signals.query import FleetQuery
from bongsu.sources.embedded import EmbeddedSource, EmbeddedStore
from tests.sources import shipped
from tests.sources.generated import BEGIN, Case, Recipe, Recorded, build, each_combination, recipes
from tests.sources.reference import Answers, answer


def _named(query: FleetQuery) -> str:
    return f"{query.name}-{getattr(query.signal, 'metric', '')}"


def stored(case: Case) -> EmbeddedStore:
    store = EmbeddedStore(None, 1e12, 2**30)
    for s in case.series:
        store.append_series(s.metric, s.labels, s.times / 1000, s.values)
    return store


def group(case: Case, service: str, labels: dict[str, str]) -> tuple[str, ...]:
    query = case.query
    own = query.services[service]
    rest = [name for name in query.signal.by if name not in own]
    return (*(own[name] for name in query.identity), *(labels.get(name, "") for name in rest))


def ask(case: Case) -> tuple[dict[float, Answers], dict[float, Answers]]:
    """Each instant with its answers, and each step of the range with its."""

    async def both() -> tuple[dict[float, Answers], dict[float, Answers]]:
        source = EmbeddedSource(store)
        instants = {
            at: {group(case, s.service, s.labels): s.value for s in await source.instant(case.query, at)}
            for at in case.at
        }
        rows = await source.range(case.query, *case.span)
        start, _, step = case.span
        steps = {
            start + i * step: {
                group(case, row.service, row.labels): row.values[i]
                for row in rows
                if not math.isnan(row.values[i])
            }
            for i in range(21)
        }
        return instants, steps

    store = stored(case)
    try:
        return asyncio.run(both())
    finally:
        store.close()


def compare(case: Case) -> int:
    """How many values were as the definition says; the first that is not fails."""
    instants, steps = ask(case)
    compared = 0
    for at, found in instants.items():
        expected = answer(case.query, case.series, round(at * 1000))
        if case.query.signal.form == "presence":
            expected |= {g: 0.0 for g in found.keys() - expected.keys() if found[g] == 0}
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True), case.query.signal
        compared += len(found)
    for at, found in steps.items():
        every = answer(case.query, case.series, round(at * 1000))
        expected = {g: value for g, value in every.items() if not math.isnan(value)}
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-9), case.query.signal
        compared += len(found)
    return compared


@given(recipes)
@settings(max_examples=60, deadline=None)
def test_every_instant_and_every_step_is_what_the_definition_says(recipe: Recipe) -> None:
    compare(build(recipe, 0))


@pytest.mark.parametrize("recipe", each_combination(), ids=lambda recipe: f"{recipe.form}-{recipe.seed}")
def test_every_combination_of_fields_is_answered_as_defined(recipe: Recipe) -> None:
    assert compare(build(recipe, 0)) > 0


@pytest.mark.parametrize("query", shipped.queries(), ids=_named)
def test_the_signals_of_the_shipped_kinds_are_answered_as_defined(query: FleetQuery) -> None:
    promql_parser.parse(promql.compile(query))
    assert compare(shipped.recorded(query, seed=1)) > 20


def test_fullness_is_told_of_what_can_be_written_to_and_as_what_is_used() -> None:
    (query,) = (query for query in shipped.queries() if query.name == "disk_used")
    case = shipped.recorded(query, seed=1)
    of = {**query.services["a"], "instance": "0", "fstype": "ext4"}
    times = np.array([BEGIN * 1000 + 3])
    sizes = {"/": (100.0, 30.0, 0.0), "/image": (100.0, 0.0, 1.0), "/empty": (0.0, 0.0, 0.0)}
    case.series = [
        Recorded(f"node_filesystem_{name}", of | {"mountpoint": mount}, times, np.array([value]))
        for mount, values in sizes.items()
        for name, value in zip(("size_bytes", "avail_bytes", "readonly"), values, strict=True)
    ]
    case.at = [BEGIN + 1.007]
    instants, _ = ask(case)
    assert instants == {case.at[0]: {(of["job"], "0", "/"): pytest.approx(0.7)}}
