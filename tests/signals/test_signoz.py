"""SigNoz requests and answers: against the published contract, and by what they mean."""

import math
import re
from typing import Any

import jsonschema
import numpy as np
import pytest
import yaml
from hypothesis import assume, example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from bongsu.signals import signoz
from bongsu.signals.matchers import escape_regex
from bongsu.signals.model import Signal
from bongsu.signals.query import FleetQuery
from bongsu.signals.rows import Row
from bongsu.signals.sql import Steps
from bongsu.signals.unsupported import UnsupportedError
from tests.signals.signoz_contract import SPEC, conforms
from tests.signals.signoz_evaluator import Series, evaluate, matches

BASE = 1_699_999_200
"""Unix seconds, a multiple of an hour."""
NOW = BASE + 3600.0
ONE = {"orders": {"service.name": "orders"}}
FLEET = {"orders": {"service.name": "orders"}, "pay": {"service.name": "payments"}}


def signal(**fields: Any) -> Any:
    return TypeAdapter(Signal).validate_python(fields)


def compiled(services=ONE, *, end=NOW, start=NOW - 3600, step=None, **fields: Any) -> dict[str, Any]:
    options = {name: fields.pop(name) for name in ("resolution", "separator") if name in fields}
    body: Any = signoz.compile(FleetQuery("q", signal(**fields), services), start, end, step, **options)
    conforms(body, "QueryRangeRequest")
    return body


def specs(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {query["spec"]["name"]: query["spec"] for query in body["compositeQuery"]["queries"]}


needs_contract = pytest.mark.skipif(not SPEC.exists(), reason=f"SigNoz's contract is not at {SPEC}")


@needs_contract
def test_the_contract_takes_signoz_own_examples_and_refuses_what_is_wrong() -> None:
    document = yaml.load(SPEC.read_text(), Loader=yaml.CSafeLoader)
    post = document["paths"]["/api/v5/query_range"]["post"]
    examples = post["requestBody"]["content"]["application/json"]["examples"]
    for shown in examples.values():
        conforms(shown["value"], "QueryRangeRequest")
    wrong = compiled(form="rate", metric="m")
    wrong["compositeQuery"]["queries"][0]["spec"]["aggregations"][0]["spaceAggregation"] = "p96"
    with pytest.raises(jsonschema.ValidationError):
        conforms(wrong, "QueryRangeRequest")
    unknown = compiled(form="rate", metric="m")
    unknown["compositeQuery"]["queries"][0]["spec"]["stepintervall"] = 60
    with pytest.raises(jsonschema.ValidationError):
        conforms(unknown, "QueryRangeRequest")


# What the requests say


def test_an_instant_adds_up_the_increases_of_the_last_whole_minutes() -> None:
    body = compiled(FLEET, end=NOW + 59, form="rate", metric="m_total", match={"status": "5.."}, by=["route"])
    assert (body["requestType"], body["start"], body["end"]) == ("scalar", (NOW - 300) * 1000, NOW * 1000)
    a, r = specs(body)["A"], specs(body)["R"]
    assert a["aggregations"] == [
        {
            "metricName": "m_total",
            "timeAggregation": "increase",
            "spaceAggregation": "sum",
            "reduceTo": "sum",
        }
    ]
    expression = "service.name IN ('orders', 'payments') AND status REGEXP '^(?s:5..)$'"
    assert a["filter"] == {"expression": expression}
    assert a["groupBy"] == [{"name": "service.name"}, {"name": "route"}]
    assert (a["stepInterval"], a["disabled"], r["expression"]) == (60, True, "A / 300")


def test_a_range_shifts_one_query_for_each_step_of_the_window() -> None:
    body = compiled(step=60, form="increase", metric="m_total")
    found = specs(body)
    assert body["requestType"] == "time_series"
    assert (body["start"], body["end"]) == ((NOW - 3600) * 1000, (NOW + 60) * 1000)
    assert found["R"]["expression"] == "(A1 + A2 + A3 + A4 + A5)"
    shifts = [found[f"A{i}"]["functions"][0]["args"][0]["value"] for i in range(1, 6)]
    assert shifts == [60, 120, 180, 240, 300]
    assert all(found[f"A{i}"]["disabled"] for i in range(1, 6))


def test_a_window_that_is_no_multiple_of_the_step_is_rounded_up_and_scaled() -> None:
    body = compiled(step=120, form="increase", metric="m_total")
    assert specs(body)["R"]["expression"] == "(A1 + A2 + A3) * 300 / 360"
    assert specs(compiled(step=120, form="rate", metric="m"))["R"]["expression"] == "(A1 + A2 + A3) / 360"
    assert specs(compiled(step=600, form="rate", metric="m"))["R"]["expression"] == "A1 / 600"


@pytest.mark.parametrize(
    ("fields", "asked", "step"),
    [
        ({"form": "rate", "metric": "m"}, 15, 60),
        ({"form": "rate", "metric": "m"}, 0.5, 60),
        ({"form": "rate", "metric": "m"}, 45, 90),
        ({"form": "rate", "metric": "m", "window": "1h"}, 60, 300),
        ({"form": "rate", "metric": "m", "resolution": 100}, 30, 120),
        ({"form": "quantile", "metric": "h", "q": 0.5}, 60, 300),
        ({"form": "gauge", "metric": "m", "over": "avg"}, 60, 300),
        ({"form": "gauge", "metric": "m"}, 60, 60),
    ],
)
def test_points_lie_at_the_first_multiple_of_the_step_that_signoz_keeps(fields, asked, step) -> None:
    body = compiled(step=asked, **fields)
    assert {spec["stepInterval"] for spec in specs(body).values() if "stepInterval" in spec} == {step}
    resolution = fields.pop("resolution", 60)
    query = FleetQuery("q", signal(**fields), ONE)
    times = signoz.points(query, NOW - 3600, NOW, asked, resolution=resolution).millis
    assert times.step == step * 1000
    assert all(at % times.step == 0 and NOW - 3600 <= at / 1000 <= NOW for at in times)


@example(71_820, 15)
@given(st.integers(60, 40 * 86_400), st.sampled_from([15, 60, 97, 300, 3600]))
def test_signoz_never_replaces_a_step(length: int, step: int) -> None:
    query = FleetQuery("q", signal(form="gauge", metric="m"), ONE)
    try:
        body: Any = signoz.compile(query, NOW - length, NOW, step)
    except ValueError as error:
        assert "no multiple of" in str(error)  # noqa: PT017
        return
    kept = _minimum((body["end"] - body["start"]) / 1000)
    assert specs(body)["R"]["stepInterval"] >= kept


@given(st.integers(60, 40 * 86_400))
def test_the_steps_of_an_instant_fill_its_window(window: int) -> None:
    body: Any = signoz.compile(FleetQuery("q", signal(form="rate", metric="m", window=window), ONE), 0, NOW)
    step = specs(body)["A"]["stepInterval"] * 1000
    assert step >= _minimum(window) * 1000
    assert body["start"] % step == body["end"] % step == 0
    assert body["end"] - body["start"] == window * 1000
    assert NOW * 1000 - step < body["end"] <= NOW * 1000


def _minimum(length: float) -> int:
    step = max(60, int(length / 300) // 60 * 60)
    if length >= 7 * 86_400:
        return math.floor(step / 1800 + 0.5) * 1800
    return math.floor(step / 300 + 0.5) * 300 if length >= 86_400 else step


def test_a_range_without_a_whole_step_is_refused() -> None:
    with pytest.raises(ValueError, match="no multiple of 60 s lies between"):
        compiled(start=NOW + 10, end=NOW + 20, step=60, form="gauge", metric="m")


def test_a_percentile_reads_one_step_as_long_as_the_window() -> None:
    body = compiled(end=NOW + 299, form="quantile", metric="http.duration", q=0.95, floor="0.1/s")
    r, e = specs(body)["R"], specs(body)["E"]
    assert (body["start"], body["end"], r["stepInterval"]) == ((NOW - 300) * 1000, NOW * 1000, 300)
    assert r["aggregations"][0] == {
        "metricName": "http.duration.bucket",
        "timeAggregation": "rate",
        "spaceAggregation": "p95",
        "reduceTo": "last",
    }
    assert e["aggregations"][0]["metricName"] == "http.duration.count"
    assert "disabled" not in e


def test_a_histogram_is_named_as_signoz_names_it() -> None:
    def bucket(**fields: Any) -> str:
        body = compiled(form="quantile", q=0.5, **fields)
        return specs(body)["R"]["aggregations"][0]["metricName"]

    assert bucket(metric="http_seconds") == "http_seconds_bucket"
    assert bucket(metric="http_seconds", separator=".") == "http_seconds.bucket"
    assert bucket(metric="http.seconds", separator="_") == "http.seconds_bucket"


@pytest.mark.parametrize(
    ("fields", "expression", "visible"),
    [
        ({"form": "ratio", "metric": "m", "match": {"s": "5.."}}, "A / B", {"R"}),
        ({"form": "ratio", "metric": "m", "floor": 1}, "A / B", {"R", "E"}),
        ({"form": "gauge", "metric": "m", "divisor": "n"}, "A / B", {"R"}),
        ({"form": "gauge", "metric": "m", "divisor": "n", "complement": True}, "1 - A / B", {"R"}),
        ({"form": "gauge", "metric": "m", "unless": {"metric": "ro"}}, None, {"R", "X"}),
        ({"form": "presence"}, None, {"R"}),
        ({"form": "age", "metric": "m"}, f"{NOW:.3f} - A", {"R"}),
        ({"form": "age", "metric": "m", "left": True}, f"A - {NOW:.3f}", {"R"}),
    ],
)
def test_what_is_derived_is_a_formula_over_disabled_queries(fields, expression, visible) -> None:
    found = specs(compiled(**fields))
    assert found["R"].get("expression") == expression
    assert {name for name, spec in found.items() if not spec.get("disabled")} == visible


@pytest.mark.parametrize("form", ["rate", "increase", "ratio", "gauge", "presence", "age"])
@pytest.mark.parametrize("step", [None, 60, 3600])
def test_each_form_conforms_for_an_instant_and_for_a_range(form: str, step: int | None) -> None:
    compiled(FLEET, step=step, form=form, metric="m", match={"a": "!x|y"}, by=["k8s.pod.name"])


# What is refused


@pytest.mark.parametrize(
    ("fields", "reason", "remedy"),
    [
        ({"form": "expr", "expr": "up"}, "raw PromQL", "another form"),
        ({"form": "quantile", "metric": "h", "q": 0.42}, "p50, p75, p90, p95, p99", "ask for q: 0.5"),
        ({"form": "quantile", "metric": "h", "q": 0.999}, "and not q = 0.999", "ask for q: 0.99"),
        ({"form": "rate", "metric": "m", "window": "30s"}, "a window of 30 s", "widen the window"),
        ({"form": "increase", "metric": "m", "window": "90.5s"}, "a window of 90.5 s", "widen the window"),
        ({"form": "gauge", "metric": "m", "over": "avg", "window": "10s"}, "a window of 10 s", "widen"),
        ({"form": "rate", "metric": "m", "by": ["a b"]}, "'a b' is not an attribute", "as SigNoz stores it"),
        ({"form": "rate", "metric": "m", "match": {"in": "x"}}, "'in' is not an attribute", "as SigNoz"),
    ],
)
def test_what_signoz_cannot_say_is_refused(fields, reason, remedy) -> None:
    with pytest.raises(UnsupportedError) as refused:
        compiled(**fields)
    assert refused.value.backend == "SigNoz"
    assert refused.value.form == fields["form"]
    assert reason in str(refused.value)
    assert remedy in refused.value.remedy


def test_an_option_that_is_not_understood_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(signoz._UNDERSTOOD, "gauge", frozenset({"agg"}))
    compiled(form="gauge", metric="m")
    with pytest.raises(UnsupportedError, match="the option 'divisor' has no counterpart"):
        compiled(form="gauge", metric="m", divisor="n")


def test_a_query_without_services_is_refused() -> None:
    with pytest.raises(ValueError, match="names no service"):
        compiled({}, form="presence")


# Filters


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_no_value_breaks_out_of_a_filter(job: str, other: str, value: str) -> None:
    assume(not value.startswith("!"))
    services = {"a": {"service.name": job}, "b": {"service.name": job + "b"}}
    body = compiled(
        services, form="rate", metric="m", match={"x": escape_regex(value), "y": "!" + escape_regex(other)}
    )
    expression = specs(body)["A"]["filter"]["expression"]
    assert matches(expression, {"service.name": job, "x": value, "y": other + "!"})
    assert not matches(expression, {"service.name": job, "x": value + "x", "y": other + "!"})
    assert not matches(expression, {"service.name": job, "x": value, "y": other})
    assert not matches(expression, {"service.name": job + "c", "x": value, "y": other + "!"})


@pytest.mark.parametrize(
    "value",
    ["' OR '1' = '1", "\\' OR a = '", "\\", "\\\\'", '"', "a\nb", "$env", "{{env}}", "[[x]]", "%", ")("],
)
def test_hostile_values_are_literals(value: str) -> None:
    body = compiled({"a": {"service.name": value}}, form="rate", metric="m")
    expression = specs(body)["A"]["filter"]["expression"]
    assert matches(expression, {"service.name": value})
    assert not matches(expression, {"service.name": "1", "a": ""})


def test_regular_expressions_are_anchored_and_a_missing_label_is_empty() -> None:
    body = compiled(form="rate", metric="m", match={"s": "a|b", "p": "!/h.*"})
    expression = specs(body)["A"]["filter"]["expression"]
    assert matches(expression, {"service.name": "orders", "s": "b"})
    assert not matches(expression, {"service.name": "orders", "s": "bb"})
    assert not matches(expression, {"service.name": "orders", "s": "b\n"})
    assert not matches(expression, {"service.name": "orders", "s": "a", "p": "/h\n"})
    assert not matches(expression, {"service.name": "orders"})


# Answers of the evaluator


def grown(values: list[float], interval: int, *, window: int = 120) -> float:
    """The increase that SigNoz sees in samples every ``interval`` seconds, the last right before ``NOW``."""
    times = (NOW * 1000 - 1 - np.arange(len(values))[::-1] * interval * 1000).astype(np.int64)
    series = [Series("m", {"service.name": "orders"}, times, np.array(values, dtype=float))]
    body = compiled(form="increase", metric="m", window=window)
    (row,) = signoz.answer(evaluate(body, series), FleetQuery("q", signal(form="increase", metric="m"), ONE))
    return row.values[0]


def test_a_reset_between_steps_is_undone_and_one_within_a_step_is_late_or_lost() -> None:
    assert grown([100, 105, 5, 10], 60) == 10
    assert grown([90, 95, 100, 105, 5, 10], 30) == 20  # the reset begins a step: all is counted
    assert grown([90, 95, 100, 5, 10, 15], 30) == 20  # within a step, undone in the next
    assert grown([90, 95, 100, 105, 110, 7], 30) == 15  # within the newest step: the 7 count a step later
    assert grown([1, 2, 3, 1, 2, 9], 30) == 7  # past the old maximum by the next step: never seen


def gauge(values: list[float], **fields: Any) -> list[Row]:
    times = (NOW * 1000 - 1 - np.arange(len(values))[::-1] * 60_000).astype(np.int64)
    labels = {"service.name": "orders"}
    series = [
        Series("m", labels | {"i": "0"}, times, np.array(values, dtype=float)),
        Series("m", labels | {"i": "1"}, times, np.array(values, dtype=float)[::-1]),
        Series("n", labels, times, np.full(len(values), 10.0)),
        Series("flag", labels, times, np.full(len(values), fields.pop("flag", 0.0))),
    ]
    body = compiled(form="gauge", metric="m", **fields)
    query = FleetQuery("q", signal(form="gauge", metric="m", **fields), ONE)
    return signoz.answer(evaluate(body, series), query, NOW)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"over": "min", "agg": "max"}, 1),
        ({"over": "max", "agg": "sum"}, 18),
        ({"over": "min", "agg": "min"}, 1),
        ({"over": "max", "agg": "max"}, 9),
        ({"over": "avg", "agg": "sum"}, 8),
        ({"over": "last", "agg": "sum"}, 6),
        ({"agg": "max", "divisor": "n", "complement": True}, 0.6),
        ({"agg": "max", "divisor": "n", "over": "max"}, 0.9),
        ({"agg": "max", "unless": {"metric": "flag"}}, 4),
    ],
)
def test_options_of_a_gauge(fields: dict[str, Any], expected: float) -> None:
    (row,) = gauge([2, 1, 9, 4, 4], **fields)
    assert row.values == [pytest.approx(expected)]
    assert row.times == [NOW]


def test_a_gauge_is_left_out_where_an_exclusion_holds() -> None:
    assert gauge([1, 2, 3, 4, 5], unless={"metric": "flag"}, flag=1.0) == []
    assert gauge([1, 2, 3, 4, 5], unless={"metric": "nothing"}) != []


def test_age_over_a_window_finds_what_is_scraped_seldom() -> None:
    times = np.array([NOW * 1000 - 3_000_000])
    series = [Series("m", {"service.name": "orders"}, times, np.array([NOW - 5000]))]
    for fields, expected in (({}, []), ({"over": "last", "window": "1h"}, [5000.0])):
        query = FleetQuery("q", signal(form="age", metric="m", **fields), ONE)
        rows = signoz.answer(evaluate(compiled(form="age", metric="m", **fields), series), query, NOW)
        assert [value for row in rows for value in row.values] == expected
    late = Series("m", {"service.name": "orders"}, np.array([NOW * 1000 - 1000]), np.array([NOW - 9000]))
    query = FleetQuery("q", signal(form="age", metric="m", over="last", window="1h"), ONE)
    body = compiled(form="age", metric="m", over="last", window="1h")
    (row,) = signoz.answer(evaluate(body, [*series, late]), query, NOW)
    assert row.values == [5000.0]
    body = compiled(form="age", metric="m", left=True, over="last", window="1h")
    query = FleetQuery("q", signal(form="age", metric="m", left=True, over="last", window="1h"), ONE)
    assert signoz.answer(evaluate(body, series), query, NOW)[0].values == [-5000.0]


# Answers


def scalar(columns: list[dict[str, Any]], data: list[list[Any]], name: str = "R") -> dict[str, Any]:
    results = [{"queryName": name, "columns": columns, "data": data}]
    return {"status": "success", "data": {"type": "scalar", "data": {"results": results}}}


QUERY = FleetQuery("q", signal(form="gauge", metric="m"), ONE)


def test_columns_are_told_by_their_type_and_values_may_be_text() -> None:
    columns = [
        {"name": "__result_0", "columnType": "aggregation", "aggregationIndex": 0},
        {"name": "service.name", "columnType": "group"},
    ]
    data = [[1.5, "orders"], ["NaN", "a"], ["Inf", "b"], ["-Inf", "c"], ["n/a", "d"], [None, "e"]]
    rows = signoz.answer(scalar(columns, data), QUERY, NOW)
    assert [(row.labels["service.name"], row.values[0]) for row in rows] == [
        ("orders", 1.5),
        ("b", math.inf),
        ("c", -math.inf),
    ]
    assert all(row.times == [NOW] for row in rows)


def test_partial_points_are_dropped() -> None:
    values = [
        {"timestamp": 60_000, "value": 1, "partial": True},
        {"timestamp": 180_000, "value": "NaN"},
        {"timestamp": 120_000, "value": 2},
        {"timestamp": 240_000, "value": 3, "partial": False},
    ]
    series = [{"labels": [{"key": {"name": "service.name"}, "value": "orders"}], "values": values}]
    results = [{"queryName": "R", "aggregations": [{"index": 0, "series": series}]}]
    body = {"type": "time_series", "data": {"results": results}}
    assert signoz.answer(body, QUERY) == [Row({"service.name": "orders"}, [120.0, 240.0], [2.0, 3.0])]


@pytest.mark.parametrize(
    "body",
    [
        scalar([], []),
        {"type": "scalar", "data": {"results": None}},
        {"type": "time_series", "data": {"results": [{"queryName": "R", "aggregations": None}]}},
        {
            "type": "time_series",
            "data": {"results": [{"queryName": "R", "aggregations": [{"series": None}]}]},
        },
    ],
)
def test_an_answer_may_be_empty(body: dict[str, Any]) -> None:
    assert signoz.answer(body, QUERY) == []


@pytest.mark.parametrize("body", [{}, {"status": "error", "error": {"code": "x"}}, {"data": {"results": 3}}])
def test_what_is_no_answer_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no answer of SigNoz"):
        signoz.answer(body, QUERY)


# Traces


def test_one_query_tells_requests_errors_and_latency_of_every_service() -> None:
    body: Any = signoz.red_from_traces(["pay", "it's"], NOW - 300, NOW)
    conforms(body, "QueryRangeRequest")
    (spec,) = specs(body).values()
    expression = "(isRoot = true OR isEntryPoint = true) AND service.name IN ('it\\'s', 'pay')"
    assert spec["filter"] == {"expression": expression}
    assert [a["expression"] for a in spec["aggregations"]] == [
        "count()",
        "countIf(status_code = 2)",
        "p95(duration_nano)",
    ]
    assert (body["requestType"], body["start"], body["end"]) == ("scalar", (NOW - 300) * 1000, NOW * 1000)
    everything: Any = signoz.red_from_traces([], NOW - 300, NOW)
    assert specs(everything)["R"]["filter"] == {"expression": "(isRoot = true OR isEntryPoint = true)"}


def test_traces_over_a_range_tell_of_the_step_before_each_point() -> None:
    body: Any = signoz.red_from_traces(["pay"], NOW - 3600, NOW, 30, q=0.99)
    conforms(body, "QueryRangeRequest")
    spec = specs(body)["R"]
    assert (spec["stepInterval"], spec["functions"][0]["args"]) == (30, [{"value": 30}])
    assert spec["aggregations"][2]["expression"] == "p99(duration_nano)"
    assert specs(signoz.red_from_traces([], NOW - 864_000, NOW, 10))["R"]["stepInterval"] == 580  # type: ignore[arg-type]


def test_spans_are_read_by_aggregation() -> None:
    columns = [
        {"name": "__result_2", "columnType": "aggregation", "aggregationIndex": 2},
        {"name": "service.name", "columnType": "group"},
        {"name": "__result_0", "columnType": "aggregation", "aggregationIndex": 0},
        {"name": "__result_1", "columnType": "aggregation", "aggregationIndex": 1},
    ]
    answer = scalar(columns, [[2.5e8, "pay", 40, 3], ["NaN", "web", 2, 0]])
    found = signoz.red_answer(answer, NOW)
    assert found["pay"] == signoz.Red([NOW], [40.0], [3.0], [0.25])
    assert found["web"].errors == [0.0]
    assert math.isnan(found["web"].latency[0])


def test_another_percentile_of_spans_is_refused() -> None:
    with pytest.raises(ValueError, match=re.escape("p50, p75, p90, p95, p99, and not q = 0.97")):
        signoz.red_from_traces([], 0, NOW, q=0.97)


def test_points_are_steps() -> None:
    assert signoz.points(QUERY, NOW - 130, NOW + 10, 60) == Steps(NOW - 120, NOW, 60)
