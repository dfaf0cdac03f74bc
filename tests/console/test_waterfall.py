"""Traces as bars: order, depth and bounds, whatever the spans say of their parents."""

from hypothesis import given
from hypothesis import strategies as st

from bongsu.analysis.model import SpanEvidence, TraceEvidence
from bongsu.console.waterfall import COLOURS, MOST_SPANS, WIDTH, waterfall
from tests.console.sample import burning_shop
from tests.console.support import OUTAGE


def _span(n: int, parent: int, start: float, duration: float) -> SpanEvidence:
    return SpanEvidence(
        trace_id="t", span_id=str(n), parent_id=str(parent), service=f"s{n % 9}", operation="o",
        kind="server", start=start, duration=duration, error=False,
    )  # fmt: skip


def test_children_stand_beneath_their_parents() -> None:
    fall = waterfall(burning_shop().by_evidence[OUTAGE].traces[0])
    assert fall is not None
    assert [(b.span.service, b.depth) for b in fall.bars[:6]] == [
        ("gateway", 0), ("gateway", 1), ("orders", 2), ("orders", 3), ("inventory", 4), ("orders", 3),
    ]  # fmt: skip
    assert fall.root.operation == "POST /checkout"
    assert waterfall(TraceEvidence(id="T", trace_id="t", why="slow", spans=[])) is None


times = st.floats(0, 1e6, allow_nan=False)
spans = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), times, times), min_size=1, max_size=200)


@given(spans)
def test_every_bar_lies_within_the_drawing(rows: list[tuple[int, int, float, float]]) -> None:
    trace = TraceEvidence(id="T", trace_id="t", why="slow", spans=[_span(*row) for row in rows])
    fall = waterfall(trace)
    assert fall is not None
    ids = {s.span_id for s in trace.spans}
    assert {b.span.span_id for b in fall.bars} <= ids
    assert len(fall.bars) <= MOST_SPANS
    for bar in fall.bars:
        assert 0 <= bar.x <= WIDTH
        assert 0 < bar.width <= WIDTH
        assert bar.x + bar.width <= WIDTH + 0.2
        assert 0 <= bar.colour < COLOURS
