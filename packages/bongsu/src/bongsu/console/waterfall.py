"""Traces as bars: where each span stands in its trace, in drawing units that need no inline style."""

from collections.abc import Sequence
from dataclasses import dataclass

from bongsu.analysis.model import SpanEvidence, TraceEvidence

WIDTH = 1000.0
"""Drawing units across one bar."""
COLOURS = 6
DEEPEST = 12
MOST_SPANS = 120
_NARROWEST = 4.0


@dataclass(frozen=True, slots=True)
class Bar:
    span: SpanEvidence
    depth: int
    x: float
    width: float
    colour: int
    offset: float
    """Seconds from the trace's start."""


@dataclass(frozen=True, slots=True)
class Waterfall:
    trace: TraceEvidence
    root: SpanEvidence
    duration: float
    bars: tuple[Bar, ...]
    colours: dict[str, int]
    """Service → colour, in the order in which they appear."""
    hidden: int


def waterfall(trace: TraceEvidence) -> Waterfall | None:
    if not trace.spans:
        return None
    start = min(s.start for s in trace.spans)
    length = max(max(s.start + s.duration for s in trace.spans) - start, 1e-9)
    rows = _in_order(trace.spans)
    colours: dict[str, int] = {}
    bars = []
    for span, depth in rows[:MOST_SPANS]:
        colour = colours.setdefault(span.service, len(colours) % COLOURS)
        width = min(WIDTH, max(_NARROWEST, span.duration / length * WIDTH))
        x = min((span.start - start) / length * WIDTH, WIDTH - width)
        bars.append(Bar(span, min(depth, DEEPEST), round(x, 1), round(width, 1), colour, span.start - start))
    return Waterfall(trace, rows[0][0], length, tuple(bars), colours, max(0, len(rows) - MOST_SPANS))


def _in_order(spans: Sequence[SpanEvidence]) -> list[tuple[SpanEvidence, int]]:
    """Parents before children, by start; a span whose parent was not read is a root of its own."""
    known = {s.span_id for s in spans}
    children: dict[str, list[SpanEvidence]] = {}
    for span in sorted(spans, key=lambda s: (s.start, s.span_id)):
        parent = span.parent_id if span.parent_id in known and span.parent_id != span.span_id else ""
        children.setdefault(parent, []).append(span)
    rows: list[tuple[SpanEvidence, int]] = []
    seen: set[str] = set()
    stack = [(span, 0) for span in reversed(children.get("", []))]
    while stack:
        span, depth = stack.pop()
        if span.span_id in seen:
            continue
        seen.add(span.span_id)
        rows.append((span, depth))
        stack.extend((child, depth + 1) for child in reversed(children.get(span.span_id, [])))
    # Spans that name each other as parents are reached from nowhere.
    rows.extend((span, 0) for span in spans if span.span_id not in seen)
    return rows
