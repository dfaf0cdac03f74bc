"""Adapter for systems with metrics by five minutes and a call graph."""

import csv
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from bongsu.analysis.model import Evidence, MetricEvidence, Window
from bongsu.analysis.observed import observe
from rca_data.case import Case
from rca_data.rename import Renaming
from rca_data.tables import jsonl, rows

_STEP = 300.0
_QUIET_ROWS, _QUIET_AFTER, _QUIET_EVERY = 5, 300, 24
_SIGNALS = {
    ("latency", "Average"): ("latency", "s", "up", lambda v: v),
    ("availability", "Average"): ("error_ratio", "ratio", "up", lambda v: max(0.0, 1.0 - v / 100.0)),
    ("requests", "Sum"): ("request_rate", "per_second", "up", lambda v: v / _STEP),
}
_ALERTS = {"latency": "latency", "availability": "error_ratio"}


def cases(folder: Path, dataset: str, seed: int | None) -> Iterator[Case]:
    listed = jsonl(folder / "cases.jsonl")
    issues: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows(folder / "issues.parquet"):
        issues[row["case_id"]].append(row)
    normal = {name: rows(folder / name) for name in sorted({case["normal"] for case in listed})}
    graphs = {name: _graph(folder / name) for name in sorted({case["graph"] for case in listed})}
    nodes = {node for graph in graphs.values() for pair in graph.items() for node in (pair[0], *pair[1])}
    measured = {column.split("|")[0] for table in normal.values() for column in table[0] if "|" in column}
    rename = Renaming(sorted(nodes | measured), seed)
    for case in listed:
        yield _case(
            case, issues[case["case_id"]], normal[case["normal"]], graphs[case["graph"]], rename, dataset
        )


def quiet(folder: Path, dataset: str, seed: int | None) -> Iterator[Case]:
    """Stretches of the normal recording, each against what came before it."""
    listed = jsonl(folder / "cases.jsonl")
    for name in sorted({case["normal"] for case in listed}):
        graph_name = next(case["graph"] for case in listed if case["normal"] == name)
        table, graph = rows(folder / name), _graph(folder / graph_name)
        nodes = {*graph, *(node for callees in graph.values() for node in callees)}
        rename = Renaming(sorted(nodes), seed)
        for metric in sorted(_ALERTS):
            for end in range(_QUIET_AFTER, len(table), _QUIET_EVERY):
                case = {**listed[0], "case_id": f"quiet-{name}-{metric}-{end}", "alert_metric": metric}
                issue, before = table[end - _QUIET_ROWS : end], table[: end - _QUIET_ROWS]
                yield replace(_case(case, issue, before, graph, rename, dataset), quiet=True)


def _case(
    case: Mapping[str, Any],
    issue: Sequence[Mapping[str, Any]],
    normal: Sequence[Mapping[str, Any]],
    graph: Mapping[str, Sequence[str]],
    rename: Renaming,
    dataset: str,
) -> Case:
    onset = min(float(row["ts"]) for row in issue)
    window = Window(onset, onset + _STEP * (len(issue) - 1))
    baseline = Window(onset - _STEP * len(normal), onset - _STEP)
    table = [*sorted(normal, key=lambda r: r["ts"]), *sorted(issue, key=lambda r: r["ts"])]
    times = [onset + _STEP * (index - len(normal)) for index in range(len(table))]
    named = {
        rename.service(caller): [rename.service(callee) for callee in callees]
        for caller, callees in graph.items()
    }
    candidates = sorted({*graph, *(callee for callees in graph.values() for callee in callees)})
    alerting = [(rename.service(case["alert_service"]), _ALERTS[case["alert_metric"]])]
    metrics = partial(_metrics, table, times, rename)
    read = partial(_evidence, case["case_id"], window, baseline, alerting, metrics, named)
    return Case(dataset, case["case_id"], candidates, read, metrics, window, baseline, rename)


def _evidence(
    case: str, window: Window, baseline: Window, alerting: Sequence[tuple[str, str]], metrics: Any, graph: Any
) -> Evidence:
    known = [metric for metric in metrics() if metric.unit]
    return observe(
        incident=case, window=window, baseline=baseline, alerting=alerting, metrics=known, depends_on=graph
    )


def _metrics(
    table: Sequence[Mapping[str, Any]], times: list[float], rename: Renaming
) -> list[MetricEvidence]:
    found = []
    for column in sorted({key for row in (table[0], table[-1]) for key in row}):
        node, _, rest = column.partition("|")
        metric, _, statistic = rest.partition("|")
        if not statistic:
            continue
        signal, unit, worse, convert = _SIGNALS.get((metric, statistic), (rest, "", "up", _same))
        values = [_value(row.get(column), convert) for row in table]
        found.append(
            MetricEvidence(
                id="",
                service=rename.service(node),
                signal=signal,
                unit=unit,
                worse=worse,
                times=times,
                values=values,
            )
        )
    return found


def _same(value: float) -> float:
    return value


def _value(value: float | None, convert: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else convert(value)


def _graph(path: Path) -> dict[str, list[str]]:
    with path.open() as lines:
        table = list(csv.reader(lines))[1:]
    graph: dict[str, list[str]] = {}
    for caller, callee, *_ in table:
        graph.setdefault(caller, []).append(callee)
    return graph
