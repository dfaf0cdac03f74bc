"""What requests consist of: which log templates, inner steps and calls each operation's requests contain."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from bongsu.analysis.compare import g_test
from bongsu.analysis.loglines import MinedLine, severity_rank
from bongsu.analysis.model import EventEvidence, Window
from bongsu.analysis.redact import redact
from bongsu.analysis.spans import Forest, operation
from bongsu.sources.base import Span

_LEAST_G = 6.63
"""χ² of one degree of freedom at p = 0.01: rows below say nothing and are not kept."""
_LEAST_G_END = 1.5
"""Ends are few and telling: more of them are kept."""
_LONGEST_EVENT = 300

Group = tuple[str, str]
"""Service and operation."""


class Event(NamedTuple):
    """``name`` of a log line is its source location where it has one, else its template."""

    kind: str
    name: str
    callee: str = ""


NO_CALL = Event("end", "no call")


@dataclass(slots=True)
class Tally:
    """How many requests each operation served, and in how many of them each event occurred. ``logged`` are
    those whose log lines were all read."""

    served: Counter[Group] = field(default_factory=Counter)
    logged: Counter[Group] = field(default_factory=Counter)
    events: dict[Group, Counter[Event]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, group: Group, events: Iterable[Event], *, logged: bool) -> None:
        self.served[group] += 1
        self.logged[group] += logged
        self.events[group].update(event for event in events if logged or event.kind != "log")

    def counts(self, group: Group, event: Event) -> tuple[int, int]:
        """Requests with ``event``, and the requests of which that is a share."""
        events = self.events[group]
        if event.kind == "end" and event.callee:
            return events[event], events[Event("call", event.name, event.callee)]
        return events[event], (self.logged if event.kind == "log" else self.served)[group]


@dataclass(slots=True)
class Requests:
    """The requests of one window; ``late`` are those that began at its middle or after."""

    whole: Tally = field(default_factory=Tally)
    late: Tally = field(default_factory=Tally)
    severities: dict[Event, str] = field(default_factory=dict)
    texts: dict[Event, str] = field(default_factory=dict)

    @property
    def seen_inside(self) -> set[str]:
        """Services whose requests show events of their own."""
        groups = self.whole.events.items()
        return {service for (service, _), events in groups if any(e.kind != "end" for e in events)}


def requests(
    forest: Forest,
    lines: Iterable[MinedLine],
    middle: float = math.inf,
    covered: Sequence[Window] | None = None,
) -> Requests:
    """Counts each event once a request; ``middle`` in Unix seconds. Lines without a trace are left out:
    nobody knows whose they are; so are those of requests outside ``covered``, where not all were read."""
    found = Requests()
    owners = _owners(forest)
    entries: dict[int, Span] = {}
    seen: dict[int, set[Event]] = defaultdict(set)
    last: dict[int, tuple[float, Event]] = {}
    for key, entry in owners.items():
        number, span = id(entry), forest.spans[key]
        entries[number] = entry
        if span is not entry:
            seen[number].add(Event("step", operation(span)))
        for child in forest.children.get(key, ()):
            if child.service != entry.service:
                name = f"{child.service} {operation(child)}"
                seen[number].add(Event("call", name, child.service))
                if number not in last or child.start > last[number][0]:
                    last[number] = (child.start, Event("end", name, child.service))
    known: dict[int, Event] = {}
    for line, entry in _placed(lines, owners):
        seen[id(entry)].add(_noted(found, line, known))
    for number, entry in entries.items():
        seen[number].add(last[number][1] if number in last else NO_CALL)
        group = (entry.service, operation(entry))
        logged = _within(entry, covered)
        found.whole.add(group, seen[number], logged=logged)
        if entry.start >= middle:
            found.late.add(group, seen[number], logged=logged)
    return found


def _within(span: Span, covered: Sequence[Window] | None) -> bool:
    end = span.start + span.duration
    return covered is None or any(w.start <= span.start and end <= w.end for w in covered)


def _noted(found: Requests, line: MinedLine, known: dict[int, Event]) -> Event:
    template, severity = line.template, line.record.severity
    event = known.get(id(template))
    if event is None:
        event = known[id(template)] = Event("log", template.location or template.text)
        found.texts.setdefault(event, template.text)
    worst = found.severities.get(event)
    if worst is None or (severity != worst and severity_rank(severity) < severity_rank(worst)):
        found.severities[event] = severity.upper()
    return event


def event_evidence(before: Requests, during: Requests, limit: int = 300) -> list[EventEvidence]:
    """The events whose share of requests differs most between the windows, without ids."""
    rows: list[tuple[float, EventEvidence]] = []
    for group in sorted(before.whole.served.keys() & during.whole.served.keys()):
        events = before.whole.events[group].keys() | during.whole.events[group].keys()
        for event in sorted(events, key=lambda e: (e.kind, e.name)):
            row = _row(group, event, during, before)
            if not row.of or not row.baseline_of:
                continue
            g = g_test(row.count, row.of, row.baseline_count, row.baseline_of)
            if g >= (_LEAST_G_END if event.kind == "end" else _LEAST_G):
                rows.append((g, row))
    rows.sort(key=lambda pair: (-pair[0], pair[1].service, pair[1].operation, pair[1].kind, pair[1].event))
    return [row for _, row in rows[:limit]]


def _row(group: Group, event: Event, during: Requests, before: Requests) -> EventEvidence:
    count, of = during.whole.counts(group, event)
    late_count, late_of = during.late.counts(group, event)
    baseline_count, baseline_of = before.whole.counts(group, event)
    text = during.texts.get(event) or before.texts.get(event) or event.name
    return EventEvidence(
        id="",
        service=group[0],
        operation=group[1],
        event=redact(text)[:_LONGEST_EVENT] if event.kind == "log" else text[:_LONGEST_EVENT],
        kind=event.kind,
        count=count,
        of=of,
        baseline_count=baseline_count,
        baseline_of=baseline_of,
        late_count=late_count,
        late_of=late_of,
        severity=during.severities.get(event, before.severities.get(event, "")),
        callee=event.callee,
    )


def _owners(forest: Forest) -> Mapping[tuple[str, str], Span]:
    """Span → the entry of its own service that it belongs to; spans cut off from any entry are left out."""
    owners: dict[tuple[str, str], Span] = {}
    for key, span in forest.spans.items():
        way: list[tuple[str, str]] = []
        passed: set[tuple[str, str]] = set()
        while key not in owners and key not in passed:
            if forest.is_entry(span):
                owners[key] = span
                break
            way.append(key)
            passed.add(key)
            above = forest.spans.get((span.trace_id, span.parent_id))
            if above is None or above.service != span.service:
                break
            key, span = (span.trace_id, span.parent_id), above
        entry = owners.get(key)
        if entry is not None:
            owners.update(dict.fromkeys(way, entry))
    return owners


def _placed(
    lines: Iterable[MinedLine], owners: Mapping[tuple[str, str], Span]
) -> Iterator[tuple[MinedLine, Span]]:
    """Each line with the request that it belongs to: by its span, else by trace, service and time."""
    running: dict[tuple[str, str], list[Span]] | None = None
    for line in lines:
        record = line.record
        entry = owners.get((record.trace_id, record.span_id))
        if entry is None or entry.service != record.service:
            if not record.trace_id:
                continue
            if running is None:
                running = _entries(owners.values())
            entry = _at(running.get((record.trace_id, record.service), ()), record.time)
        if entry is not None:
            yield line, entry


def _entries(entries: Iterable[Span]) -> dict[tuple[str, str], list[Span]]:
    found: dict[tuple[str, str], list[Span]] = defaultdict(list)
    for entry in {id(entry): entry for entry in entries}.values():
        found[(entry.trace_id, entry.service)].append(entry)
    return found


def _at(entries: Sequence[Span], time: float) -> Span | None:
    running = [span for span in entries if span.start <= time <= span.start + span.duration]
    return max(running, key=lambda s: s.start, default=None)
