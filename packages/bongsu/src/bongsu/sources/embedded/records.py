"""Reading spans, logs and changes back from the embedded store."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from bongsu.sources.base import LogRecord, Span
from bongsu.sources.embedded.store import EmbeddedStore

_SPAN = "trace_id, span_id, parent_id, service, operation, kind, start, duration, error, peer, attributes"
_LOG = "time, service, severity, body, trace_id, span_id, attributes"


def read_logs(
    store: EmbeddedStore, services: Sequence[str], start: float, end: float, errors_only: bool, limit: int
) -> list[LogRecord]:
    """The newest ``limit`` records with ``start <= time < end``, oldest first; no services means all."""
    conditions = ["time >= $start", "time < $end"]
    params: dict[str, object] = {"start": start, "end": end, "limit": limit}
    if services:
        conditions.append("list_contains($services, service)")
        params["services"] = list(services)
    if errors_only:
        conditions.append("severity IN ('ERROR', 'FATAL')")
    where = " AND ".join(conditions)
    rows = store.query(f"SELECT {_LOG} FROM logs WHERE {where} ORDER BY time DESC LIMIT $limit", params)  # noqa: S608
    return [LogRecord(*_decoded(row)) for row in reversed(rows)]


def read_spans(
    store: EmbeddedStore, services: Sequence[str], start: float, end: float, limit: int
) -> list[Span]:
    """Spans with ``start <= span.start < end``, oldest first; no services means all.

    Beyond ``limit``, traces are left out by a hash of their id: what remains are whole traces, drawn alike
    from the entire window, and the same ones each time.
    """
    conditions = ["start >= $start", "start < $end"]
    params: dict[str, object] = {"start": start, "end": end, "limit": limit}
    if services:
        conditions.append("list_contains($services, service)")
        params["services"] = list(services)
    where = " AND ".join(conditions)
    sql = f"SELECT {_SPAN} FROM spans WHERE {where} ORDER BY hash(trace_id), start LIMIT $limit"  # noqa: S608
    return sorted(_spans(store.query(sql, params)), key=lambda span: span.start)


def read_trace(store: EmbeddedStore, trace_id: str) -> list[Span]:
    """All spans of a trace, oldest first."""
    sql = f"SELECT {_SPAN} FROM spans WHERE trace_id = $trace ORDER BY start"  # noqa: S608
    return _spans(store.query(sql, {"trace": trace_id.lower()}))


def _spans(rows: Iterable[tuple[Any, ...]]) -> list[Span]:
    """Rows as spans; one for each span id, as an exporter that retries sends some twice."""
    found: dict[tuple[str, str], Span] = {}
    for row in rows:
        found.setdefault((row[0], row[1]), Span(*_decoded(row)))
    return list(found.values())


def _decoded(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """The row with its last column, the attributes, read from JSON."""
    return *row[:-1], json.loads(row[-1])
