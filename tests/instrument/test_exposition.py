"""Both text formats say what was measured, to the letter, whatever the labels hold."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from bongsu_instrument import Instrumentation
from bongsu_instrument.exposition import prefers_openmetrics

HOSTILE = 'a"} 1\nfake_total{x="\\\r\t%d%s\u2028é\x85 # {}'


def request(instrumentation: Instrumentation, path: str = "/", **changes: Any) -> None:
    values: dict[str, Any] = {"seconds": 0.02, "received": 0, "sent": 10, "span": None} | changes
    instrumentation.http.enter()
    instrumentation.http.leave(("GET", path, 200), **values)


@pytest.mark.parametrize(
    ("accept", "openmetrics"),
    [
        ("", False),
        ("*/*", False),
        ("text/html, application/xhtml+xml, */*;q=0.8", False),
        ("application/openmetrics-text", True),
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", True),
        ("application/openmetrics-text;q=0.5, text/plain;q=0.9", False),
        ("text/plain;q=0.5, application/openmetrics-text;q=0.5", True),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=junk", False),
        (";;,,;q=,", False),
    ],
)
def test_content_negotiation(accept: str, openmetrics: bool) -> None:
    assert prefers_openmetrics(accept) is openmetrics


@pytest.mark.parametrize("openmetrics", [False, True])
def test_both_formats_are_valid_and_agree(openmetrics: bool, scrape: Any) -> None:
    instrumentation = Instrumentation("shop")
    request(instrumentation, seconds=0.02, received=99, sent=100_000)
    request(instrumentation, seconds=99, received=0, sent=0)
    seen = scrape(instrumentation, openmetrics=openmetrics)
    name = "shop_http_request_duration_seconds"
    assert seen.value("shop_http_requests_total", method="GET", path="/", status="200") == 2
    assert seen.value(f"{name}_bucket", le="0.01") == 0
    assert seen.value(f"{name}_bucket", le="0.025") == 1
    assert seen.value(f"{name}_bucket", le="10.0") == 1
    assert seen.value(f"{name}_bucket", le="+Inf") == seen.value(f"{name}_count") == 2
    assert seen.value(f"{name}_sum") == 99.02
    assert seen.value("shop_http_request_size_bytes_sum") == 99
    assert seen.value("shop_http_response_size_bytes_bucket", le="100000.0") == 2
    assert seen.value("shop_http_active_connections") == 0


def test_a_bound_includes_its_own_value(scrape: Any) -> None:
    instrumentation = Instrumentation("shop", buckets=(0.1, 1))
    request(instrumentation, seconds=0.1)
    assert scrape(instrumentation).value("shop_http_request_duration_seconds_bucket", le="0.1") == 1


@pytest.mark.parametrize("buckets", [(), (1, 1), (2, 1), (-1, 1), (float("inf"),), (float("nan"), 1)])
def test_bounds_must_increase(buckets: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="bucket bounds"):
        Instrumentation("shop", buckets=buckets)


def test_a_second_rendering_shows_what_changed_since(scrape: Any) -> None:
    instrumentation = Instrumentation("shop")
    for count in (1, 2, 3):
        request(instrumentation)
        for openmetrics in (False, True):
            seen = scrape(instrumentation, openmetrics=openmetrics)
            assert seen.value("shop_http_requests_total") == count


class TestExemplars:
    SPAN = (0x0AF7651916CD43DD8448EB211C80319C, 0x00F067AA0BA902B7)

    def test_openmetrics_shows_the_last_sampled_span_of_a_bucket(self, scrape: Any) -> None:
        instrumentation = Instrumentation("shop")
        request(instrumentation, seconds=0.02, span=self.SPAN)
        exemplars = [s for s in scrape(instrumentation, openmetrics=True).samples if s.exemplar]
        assert [sample.labels["le"] for sample in exemplars] == ["0.025"]
        assert exemplars[0].exemplar.labels == {
            "trace_id": "0af7651916cd43dd8448eb211c80319c",
            "span_id": "00f067aa0ba902b7",
        }
        assert exemplars[0].exemplar.value == 0.02
        assert exemplars[0].exemplar.timestamp.sec > 1_600_000_000

    def test_the_older_format_has_none(self) -> None:
        instrumentation = Instrumentation("shop")
        request(instrumentation, span=self.SPAN)
        assert b"trace_id" in instrumentation.render(openmetrics=True)
        assert b"trace_id" not in instrumentation.render(openmetrics=False)

    def test_a_request_without_a_sampled_span_has_none(self) -> None:
        instrumentation = Instrumentation("shop")
        request(instrumentation)
        assert b"trace_id" not in instrumentation.render(openmetrics=True)


class TestTheCap:
    def test_further_label_sets_are_counted_together_and_visibly(self, scrape: Any) -> None:
        instrumentation = Instrumentation("shop", max_series=3)
        for n in range(10):
            request(instrumentation, f"/{n}")
        request(instrumentation, "/0")
        seen = scrape(instrumentation)
        assert seen.series("shop_http_requests_total") == {
            ("GET", path, "200") for path in ("/0", "/1", "/2", "OVERFLOW")
        }
        assert seen.value("shop_http_requests_total", path="OVERFLOW") == 7
        assert seen.value("shop_http_series_dropped_total") == 7
        assert seen.value("shop_http_requests_total") == 11

    def test_declared_metrics_have_the_same_cap(self, scrape: Any) -> None:
        instrumentation = Instrumentation("shop", max_series=2)
        counter = instrumentation.counter("shop_logins_total", "Log-ins.", ["user"])
        for n in range(5):
            counter.labels(f"user{n}").inc()
        seen = scrape(instrumentation)
        assert seen.value("shop_logins_total") == 5
        assert seen.value("shop_logins_total", user="OVERFLOW") == 3
        assert seen.value("shop_series_dropped_total", metric="shop_logins_total") == 3


class TestDeclaredMetrics:
    def test_counters_gauges_and_histograms(self, scrape: Any) -> None:
        instrumentation = Instrumentation("shop")
        instrumentation.counter("shop_payments", "Payments.", ["result"]).labels(result="ok").inc(2)
        stock = instrumentation.gauge("shop_stock", "Items in stock.")
        stock.set(5)
        stock.dec()
        instrumentation.gauge("shop_queue", "Queued.").set_function(lambda: 7)
        instrumentation.histogram("shop_basket_items", "Items.", buckets=(1, 10)).observe(4)
        for openmetrics in (False, True):
            seen = scrape(instrumentation, openmetrics=openmetrics)
            assert seen.value("shop_payments_total", result="ok") == 2
            assert seen.value("shop_stock") == 4
            assert seen.value("shop_queue") == 7
            assert seen.value("shop_basket_items_bucket", le="10.0") == 1
            assert seen.value("shop_basket_items_sum") == 4

    def test_declaring_alike_again_returns_the_first(self) -> None:
        instrumentation = Instrumentation("shop")
        first = instrumentation.counter("a_total", "A.", ["x"])
        assert instrumentation.counter("a", "A.", ["x"]) is first

    def test_declaring_otherwise_is_an_error(self) -> None:
        instrumentation = Instrumentation("shop")
        instrumentation.counter("a_total", "A.", ["x"])
        instrumentation.histogram("h", "H.", buckets=(1,))
        with pytest.raises(ValueError, match="already declared"):
            instrumentation.counter("a_total", "A.", ["y"])
        with pytest.raises(ValueError, match="already declared"):
            instrumentation.histogram("h", "H.", buckets=(2,))
        with pytest.raises(ValueError, match="already declared"):
            instrumentation.gauge("shop_http_active_connections", "Mine.")

    @pytest.mark.parametrize("labels", [["le"], ["__x"], ["a b"], ["a", "a"], [""]])
    def test_label_names_are_checked(self, labels: list[str]) -> None:
        with pytest.raises(ValueError, match="label name"):
            Instrumentation("shop").gauge("g", "G.", labels)

    def test_label_values_must_fit_the_names(self) -> None:
        counter = Instrumentation("shop").counter("c_total", "C.", ["a", "b"])
        assert counter.labels("1", b="2") is counter.labels(a="1", b="2")
        for values, named in (
            (("1",), {}),
            (("1", "2", "3"), {}),
            (("1",), {"c": "2"}),
            (("1", "2"), {"b": "2"}),
        ):
            with pytest.raises(ValueError, match="has the labels"):
                counter.labels(*values, **named)
        with pytest.raises(ValueError, match=r"use \.labels"):
            counter.inc()

    @pytest.mark.parametrize("amount", [-1, float("nan")])
    def test_counters_only_grow(self, amount: float) -> None:
        with pytest.raises(ValueError, match="cannot grow"):
            Instrumentation("shop").counter("c_total", "C.").inc(amount)

    def test_a_gauge_s_function_may_wait_for_a_thread_that_counts(self) -> None:
        instrumentation = Instrumentation("shop")
        counter = instrumentation.counter("c_total", "C.")

        def value() -> float:
            thread = threading.Thread(target=counter.inc, daemon=True)
            thread.start()
            thread.join(5)
            return float(not thread.is_alive())

        instrumentation.gauge("g", "G.").set_function(value)
        assert b"\ng 1.0\n" in instrumentation.render()

    def test_a_gauge_whose_function_fails_is_not_a_number(self) -> None:
        instrumentation = Instrumentation("shop")
        instrumentation.gauge("g", "G.").set_function(lambda: 1 / 0)
        assert b"\ng NaN\n" in instrumentation.render()


def test_hostile_label_values_are_escaped(scrape: Any) -> None:
    instrumentation = Instrumentation("shop", service=HOSTILE)
    request(instrumentation, HOSTILE)
    instrumentation.counter("c_total", HOSTILE, ["x"]).labels(HOSTILE).inc()
    instrumentation.histogram("h", HOSTILE, ["x"]).labels(HOSTILE).observe(1)
    for openmetrics in (False, True):
        seen = scrape(instrumentation, openmetrics=openmetrics)
        assert seen.series("shop_http_requests_total") == {("GET", HOSTILE, "200")}
        assert seen.series("c_total") == {(HOSTILE,)}
        assert seen.series("h_sum") == {(HOSTILE,)}
        assert "fake_total" not in {sample.name for sample in seen.samples}


def test_text_that_is_not_unicode_is_replaced() -> None:
    instrumentation = Instrumentation("shop")
    instrumentation.counter("c_total", "C.", ["x"]).labels("\ud800").inc()
    assert b'c_total{x="?"} 1' in instrumentation.render()


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBER = st.floats(allow_nan=False)


@given(
    help_text=TEXT,
    counts=st.dictionaries(st.tuples(TEXT, TEXT), st.floats(0, 1e300), max_size=5),
    gauges=st.dictionaries(TEXT, NUMBER, max_size=5),
    observed=st.lists(st.floats(0, 1e6), max_size=10),
    openmetrics=st.booleans(),
)
def test_what_is_rendered_is_what_a_parser_reads(
    help_text: str,
    counts: dict[tuple[str, str], float],
    gauges: dict[str, float],
    observed: list[float],
    openmetrics: bool,
) -> None:
    instrumentation = Instrumentation("p")
    counter = instrumentation.counter("c_total", help_text, ["a", "b"])
    gauge = instrumentation.gauge("g", help_text, ["a"])
    histogram = instrumentation.histogram("h", help_text, buckets=(0, 0.5, 1e20))
    for labels, amount in counts.items():
        counter.labels(*labels).inc(amount)
    for label, value in gauges.items():
        gauge.labels(label).set(value)
    for value in observed:
        histogram.observe(value)
    text = instrumentation.render(openmetrics).decode()
    families = {f.name: f for f in (parse_openmetrics if openmetrics else parse_text)(text)}
    assert {(s.labels["a"], s.labels["b"]): s.value for s in families["c"].samples} == counts
    assert {s.labels["a"]: s.value for s in families["g"].samples} == gauges
    buckets = {s.labels["le"]: s.value for s in families["h"].samples if s.name == "h_bucket"}
    assert buckets == {
        **{str(float(le)): sum(value <= le for value in observed) for le in (0, 0.5, 1e20)},
        "+Inf": len(observed),
    }


def test_concurrent_writers_and_scrapes_lose_nothing(scrape: Any) -> None:
    instrumentation = Instrumentation("shop")
    counter = instrumentation.counter("c_total", "C.", ["worker"])

    def work(worker: int) -> None:
        for n in range(500):
            request(instrumentation, f"/{n % 7}")
            counter.labels(str(worker)).inc()

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        instrumentation.render(openmetrics=True)
    seen = scrape(instrumentation)
    assert seen.value("shop_http_requests_total") == seen.value("c_total") == 2_000
    assert seen.value("shop_http_active_connections") == 0
