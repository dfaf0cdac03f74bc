"""How the embedded store answers fleet queries: rules of Prometheus that can be checked by hand."""

import asyncio
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bongsu.signals import sql
from bongsu.signals.query import FleetQuery
from bongsu.sources.base import SourceError
from bongsu.sources.embedded import EmbeddedSource, EmbeddedStore, series_key
from tests.sources.generated import build, recipes, signal
from tests.sources.reference import increase

T = 1_700_000_000.0


@pytest.fixture
def store():
    store = EmbeddedStore(None, 1e12, 2**30)
    yield store
    store.close()


def ask(store: EmbeddedStore, at: float, services: tuple[str, ...] = ("a",), **fields) -> dict:
    query = FleetQuery("q", signal(**fields), {name: {"job": name} for name in services})
    samples = asyncio.run(EmbeddedSource(store).instant(query, at))
    return {(s.service, *s.labels.values()): s.value for s in samples}


def ask_range(store: EmbeddedStore, start: float, end: float, step: float, **fields) -> list:
    query = FleetQuery("q", signal(**fields), {"a": {"job": "a"}})
    return asyncio.run(EmbeddedSource(store).range(query, start, end, step))


def put(store: EmbeddedStore, metric: str, points: dict[float, float | None], **labels: str) -> None:
    key = series_key(metric, {"job": "a"} | labels)
    stale = [value is None for value in points.values()]
    values = [0.0 if value is None else value for value in points.values()]
    store.append_samples([key] * len(points), [T + at for at in points], values, stale)


def test_a_gauge_lives_for_five_minutes_and_not_at_five_minutes(store: EmbeddedStore) -> None:
    put(store, "m", {0: 7})
    assert ask(store, T - 0.001, form="gauge", metric="m") == {}
    assert ask(store, T, form="gauge", metric="m") == {("a",): 7}
    assert ask(store, T + 299.999, form="gauge", metric="m") == {("a",): 7}
    assert ask(store, T + 300, form="gauge", metric="m") == {}


def test_a_stale_marker_ends_a_gauge_at_once_until_it_returns(store: EmbeddedStore) -> None:
    put(store, "m", {0: 7, 10: None, 20: 8})
    assert ask(store, T + 9, form="gauge", metric="m") == {("a",): 7}
    assert ask(store, T + 10, form="gauge", metric="m") == {}
    assert ask(store, T + 20, form="gauge", metric="m") == {("a",): 8}
    (series,) = ask_range(store, T, T + 30, 10, form="gauge", metric="m")
    assert series.times == [T, T + 10, T + 20, T + 30]
    assert str(series.values) == "[7.0, nan, 8.0, 8.0]"


def test_a_window_is_open_on_the_left(store: EmbeddedStore) -> None:
    put(store, "m", {0: 0, 30: 30, 60: 60})
    assert ask(store, T + 60, form="increase", metric="m", window=60) == {("a",): pytest.approx(60)}
    put(store, "n", {0: 0, 60: 60})
    assert ask(store, T + 60, form="increase", metric="n", window=60) == {}


def test_extrapolation_stops_where_the_counter_was_zero(store: EmbeddedStore) -> None:
    put(store, "m", {30: 1, 40: 11, 50: 21})
    # 20 in 20 s; zero was 1 s before the first sample, and 10 s are left at the end: 31 s of 20/20 a second.
    assert ask(store, T + 60, form="increase", metric="m", window=60) == {("a",): pytest.approx(31)}


def test_extrapolation_reaches_half_an_interval_when_the_gap_is_longer(store: EmbeddedStore) -> None:
    put(store, "m", {30: 1000, 40: 1010, 45: 1015})
    # A sample each 7.5 s; both ends are further than 1.1 of that, so 3.75 s are added to either.
    assert ask(store, T + 60, form="increase", metric="m", window=60) == {("a",): pytest.approx(22.5)}


def test_resets_are_undone_for_each_series_before_summing(store: EmbeddedStore) -> None:
    put(store, "m", {10: 100, 20: 110, 30: 5, 40: 15}, instance="1")
    put(store, "m", {10: 0, 20: 0, 30: 90, 40: 90}, instance="2")
    both = ask(store, T + 40.5, form="increase", metric="m", window=31)[("a",)]
    apart = ask(store, T + 40.5, form="increase", metric="m", window=31, by=["instance"])
    assert apart[("a", "1")] == pytest.approx(25 * (30 + 0.5 + 0.5) / 30)
    assert both == pytest.approx(sum(apart.values()))


def test_stale_markers_do_not_disturb_a_rate(store: EmbeddedStore) -> None:
    put(store, "m", {10: 1, 20: None, 30: 3})
    put(store, "n", {10: 1, 30: 3})
    ours = [ask(store, T + 40, form="rate", metric=m, window=60)[("a",)] for m in "mn"]
    assert ours[0] == ours[1]


def histogram(store: EmbeddedStore, counts: dict[str, float], **labels: str) -> None:
    for le, count in counts.items():
        put(store, "h_bucket", {0: 0, 60: count, 120: 2 * count}, le=le, **labels)
    put(store, "h_count", {0: 0, 60: max(counts.values()), 120: 2 * max(counts.values())}, **labels)


@pytest.mark.parametrize(
    ("counts", "q", "expected"),
    [
        ({"1": 50, "2": 100, "+Inf": 100}, 0.75, 1.5),
        ({"1": 50, "2": 100, "+Inf": 100}, 0.25, 0.5),
        ({"-1": 50, "2": 100, "+Inf": 100}, 0.25, -1.0),
        ({"1": 50, "2": 60, "+Inf": 100}, 0.9, 2.0),
        ({"1": 50, "1.0": 50, "2": 200, "+Inf": 200}, 0.25, 0.5),
        ({"1": 60, "2": 40, "4": 100, "+Inf": 100}, 0.8, 3.0),
        ({"1": 50, "2": 100}, 0.5, math.nan),
        ({"+Inf": 100}, 0.5, math.nan),
        ({"nonsense": 7, "1": 50, "2": 100, "+Inf": 100}, 0.75, 1.5),
    ],
    ids=[
        "inner",
        "from zero",
        "below zero",
        "beyond",
        "one bound twice",
        "mended",
        "no inf",
        "alone",
        "odd le",
    ],
)
def test_a_quantile_lies_on_a_line_through_its_bucket(store, counts, q: float, expected: float) -> None:
    histogram(store, counts)
    found = ask(store, T + 150.5, form="quantile", metric="h", q=q, window=200)
    assert found == {("a",): pytest.approx(expected, nan_ok=True)}
    (series,) = ask_range(store, T + 150.5, T + 160.5, 10, form="quantile", metric="h", q=q, window=200)
    assert series.values == pytest.approx([expected] * 2, nan_ok=True)


def test_a_quantile_is_silent_below_its_floor(store: EmbeddedStore) -> None:
    histogram(store, {"1": 60, "+Inf": 60})
    assert ask(store, T + 120, form="quantile", metric="h", q=0.5, floor=1.1, window=200) == {}
    histogram(store, {"1": 0, "+Inf": 0}, x="quiet")
    found = ask(store, T + 120, form="quantile", metric="h", q=0.5, window=200, by=["x"])
    assert list(found) == [("a",)]


def test_a_ratio_counts_absent_errors_as_none_and_is_silent_below_its_floor(store: EmbeddedStore) -> None:
    put(store, "m", {0: 0, 60: 60, 120: 120}, status="200")
    ratio = {"form": "ratio", "metric": "m", "match": {"status": "5.."}, "window": 200}
    assert ask(store, T + 120, **ratio) == {("a",): 0.0}
    put(store, "m", {0: 0, 60: 20, 120: 40}, status="500")
    assert ask(store, T + 120, **ratio) == {("a",): pytest.approx(0.25)}
    assert ask(store, T + 120, **ratio, floor=2) == {}


def test_a_divisor_of_zero_or_less_answers_nothing(store: EmbeddedStore) -> None:
    put(store, "used", {0: 8}, pod="x")
    put(store, "used", {0: 8}, pod="y")
    put(store, "used", {0: 8}, pod="z")
    put(store, "size", {0: 16}, pod="x")
    put(store, "size", {0: 0}, pod="y")
    fields = {"form": "gauge", "metric": "used", "divisor": "size"}
    assert ask(store, T, **fields, by=["pod"]) == {("a", "x"): 0.5}
    assert ask(store, T, **fields) == {("a",): 0.5}


def test_nan_is_weaker_than_any_number_but_stronger_than_a_floor(store: EmbeddedStore) -> None:
    put(store, "m", {0: math.nan}, i="1")
    put(store, "m", {0: -3}, i="2")
    assert ask(store, T, form="gauge", metric="m", agg="max") == {("a",): -3}
    assert ask(store, T, form="gauge", metric="m", agg="min") == {("a",): -3}
    assert math.isnan(ask(store, T, form="gauge", metric="m", agg="sum")[("a",)])
    assert (
        ask(store, T, form="gauge", metric="m", match={"i": "2"}, divisor="m", divisor_match={"i": "1"}) == {}
    )


@pytest.mark.parametrize(("over", "expected"), [("min", 2), ("max", 9), ("avg", 5), ("last", 4)])
def test_a_window_is_open_on_the_left_and_outlives_its_series(store, over: str, expected: float) -> None:
    put(store, "m", {0: 100, 10: 9, 20: 2, 30: None, 60: 4, 61: 100})
    gauge = {"form": "gauge", "metric": "m", "over": over, "window": 60}
    assert ask(store, T + 60, **gauge) == {("a",): expected}
    assert ask(store, T + 31, form="gauge", metric="m") == {}
    assert ask(store, T + 31, **gauge) != {}, "what a stale series said before is still in the window"
    (series,) = ask_range(store, T + 60, T + 130, 10, **gauge)
    assert series.values[0] == expected
    assert str(series.values[6:]) == "[100.0, nan]"


def test_over_takes_of_each_series_before_they_are_one(store: EmbeddedStore) -> None:
    put(store, "m", {0: 1, 10: 0}, i="1")
    put(store, "m", {0: 0, 10: 1}, i="2")
    gauge = {"form": "gauge", "metric": "m", "over": "min", "window": 60}
    assert ask(store, T + 10, **gauge, agg="max") == {("a",): 0}
    assert ask(store, T + 10, **(gauge | {"over": "max"}), agg="sum") == {("a",): 2}


def test_over_passes_nan_by_where_a_number_is_left(store: EmbeddedStore) -> None:
    put(store, "m", {0: 3, 10: math.nan, 20: 5})
    put(store, "n", {0: math.nan})
    found = {
        (metric, over): ask(store, T + 20, form="gauge", metric=metric, over=over)[("a",)]
        for metric in "mn"
        for over in ("min", "max", "avg", "last")
    }
    assert (found["m", "min"], found["m", "max"], found["m", "last"]) == (3, 5, 5)
    assert math.isnan(found["m", "avg"])
    assert all(math.isnan(found["n", over]) for over in ("min", "max", "avg", "last"))


def test_the_divisor_of_a_gauge_over_a_window_is_the_present_one(store: EmbeddedStore) -> None:
    put(store, "m", {0: 8, 20: 2})
    put(store, "size", {0: 100, 20: 16})
    gauge = {"form": "gauge", "metric": "m", "over": "max", "divisor": "size"}
    assert ask(store, T + 20, **gauge) == {("a",): 0.5}
    assert ask(store, T + 20, **gauge, complement=True) == {("a",): 0.5}
    assert ask(store, T + 20, form="gauge", metric="m", divisor="size", complement=True) == {("a",): 0.875}
    assert ask(store, T + 20, form="gauge", metric="m", complement=True) == {("a",): -1}


def test_groups_of_which_one_excluding_series_is_above_zero_are_left_out(store: EmbeddedStore) -> None:
    for disk in "xyzu":
        put(store, "m", {0: 1}, disk=disk)
    put(store, "off", {0: 1}, disk="x", mode="ro", of="1")
    put(store, "off", {0: 0}, disk="x", mode="ro", of="2")
    put(store, "off", {0: 1}, disk="y", mode="rw")
    put(store, "off", {0: math.nan}, disk="z", mode="ro")
    gauge = {"form": "gauge", "metric": "m", "unless": {"metric": "off", "match": {"mode": "ro"}}}
    assert {disk for _, disk in ask(store, T, **gauge, by=["disk"])} == {"y", "z", "u"}
    assert ask(store, T, **gauge) == {}, "without labels kept apart, the service is the group"


def test_what_is_left_is_the_time_until_the_earliest_timestamp(store: EmbeddedStore) -> None:
    put(store, "m", {0: T + 100}, i="1")
    put(store, "m", {0: T + 40}, i="2")
    put(store, "m", {0: math.nan}, i="3")
    left = {"form": "age", "metric": "m", "left": True}
    assert ask(store, T + 10, **left) == {("a",): 30}
    assert ask(store, T + 299, **left) == {("a",): -259}
    assert ask(store, T + 301, **left) == {}
    assert ask(store, T + 599, **left, over="last", window=600) == {("a",): -559}
    assert ask(store, T + 600, **left, over="last", window=600) == {}
    assert ask(store, T + 31, form="age", metric="m", over="last", window=30) == {}


def test_age_is_the_time_since_the_newest_timestamp(store: EmbeddedStore) -> None:
    put(store, "m", {0: T - 100}, i="1")
    put(store, "m", {0: T - 40}, i="2")
    assert ask(store, T + 10, form="age", metric="m") == {("a",): 50}


def test_presence_is_zero_for_a_service_that_nothing_is_known_of(store: EmbeddedStore) -> None:
    put(store, "up", {0: 0}, i="1")
    put(store, "up", {0: 1}, i="2")
    assert ask(store, T, ("a", "b"), form="presence") == {("a",): 1, ("b",): 0}
    assert ask(store, T + 1000, ("a", "b"), form="presence") == {("a",): 0, ("b",): 0}
    (series,) = ask_range(store, T - 10, T, 10, form="presence")
    assert str(series.values) == "[nan, 1.0]"


def test_matchers_are_anchored_and_see_missing_labels_as_empty(store: EmbeddedStore) -> None:
    for status in ("200", "500", "1500"):
        put(store, "m", {0: int(status)}, status=status)
    put(store, "m", {0: 1})

    def maximum(status: str) -> dict:
        return ask(store, T, form="gauge", metric="m", agg="sum", match={"status": status})

    assert maximum("5..") == {("a",): 500}
    assert maximum("!5..") == {("a",): 1701}
    assert maximum("500") == {("a",): 500}
    assert maximum("!500") == {("a",): 1701}
    assert maximum("") == {("a",): 1}
    assert maximum(".+") == {("a",): 2200}


def test_services_may_be_told_apart_by_several_labels(store: EmbeddedStore) -> None:
    for env, value in (("prod", 1), ("test", 2)):
        put(store, "m", {0: value}, env=env)
    services = {"p": {"job": "a", "env": "prod"}, "t": {"job": "a", "env": "test"}}
    query = FleetQuery("q", signal(form="gauge", metric="m"), services)
    samples = asyncio.run(EmbeddedSource(store).instant(query, T))
    assert {s.service: s.value for s in samples} == {"p": 1, "t": 2}


@given(st.text(max_size=15), st.text(max_size=15), st.text(min_size=1, max_size=15))
@settings(max_examples=60, deadline=None)
def test_telemetry_never_becomes_sql(job: str, value: str, label: str) -> None:
    query = FleetQuery(
        "q", signal(form="rate", metric=value, match={label: value}, by=[label]), {"s": {"job": job}}
    )
    plain = FleetQuery("q", signal(form="rate", metric="m", match={"l": "v"}, by=["l"]), {"s": {"job": "j"}})
    if len({*value} & {*"\\.+*?()|[]{}^$!"}) == 0 and label != "job":
        assert sql.compile(query, T)[0] == sql.compile(plain, T)[0]
    assert sql.compile(query, T)[0].isascii()


def test_quotes_in_labels_are_answered_like_any_text(store: EmbeddedStore) -> None:
    evil = "'; DROP TABLE samples; --"
    store.append_series("m", {"job": evil, "x": evil}, [T], [1])
    query = FleetQuery(
        "q", signal(form="gauge", metric="m", match={"x": evil.replace(".", r"\.")}), {"s": {"job": evil}}
    )
    (sample,) = asyncio.run(EmbeddedSource(store).instant(query, T))
    assert sample.value == 1


def test_raw_promql_is_refused_with_what_to_do(store: EmbeddedStore) -> None:
    with pytest.raises(SourceError, match=r"embedded: q is raw PromQL .* Prometheus-compatible source"):
        ask(store, T, form="expr", expr="vector(1)")


def test_a_bad_expression_in_a_matcher_names_the_query(store: EmbeddedStore) -> None:
    put(store, "m", {0: 1})
    with pytest.raises(SourceError, match="embedded: q: "):
        ask(store, T, form="gauge", metric="m", match={"x": "("})


@pytest.mark.parametrize(("end", "step"), [(T + 11_000, 1), (T, 0)])
def test_a_range_of_too_many_steps_is_refused(store: EmbeddedStore, end: float, step: float) -> None:
    with pytest.raises(SourceError, match="step"):
        ask_range(store, T, end, step, form="presence")


@given(recipes.filter(lambda r: r.form == "increase"), st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_every_step_and_every_instant_is_what_the_definition_says(recipe, offset: int) -> None:
    case = build(recipe, 0)
    store = EmbeddedStore(None, 1e12, 2**30)
    for s in case.series:
        store.append_series(s.metric, s.labels, s.times / 1000, s.values)
    window = round(case.query.signal.window * 1000)
    start, end, step = case.span
    (answers, instants) = asyncio.run(_both(store, case.query, start, end, step))
    for i, at in enumerate(np.arange(start, end + step / 2, step)):
        for service, labels in case.query.services.items():
            parts = [
                increase(s.times, s.values, round(float(at) * 1000), window)
                for s in case.series
                if s.labels["job"] == labels["job"] and s.labels["status"] != "404"
            ]
            expected = [part for part in parts if part is not None]
            found = sum(
                row.values[i] for row in answers if row.service == service and row.values[i] == row.values[i]
            )
            assert found == pytest.approx(sum(expected), rel=1e-9, abs=1e-9)
            if i == 0:
                once = sum(sample.value for sample in instants if sample.service == service)
                assert once == pytest.approx(found, rel=1e-9, abs=1e-9)
    store.close()


async def _both(store: EmbeddedStore, query: FleetQuery, start: float, end: float, step: float) -> tuple:
    source = EmbeddedSource(store)
    return await source.range(query, start, end, step), await source.instant(query, start)


def test_changes_are_deploys_rollbacks_and_restarts(store: EmbeddedStore) -> None:
    def info(version: str, points: dict, instance: str) -> None:
        put(store, "shop_build_info", points, version=version, instance=instance, service="orders")

    info("1.0", {0: 1, 10: 1, 20: None}, "x")
    info("1.0", {0: 1, 10: 1, 20: 1, 30: None}, "y")
    info("1.1", {20: 1, 30: 1, 40: None}, "x")
    info("1.1", {30: 1, 40: 1, 50: None}, "y")
    put(store, "shop_build_info", {40: 1, 50: 1}, version="1.0", instance="x2", service="orders")
    put(store, "process_start_time_seconds", {0: T, 20: T + 15, 30: T + 15}, instance="x")
    put(store, "target_info", {0: 1, 10: None}, service_version="7", instance="i")
    put(store, "target_info", {15: 1}, service_version="8", instance="i")
    found = asyncio.run(EmbeddedSource(store).changes(T, T + 100))
    assert [(c.time - T, c.service, c.kind, c.before, c.after) for c in found if c.kind == "deploy"] == [
        (15, "a", "deploy", "7", "8"),
        (20, "orders", "deploy", "1.0", "1.1"),
        (40, "orders", "deploy", "1.1", "1.0"),
    ]
    (restart,) = (c for c in found if c.kind == "restart")
    assert (restart.time - T, restart.service, restart.summary) == (20, "a", "x restarted")
    assert asyncio.run(EmbeddedSource(store).changes(T + 41, T + 100)) == []
