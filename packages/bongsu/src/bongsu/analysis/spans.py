"""From spans to what each service did itself and how each call between two services went."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bongsu.analysis.peers import CALLS, Peers
from bongsu.sources.base import Span

_ENTRIES = frozenset({"server", "consumer"})
_ID_IN_PATH = re.compile(r"(?<=/)(?:\d+|[0-9a-fA-F-]{16,})(?=/|$|\?)")
_LONGEST_OPERATION = 160


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One call that a service made while it served one of its own. ``answers`` are the callee's spans."""

    caller: str
    callee: str
    span: Span
    answers: Sequence[Span]

    @property
    def failed(self) -> bool:
        return self.span.error or any(answer.error for answer in self.answers)

    @property
    def disputed(self) -> bool:
        """The caller says failed, the callee finished in time and says fine."""
        end = self.span.start + self.span.duration
        return bool(
            self.span.error
            and self.answers
            and not any(answer.error for answer in self.answers)
            and all(answer.start + answer.duration <= end for answer in self.answers)
        )


@dataclass(frozen=True, slots=True)
class Served:
    """One call that a service answered, with the calls it made meanwhile."""

    entry: Span
    outgoing: Sequence[Outgoing]

    @property
    def exclusive_error(self) -> bool:
        return self.entry.error and not any(call.failed for call in self.outgoing)

    @property
    def exclusive_seconds(self) -> float:
        """Duration less the union of the outgoing calls' intervals."""
        start, end = self.entry.start, self.entry.start + self.entry.duration
        covered, upto = 0.0, start
        for call in sorted(self.outgoing, key=lambda c: c.span.start):
            left = max(call.span.start, upto)
            right = min(call.span.start + call.span.duration, end)
            if right > left:
                covered, upto = covered + right - left, right
        return max(0.0, self.entry.duration - covered)


@dataclass(slots=True)
class Forest:
    """All spans of one window, by parent."""

    spans: dict[tuple[str, str], Span]
    children: dict[tuple[str, str], list[Span]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, spans: Iterable[Span]) -> "Forest":
        forest = cls({(s.trace_id, s.span_id): s for s in spans})
        for span in forest.spans.values():
            if span.parent_id and span.parent_id != span.span_id:
                forest.children[(span.trace_id, span.parent_id)].append(span)
        return forest

    def is_entry(self, span: Span) -> bool:
        """Whether ``span`` is where its service begins to work on a call."""
        if span.kind in _ENTRIES:
            return True
        if span.kind in CALLS:
            return False
        parent = self.spans.get((span.trace_id, span.parent_id))
        return not span.parent_id or (parent is not None and parent.service != span.service)


def operation(span: Span) -> str:
    """The span's operation with ids in paths masked, so that equal work has one name."""
    return _ID_IN_PATH.sub("{id}", span.operation[:_LONGEST_OPERATION])


def served(forest: Forest, peers: Peers) -> list[Served]:
    """Every call that was answered by an instrumented service, in order of time."""
    entries = sorted(
        (span for span in forest.spans.values() if forest.is_entry(span)),
        key=lambda s: (s.start, s.trace_id, s.span_id),
    )
    return [Served(entry, _outgoing(forest, peers, entry)) for entry in entries]


def orphan_calls(forest: Forest, peers: Peers) -> list[Outgoing]:
    """Client spans that begin a trace: a load generator's, or a scheduled job's."""
    roots = (s for s in forest.spans.values() if s.kind in CALLS and not s.parent_id)
    calls = (_call(forest, peers, span) for span in roots)
    return [call for call in calls if call is not None]


def _outgoing(forest: Forest, peers: Peers, entry: Span) -> list[Outgoing]:
    """The calls made beneath ``entry`` by its own service; parents that form a circle are met once."""
    found, stack, seen = [], [entry], {entry.span_id}
    while stack:
        span = stack.pop()
        for child in forest.children.get((span.trace_id, span.span_id), ()):
            if child.span_id in seen:
                continue
            seen.add(child.span_id)
            call = _call(forest, peers, child) if _calls_out(forest, child) else None
            if call is not None:
                found.append(call)
            elif child.service != entry.service:
                found.append(Outgoing(entry.service, child.service, child, (child,)))
            elif not forest.is_entry(child):
                stack.append(child)
    return found


def _calls_out(forest: Forest, span: Span) -> bool:
    """A client span, or one without that kind which does nothing but wrap calls to one other service."""
    if span.kind in CALLS:
        return True
    children = forest.children.get((span.trace_id, span.span_id), ())
    callees = {child.service for child in children}
    return span.kind not in _ENTRIES and len(callees) == 1 and span.service not in callees


def _call(forest: Forest, peers: Peers, span: Span) -> Outgoing | None:
    """``span`` as a call to another service, or None when it does not leave its own."""
    children = forest.children.get((span.trace_id, span.span_id), ())
    answers = [child for child in children if child.service != span.service]
    callee = answers[0].service if answers else peers.service(span.peer)
    if not callee or callee == span.service:
        return None
    return Outgoing(span.service, callee, span, tuple(answers))


def whole_traces(spans: Iterable[Span], end: float) -> list[Span]:
    """The spans of traces that had ended by ``end`` (Unix s), so that no half of a call is judged."""
    spans = list(spans)
    unfinished = {span.trace_id for span in spans if span.start + span.duration > end}
    return [span for span in spans if span.trace_id not in unfinished]


def untruncated(spans: Sequence[Span]) -> list[Span]:
    """What can be trusted of a read that hit its limit: traces away from the cut, with all parents there."""
    ids = {(s.trace_id, s.span_id) for s in spans}
    first, last = min(s.start for s in spans), max(s.start for s in spans)
    cut = last - 0.1 * (last - first)
    torn = {
        s.trace_id for s in spans if s.start > cut or (s.parent_id and (s.trace_id, s.parent_id) not in ids)
    }
    return [span for span in spans if span.trace_id not in torn]


def by_trace(spans: Iterable[Span]) -> Mapping[str, list[Span]]:
    traces: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        traces[span.trace_id].append(span)
    return traces
