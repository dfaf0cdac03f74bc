"""What SigNoz requests answer over generated series, and what the embedded store answers."""

import asyncio
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from bongsu.signals import signoz
from bongsu.signals.model import Signal
from bongsu.signals.query import FleetQuery
from bongsu.signals.rows import Row
from bongsu.sources.answers import Answer, instant_samples, range_series
from bongsu.sources.embedded import EmbeddedSource, EmbeddedStore
from tests.signals.signoz_contract import conforms
from tests.signals.signoz_evaluator import Series, evaluate

BASE = 1_699_999_200
"""Unix seconds, a multiple of an hour."""
BLOCK = 600
"""Seconds: every window and step divides it; counters start over where one begins."""


def signal(**fields: Any) -> Any:
    return TypeAdapter(Signal).validate_python(fields)


COUNTED = ["rate", "increase", "ratio", "quantile"]
PRESENT = ["gauge", "divided", "presence", "age"]


@dataclass(frozen=True)
class Recipe:
    """A case, of which ``seed`` settles the rest. ``uneven`` lets increments vary."""

    form: str
    seed: int
    interval: int
    window: int
    step: int
    services: int
    instances: int
    resets: bool
    gaps: int
    by: bool
    uneven: bool = False


def recipes(forms: list[str], *, uneven: bool = False) -> st.SearchStrategy[Recipe]:
    return st.builds(
        Recipe,
        form=st.sampled_from(forms),
        seed=st.integers(0, 2**32 - 1),
        interval=st.sampled_from([10, 15, 30, 60]),
        window=st.sampled_from([120, 300, 600]),
        step=st.sampled_from([60, 120, 300]),
        services=st.integers(1, 3),
        instances=st.integers(1, 2),
        resets=st.just(False) if uneven else st.booleans(),
        gaps=st.just(0) if uneven else st.integers(0, 2),
        by=st.booleans(),
        uneven=st.just(uneven),
    )


@dataclass
class Case:
    query: FleetQuery
    series: list[Series]
    recipe: Recipe


BOUNDS = ("0.1", "0.25", "0.5", "1", "+Inf")


def build(recipe: Recipe) -> Case:
    rng = np.random.default_rng(recipe.seed)
    names = [f"s{i}.x" for i in range(recipe.services)]
    series: list[Series] = []
    for name in names:
        times, fresh = _times(recipe, rng)
        for instance in range(recipe.instances):
            labels = {"job": name, "instance": f"{instance}:80"}
            series += _series(recipe, labels, times, fresh, rng)
    fields: dict[str, Any] = {"form": recipe.form, "metric": "m", "window": recipe.window}
    fields["by"] = ["instance"] if recipe.by else []
    if recipe.form in ("rate", "increase", "ratio"):
        fields |= {"match": {"status": "5.." if recipe.form == "ratio" else "!404"}}
    if recipe.form in ("ratio", "quantile"):
        fields |= {"floor": float(rng.choice([0.0, 0.4]))}
    if recipe.form == "quantile":
        fields |= {"q": float(rng.choice([0.5, 0.9, 0.95, 0.99]))}
    if recipe.form == "divided":
        fields |= {"form": "gauge", "divisor": "n"}
    if fields["form"] == "gauge":
        fields |= {
            "agg": str(rng.choice(["sum", "max", "min", "avg"])),
            "complement": bool(rng.random() < 0.3),
        }
        fields |= {"over": rng.choice([None, "min", "max", "avg", "last"])} if not recipe.gaps else {}
        fields |= {"unless": {"metric": "flag"}} if rng.random() < 0.5 else {}
    if recipe.form == "age":
        fields |= {"left": bool(rng.random() < 0.5)}
    services = {f"name-{name}": {"job": name} for name in [*names, "silent"]}
    return Case(FleetQuery("q", signal(**fields), services), series, recipe)


def _times(recipe: Recipe, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Milliseconds of a service's samples, never on a boundary, without its gaps; and which begin anew."""
    times = BASE * 1000 + np.arange(3600 // recipe.interval) * recipe.interval * 1000 + 3007
    first = np.diff(times // (BLOCK * 1000), prepend=0) > 0
    fresh = np.zeros(len(times), dtype=bool)
    if recipe.resets:
        fresh[np.flatnonzero(first)[int(rng.integers(1, 3)) :: 2]] = True
    keep = np.ones(len(times), dtype=bool)
    for _ in range(recipe.gaps):
        at, length = int(rng.integers(0, len(times))), int(rng.integers(1, len(times) // 3))
        if not fresh[at : at + length + 1].any():
            keep[at : at + length] = False
    return np.where(keep, times, -times), fresh


def _series(
    recipe: Recipe, labels: dict[str, str], times: np.ndarray, fresh: np.ndarray, rng: np.random.Generator
) -> list[Series]:
    keep = times > 0

    def recorded(metric: str, values: np.ndarray, **more: str) -> Series:
        return Series(metric, labels | more, times[keep], values[keep])

    def climbing(pace: float) -> np.ndarray:
        noise = rng.uniform(0, pace, len(times)) if recipe.uneven else pace
        grown = np.zeros(len(times)) + noise
        total = 1e5 + np.cumsum(grown)
        for at in np.flatnonzero(fresh):
            total[at:] = np.cumsum(grown[at:])
        return total

    match recipe.form:
        case "rate" | "increase" | "ratio":
            statuses = ["200", "404"] + (["500", "503"] if rng.random() < 0.7 else [])
            return [recorded("m", climbing(float(rng.integers(0, 20))), status=s) for s in statuses]
        case "quantile":
            paces = np.cumsum(rng.integers(0, 9, len(BOUNDS))).astype(float)
            buckets = [recorded("m_bucket", climbing(p), le=le) for p, le in zip(paces, BOUNDS, strict=True)]
            return [*buckets, recorded("m_count", climbing(float(paces[-1])))]
        case "age":
            return [recorded("m", BASE + np.sort(rng.integers(0, 3000, len(times))).astype(float))]
        case "presence":
            return [recorded("m", (rng.random(len(times)) > 0.4).astype(float))]
        case "divided":
            limits = rng.normal(1, 2, len(times)) * (rng.random(len(times)) > 0.2)
            return [recorded("m", rng.normal(0, 2, len(times))), recorded("n", limits)]
        case _:
            flag = np.full(len(times), float(rng.integers(-1, 2)))
            return [recorded("m", rng.normal(0, 2, len(times))), recorded("flag", flag)]


def store(case: Case) -> EmbeddedStore:
    found = EmbeddedStore(None, 1e12, 2**30)
    for each in case.series:
        found.append_series(each.metric, each.labels, each.times / 1000, each.values)
    return found


Values = dict[tuple[str, tuple[tuple[str, str], ...], float], float]


def asked(case: Case, at: float, late: float = 0.0) -> tuple[Values, Values]:
    """What SigNoz answers ``late`` seconds after ``at``, and what the embedded store answers at ``at``."""
    body: Any = signoz.compile(case.query, 0, at + late)
    answer = evaluate(body, case.series)
    _conform(answer)
    rows = signoz.answer(answer, case.query, at)
    samples = instant_samples(case.query, _answers(rows))
    embedded = store(case)
    ours = asyncio.run(EmbeddedSource(embedded).instant(case.query, at))
    embedded.close()
    return tuple(  # type: ignore[return-value]
        {(s.service, tuple(s.labels.items()), at): s.value for s in found if not math.isnan(s.value)}
        for found in (samples, ours)
    )


def asked_range(case: Case, start: float, end: float) -> tuple[Values, Values]:
    body: Any = signoz.compile(case.query, start, end, case.recipe.step)
    answer = evaluate(body, case.series)
    _conform(answer)
    steps = signoz.points(case.query, start, end, case.recipe.step)
    times = [ms / 1000 for ms in steps.millis]
    theirs = range_series(case.query, times, _answers(signoz.answer(answer, case.query)))
    embedded = store(case)
    ours = asyncio.run(EmbeddedSource(embedded).range(case.query, steps.start, steps.end, steps.step))
    embedded.close()
    return tuple(  # type: ignore[return-value]
        {
            (s.service, tuple(s.labels.items()), at): value
            for s in found
            for at, value in zip(s.times, s.values, strict=True)
            if not math.isnan(value)
        }
        for found in (theirs, ours)
    )


def _answers(rows: list[Row]) -> Iterator[Answer]:
    for row in rows:
        for at, value in zip(row.times, row.values, strict=True):
            yield Answer(at, row.labels, value)


def _conform(answer: dict[str, Any]) -> None:
    for result in answer["data"]["data"]["results"]:
        conforms(result, "ScalarData" if "columns" in result else "TimeSeriesData")


def even(case: Case, service: str, at: float, start: float) -> bool:
    """Whether the samples reach both ends of the window, and one lies right before it.

    The shifted queries of a range begin apart: near its ``start`` a gap within the window matters, too.
    """
    window, interval = case.recipe.window, case.recipe.interval * 1000
    job = case.query.services[service]["job"]
    for each in case.series:
        if each.labels["job"] == job and at < start + window:
            inside = (each.times > (at - window) * 1000 - interval) & (each.times <= at * 1000)
            if inside.sum() < window // case.recipe.interval + 1:
                return False
        if each.labels["job"] == job:
            for edge in (at - window, at - window + case.recipe.interval, at):
                last = edge * 1000
                if not ((each.times > last - interval) & (each.times <= last)).any():
                    return False
    return True


def compare(case: Case, theirs: Values, ours: Values, start: float = -math.inf) -> int:
    compared = 0
    counter = case.recipe.form in COUNTED
    for key in theirs.keys() | ours.keys():
        service, _, at = key
        if counter and not even(case, service, at, start):
            seen = case.recipe.window + 60 if start < 0 else at - start + 600
            bounded(case, key, theirs.get(key, 0.0), ours.get(key, 0.0), seen)
            continue
        assert key in theirs, f"only SQL answers {key}: {ours[key]}\n{case.query.signal}"
        assert key in ours, f"only SigNoz answers {key}: {theirs[key]}\n{case.query.signal}"
        assert math.isclose(theirs[key], ours[key], rel_tol=1e-6, abs_tol=1e-9), (key, theirs[key], ours[key])
        compared += 1
    return compared


def bounded(case: Case, key: Any, theirs: float, ours: float, seen: float) -> None:
    """With samples missing at an edge, neither counts more than the counter grew by in the time ``seen``."""
    if case.recipe.form not in ("rate", "increase"):
        return
    service, by, _ = key
    job, window = case.query.services[service]["job"], case.recipe.window
    mine = [
        s
        for s in case.series
        if s.labels["job"] == job and s.labels.get("status") != "404" and dict(by).items() <= s.labels.items()
    ]
    most = 20 * len(mine) * seen / case.recipe.interval
    scale = window if case.recipe.form == "rate" else 1
    assert 0 <= theirs * scale <= most
    assert 0 <= ours * scale <= most


@settings(max_examples=60, deadline=None)
@given(
    recipes(COUNTED + PRESENT),
    st.integers(0, 59),
)
def test_an_instant_answers_as_the_embedded_store_does(recipe: Recipe, late: int) -> None:
    case = build(recipe)
    for at in range(BASE + 1200, BASE + 3600, 600):
        compare(case, *asked(case, at, 0 if recipe.form == "age" else late))


@settings(max_examples=40, deadline=None)
@given(recipes(COUNTED + PRESENT))
def test_a_range_answers_as_the_embedded_store_does(recipe: Recipe) -> None:
    case = build(recipe)
    step = signoz.points(case.query, BASE + 1200, BASE + 3600, recipe.step).step
    windowed = recipe.form in COUNTED or getattr(case.query.signal, "over", None)
    assume(not windowed or recipe.window % step == 0)
    assume(recipe.form not in PRESENT or recipe.gaps == 0)
    theirs, ours = asked_range(case, BASE + 1200, BASE + 3600)
    if recipe.form == "presence":
        ours = {key: value for key, value in ours.items() if key in theirs}
    compare(case, theirs, ours, BASE + 1200)


def test_most_of_what_is_compared_is_there() -> None:
    compared = 0
    for form, seed in itertools.product([*COUNTED, "gauge", "divided"], range(3)):
        case = build(Recipe(form, seed, 15, 300, 60, 2, 2, True, 0 if form in PRESENT else 1, True))
        compared += compare(case, *asked(case, BASE + 2400))
        compared += compare(case, *asked_range(case, BASE + 1200, BASE + 3000), BASE + 1200)
    assert compared > 400


@settings(max_examples=30, deadline=None)
@given(recipes(["increase"], uneven=True))
def test_an_uneven_counter_differs_by_no_more_than_its_unevenness(recipe: Recipe) -> None:
    case = build(recipe)
    theirs, ours = asked(case, BASE + 2400)
    assert theirs.keys() == ours.keys()
    for key, value in theirs.items():
        service, by, _ = key
        mine = [
            s
            for s in case.series
            if s.labels["job"] == case.query.services[service]["job"]
            and s.labels["status"] != "404"
            and dict(by).items() <= s.labels.items()
        ]
        bound = sum(float(np.ptp(np.diff(s.values))) for s in mine)
        assert abs(value - ours[key]) <= bound + 1e-6
