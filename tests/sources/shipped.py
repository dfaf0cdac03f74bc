"""Generated telemetry for the signals of the shipped kinds: series that count, and others that do not."""

import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from bongsu.catalog import fleet_queries, loads, resolve
from bongsu.catalog.kinds import builtin_kinds
from bongsu.signals.model import AnySignal, Expr, Gauge, Quantile, Ratio
from bongsu.signals.query import FleetQuery
from tests.sources.generated import BEGIN, BOUNDS, Case, Recorded

_SEEN = ("200", "500", "/orders", "/health", "ext4", "eth0", "idle in transaction", "other")
"""What labels say; beside these, the words of the matchers themselves."""

_LENGTH, _INTERVAL = 1200, 20


def queries() -> list[FleetQuery]:
    """The signals of every shipped kind but raw PromQL, each once, for two services of its own."""
    found: dict[tuple[str, ...], FleetQuery] = {}
    for kind in builtin_kinds():
        services = [
            f"  {name}: {{kind: {kind}, prefix: app, runs: {{namespace: in-{name}, volume: data}}}}"
            for name in ("a", "b")
        ]
        catalog = loads("\n".join(["name: t", "services:", *services, ""]))
        asked = fleet_queries(resolve(catalog).values())
        for query in asked:
            key = (query.name, *query.identity, query.signal.model_dump_json())
            if not isinstance(query.signal, Expr):
                found.setdefault(key, query)
    return [
        replace(query, services={name: _apart(labels, n) for name, labels in query.services.items()})
        for n, query in enumerate(found.values())
    ]


def _apart(labels: Mapping[str, str], number: int) -> dict[str, str]:
    return {label: f"{value}-{number}" for label, value in labels.items()}


def recorded(query: FleetQuery, seed: int) -> Case:
    """The query and series for it, some with gaps. Samples lie on milliseconds that end in 3."""
    rng = np.random.default_rng(seed)
    series = [
        one
        for metric, matches in _metrics(query.signal).items()
        for labels in _labels(query, matches)
        for one in _record(query, metric, labels, rng)
    ]
    at = [BEGIN + offset + 0.007 for offset in (-5.0, 400.0, 1150.0, 1600.0)]
    return Case(query, series, at, (BEGIN + 100.007, BEGIN + 1300.007, 60.0))


def _metrics(signal: AnySignal) -> dict[str, list[Mapping[str, str]]]:
    """Each metric of the signal with all its matchers."""
    assert not isinstance(signal, Expr)
    found: dict[str, list[Mapping[str, str]]] = {signal.metric: [signal.match]}
    if isinstance(signal, Ratio):
        found.setdefault(signal.of or signal.metric, []).append(signal.of_match)
    if isinstance(signal, Gauge) and signal.divisor is not None:
        found.setdefault(signal.divisor, []).append(signal.divisor_match)
    if isinstance(signal, Gauge) and signal.unless is not None:
        found.setdefault(signal.unless.metric, []).append(signal.unless.match)
    return found


def _labels(query: FleetQuery, matches: Iterable[Mapping[str, str]]) -> Iterable[dict[str, str]]:
    """The services' labels with two of each label that is kept apart, and what matchers take and leave."""
    texts: dict[str, list[str]] = {}
    for match in matches:
        for label, text in match.items():
            texts.setdefault(label, []).append(text)
    values = {label: ["0", "1"] for label in ("instance", *query.signal.by)}
    values |= {label: _values(patterns) for label, patterns in texts.items()}
    for own in query.services.values():
        free = {label: some for label, some in values.items() if label not in own}
        for chosen in itertools.product(*free.values()):
            yield dict(own) | dict(zip(free, chosen, strict=True))


def _values(patterns: list[str]) -> list[str]:
    """Something that each pattern takes and something that it leaves."""
    words = [word for pattern in patterns for word in re.split(r"[^\w ]+", pattern) if word]
    chosen = []
    for pattern in patterns:
        matcher = re.compile(pattern.removeprefix("!"))
        seen = [*_SEEN, *words]
        taken = next((value for value in seen if matcher.fullmatch(value)), None)
        assert taken is not None, f"nothing known matches {pattern!r}"
        chosen += [taken, next(value for value in seen if not matcher.fullmatch(value))]
    return list(dict.fromkeys(chosen))


def _record(
    query: FleetQuery, metric: str, labels: dict[str, str], rng: np.random.Generator
) -> list[Recorded]:
    signal = query.signal
    count = _LENGTH // _INTERVAL
    times = BEGIN * 1000 + np.arange(count) * _INTERVAL * 1000 + rng.integers(0, 500, count) * 10 + 3
    if rng.random() < 0.2:
        gap = int(rng.integers(0, count))
        times = np.delete(times, np.s_[gap : gap + 25])
    if isinstance(signal, Quantile):
        shares = rng.dirichlet(np.ones(len(BOUNDS)))
        seen = rng.multinomial(40, shares, len(times)).cumsum(axis=1).cumsum(axis=0).astype(float)
        buckets = [
            Recorded(f"{metric}_bucket", labels | {"le": le}, times, seen[:, i])
            for i, le in enumerate(BOUNDS)
        ]
        return [*buckets, Recorded(f"{metric}_count", labels, times, seen[:, -1])]
    if isinstance(signal, Gauge) and signal.unless is not None and metric == signal.unless.metric:
        excluded = labels.items() >= query.services["b"].items()
        return [Recorded(metric, labels, times, np.full(len(times), float(excluded)))]
    match signal.form:
        case "rate" | "increase" | "ratio":
            values = rng.poisson(9, len(times)).astype(float).cumsum()
        case "age":
            values = BEGIN + rng.normal(0, 1e4, len(times)).round(1)
        case "presence":
            values = (rng.random(len(times)) < 0.7).astype(float)
        case _:
            values = rng.gamma(2, 3, len(times)).round(3)
    return [Recorded(metric, labels, times, values)]
