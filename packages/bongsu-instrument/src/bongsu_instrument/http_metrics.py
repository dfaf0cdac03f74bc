"""The storage and the rendering of the HTTP and WebSocket metrics."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from threading import RLock
from time import time

from .exposition import (
    Exemplar,
    add_exemplars,
    check_bounds,
    format_header,
    format_labels,
    histogram_template,
    histogram_values,
)
from .metrics import OVERFLOW

SIZE_BUCKETS = (100.0, 1_000.0, 10_000.0, 100_000.0, 1_000_000.0, 10_000_000.0)
_BLOCK = "\0"

SpanId = tuple[int, int]


class _Series:
    """The counts of one label set, for the four families that share it."""

    __slots__ = ("_template", "durations", "exemplars", "openmetrics", "received", "sent", "sums", "text")

    def __init__(self, template: str, durations: int, sizes: int) -> None:
        self.durations = [0] * durations
        self.received = [0] * sizes
        self.sent = [0] * sizes
        self.sums: list[float] = [0.0, 0, 0]
        self.exemplars: list[Exemplar | None] | None = None
        self._template = template
        self.text: list[str] | None = None
        self.openmetrics: list[str] | None = None

    def blocks(self, openmetrics: bool) -> list[str]:
        """The lines of each family, formatted again only after a change."""
        if self.text is None:
            values = (
                sum(self.durations),
                *histogram_values(self.durations, self.sums[0]),
                *histogram_values(self.received, self.sums[1]),
                *histogram_values(self.sent, self.sums[2]),
            )
            self.text = (self._template % values).split(_BLOCK)
        if not openmetrics or self.exemplars is None:
            return self.text
        if self.openmetrics is None:
            self.openmetrics = self.text.copy()
            self.openmetrics[1] = add_exemplars(self.text[1], self.exemplars)
        return self.openmetrics


class HttpMetrics:
    """The metrics of one application's HTTP traffic; their labels are `method`, `path` and `status`.

    At most `max_series` label sets are kept. A request beyond them is counted under the path
    `OVERFLOW` and in `{prefix}_http_series_dropped_total`.
    """

    labels = ("method", "path", "status")

    def __init__(self, prefix: str, buckets: Sequence[float], max_series: int) -> None:
        self.prefix = prefix
        self.lock = RLock()
        self.max_series = max_series
        self.active = 0
        self.websockets = 0
        self.dropped = 0
        self._bounds = check_bounds(buckets)
        self._series: dict[tuple[str, str, int], _Series] = {}
        self._kept = 0
        self._families = (
            (f"{prefix}_http_requests_total", "counter", "HTTP requests."),
            (
                f"{prefix}_http_request_duration_seconds",
                "histogram",
                "Seconds from the request's arrival to the last byte of its response.",
            ),
            (f"{prefix}_http_request_size_bytes", "histogram", "Bytes of the request body."),
            (f"{prefix}_http_response_size_bytes", "histogram", "Bytes of the response body."),
        )
        self._singles = (
            (f"{prefix}_http_active_connections", "gauge", "HTTP requests being answered now."),
            (f"{prefix}_websocket_connections", "gauge", "WebSocket connections open now."),
            (
                f"{prefix}_http_series_dropped_total",
                "counter",
                "HTTP requests counted under OVERFLOW because of the series cap.",
            ),
        )
        self.names = tuple(name for name, _, _ in self._families + self._singles)

    def enter(self) -> None:
        """A request arrived."""
        with self.lock:
            self.active += 1

    def websocket(self, change: int) -> None:
        """WebSocket connections opened (1) or closed (-1)."""
        with self.lock:
            self.websockets += change

    def leave(
        self,
        key: tuple[str, str, int],
        seconds: float,
        received: int,
        sent: int,
        span: SpanId | None = None,
    ) -> None:
        """A request was answered: its method, path and status, its latency and its body sizes in bytes."""
        slot = bisect_left(self._bounds, seconds)
        with self.lock:
            self.active -= 1
            series = self._series.get(key)
            if series is None:
                series = self._create(key)
            series.durations[slot] += 1
            series.received[bisect_left(SIZE_BUCKETS, received)] += 1
            series.sent[bisect_left(SIZE_BUCKETS, sent)] += 1
            sums = series.sums
            sums[0] += seconds
            sums[1] += received
            sums[2] += sent
            series.text = series.openmetrics = None
            if span is not None:
                if series.exemplars is None:
                    series.exemplars = [None] * len(series.durations)
                series.exemplars[slot] = Exemplar(span[0], span[1], seconds, time())

    def _create(self, key: tuple[str, str, int]) -> _Series:
        if self._kept < self.max_series:
            self._kept += 1
            return self._insert(key)
        self.dropped += 1
        key = (key[0], OVERFLOW, key[2])
        return self._series.get(key) or self._insert(key)

    def _insert(self, key: tuple[str, str, int]) -> _Series:
        labels = format_labels(self.labels, (key[0], key[1], str(key[2])))
        total, duration, received, sent = (name for name, _, _ in self._families)
        template = _BLOCK.join(
            [
                f"{total}{{{labels.replace('%', '%%')}}} %d\n",
                histogram_template(duration, labels, self._bounds),
                histogram_template(received, labels, SIZE_BUCKETS),
                histogram_template(sent, labels, SIZE_BUCKETS),
            ]
        )
        series = _Series(template, len(self._bounds) + 1, len(SIZE_BUCKETS) + 1)
        self._series[key] = series
        return series

    def reset(self) -> None:
        """Forget every count, as a forked child must: they are its parent's."""
        self.lock = RLock()
        self.active = self.websockets = self.dropped = self._kept = 0
        self._series = {}

    def render(self, openmetrics: bool) -> Iterator[str]:
        """All families; the lock is held for one label set at a time."""
        with self.lock:
            series = list(self._series.values())
            singles = (self.active, self.websockets, self.dropped)
        columns: list[list[str]] = [[] for _ in self._families]
        for one in series:
            with self.lock:
                blocks = one.blocks(openmetrics)
            for column, block in zip(columns, blocks, strict=True):
                column.append(block)
        for (name, kind, documentation), column in zip(self._families, columns, strict=True):
            yield format_header(name, kind, documentation, openmetrics=openmetrics)
            yield from column
        for (name, kind, documentation), value in zip(self._singles, singles, strict=True):
            yield format_header(name, kind, documentation, openmetrics=openmetrics)
            yield f"{name} {value}\n"
