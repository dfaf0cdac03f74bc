"""Telemetry in one DuckDB file (or in memory): samples, spans and logs, kept for a time and within a size."""

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import ArrayLike, NDArray

from bongsu.sources.base import LogRecord, Span
from bongsu.sources.embedded import schema
from bongsu.sources.embedded.database import Database

SeriesKey = tuple[str, tuple[tuple[str, str], ...]]
"""A metric's name and its labels, sorted by name, none empty."""

_HIGH_WATER, _LOW_WATER = 0.9, 0.8
"""Shares of the size limit: pruning starts above one and ends below the other, so that the file, whose free
blocks are used again, seldom reaches the limit itself and seldom has to be rewritten."""

_NEVER = np.iinfo(np.int64).min


def series_key(metric: str, labels: Mapping[str, str]) -> SeriesKey:
    """The key of a series. A label with an empty value is the same as no label."""
    return metric, tuple(sorted((name, value) for name, value in labels.items() if value))


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a producer says of a metric: ``type`` counter, gauge, histogram or summary; UCUM or plain unit."""

    metric: str
    type: str
    unit: str = ""
    help: str = ""


class EmbeddedStore:
    """Series, spans and logs in DuckDB. Every method may be called from any thread, and blocks.

    ``path`` None keeps everything in memory. Rows older than ``retention_seconds`` and, when the data take
    more than ``max_bytes``, the oldest rows first, go away in ``prune``. An append has been synced to disk
    when it returns. Times are Unix seconds with millisecond resolution for samples.
    """

    def __init__(self, path: Path | str | None, retention_seconds: float, max_bytes: int) -> None:
        self.retention_seconds = retention_seconds
        self.max_bytes = max_bytes
        self._db = Database(Path(path) if path is not None else None)
        self._lock = threading.Lock()
        self._ids: dict[SeriesKey, int] = {}
        self._metadata: dict[str, Metadata] = {}
        self._last: NDArray[np.int64] = np.full(1024, _NEVER, dtype=np.int64)
        self._next = 0
        with self._db.writing() as cursor:
            cursor.execute(schema.TABLES)
            self._load(cursor)

    def append_samples(
        self,
        keys: Sequence[SeriesKey],
        times: ArrayLike,
        values: ArrayLike,
        stale: ArrayLike | None = None,
    ) -> int:
        """Store one sample for each of ``keys`` (a key may repeat); the number of samples kept.

        ``times`` are Unix seconds, ``values`` floats; where ``stale`` is true the series ended. A sample that
        is not newer than its series' last one is dropped, so that a repeated request changes nothing.
        """
        ts = np.round(np.asarray(times, dtype=np.float64) * 1000).astype(np.int64)
        numbers = np.asarray(values, dtype=np.float64)
        ended = np.zeros(len(keys), dtype=bool) if stale is None else np.asarray(stale, dtype=bool)
        if not len(keys) == len(ts) == len(numbers) == len(ended):
            raise ValueError("keys, times, values and stale must be equally long")
        with self._lock:
            fresh = dict.fromkeys(key for key in keys if key not in self._ids)
            ids = self._ids | {key: self._next + i for i, key in enumerate(fresh)} if fresh else self._ids
            series = np.fromiter((ids[key] for key in keys), dtype=np.int32, count=len(keys))
            self._grow(self._next + len(fresh))
            kept = self._in_order(series, ts)
            with self._db.writing() as cursor:
                _insert_series(cursor, fresh, self._next)
                rows: dict[str, NDArray[Any]] = {
                    "series": series[kept],
                    "ts": ts[kept],
                    "value": numbers[kept],
                    "stale": ended[kept],
                }
                _insert(cursor, schema.INSERT_SAMPLES, rows)
            self._ids = ids
            self._next += len(fresh)
            np.maximum.at(self._last, rows["series"], rows["ts"])
            return len(kept)

    def append_series(
        self, metric: str, labels: Mapping[str, str], times: ArrayLike, values: ArrayLike
    ) -> int:
        """Store samples of a single series, as a backfill does; the number of samples kept."""
        times = np.asarray(times, dtype=np.float64)
        return self.append_samples([series_key(metric, labels)] * len(times), times, values)

    def append_spans(self, spans: Sequence[Span]) -> None:
        """Store spans. A span that was stored before is stored again; reading tells them apart by id."""
        rows = {
            "start": np.array([span.start for span in spans], dtype=np.float64),
            "duration": np.array([span.duration for span in spans], dtype=np.float64),
            "error": np.array([span.error for span in spans], dtype=bool),
            "attributes": _text([json.dumps(dict(span.attributes)) for span in spans]),
        }
        for name in ("trace_id", "span_id", "parent_id", "service", "operation", "kind", "peer"):
            rows[name] = _text([getattr(span, name) for span in spans])
        with self._lock, self._db.writing() as cursor:
            _insert(cursor, schema.INSERT_SPANS, rows)

    def append_logs(self, records: Sequence[LogRecord]) -> None:
        """Store log records."""
        rows = {
            "time": np.array([record.time for record in records], dtype=np.float64),
            "attributes": _text([json.dumps(dict(record.attributes)) for record in records]),
        }
        for name in ("service", "severity", "body", "trace_id", "span_id"):
            rows[name] = _text([getattr(record, name) for record in records])
        with self._lock, self._db.writing() as cursor:
            _insert(cursor, schema.INSERT_LOGS, rows)

    def append_metadata(self, metadata: Sequence[Metadata]) -> None:
        """Remember what producers say of their metrics; the last word counts."""
        with self._lock:
            news = {m.metric: m for m in metadata if self._metadata.get(m.metric) != m}
            if not news:
                return
            rows = {
                name: _text([getattr(m, name) for m in news.values()])
                for name in ("metric", "type", "unit", "help")
            }
            with self._db.writing() as cursor:
                cursor.execute("DELETE FROM metadata WHERE list_contains(?, metric)", [list(news)])
                _insert(cursor, schema.INSERT_METADATA, rows)
            self._metadata |= news

    def metadata(self, metric: str) -> Metadata | None:
        """What is known of a metric."""
        return self._metadata.get(metric)

    def query(self, sql: str, params: Mapping[str, object] | None = None) -> list[tuple[Any, ...]]:
        """Rows of a read-only statement with ``$name`` parameters. duckdb.Error when it fails."""
        with self._db.reading() as cursor:
            return cursor.execute(sql, dict(params or {})).fetchall()

    def prune(self, now: float) -> None:
        """Drop what is too old, then the oldest rows until the data take no more than ``max_bytes``."""
        with self._lock:
            self._forget(round((now - self.retention_seconds) * 1000))
            for _ in range(20):
                used = self._db.used_bytes()
                if used <= _HIGH_WATER * self.max_bytes:
                    break
                fraction = min(1.0, max(0.05, 1 - _LOW_WATER * self.max_bytes / used))
                with self._db.reading() as cursor:
                    found = cursor.execute(schema.CUTOFF, {"fraction": fraction}).fetchone()
                if found is None or found[0] is None:
                    break
                self._forget(found[0] + 1)
            if self._db.file_bytes() > self.max_bytes:
                self._db.compact()

    def size_bytes(self) -> int:
        """Bytes of the file and its write-ahead log, or of the tables in memory."""
        return self._db.file_bytes() if self._db.path else self._db.used_bytes()

    def close(self) -> None:
        """Write everything to the file and let go of it."""
        with self._lock:
            self._db.close()

    def _forget(self, before: int) -> None:
        gone = {key for key, i in self._ids.items() if self._last[i] < before}
        with self._db.writing() as cursor:
            cursor.execute("DELETE FROM samples WHERE ts < ?", [before])
            cursor.execute("DELETE FROM spans WHERE start < ?", [before / 1000])
            cursor.execute("DELETE FROM logs WHERE time < ?", [before / 1000])
            if gone:
                rows = {"series": np.array([self._ids[key] for key in gone], dtype=np.int32)}
                _insert(cursor, "DELETE FROM series WHERE series IN (SELECT series FROM rows)", rows)
        self._ids = {key: i for key, i in self._ids.items() if key not in gone}
        self._db.checkpoint()

    def _in_order(self, series: NDArray[np.int32], ts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Positions to keep: newer than the series' last sample, one for each time, sorted in time."""
        order = np.lexsort((ts, series))
        s, t = series[order], ts[order]
        keep = t > self._last[s]
        keep[1:] &= (s[1:] != s[:-1]) | (t[1:] != t[:-1])
        kept: NDArray[np.int64] = order[keep]
        return kept

    def _grow(self, size: int) -> None:
        if size > len(self._last):
            more = np.full(max(size, 2 * len(self._last)) - len(self._last), _NEVER, dtype=np.int64)
            self._last = np.concatenate([self._last, more])

    def _load(self, cursor: duckdb.DuckDBPyConnection) -> None:
        for number, metric, labels in cursor.execute("SELECT series, metric, labels FROM series").fetchall():
            self._ids[series_key(metric, labels)] = number
        self._next = max(self._ids.values(), default=-1) + 1
        self._grow(self._next)
        newest = cursor.execute("SELECT series, max(ts) FROM samples GROUP BY series").fetchall()
        for number, ts in newest:
            self._last[number] = ts
        for row in cursor.execute("SELECT metric, type, unit, help FROM metadata").fetchall():
            self._metadata[row[0]] = Metadata(*row)


def _insert(cursor: duckdb.DuckDBPyConnection, sql: str, rows: Mapping[str, NDArray[Any]]) -> None:
    """Run ``sql``, which reads the table ``rows`` (found by DuckDB among this function's variables)."""
    if len(next(iter(rows.values()))):
        rows = dict(rows)
        cursor.execute(sql)


def _insert_series(cursor: duckdb.DuckDBPyConnection, keys: Mapping[SeriesKey, object], first: int) -> None:
    rows = {
        "series": np.arange(first, first + len(keys), dtype=np.int32),
        "metric": _text([metric for metric, _ in keys]),
        "labels": _text([json.dumps(dict(labels)) for _, labels in keys]),
    }
    _insert(cursor, schema.INSERT_SERIES, rows)


def _text(values: Sequence[str]) -> NDArray[np.object_]:
    return np.array(values, dtype=object)
