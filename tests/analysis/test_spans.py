"""What a service did itself, and how its calls went, from hand-made traces."""

from bongsu.analysis.aggregate import aggregate
from bongsu.analysis.peers import learn_peers
from bongsu.sources.base import Span


def span(
    name: str,
    parent: str,
    service: str,
    kind: str,
    start: float,
    duration: float,
    error: bool = False,
    peer: str = "",
) -> Span:
    return Span("t", name, parent, service, f"{service} work", kind, start, duration, error, peer)


def test_exclusive_time_leaves_out_overlapping_calls_once() -> None:
    spans = [
        span("a", "", "gateway", "server", 0.0, 1.0),
        span("b", "a", "gateway", "client", 0.1, 0.5, peer="orders:80"),
        span("c", "a", "gateway", "client", 0.3, 0.5, peer="orders:80"),
        span("d", "b", "orders", "server", 0.15, 0.4),
    ]
    calls, edges = aggregate(spans, learn_peers(spans, [], {}), "incident")
    gateway = next(c for c in calls if c.service == "gateway")
    assert abs(gateway.exclusive_mean - 0.3) < 1e-9
    assert [(e.caller, e.callee, e.calls, e.server_seen) for e in edges] == [("gateway", "orders", 2, 1)]
    assert abs(edges[0].gap_mean - 0.1) < 1e-9


def test_a_failure_passed_on_is_not_exclusive() -> None:
    spans = [
        span("a", "", "gateway", "server", 0.0, 1.0, error=True),
        span("b", "a", "gateway", "client", 0.1, 0.5, error=True, peer="orders"),
        span("c", "b", "orders", "server", 0.15, 0.4, error=True),
    ]
    calls, _ = aggregate(spans, learn_peers(spans, [], {}), "incident")
    assert {c.service: c.exclusive_errors for c in calls} == {"gateway": 0, "orders": 1}


def test_unanswered_and_disputed_calls() -> None:
    spans = [
        span("a", "", "gateway", "server", 0.0, 1.0, error=True),
        span("b", "a", "gateway", "client", 0.1, 0.01, error=True, peer="orders:80"),
        span("c", "a", "gateway", "client", 0.2, 0.5, error=True, peer="users:80"),
        span("d", "c", "users", "server", 0.25, 0.4),
    ]
    _, edges = aggregate(spans, learn_peers(spans, ["orders"], {}), "incident")
    found = {e.callee: (e.unanswered, e.disputed) for e in edges}
    assert found == {"orders": (1, 0), "users": (0, 1)}


def test_internal_spans_belong_to_their_service() -> None:
    spans = [
        span("a", "", "gateway", "server", 0.0, 1.0),
        span("b", "a", "gateway", "internal", 0.1, 0.8),
        span("c", "b", "gateway", "client", 0.2, 0.5, peer="db:5432"),
    ]
    calls, edges = aggregate(spans, learn_peers(spans, [], {"db:5432": "orders-db"}), "incident")
    assert len(calls) == 1
    assert abs(calls[0].exclusive_mean - 0.5) < 1e-9
    assert edges[0].callee == "orders-db"


def test_a_span_without_kind_that_wraps_a_remote_call_is_the_call() -> None:
    spans = [
        span("a", "", "gateway", "", 0.0, 1.0),
        span("b", "a", "gateway", "", 0.1, 0.8),
        span("c", "b", "orders", "", 0.5, 0.2),
    ]
    _, edges = aggregate(spans, learn_peers(spans, [], {}), "incident")
    assert [(e.caller, e.callee) for e in edges] == [("gateway", "orders")]
    assert abs(edges[0].gap_mean - 0.6) < 1e-9


def test_circular_parents_end() -> None:
    spans = [
        span("a", "b", "gateway", "server", 0.0, 1.0),
        span("b", "a", "gateway", "internal", 0.0, 1.0),
    ]
    calls, _ = aggregate(spans, learn_peers(spans, [], {}), "incident")
    assert [c.count for c in calls] == [1]


def test_an_address_is_learnt_only_where_answers_agree() -> None:
    spans = [
        span("a", "", "gateway", "client", 0, 1, peer="lb:80"),
        span("b", "a", "orders", "server", 0, 1),
        span("c", "", "gateway", "client", 0, 1, peer="lb:80"),
        span("d", "c", "users", "server", 0, 1),
        span("e", "", "gateway", "client", 0, 1, peer="10.0.0.1:80"),
        span("f", "e", "users", "server", 0, 1),
    ]
    peers = learn_peers(spans, [], {})
    assert peers.service("lb:80") == "lb:80"
    assert peers.service("10.0.0.1:80") == "users"
    assert peers.service("orders:9000") == "orders"
    assert peers.service("orders.default.svc.cluster.local:80") == "orders"
    assert peers.service("") == ""
