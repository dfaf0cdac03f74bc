"""The forms in plain Python, as Prometheus defines them, one instant at a time."""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise

import numpy as np

from bongsu.signals.model import Age, Gauge, Presence, Quantile, Ratio
from bongsu.signals.query import FleetQuery
from tests.sources.generated import Recorded

LOOKBACK = 300_000

Group = tuple[str, ...]
"""What the identity labels and then those of ``by`` are."""
Answers = dict[Group, float]


def increase(
    times: np.ndarray, values: np.ndarray, at: int, window: int, *, old: bool = False
) -> float | None:
    """The increase over the ``window`` ms before ``at`` (ms), extrapolated; None with fewer than two samples.

    ``old`` is how Prometheus before 2.52 limited extrapolation to zero: before, not after, it cut the
    distance to the window's start down to half a sample's.
    """
    inside = (times > at - window) & (times <= at)
    t, v = times[inside], values[inside]
    if len(t) < 2:
        return None
    growth = v[-1] - v[0] + sum(a for a, b in pairwise(v) if b < a)
    span = int(t[-1] - t[0])
    mean = span / (len(t) - 1)
    head, tail = int(t[0]) - (at - window), at - int(t[-1])
    zero = span * v[0] / growth if growth > 0 and v[0] >= 0 else np.inf
    if old:
        head = min(head, zero)
    lead_in = mean / 2 if head >= mean * 1.1 else head
    lead_out = mean / 2 if tail >= mean * 1.1 else tail
    return float(growth * (span + min(lead_in, zero) + lead_out) / span)


def answer(query: FleetQuery, series: Iterable[Recorded], at: int) -> Answers:
    """The value of each group that has one at ``at`` (ms), for any form but ``expr``."""
    return _Asked(query, list(series), at).answer()


class _Asked:
    def __init__(self, query: FleetQuery, series: list[Recorded], at: int) -> None:
        self.query, self.series, self.at = query, series, at
        self.labels = [*query.identity, *(name for name in query.signal.by if name not in query.identity)]
        self.window = round(query.signal.window * 1000)

    def answer(self) -> Answers:
        match signal := self.query.signal:
            case Ratio():
                return self._ratio(signal)
            case Quantile():
                return self._quantile(signal)
            case Gauge():
                return self._gauge(signal)
            case Age():
                agg, sign = ("min", -1) if signal.left else ("max", 1)
                now, stamps = self.at / 1000, self._levels(signal.metric, signal.match, agg, signal.over)
                return {group: sign * (now - stamp) for group, stamp in stamps.items()}
            case Presence():
                return self._levels(signal.metric, signal.match, "max")
        grown = self._grown(signal.metric, signal.match)
        return {g: v / (signal.window if signal.form == "rate" else 1) for g, v in grown.items()}

    def _ratio(self, signal: Ratio) -> Answers:
        part = self._grown(signal.metric, signal.match)
        whole = self._grown(signal.of or signal.metric, signal.of_match)
        return {
            group: part.get(group, 0.0) / total
            for group, total in whole.items()
            if total / signal.window > signal.floor
        }

    def _quantile(self, signal: Quantile) -> Answers:
        observed = self._grown(f"{signal.metric}_count", signal.match)
        buckets = self._grown(f"{signal.metric}_bucket", signal.match, "le")
        found = {}
        for group, count in observed.items():
            edges = sorted((float(g[-1]), v) for g, v in buckets.items() if g[:-1] == group)
            if edges and count / signal.window > signal.floor:
                found[group] = _quantile(signal.q, edges)
        return found

    def _gauge(self, signal: Gauge) -> Answers:
        values = self._levels(signal.metric, signal.match, signal.agg, signal.over)
        if signal.divisor is not None:
            divisors = self._levels(signal.divisor, signal.divisor_match, signal.agg)
            values = {g: v / divisors[g] for g, v in values.items() if divisors.get(g, 0) > 0}
        if signal.complement:
            values = {group: 1 - value for group, value in values.items()}
        if signal.unless is not None:
            excluded = self._levels(signal.unless.metric, signal.unless.match, "max")
            values = {group: value for group, value in values.items() if not excluded.get(group, 0) > 0}
        return values

    def _levels(self, metric: str, match: Mapping[str, str], agg: str, over: str | None = None) -> Answers:
        width = LOOKBACK if over is None else self.window
        found: dict[Group, list[float]] = {}
        for s in self._selected(metric, match):
            inside = s.values[(s.times > self.at - width) & (s.times <= self.at)].tolist()
            if inside:
                found.setdefault(self._group(s), []).append(AGGREGATES[over or "last"](inside))
        return {group: AGGREGATES[agg](values) for group, values in found.items()}

    def _grown(self, metric: str, match: Mapping[str, str], *extra: str) -> Answers:
        found: Answers = {}
        for s in self._selected(metric, match):
            grown = increase(s.times, s.values, self.at, self.window)
            if grown is not None:
                group = (*self._group(s), *(s.labels[name] for name in extra))
                found[group] = found.get(group, 0.0) + grown
        return found

    def _selected(self, metric: str, match: Mapping[str, str]) -> list[Recorded]:
        wanted = list(self.query.services.values())
        return [
            s
            for s in self.series
            if s.metric == metric
            and any(all(s.labels.get(k, "") == v for k, v in labels.items()) for labels in wanted)
            and all(_matches(s.labels.get(label, ""), text) for label, text in match.items())
        ]

    def _group(self, series: Recorded) -> Group:
        return tuple(series.labels.get(name, "") for name in self.labels)


def _matches(value: str, text: str) -> bool:
    found = re.fullmatch(text.removeprefix("!"), value, re.DOTALL) is not None
    return found is not text.startswith("!")


def _extreme(pick: Callable[[list[float]], float]) -> Callable[[list[float]], float]:
    def choose(values: list[float]) -> float:
        numbers = [value for value in values if not math.isnan(value)]
        return pick(numbers) if numbers else math.nan

    return choose


AGGREGATES: dict[str, Callable[[list[float]], float]] = {
    "min": _extreme(min),
    "max": _extreme(max),
    "sum": sum,
    "avg": lambda values: sum(values) / len(values),
    "last": lambda values: values[-1],
}


def _quantile(q: float, edges: list[tuple[float, float]]) -> float:
    """Prometheus' ``bucketQuantile`` of sorted (upper bound, cumulative count)."""
    bounds = [bound for bound, _ in edges]
    counts = np.maximum.accumulate([count for _, count in edges]).tolist()
    if bounds[-1] != math.inf or len(bounds) < 2 or counts[-1] == 0:
        return math.nan
    rank = q * counts[-1]
    i = next((i for i, count in enumerate(counts[:-1]) if count >= rank), len(counts) - 1)
    if i == len(counts) - 1:
        return bounds[-2]
    if i == 0 and bounds[0] <= 0:
        return bounds[0]
    lower, below = (bounds[i - 1], counts[i - 1]) if i else (0.0, 0.0)
    return lower + (bounds[i] - lower) * (rank - below) / (counts[i] - below)
