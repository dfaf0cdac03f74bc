"""From log lines to templates with how often each was seen before and during."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from bongsu.analysis.model import LogEvidence
from bongsu.analysis.redact import redact
from bongsu.analysis.templates import Template, TemplateMiner
from bongsu.sources.base import LogRecord

_RANK = {"FATAL": 0, "ERROR": 1, "WARN": 2, "INFO": 3, "DEBUG": 4, "TRACE": 5}
_LONGEST_EXAMPLE = 400


@dataclass(slots=True)
class _Seen:
    count: int = 0
    baseline_count: int = 0
    first: LogRecord | None = None
    severity: str = "TRACE"


def log_evidence(
    baseline: Iterable[LogRecord], incident: Iterable[LogRecord], limit: int = 60
) -> list[LogEvidence]:
    """The ``limit`` templates that grew most, without ids. The baseline is read first, so that lines of the
    incident join the templates of before."""
    miners: dict[str, TemplateMiner] = defaultdict(TemplateMiner)
    found: dict[tuple[str, int], tuple[Template, _Seen]] = {}
    for records, during in ((baseline, False), (incident, True)):
        for record in sorted(records, key=lambda r: (r.time, r.service, r.body)):
            template = miners[record.service].add(redact(record.body[:1000]))
            _, seen = found.setdefault((record.service, template.number), (template, _Seen()))
            _count(seen, record, during=during)
    rows = [_row(service, template, seen) for (service, _), (template, seen) in found.items() if seen.count]
    rows.sort(key=lambda r: (r.baseline_count - r.count, r.service, r.template))
    return rows[:limit]


def _count(seen: _Seen, record: LogRecord, *, during: bool) -> None:
    if not during:
        seen.baseline_count += 1
        return
    seen.count += 1
    if seen.first is None:
        seen.first = record
    severity = record.severity.upper()
    if _RANK.get(severity, 3) < _RANK[seen.severity]:
        seen.severity = severity if severity in _RANK else "INFO"


def _row(service: str, template: Template, seen: _Seen) -> LogEvidence:
    first = seen.first
    assert first is not None
    return LogEvidence(
        id="",
        service=service,
        severity=seen.severity,
        template=redact(template.text)[:_LONGEST_EXAMPLE],
        example=redact(first.body[:1000])[:_LONGEST_EXAMPLE],
        count=seen.count,
        baseline_count=seen.baseline_count,
        first_at=first.time,
        trace_id=first.trace_id,
    )
