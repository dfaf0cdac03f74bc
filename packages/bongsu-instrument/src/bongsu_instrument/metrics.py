"""Counters, gauges and histograms of the application itself, and the registry that renders them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from threading import RLock
from typing import Generic, Protocol, Self, TypeVar

from .exposition import (
    check_bounds,
    check_label_names,
    check_metric_name,
    format_header,
    format_labels,
    format_number,
    histogram_template,
    histogram_values,
)

DEFAULT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
OVERFLOW = "OVERFLOW"


class Collector(Protocol):
    """Anything the registry renders: it yields finished pieces of exposition text."""

    def render(self, openmetrics: bool) -> Iterator[str]: ...


class _Child:
    __slots__ = ("_lock", "_start", "value")

    def __init__(self, lock: RLock, name: str, labels: str) -> None:
        self._lock = lock
        self._start = f"{name}{{{labels}}} " if labels else f"{name} "
        self.value: float = 0

    def refresh(self) -> None:
        """Bring the value up to date before it is rendered; called without the lock."""

    def render(self) -> str:
        return f"{self._start}{format_number(self.value)}\n"


class CounterChild(_Child):
    """One series of a counter."""

    __slots__ = ()

    def inc(self, amount: float = 1) -> None:
        """Add `amount`, which must not be negative."""
        if not amount >= 0:
            raise ValueError(f"a counter cannot grow by {amount!r}")
        with self._lock:
            self.value += amount


class GaugeChild(_Child):
    """One series of a gauge."""

    __slots__ = ("_function",)

    def __init__(self, lock: RLock, name: str, labels: str) -> None:
        super().__init__(lock, name, labels)
        self._function: Callable[[], float] | None = None

    def set(self, value: float) -> None:
        """Replace the value."""
        with self._lock:
            self.value = value

    def inc(self, amount: float = 1) -> None:
        """Add `amount`."""
        with self._lock:
            self.value += amount

    def dec(self, amount: float = 1) -> None:
        """Subtract `amount`."""
        self.inc(-amount)

    def set_function(self, function: Callable[[], float]) -> None:
        """Call `function` for the value at every scrape; it must be quick."""
        self._function = function

    def refresh(self) -> None:
        if self._function is not None:
            try:
                self.set(self._function())
            except Exception:
                self.set(float("nan"))


class HistogramChild:
    """One series of a histogram."""

    __slots__ = ("_bounds", "_buckets", "_lock", "_sum", "_template")

    def __init__(self, lock: RLock, name: str, labels: str, bounds: Sequence[float]) -> None:
        self._lock = lock
        self._bounds = bounds
        self._buckets = [0] * (len(bounds) + 1)
        self._sum: float = 0
        self._template = histogram_template(name, labels, bounds)

    def observe(self, value: float) -> None:
        """Count one observation, in the unit of the metric's name."""
        index = bisect_left(self._bounds, value)
        with self._lock:
            self._buckets[index] += 1
            self._sum += value

    def refresh(self) -> None:
        """Nothing to bring up to date."""

    def render(self) -> str:
        return self._template % tuple(histogram_values(self._buckets, self._sum))


ChildT = TypeVar("ChildT", CounterChild, GaugeChild, HistogramChild)


class _Metric(Generic[ChildT]):
    kind: str

    def __init__(self, registry: Registry, name: str, documentation: str, labels: Sequence[str]) -> None:
        self.name = check_metric_name(name)
        self.documentation = documentation
        self.label_names = check_label_names(labels, reserved=("le",))
        self._registry = registry
        self._children: dict[tuple[str, ...], ChildT] = {}
        if not self.label_names:
            self._children[()] = self._child("")

    def labels(self, *values: object, **named: object) -> ChildT:
        """The series with these label values, by position or by name.

        Beyond the registry's `max_series` every label of a new series reads `OVERFLOW`.
        """
        if named:
            values = (
                *values,
                *(named.pop(name) for name in self.label_names[len(values) :] if name in named),
            )
        if named or len(values) != len(self.label_names):
            raise ValueError(f"{self.name} has the labels {self.label_names!r}")
        key = tuple(str(value) for value in values)
        child = self._children.get(key)
        return child if child is not None else self._create(key)

    def _create(self, key: tuple[str, ...]) -> ChildT:
        with self._registry.lock:
            if key not in self._children and len(self._children) >= self._registry.max_series:
                self._registry.dropped(self.name)
                key = (OVERFLOW,) * len(self.label_names)
            if key not in self._children:
                self._children[key] = self._child(format_labels(self.label_names, key))
            return self._children[key]

    def _child(self, labels: str) -> ChildT:
        raise NotImplementedError

    def _only(self) -> ChildT:
        if self.label_names:
            raise ValueError(f"{self.name} has labels: use .labels(...)")
        return self._children[()]

    def same_as(self, other: _Metric[ChildT]) -> bool:
        """Whether `other` is declared alike, so that declaring it again returns the first."""
        return type(self) is type(other) and self.label_names == other.label_names

    def render(self, openmetrics: bool) -> Iterator[str]:
        """The family's lines."""
        yield format_header(self.name, self.kind, self.documentation, openmetrics=openmetrics)
        with self._registry.lock:
            children = list(self._children.values())
        for child in children:
            child.refresh()
            with self._registry.lock:
                text = child.render()
            yield text


class Counter(_Metric[CounterChild]):
    """A value that only grows. Its name ends in `_total`, added when missing."""

    kind = "counter"

    def __init__(self, registry: Registry, name: str, documentation: str, labels: Sequence[str]) -> None:
        super().__init__(registry, name.removesuffix("_total") + "_total", documentation, labels)

    def _child(self, labels: str) -> CounterChild:
        return CounterChild(self._registry.lock, self.name, labels)

    def inc(self, amount: float = 1) -> None:
        """Add `amount` to a counter without labels."""
        self._only().inc(amount)


class Gauge(_Metric[GaugeChild]):
    """A value that goes up and down."""

    kind = "gauge"

    def _child(self, labels: str) -> GaugeChild:
        return GaugeChild(self._registry.lock, self.name, labels)

    def set(self, value: float) -> None:
        """Replace the value of a gauge without labels."""
        self._only().set(value)

    def inc(self, amount: float = 1) -> None:
        """Add to a gauge without labels."""
        self._only().inc(amount)

    def dec(self, amount: float = 1) -> None:
        """Subtract from a gauge without labels."""
        self._only().dec(amount)

    def set_function(self, function: Callable[[], float]) -> None:
        """Call `function` for the value of a gauge without labels at every scrape."""
        self._only().set_function(function)


class Histogram(_Metric[HistogramChild]):
    """Observations counted in buckets, in the unit that its name ends in."""

    kind = "histogram"

    def __init__(
        self,
        registry: Registry,
        name: str,
        documentation: str,
        labels: Sequence[str],
        buckets: Sequence[float],
    ) -> None:
        self.bounds = check_bounds(buckets)
        super().__init__(registry, name, documentation, labels)

    def _child(self, labels: str) -> HistogramChild:
        return HistogramChild(self._registry.lock, self.name, labels, self.bounds)

    def observe(self, value: float) -> None:
        """Count one observation of a histogram without labels."""
        self._only().observe(value)

    def same_as(self, other: _Metric[HistogramChild]) -> bool:
        return super().same_as(other) and isinstance(other, Histogram) and other.bounds == self.bounds


MetricT = TypeVar("MetricT", Counter, Gauge, Histogram)


class Registry:
    """The metrics of one application, rendered in the order they were declared."""

    def __init__(self, prefix: str, max_series: int) -> None:
        self.lock = RLock()
        self.max_series = max_series
        self._collectors: list[Collector] = []
        self._metrics: dict[str, Counter | Gauge | Histogram] = {}
        self._dropped_name = f"{prefix}_series_dropped_total"
        self._dropped: Counter | None = None
        self._taken = {self._dropped_name}

    def collect(self, collector: Collector, names: Sequence[str] = ()) -> Self:
        """Render `collector` too; `names` are the families it owns, which nobody else may declare."""
        self._collectors.append(collector)
        self._taken.update(names)
        return self

    def declare(self, metric: MetricT) -> MetricT:
        """Add a metric, or return the one declared alike before."""
        with self.lock:
            known = self._metrics.get(metric.name)
            if known is not None:
                if isinstance(known, type(metric)) and known.same_as(metric):
                    return known
                raise ValueError(f"{metric.name} is already declared differently")
            if metric.name in self._taken:
                raise ValueError(f"{metric.name} is already declared by Bongsu")
            self._metrics[metric.name] = metric
            return metric

    def dropped(self, name: str) -> None:
        """Count one look-up of a series that the cap of metric `name` sent to `OVERFLOW`."""
        if self._dropped is None:
            self._dropped = Counter(
                self, self._dropped_name, "Look-ups sent to OVERFLOW by the series cap.", ["metric"]
            )
            self._metrics[self._dropped_name] = self._dropped
        if name != self._dropped_name:
            self._dropped.labels(name).inc()

    def render(self, openmetrics: bool) -> bytes:
        """Everything, in one of the two text formats."""
        with self.lock:
            collectors = [*self._collectors, *self._metrics.values()]
        parts = [text for collector in collectors for text in collector.render(openmetrics)]
        if openmetrics:
            parts.append("# EOF\n")
        return "".join(parts).encode("utf-8", "replace")
