"""What requests no longer do, and whom that speaks of, from hand-made traces and log lines."""

from collections.abc import Callable, Sequence

from hypothesis import given
from hypothesis import strategies as st

from bongsu.analysis.channels.structure import structure
from bongsu.analysis.compare import g_test
from bongsu.analysis.model import Evidence, Window
from bongsu.analysis.observed import observe
from bongsu.sources.base import LogRecord, Span

LENGTH = 120.0
Request = tuple[list[Span], list[LogRecord]]


class Trace:
    """One request to gateway, built call by call; each call takes a tenth of a second."""

    def __init__(self, number: int, at: float) -> None:
        self.trace, self.at, self.clock = f"t{number}", at, at
        self.spans: list[Span] = []
        self.lines: list[LogRecord] = []
        self.root = self.call("", "gateway")

    def call(self, parent: str, service: str, operation: str = "work") -> str:
        name = f"s{len(self.spans)}"
        self.clock += 0.1
        self.spans.append(Span(self.trace, name, parent, service, operation, "", self.clock, 0.05, False))
        return name

    def log(self, span: str, service: str, body: str, severity: str = "INFO") -> None:
        self.lines.append(LogRecord(self.clock, service, severity, body, self.trace, span))


def observed(
    before: Callable[[Trace, int], None], during: Callable[[Trace, int], None], count: int = 60
) -> Evidence:
    def traces(shape: Callable[[Trace, int], None], start: float) -> Sequence[Trace]:
        made = [Trace(n, start + n * LENGTH / count) for n in range(count)]
        for n, trace in enumerate(made):
            shape(trace, n)
        return made

    then, now = traces(before, 0.0), traces(during, 1000.0)
    return observe(
        incident="i",
        window=Window(1000.0, 1000.0 + LENGTH),
        baseline=Window(0.0, LENGTH),
        alerting=[("gateway", "latency")],
        spans_before=[s for t in then for s in t.spans],
        spans=[s for t in now for s in t.spans],
        logs_before=[line for t in then for line in t.lines],
        logs=[line for t in now for line in t.lines],
    )


def scores(evidence: Evidence) -> dict[str, float]:
    return {service: reason.score for service, reason in structure(evidence).items()}


def first(evidence: Evidence) -> str:
    found = scores(evidence)
    return max(found, key=lambda name: found[name], default="")


def well(trace: Trace, n: int) -> None:
    orders = trace.call(trace.root, "orders")
    trace.log(orders, "orders", f"Orders#10 placing order {n}")
    payments = trace.call(orders, "payments")
    trace.log(payments, "payments", f"Payments#7 charging card {n}")
    trace.log(payments, "payments", f"Payments#9 charged {n}")
    trace.call(orders, "shipping")
    trace.log(orders, "orders", f"Orders#20 placed order {n}")


def test_the_service_that_returns_early_is_blamed_not_its_caller() -> None:
    def broken(trace: Trace, n: int) -> None:
        orders = trace.call(trace.root, "orders")
        trace.log(orders, "orders", f"Orders#10 placing order {n}")
        payments = trace.call(orders, "payments")
        trace.log(payments, "payments", f"Payments#7 charging card {n}")

    found = scores(observed(well, broken))
    assert first(observed(well, broken)) == "payments"
    assert found.get("orders", 0.0) < 0.5 * found["payments"]


def test_new_errors_weigh_and_fewer_errors_do_not() -> None:
    def failing(trace: Trace, n: int) -> None:
        well(trace, n)
        trace.log("s2", "payments", f"card {n} refused by bank", "ERROR")

    assert first(observed(well, failing)) == "payments"
    assert scores(observed(failing, well)) == {}


def test_requests_of_several_callers_that_end_at_one_service_blame_that_service() -> None:
    def calls(trace: Trace, service: str, *, stop: bool) -> None:
        caller = trace.call(trace.root, service)
        trace.call(caller, "catalog")
        if not stop:
            trace.call(caller, "currency")

    def fine(trace: Trace, n: int) -> None:
        calls(trace, "orders" if n % 2 else "search", stop=False)

    def stopping(trace: Trace, n: int) -> None:
        calls(trace, "orders" if n % 2 else "search", stop=True)

    assert first(observed(fine, stopping)) == "catalog"


def test_one_caller_that_stops_after_a_callee_seen_to_be_sound_is_blamed_itself() -> None:
    def fine(trace: Trace, n: int) -> None:
        checkout = trace.call(trace.root, "checkout")
        trace.call(checkout, "payments")
        trace.call(trace.root, "recommendations")

    def stopping(trace: Trace, n: int) -> None:
        checkout = trace.call(trace.root, "checkout")
        trace.call(checkout, "payments")

    assert first(observed(fine, stopping)) == "gateway"


def test_another_mix_of_requests_is_no_fault() -> None:
    def mixed(share: int) -> Callable[[Trace, int], None]:
        def shape(trace: Trace, n: int) -> None:
            books = n % 10 < share
            orders = trace.call(trace.root, "orders")
            trace.log(orders, "orders", "Orders#10 book" if books else "Orders#12 toy")
            trace.call(orders, "books" if books else "toys")

        return shape

    assert max(scores(observed(mixed(8), mixed(3))).values(), default=0.0) < 0.35


def test_what_was_over_by_the_second_half_counts_for_less() -> None:
    def lost(when: Callable[[int], bool]) -> Callable[[Trace, int], None]:
        def shape(trace: Trace, n: int) -> None:
            orders = trace.call(trace.root, "orders")
            if not when(n):
                trace.log(orders, "orders", f"Orders#20 placed order {n}")

        return shape

    before = lost(lambda n: False)
    early, late = observed(before, lost(lambda n: n < 30)), observed(before, lost(lambda n: n >= 30))
    assert scores(late)["orders"] > 2 * scores(early).get("orders", 0.0)


def test_an_error_line_is_quoted_without_its_secret() -> None:
    def leaking(trace: Trace, n: int) -> None:
        well(trace, n)
        trace.log("s2", "payments", "login failed password=hunter2hunter2", "ERROR")

    evidence = observed(well, leaking)
    assert any("login failed" in row.event for row in evidence.events)
    assert not any("hunter2" in row.event for row in evidence.events)


@given(st.integers(1, 500), st.integers(1, 500), st.data())
def test_g_is_never_negative_and_the_same_either_way_round(
    of: int, of_before: int, data: st.DataObject
) -> None:
    events, before = data.draw(st.integers(0, of)), data.draw(st.integers(0, of_before))
    g = g_test(events, of, before, of_before)
    assert g >= -1e-9
    assert abs(g - g_test(before, of_before, events, of)) < 1e-6


@given(st.integers(0, 50), st.integers(50, 200))
def test_g_of_equal_shares_is_nothing(events: int, of: int) -> None:
    assert g_test(events, of, events, of) < 1e-9
