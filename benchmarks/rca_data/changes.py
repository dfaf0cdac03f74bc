"""Adapter for incidents with change events: metrics, logs, a few traces, commits, deploys and flags."""

import csv
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from bongsu.analysis.model import ChangeEvidence, Evidence, MetricEvidence, Window
from bongsu.analysis.observed import observe
from bongsu.sources.base import LogRecord, Span
from rca_data.case import Case
from rca_data.rename import Renaming

_FALLING = ("hit_ratio", "ready", "uptime", "success", "availability")
_LONGEST_DIFF = 6000
_EARLY = 0.4
"""The share of the recording before onset that is taken as clean: slow ramps begin early."""


def cases(folder: Path, dataset: str, seed: int | None) -> Iterator[Case]:
    for path in sorted(p for p in folder.iterdir() if p.is_dir()):
        yield _case(path, dataset, seed)


def _case(path: Path, dataset: str, seed: int | None) -> Case:
    alert = _json(path / "alert.json")
    table = list(csv.DictReader((path / "metrics.csv").read_text().splitlines()))
    deploys = _json(path / "context" / "deploys.json")
    services = sorted({row["service"] for row in (*table, *deploys)} | {alert["service"]})
    rename = Renaming(services, seed)
    metrics = _metrics(table, rename)
    fired = _time(alert["fired_at"])
    own = next((m for m in metrics if (m.service, m.signal) == _target(alert, rename)), None)
    onset = _crossed(own, float(alert["threshold"]), fired) if own else fired
    last = max((m.times[-1] for m in metrics), default=fired)
    window = Window(onset, min(max(fired, onset + 60.0), last))
    first = min((m.times[0] for m in metrics), default=onset - 3600.0)
    baseline = Window(first, first + _EARLY * (onset - first))
    changes = _changes(path / "context", rename) + _outages(path / "status_feed.json", rename)
    read = partial(_evidence, path, window, baseline, alert, metrics, changes, rename)
    refs = [change.ref for change in changes if change.ref]
    candidates = rename.original(sorted({metric.service for metric in metrics}))
    return Case(dataset, path.name, candidates, read, lambda: metrics, window, baseline, rename, changes=refs)


def _evidence(
    path: Path,
    window: Window,
    baseline: Window,
    alert: Mapping[str, Any],
    metrics: Sequence[MetricEvidence],
    changes: Sequence[ChangeEvidence],
    rename: Renaming,
) -> Evidence:
    spans, logs = _spans(path / "traces.json", rename), _logs(path / "logs.ndjson", rename)
    return observe(
        incident="case",
        window=window,
        baseline=baseline,
        alerting=[_target(alert, rename)],
        metrics=metrics,
        spans_before=[span for span in spans if span.start < window.start],
        spans=[span for span in spans if window.start <= span.start],
        logs_before=[record for record in logs if record.time < window.start],
        logs=[record for record in logs if window.start <= record.time <= window.end],
        changes=changes,
    )


def _target(alert: Mapping[str, Any], rename: Renaming) -> tuple[str, str]:
    return rename.service(alert["service"]), rename.text(alert["metric"])


def _crossed(metric: MetricEvidence, threshold: float, fired: float) -> float:
    """The start of the stretch beyond the threshold that was going on when the alert fired."""
    factor = _unit(metric.signal)[1]
    bound = threshold * factor
    at = fired
    for time, value in reversed(list(zip(metric.times, metric.values, strict=True))):
        if time > fired or value is None:
            continue
        if (value < bound) if metric.worse == "up" else (value > bound):
            break
        at = time
    return at


def _metrics(table: Sequence[Mapping[str, str]], rename: Renaming) -> list[MetricEvidence]:
    series: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for row in table:
        series[(row["service"], row["metric"])].append((_time(row["timestamp"]), float(row["value"])))
    found = []
    for (service, signal), points in sorted(series.items()):
        unit, factor = _unit(signal)
        found.append(
            MetricEvidence(
                id="",
                service=rename.service(service),
                signal=rename.text(signal),
                unit=unit,
                worse="down" if any(word in signal for word in _FALLING) else "up",
                times=[t for t, _ in sorted(points)],
                values=[v * factor for _, v in sorted(points)],
            )
        )
    return found


def _unit(signal: str) -> tuple[str, float]:
    for ending, unit, factor in (
        ("_ms", "s", 0.001),
        ("_pct", "ratio", 0.01),
        ("_utilization", "ratio", 0.01),
        ("_ratio", "ratio", 1.0),
        ("error_rate", "ratio", 1.0),
        ("cancelled_rate", "ratio", 1.0),
        ("per_sec", "per_second", 1.0),
        ("per_second", "per_second", 1.0),
        ("_seconds_p99", "s", 1.0),
    ):
        if signal.endswith(ending):
            return unit, factor
    return "count", 1.0


def _spans(path: Path, rename: Renaming) -> list[Span]:
    """Ids of spans repeat between traces, and a trace id may be missing: such spans follow their parent's."""
    found, trace = [], ""
    for row in _json(path):
        trace = row["trace_id"] if row["trace_id"] != "same" else trace
        found.append(
            Span(
                trace,
                row["span_id"],
                row["parent_id"] or "",
                rename.service(row["service"]),
                rename.text(row["name"]),
                "internal",
                _time(row["start"]),
                float(row["duration_ms"]) / 1000.0,
                row.get("status") == "ERROR",
            )
        )
    return found


def _logs(path: Path, rename: Renaming) -> list[LogRecord]:
    rows = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    return [
        LogRecord(
            _time(row["timestamp"]),
            rename.service(row["service"]),
            row.get("severity_text", "INFO"),
            rename.text(row["msg"]),
            row.get("trace_id", ""),
        )
        for row in rows
    ]


def _changes(folder: Path, rename: Renaming) -> list[ChangeEvidence]:
    """Each deploy with its commit; commits that no deploy names stand for themselves."""
    commits = {row["sha"]: row for row in _json(folder / "commits.json")}
    found, deployed = [], set()
    for row in _json(folder / "deploys.json"):
        deployed.add(row["commit_sha"])
        commit = commits.get(row["commit_sha"], {})
        found.append(_commit(row["commit_sha"], _time(row["timestamp"]), row["service"], commit, rename))
    for sha, commit in commits.items():
        if sha not in deployed:
            found.append(_commit(sha, _time(commit["timestamp"]), "", commit, rename))
    for row in _json(folder / "flags.json"):
        before, _, after = str(row["change"]).partition("->")
        found.append(
            ChangeEvidence(
                id="",
                at=_time(row["timestamp"]),
                service=rename.service(row["service"]),
                kind="flag",
                summary=rename.text(row["flag"]),
                before=before,
                after=after,
            )
        )
    return sorted(found, key=lambda c: (c.at, c.service, c.ref))


def _commit(sha: str, at: float, service: str, commit: Mapping[str, Any], rename: Renaming) -> ChangeEvidence:
    return ChangeEvidence(
        id="",
        at=at,
        service=rename.service(service) if service else "",
        kind="deploy" if service else "commit",
        summary=rename.text(commit.get("message") or ""),
        ref=sha,
        files=[rename.text(name) for name in commit.get("files_changed") or ()],
        text=rename.text((commit.get("diff") or "")[:_LONGEST_DIFF]),
    )


def _outages(path: Path, rename: Renaming) -> list[ChangeEvidence]:
    """What a provider's status page said, where there is one."""
    if not path.exists():
        return []
    feed = _json(path)
    events = feed.get("incidents") or feed.get("events") or []
    return [
        ChangeEvidence(
            id="",
            at=_time(row["started_at"]),
            service=rename.text(str(feed.get("provider") or row.get("service") or "")),
            kind="outage",
            summary=rename.text(str(row.get("name") or row.get("title") or row.get("summary") or row["id"])),
            before=str(row.get("service") or ""),
            text=rename.text(
                " ".join([row.get("detail") or "", *(u["body"] for u in row.get("updates") or ())])
            ),
        )
        for row in events
        if row.get("started_at")
    ]


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _json(path: Path) -> Any:
    return json.loads(path.read_text())
