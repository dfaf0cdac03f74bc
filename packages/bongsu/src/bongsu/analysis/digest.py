"""What spans and log lines of two windows amount to as evidence; the one way there, whoever read them."""

from collections.abc import Sequence
from dataclasses import dataclass

from bongsu.analysis.aggregate import aggregate
from bongsu.analysis.loglines import LineMiner, MinedLine, grown_templates, severity_rank
from bongsu.analysis.model import CallEvidence, EdgeEvidence, EventEvidence, LogEvidence, Window
from bongsu.analysis.numbering import numbered
from bongsu.analysis.peers import Peers
from bongsu.analysis.spans import Forest
from bongsu.analysis.structure import event_evidence, requests
from bongsu.sources.base import LogRecord, Span

_WARNING = severity_rank("WARN")


@dataclass(frozen=True, slots=True)
class Seen:
    """What was read of one window."""

    spans: Sequence[Span] = ()
    lines: Sequence[LogRecord] = ()
    """Of every level."""
    errors: Sequence[LogRecord] | None = None
    """Lines that tell of trouble; None for those of ``lines`` that warn or worse."""
    covered: Sequence[Window] | None = None
    """Where ``lines`` are complete; None for everywhere."""


@dataclass(frozen=True, slots=True)
class Digest:
    """Numbered evidence."""

    logs: list[LogEvidence]
    calls: list[CallEvidence]
    edges: list[EdgeEvidence]
    events: list[EventEvidence]
    seen_inside: list[str]


def digest(before: Seen, during: Seen, peers: Peers, middle: float, templates: int = 60) -> Digest:
    """``middle`` of the incident in Unix seconds; at most ``templates`` of log lines."""
    miner = LineMiner()
    lines_before, errors_before = _mined(miner, before)
    lines, errors = _mined(miner, during)
    forest_before, forest = Forest.of(before.spans), Forest.of(during.spans)
    calls_before, edges_before = aggregate(forest_before, peers, "baseline")
    calls, edges = aggregate(forest, peers, "incident")
    was = requests(forest_before, lines_before, covered=before.covered)
    now = requests(forest, lines, middle, covered=during.covered)
    return Digest(
        logs=numbered("L", grown_templates(errors_before, errors, templates)),
        calls=numbered("C", [*calls_before, *calls]),
        edges=numbered("E", [*edges_before, *edges]),
        events=numbered("V", event_evidence(was, now)),
        seen_inside=sorted(was.seen_inside | now.seen_inside),
    )


def _mined(miner: LineMiner, seen: Seen) -> tuple[list[MinedLine], list[MinedLine]]:
    """All lines and, of these, the errors; a line that was read both ways is mined once."""
    if seen.errors is None:
        mined = miner.mine(seen.lines)
        return mined, [line for line in mined if severity_rank(line.record.severity) <= _WARNING]
    telling = {_key(record) for record in seen.errors}
    unique = {_key(record): record for record in (*seen.lines, *seen.errors)}
    mined = miner.mine(unique.values())
    return mined, [line for line in mined if _key(line.record) in telling]


def _key(record: LogRecord) -> tuple[float, str, str, str, str]:
    return record.time, record.service, record.body, record.trace_id, record.span_id
