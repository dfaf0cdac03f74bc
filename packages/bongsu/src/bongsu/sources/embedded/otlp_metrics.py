"""OTLP metrics as Prometheus series.

Explicit histograms become classic ones. Exponential histograms become classic ones too, on a ladder of
bounds a factor of √2 apart that only ever widens for a metric, so that instances share their bounds; what
is negative is counted below the lowest bound. Delta values are added up from the first one received.
"""

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    DataPointFlags,
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    SummaryDataPoint,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from bongsu.sources.embedded import otlp_names
from bongsu.sources.embedded.store import EmbeddedStore, Metadata, SeriesKey, series_key

_LADDER = 1
"""Scale of the ladder: bounds are powers of 2 ** 2 ** -scale."""

_LOWEST_SCALE, _MOST_RUNGS, _MOST_EXPONENT = -10, 160, 1000
_MOST_TOTALS = 500_000
_NO_VALUE = DataPointFlags.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK
_IDENTIFYING = {"service.name", "service.namespace", "service.instance.id"}

Point = NumberDataPoint | HistogramDataPoint | ExponentialHistogramDataPoint | SummaryDataPoint


@dataclass(slots=True)
class _Batch:
    """Samples to be stored, and what to remember once they are."""

    keys: list[SeriesKey] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    stale: list[bool] = field(default_factory=list)
    metadata: list[Metadata] = field(default_factory=list)
    totals: dict[SeriesKey, tuple[float, float]] = field(default_factory=dict)
    points: int = 0
    rejected: int = 0
    reasons: dict[str, None] = field(default_factory=dict)

    def add(self, key: SeriesKey, at: float, value: float, stale: bool) -> None:
        self.keys.append(key)
        self.times.append(at)
        self.values.append(value)
        self.stale.append(stale)

    def reject(self, points: int, reason: str) -> None:
        self.rejected += points
        self.reasons[reason] = None


class MetricsWriter:
    """Writes metrics requests to a store, one at a time; keeps the running totals of delta series."""

    def __init__(self, store: EmbeddedStore) -> None:
        self._store = store
        self._totals: dict[SeriesKey, tuple[float, float]] = {}
        self._ladders: dict[tuple[str, int], tuple[int, int]] = {}

    def write(self, request: ExportMetricsServiceRequest) -> tuple[int, str]:
        """Store a request durably; ``(data points dropped, why)``."""
        batch = _Batch()
        for resource in request.resource_metrics:
            base = resource_labels(resource.resource)
            newest = 0.0
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    newest = max(newest, self._metric(batch, metric, base))
            if newest:
                _add_target_info(batch, resource.resource, newest)
        kept = self._store.append_samples(batch.keys, batch.times, batch.values, batch.stale)
        self._store.append_metadata(batch.metadata)
        self._remember(batch.totals)
        dropped = min(len(batch.keys) - kept, batch.points)
        if dropped:
            batch.reject(dropped, "samples that are not newer than their series' last one were left out")
        return batch.rejected, "; ".join(batch.reasons)

    def _metric(self, batch: _Batch, metric: Metric, base: dict[str, str]) -> float:
        """Add a metric's samples; the newest time among them."""
        kind = metric.WhichOneof("data")
        points: Sequence[Point] = getattr(metric, kind).data_points if kind else ()
        counter = kind == "sum" and metric.sum.is_monotonic
        gauge = kind == "gauge" or (kind == "sum" and not counter)
        name = otlp_names.metric_name(metric.name, metric.unit, counter=counter, gauge=gauge)
        temporality = getattr(getattr(metric, kind), "aggregation_temporality", None) if kind else None
        if not name or kind is None:
            batch.reject(max(1, len(points)), f"metric {metric.name!r} has no name or no data")
            return 0.0
        if temporality == AggregationTemporality.AGGREGATION_TEMPORALITY_UNSPECIFIED:
            batch.reject(len(points), f"metric {metric.name!r} does not say its temporality")
            return 0.0
        delta = temporality == AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
        kinds = {"exponential_histogram": "histogram", "sum": "counter" if counter else "gauge"}
        batch.metadata.append(Metadata(name, kinds.get(kind, kind), metric.unit, metric.description))
        batch.points += len(points)
        newest = 0.0
        for point in points:
            at = point.time_unix_nano / 1e9 or time.time()
            newest = max(newest, at)
            labels = otlp_names.labels(point.attributes) | base
            stale = bool(point.flags & _NO_VALUE)
            for suffix, extra, value in self._samples(name, point):
                key = series_key(name + suffix, labels | extra)
                if delta and not stale:
                    total = self._accumulated(batch, key, at, value)
                    if total is None:
                        continue
                    value = total
                batch.add(key, at, value, stale)
        return newest

    def _samples(self, name: str, point: Point) -> Iterable[tuple[str, dict[str, str], float]]:
        """``(suffix, extra labels, value)`` of a data point, in the metric's own temporality."""
        match point:
            case NumberDataPoint():
                integer = point.WhichOneof("value") == "as_int"
                return [("", {}, float(point.as_int if integer else point.as_double))]
            case HistogramDataPoint():
                return _histogram(point)
            case ExponentialHistogramDataPoint():
                return self._exponential(name, point)
            case _:
                return _summary(point)

    def _exponential(
        self, name: str, point: ExponentialHistogramDataPoint
    ) -> Iterator[tuple[str, dict[str, str], float]]:
        scale = max(_LOWEST_SCALE, min(point.scale, _LADDER))
        counts: dict[int, int] = {}
        for i, count in enumerate(point.positive.bucket_counts):
            if count:
                rung = (point.positive.offset + i) >> max(0, point.scale - scale)
                counts[rung] = counts.get(rung, 0) + count
        below = float(point.zero_count + sum(point.negative.bucket_counts))
        low, high = self._widened(name, scale, counts)
        below += sum(count for rung, count in counts.items() if rung < low)
        for rung in range(low, high + 1):
            below += counts.get(rung, 0)
            exponent = (rung + 1) * 2.0**-scale
            if abs(exponent) < _MOST_EXPONENT:
                yield "_bucket", {"le": _bound(2.0**exponent)}, below
        yield from _ends(point.count, point.sum)

    def _widened(self, name: str, scale: int, counts: Mapping[int, int]) -> tuple[int, int]:
        """The lowest and highest rung that the metric has shown so far, now with those of ``counts``."""
        rungs = [*counts, *self._ladders.get((name, scale), ())]
        if not rungs:
            return 0, -1
        high = max(rungs)
        self._ladders[name, scale] = found = max(min(rungs), high - _MOST_RUNGS + 1), high
        return found

    def _accumulated(self, batch: _Batch, key: SeriesKey, at: float, value: float) -> float | None:
        """The running total with ``value``; None for an interval that was counted before."""
        total, last = batch.totals.get(key) or self._totals.get(key) or (0.0, -math.inf)
        if at <= last:
            return None
        batch.totals[key] = total + value, at
        return total + value

    def _remember(self, totals: dict[SeriesKey, tuple[float, float]]) -> None:
        self._totals |= totals
        if len(self._totals) > _MOST_TOTALS:
            newest = sorted(self._totals.items(), key=lambda item: item[1][1])[_MOST_TOTALS // 2 :]
            self._totals = dict(newest)


def resource_labels(resource: Resource) -> dict[str, str]:
    """``job`` (namespace/name, or name) and ``instance`` of a resource, as far as it says."""
    about = otlp_names.attributes(resource.attributes)
    name, space = about.get("service.name", ""), about.get("service.namespace", "")
    found = {
        "job": f"{space}/{name}" if space and name else name,
        "instance": about.get("service.instance.id", ""),
    }
    return {label: value for label, value in found.items() if value}


def target_info(resource: Resource) -> SeriesKey | None:
    """The key of the resource's ``target_info``, which carries its other attributes; None without a name."""
    base = resource_labels(resource)
    if "job" not in base:
        return None
    others = [pair for pair in resource.attributes if pair.key not in _IDENTIFYING]
    return series_key("target_info", otlp_names.labels(others) | base)


def _add_target_info(batch: _Batch, resource: Resource, at: float) -> None:
    key = target_info(resource)
    if key is not None:
        batch.add(key, at, 1.0, False)


def _histogram(point: HistogramDataPoint) -> Iterator[tuple[str, dict[str, str], float]]:
    below = 0
    for bound, count in zip(point.explicit_bounds, point.bucket_counts, strict=False):
        below += count
        yield "_bucket", {"le": _bound(bound)}, float(below)
    yield from _ends(point.count, point.sum)


def _summary(point: SummaryDataPoint) -> Iterator[tuple[str, dict[str, str], float]]:
    for quantile in point.quantile_values:
        yield "", {"quantile": _bound(quantile.quantile)}, quantile.value
    yield "_sum", {}, point.sum
    yield "_count", {}, float(point.count)


def _ends(count: int, total: float) -> Iterator[tuple[str, dict[str, str], float]]:
    yield "_bucket", {"le": "+Inf"}, float(count)
    yield "_count", {}, float(count)
    yield "_sum", {}, total


def _bound(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
