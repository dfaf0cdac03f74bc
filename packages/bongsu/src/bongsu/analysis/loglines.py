"""From log lines to templates with how often each was seen before and during."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from bongsu.analysis.model import LogEvidence
from bongsu.analysis.redact import redact
from bongsu.analysis.templates import Template, TemplateMiner
from bongsu.sources.base import LogRecord

_RANK = {"FATAL": 0, "ERROR": 1, "WARN": 2, "INFO": 3, "DEBUG": 4, "TRACE": 5}
_LONGEST_EXAMPLE = 400
_LONGEST_LINE = 1000


def severity_rank(severity: str) -> int:
    """0 for FATAL, higher for milder; unknown words count as INFO."""
    return _RANK.get(severity.upper(), _RANK["INFO"])


@dataclass(frozen=True, slots=True)
class MinedLine:
    record: LogRecord
    template: Template


@dataclass(slots=True)
class LineMiner:
    """One template miner a service, shared by the windows that are compared."""

    _miners: dict[str, TemplateMiner] = field(default_factory=lambda: defaultdict(TemplateMiner))

    def mine(self, records: Iterable[LogRecord]) -> list[MinedLine]:
        """Each record with its template, in order of time. Mine the baseline first, so that lines of the
        incident join the templates of before."""
        ordered = sorted(records, key=lambda r: (r.time, r.service, r.body))
        return [MinedLine(r, self._miners[r.service].add(r.body[:_LONGEST_LINE])) for r in ordered]


@dataclass(slots=True)
class _Seen:
    template: Template
    count: int = 0
    baseline_count: int = 0
    first: LogRecord | None = None
    severity: str = "TRACE"


def grown_templates(
    baseline: Iterable[MinedLine], incident: Iterable[MinedLine], limit: int = 60
) -> list[LogEvidence]:
    """The ``limit`` templates whose count grew most, without ids."""
    found: dict[tuple[str, int], _Seen] = {}
    for lines, during in ((baseline, False), (incident, True)):
        for line in lines:
            key = (line.record.service, line.template.number)
            _count(found.setdefault(key, _Seen(line.template)), line.record, during=during)
    rows = [_row(service, seen) for (service, _), seen in found.items() if seen.count]
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
    if severity_rank(severity) < _RANK[seen.severity]:
        seen.severity = severity if severity in _RANK else "INFO"


def _row(service: str, seen: _Seen) -> LogEvidence:
    first = seen.first
    assert first is not None
    return LogEvidence(
        id="",
        service=service,
        severity=seen.severity,
        template=redact(seen.template.text)[:_LONGEST_EXAMPLE],
        example=redact(first.body[:_LONGEST_LINE])[:_LONGEST_EXAMPLE],
        count=seen.count,
        baseline_count=seen.baseline_count,
        first_at=first.time,
        trace_id=first.trace_id,
    )
