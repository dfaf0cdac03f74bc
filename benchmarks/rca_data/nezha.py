"""Adapter for systems with metrics by the minute, spans without status and, for some, logs."""

import re
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import structs

from bongsu.analysis.model import Evidence, LinkEvidence, MetricEvidence, Window
from bongsu.analysis.observed import observe
from bongsu.sources.base import LogRecord, Span
from rca_data.case import Case
from rca_data.rename import Renaming
from rca_data.tables import jsonl, rows

_FRONT = "_slo_front"
_FOR = 120.0
"""The page comes two minutes after the onset, as an alert that has held for two minutes says itself."""
_SETTLED = 60.0
"""Metrics are read until this long after the page."""
_HISTORY = 3600.0
_MINUTE = 60.0
_PREFIX = re.compile(r"^\S+ +(?:(TRACE|DEBUG|INFO|WARN|ERROR|FATAL) +)?")
_COLUMNS = {
    "CpuUsageRate(%)": ("cpu", "ratio", 0.01),
    "MemoryUsage(Mi)": ("memory", "bytes", 2.0**20),
}
"""Column → signal, unit and factor; the rest are left to the peers."""


@dataclass
class Tables:
    """One set on disk; everything by case id, names replaced."""

    folder: Path
    rename: Renaming
    spans: dict[str, list[Span]]
    logs: dict[str, list[LogRecord]]
    metrics: list[MetricEvidence]
    links: list[LinkEvidence]


def cases(folder: Path, dataset: str, seed: int | None) -> Iterator[Case]:
    tables = _read(folder, seed)
    candidates = tables.rename.original(sorted({metric.service for metric in tables.metrics}))
    for row in jsonl(folder / "cases.jsonl"):
        alert = float(row["alert_ts"])
        onset, end = alert - _FOR, alert + _SETTLED
        window = Window(onset, end)
        baseline = Window(onset - _HISTORY, onset - _MINUTE)
        read = partial(_evidence, tables, row["case_id"], row["baseline_id"], window, baseline)
        metrics = partial(_all_metrics, tables, onset - _HISTORY, end)
        yield Case(dataset, row["case_id"], candidates, read, metrics, window, baseline, tables.rename)


def _evidence(tables: Tables, case: str, clean: str, window: Window, baseline: Window) -> Evidence:
    before = tables.spans.get(clean) or [s for name in _clean(tables) for s in tables.spans[name]]
    return observe(
        incident=case,
        window=window,
        baseline=baseline,
        alerting=_entries(before),
        metrics=_signals(tables, baseline.start, window.end),
        spans_before=before,
        spans=[span for span in tables.spans.get(case, ()) if window.start <= span.start < window.end],
        logs_before=tables.logs.get(clean, []),
        links=_links(tables, baseline.start, window.end),
        logs=[record for record in tables.logs.get(case, ()) if window.start <= record.time < window.end],
    )


def _clean(tables: Tables) -> list[str]:
    return sorted(name for name in tables.spans if name.startswith("baseline_"))


def _entries(spans: Sequence[Span]) -> list[tuple[str, str]]:
    roots = Counter(span.service for span in spans if not span.parent_id)
    return [(name, "latency") for name, _ in roots.most_common(1)]


def _signals(tables: Tables, start: float, end: float) -> list[MetricEvidence]:
    kept = []
    for metric in _all_metrics(tables, start, end):
        if metric.signal in _COLUMNS:
            signal, unit, factor = _COLUMNS[metric.signal]
            values = [None if v is None else v * factor for v in metric.values]
            kept.append(_metric(metric.service, signal, unit, metric.times, values))
    return kept


def _all_metrics(tables: Tables, start: float, end: float) -> list[MetricEvidence]:
    found = []
    for metric in tables.metrics:
        left, right = bisect_left(metric.times, start), bisect_right(metric.times, end)
        if left < right:
            times, values = metric.times[left:right], metric.values[left:right]
            found.append(_metric(metric.service, metric.signal, metric.unit, times, values))
    return found


def _metric(
    service: str, signal: str, unit: str, times: list[float], values: list[float | None]
) -> MetricEvidence:
    return MetricEvidence(
        id="", service=service, signal=signal, unit=unit, worse="up", times=times, values=values
    )


def _read(folder: Path, seed: int | None) -> Tables:
    table = rows(folder / "metrics.parquet")
    services = sorted({row["service"] for row in table} - {_FRONT})
    rename = Renaming(services, seed)
    tables = Tables(
        folder,
        rename,
        defaultdict(list),
        defaultdict(list),
        _metrics(table, rename),
        _read_links(folder, rename),
    )
    for name in ("baseline_spans.parquet", "spans.parquet"):
        _add_spans(folder / name, tables)
    for name in ("baseline_logs.parquet", "logs.parquet"):
        if (folder / name).exists():
            _add_logs(folder / name, tables)
    return tables


def _metrics(table: list[dict[str, Any]], rename: Renaming) -> list[MetricEvidence]:
    series: dict[tuple[str, str], tuple[list[float], list[float | None]]] = defaultdict(lambda: ([], []))
    for row in sorted(table, key=lambda r: r["ts"]):
        if row["service"] == _FRONT:
            continue
        for column, value in row.items():
            if column not in ("ts", "service") and value is not None and value == value:
                times, values = series[(row["service"], column)]
                times.append(float(row["ts"]))
                values.append(value)
    return [
        _metric(rename.service(service), column, "", times, values)
        for (service, column), (times, values) in sorted(series.items())
    ]


def _read_links(folder: Path, rename: Renaming) -> list[LinkEvidence]:
    if not (folder / "edge_latency.parquet").exists():
        return []
    sides: dict[tuple[str, str], dict[float, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows(folder / "edge_latency.parquet"):
        pair = (rename.service(row["caller"]), rename.service(row["callee"]))
        sides[pair][float(row["ts"])][row["side"]] = row["p50_s"]
    found = []
    for (caller, callee), points in sorted(sides.items()):
        times = sorted(points)
        client, server = ([points[t].get(side) for t in times] for side in ("source", "destination"))
        found.append(
            LinkEvidence(id="", caller=caller, callee=callee, times=times, client=client, server=server)
        )
    return found


def _links(tables: Tables, start: float, end: float) -> list[LinkEvidence]:
    found = []
    for link in tables.links:
        kept = [i for i, t in enumerate(link.times) if start <= t <= end]
        if kept:
            parts = ([series[i] for i in kept] for series in (link.times, link.client, link.server))
            times, client, server = parts
            found.append(structs.replace(link, times=times, client=client, server=server))
    return found


def _add_spans(path: Path, tables: Tables) -> None:
    rename = tables.rename
    for row in rows(path):
        tables.spans[row["case_id"]].append(
            Span(
                str(row["trace_id"]),
                str(row["span_id"]),
                "" if row["parent_id"] == -1 else str(row["parent_id"]),
                rename.service(row["service"]),
                rename.text(row["operation"]),
                "internal",
                row["start_us"] / 1e6,
                row["duration_us"] / 1e6,
                False,
            )
        )


def _add_logs(path: Path, tables: Tables) -> None:
    for row in rows(path):
        prefix = _PREFIX.match(row["message"])
        level = (prefix and prefix.group(1)) or "INFO"
        tables.logs[row["case_id"]].append(
            LogRecord(
                row["ts_us"] / 1e6,
                tables.rename.service(row["service"]),
                level,
                tables.rename.text(row["message"][prefix.end() if prefix else 0 :]),
                str(row["trace_id"]),
                str(row["span_id"]),
            )
        )
