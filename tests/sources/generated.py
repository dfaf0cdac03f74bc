"""Generated telemetry for property tests: compact recipes that a seed turns into series."""

import itertools
import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from pydantic import TypeAdapter

from bongsu.signals.model import AnySignal, Signal
from bongsu.signals.query import FleetQuery

BEGIN = 1_700_000_000
"""Unix seconds of the first sample. Samples lie on milliseconds that end in 3, questions on 7."""

_SIGNAL: TypeAdapter[AnySignal] = TypeAdapter(Signal)
BOUNDS = ("0.05", "0.1", "0.25", "0.5", "1", "2.5", "+Inf")


def signal(**fields: Any) -> AnySignal:
    return _SIGNAL.validate_python(fields)


@dataclass
class Recorded:
    """One series: its name, labels and samples (times in ms)."""

    metric: str
    labels: dict[str, str]
    times: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class Recipe:
    """What one case is made of; ``seed`` settles the rest."""

    form: str
    seed: int
    interval: int
    samples: int
    window: int
    step: int
    services: int
    instances: int
    busy: float
    resets: float
    gaps: int
    by: tuple[str, ...]
    over: str | None
    complement: bool
    unless: bool
    left: bool


FORMS = ["gauge", "divided", "age", "rate", "increase", "ratio", "quantile", "presence", "gauge", "divided"]
OVER = [None, "min", "max", "avg", "last"]
BY: list[tuple[str, ...]] = [(), ("instance",), ("zone",), ("zone", "instance")]

recipes = st.builds(
    Recipe,
    form=st.sampled_from(FORMS),
    seed=st.integers(0, 2**32 - 1),
    interval=st.sampled_from([1, 5, 15, 30]),
    samples=st.integers(20, 120),
    window=st.sampled_from([60, 120, 300, 600]),
    step=st.sampled_from([7, 15, 60]),
    services=st.integers(1, 3),
    instances=st.integers(1, 2),
    busy=st.sampled_from([0.0, 0.3, 4.0, 900.0]),
    resets=st.sampled_from([0.0, 0.02, 0.2]),
    gaps=st.integers(0, 2),
    by=st.sampled_from(BY),
    over=st.sampled_from(OVER),
    complement=st.booleans(),
    unless=st.booleans(),
    left=st.booleans(),
)


def each_combination() -> list[Recipe]:
    """The fields of gauges and ages in every combination, each with other data."""
    gauges = itertools.product(("gauge", "divided"), OVER, (False, True), (False, True), (False,))
    ages = list(itertools.product(("age",), (None, "last"), (False,), (False,), (False, True)))
    same = Recipe("", 0, 5, 160, 60, 15, 2, 3, 0.3, 0.0, 2, (), None, False, False, False)
    return [
        replace(
            same,
            form=form,
            over=over,
            complement=complement,
            unless=unless,
            left=left,
            seed=n,
            interval=(5, 30, 15)[n % 3],
            window=(60, 600)[n % 5 > 1],
            by=BY[(n + n // 4) % 4],
        )
        for n, (form, over, complement, unless, left) in enumerate([*gauges, *ages, *ages])
    ]


@dataclass
class Case:
    """A question and the series that it is about; ``at`` are the instants to ask it."""

    query: FleetQuery
    series: list[Recorded]
    at: list[float]
    span: tuple[float, float, float]
    labels: list[str] = field(default_factory=list)


def build(recipe: Recipe, number: int) -> Case:
    """The case that ``recipe`` describes; metric names hold ``number`` so that cases share a server."""
    rng = np.random.default_rng(recipe.seed)
    names = [f"s{i}.x" for i in range(recipe.services)]
    base = f"case{number}_{recipe.form}"
    series: list[Recorded] = []
    for job in names:
        for instance in range(recipe.instances):
            labels = {"job": job, "instance": f"{instance}:80"}
            if (zone := rng.choice(["", "a", "b"])) and "zone" in recipe.by:
                labels["zone"] = str(zone)
            series += _series(recipe, base, labels, rng)
    services = {f"name-{job}": {"job": job} for job in names}
    query = FleetQuery(f"q{number}", _signal(recipe, base, rng), services)
    length = recipe.interval * recipe.samples
    at = [BEGIN + round(float(x), 2) + 0.007 for x in rng.uniform(0, length + 400, 4)]
    start = BEGIN + round(float(rng.uniform(-60, length)), 2) + 0.007
    return Case(query, series, at, (start, start + 20 * recipe.step, recipe.step))


def _signal(recipe: Recipe, base: str, rng: np.random.Generator) -> AnySignal:
    common: dict[str, Any] = {"window": recipe.window, "by": recipe.by}
    floor = float(rng.choice([0.0, 0.4]))
    match recipe.form:
        case "rate" | "increase":
            return signal(form=recipe.form, metric=f"{base}_total", match={"status": "!404"}, **common)
        case "ratio":
            return signal(
                form="ratio", metric=f"{base}_total", match={"status": "5.."}, floor=floor, **common
            )
        case "quantile":
            q = float(rng.choice([0.4937, 0.9511]))
            return signal(form="quantile", metric=base, q=q, floor=floor, **common)
        case "gauge" | "divided":
            agg = str(rng.choice(["sum", "max", "min", "avg"]))
            common["over"], common["complement"] = recipe.over, recipe.complement
            if recipe.form == "divided":
                common["divisor"] = f"{base}_limit"
            if recipe.unless:
                common["unless"] = {"metric": f"{base}_out", "match": {"mode": "on"}}
            return signal(form="gauge", metric=base, agg=agg, **common)
        case "age":
            over = "last" if recipe.over == "last" else None
            return signal(form="age", metric=base, left=recipe.left, over=over, **common)
        case form:
            return signal(form=form, metric=base, **common)


def _series(recipe: Recipe, base: str, labels: dict[str, str], rng: np.random.Generator) -> list[Recorded]:
    match recipe.form:
        case "rate" | "increase" | "ratio":
            statuses = ["200", "404"] + (["500", "503"] if rng.random() < 0.7 else [])
            return [
                _counter(recipe, f"{base}_total", labels | {"status": status}, rng) for status in statuses
            ]
        case "quantile":
            return _histogram(recipe, base, labels, rng)
        case "age":
            return [_gauge(recipe, base, labels, rng, BEGIN)]
        case "presence":
            recorded = _gauge(recipe, base, labels, rng)
            recorded.values = (recorded.values > 0).astype(float)
            return [recorded]
    found = [_gauge(recipe, base, labels, rng, odd=recipe.form == "gauge")]
    if recipe.form == "divided":
        limit = _gauge(recipe, f"{base}_limit", labels, rng)
        limit.values = np.where(np.abs(limit.values) < 0.5, 0.0, np.abs(limit.values))
        found.append(limit)
    if recipe.unless:
        found += [_switch(recipe, f"{base}_out", labels | {"mode": mode}, rng) for mode in ("on", "off")]
    return found


def _times(recipe: Recipe, rng: np.random.Generator) -> np.ndarray:
    """Milliseconds of the samples: late starts, jitter and gaps."""
    jitter = rng.integers(0, recipe.interval * 5, recipe.samples) * 10
    times = BEGIN * 1000 + np.arange(recipe.samples) * recipe.interval * 1000 + jitter + 3
    keep = np.ones(len(times), dtype=bool)
    for _ in range(recipe.gaps):
        at, length = rng.integers(0, len(times)), rng.integers(1, 15)
        keep[at : at + length] = False
    return times[keep]


def _resets(recipe: Recipe, count: int, rng: np.random.Generator) -> np.ndarray:
    return rng.random(count) < recipe.resets


def _climb(increments: np.ndarray, resets: np.ndarray, initial: float) -> np.ndarray:
    values, total = np.zeros(len(increments)), initial
    for i, (more, reset) in enumerate(zip(increments, resets, strict=True)):
        total = more if reset else total + more
        values[i] = total
    return values


def _counter(recipe: Recipe, metric: str, labels: dict[str, str], rng: np.random.Generator) -> Recorded:
    times = _times(recipe, rng)
    initial = float(rng.choice([0.0, 3.0, 1e6]))
    increments = rng.poisson(recipe.busy, len(times)).astype(float)
    return Recorded(metric, labels, times, _climb(increments, _resets(recipe, len(times), rng), initial))


def _histogram(recipe: Recipe, base: str, labels: dict[str, str], rng: np.random.Generator) -> list[Recorded]:
    times = _times(recipe, rng)
    resets = _resets(recipe, len(times), rng)
    shares = rng.dirichlet(np.ones(len(BOUNDS)) * 0.7)
    observed = rng.multinomial(round(recipe.busy * 3), shares, len(times)).cumsum(axis=1).astype(float)
    bounds = list(BOUNDS)
    if rng.random() < 0.1:
        bounds.pop()
    elif rng.random() < 0.4:
        bounds[0], bounds[1] = "-1", "0"
    found = [
        Recorded(f"{base}_bucket", labels | {"le": le}, times, _climb(observed[:, i], resets, 0.0))
        for i, le in enumerate(bounds)
    ]
    return [*found, Recorded(f"{base}_count", labels, times, _climb(observed[:, -1], resets, 0.0))]


def _gauge(
    recipe: Recipe,
    metric: str,
    labels: dict[str, str],
    rng: np.random.Generator,
    centre: float = 0.0,
    odd: bool = False,
) -> Recorded:
    times = _times(recipe, rng)
    values = centre + rng.normal(0, 2, len(times)).round(4)
    if odd:
        strange = rng.random(len(times)) < 0.1
        values = np.where(strange, rng.choice([math.nan, math.inf, -math.inf, 0.0], len(times)), values)
    return Recorded(metric, labels, times, values)


def _switch(recipe: Recipe, metric: str, labels: dict[str, str], rng: np.random.Generator) -> Recorded:
    """A gauge that is 1 always, never or now and then, and at times NaN."""
    times = _times(recipe, rng)
    share = rng.choice([0.0, 0.1, 1.0], p=[0.5, 0.3, 0.2])
    values = (rng.random(len(times)) < share).astype(float)
    return Recorded(metric, labels, times, np.where(rng.random(len(times)) < 0.05, math.nan, values))


def openmetrics(cases: list[Case]) -> str:
    """All samples as OpenMetrics text with timestamps, for ``promtool tsdb create-blocks-from``."""
    lines = []
    for case in cases:
        for s in case.series:
            labels = ",".join(f'{name}="{value}"' for name, value in s.labels.items())
            lines += [
                f"{s.metric}{{{labels}}} {_number(value)} {ms // 1000}.{ms % 1000:03d}"
                for ms, value in zip(s.times.tolist(), s.values.tolist(), strict=True)
            ]
    return "\n".join([*lines, "# EOF", ""])


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, repr(value))
