"""The Datadog query of each form, spelled out; what its filters mean; its answers."""

import math
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from bongsu.signals import datadog
from bongsu.signals.datadog_filter import condition, patterns_of
from bongsu.signals.matchers import escape_regex, parse_matchers
from bongsu.signals.model import Signal
from bongsu.signals.query import FleetQuery
from bongsu.signals.rows import Row
from bongsu.signals.unsupported import UnsupportedError

SPEC = Path(__file__).parents[3] / "shared/data/specs/datadog/v1.openapi.yaml"
ONE = {"orders": {"service": "orders"}}
FLEET = {"orders": {"service": "orders"}, "pay": {"service": "payments.v2"}}
_SELECTOR = re.compile(
    r"(?:sum|min|max|avg|count|p50|p75|p90|p95|p99):[A-Za-z][\w.]*\{[^{}]*\}(?: by \{[\w./,-]*\})?"
    r"(?:\.as_(?:count|rate)\(\))?(?:\.rollup\((?:(?:sum|min|max|avg|last), )?\d+\))"
)


def signal(**fields: Any) -> Any:
    return TypeAdapter(Signal).validate_python(fields)


def compiled(services=ONE, **fields: Any) -> str:
    text = datadog.compile(FleetQuery("q", signal(**fields), services))
    assert _SELECTOR.search(text)
    frame = _SELECTOR.sub("1", text)
    assert re.fullmatch(r"(?:default_zero|cutoff_min|[\d., ()/*-])+", frame), frame
    return text


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"form": "rate", "metric": "requests", "match": {"status": "5..", "path": "!/health"}},
            "sum:requests{service:orders AND status:5* AND NOT path:/health} by {service}"
            ".as_rate().rollup(sum, 300)",
        ),
        (
            {"form": "increase", "metric": "timeouts", "window": "1h", "by": ["pool"]},
            "sum:timeouts{service:orders} by {service,pool}.as_count().rollup(sum, 3600)",
        ),
        (
            {"form": "ratio", "metric": "m", "match": {"status": "5.."}, "floor": "0.1/s"},
            "default_zero(sum:m{service:orders AND status:5*} by {service}.as_count().rollup(sum, 300))"
            " / cutoff_min(sum:m{service:orders} by {service}.as_count().rollup(sum, 300), 30)",
        ),
        (
            {"form": "ratio", "metric": "e", "of": "m", "of_match": {"path": "!/h|/r.*"}},
            "default_zero(sum:e{service:orders} by {service}.as_count().rollup(sum, 300))"
            " / sum:m{service:orders AND NOT path:/h AND NOT path:/r*} by {service}"
            ".as_count().rollup(sum, 300)",
        ),
        (
            {"form": "quantile", "metric": "latency", "q": 0.95},
            "p95:latency{service:orders} by {service}.rollup(300)",
        ),
        (
            {"form": "quantile", "metric": "latency", "q": 0.5, "floor": 2},
            "p50:latency{service:orders} by {service}.rollup(300)"
            " * (cutoff_min(count:latency{service:orders} by {service}.as_count().rollup(sum, 300), 600)"
            " / count:latency{service:orders} by {service}.as_count().rollup(sum, 300))",
        ),
        (
            {"form": "gauge", "metric": "m", "agg": "avg"},
            "avg:m{service:orders} by {service}.rollup(last, 60)",
        ),
        (
            {"form": "gauge", "metric": "m", "over": "min"},
            "max:m{service:orders} by {service}.rollup(min, 300)",
        ),
        (
            {"form": "gauge", "metric": "free", "divisor": "size", "complement": True},
            "1 - max:free{service:orders} by {service}.rollup(last, 60)"
            " / max:size{service:orders} by {service}.rollup(last, 60)",
        ),
        ({"form": "presence"}, "max:up{service:orders} by {service}.rollup(last, 60)"),
        ({"form": "age", "metric": "m"}, "max:m{service:orders} by {service}.rollup(last, 60)"),
        (
            {"form": "age", "metric": "m", "left": True, "over": "last", "window": "1d"},
            "min:m{service:orders} by {service}.rollup(last, 86400)",
        ),
    ],
)
def test_each_form_has_its_query(fields: dict[str, Any], expected: str) -> None:
    assert compiled(**fields) == expected


def test_a_fleet_is_one_list() -> None:
    expected = "max:up{service IN (orders,payments.v2)} by {service}.rollup(last, 60)"
    assert compiled(FLEET, form="presence") == expected


def test_identity_may_have_several_tags() -> None:
    services = {"a": {"service": "x", "env": "prod"}, "b": {"service": "y", "env": "prod"}}
    expected = "max:up{env:prod AND service IN (x,y)} by {env,service}.rollup(last, 60)"
    assert compiled(services, form="presence") == expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("get", "x:get"),
        ("get|put", "x IN (get,put)"),
        ("!get|put", "x NOT IN (get,put)"),
        ("web-.*", "x:web-*"),
        (".*-canary", "x:*-canary"),
        (".*east.*", "x:*east*"),
        ("!web-.*", "NOT x:web-*"),
        ("a|b-.*|.*-c", "(x:a OR x:*-c OR x:b-*)"),
        ("!a|b|c.*", "x NOT IN (a,b) AND NOT x:c*"),
        ("(a|b)c?", "x IN (a,ac,b,bc)"),
        ("v[12]", "x IN (v1,v2)"),
        ("v[1-3]\\.0", "x IN (v1.0,v2.0,v3.0)"),
        ("(?:/api)?/health", "x IN (/api/health,/health)"),
        ("4..", "x:4*"),
        ("[45]..", "(x:4* OR x:5*)"),
        ("[3-5]..", "(x:3* OR x:4* OR x:5*)"),
        ("!5..", "NOT x:5*"),
        (".*", None),
    ],
)
def test_a_regular_expression_becomes_values_and_wildcards(pattern: str, expected: str | None) -> None:
    (matcher,) = parse_matchers({"x": pattern})
    assert condition(matcher) == expected


_TEXT = st.text("ab.-/1", min_size=1, max_size=4)


@given(
    st.lists(st.tuples(st.booleans(), _TEXT, st.booleans()), min_size=1, max_size=4),
    st.text("ab.-/1", max_size=9),
)
def test_the_values_are_those_of_the_expression(parts: list[tuple[bool, str, bool]], value: str) -> None:
    expression = "|".join(f"{'.*' * before}{escape_regex(t)}{'.*' * after}" for before, t, after in parts)
    patterns = patterns_of(expression)
    wild = any(re.fullmatch(".*".join(re.escape(piece) for piece in p), value) for p in patterns)
    assert wild == bool(re.fullmatch(expression, value))


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("a.c", "'.' has no counterpart"),
        ("a+", "'+' is only known as '.*'"),
        ("a{2}", "'{' is only known"),
        ("a.*c", "only stand at the beginning and at the end"),
        (".*a.*b", "only stand at the beginning and at the end"),
        ("health[a-z]*", "'*' is only known"),
        ("[^a]", "the class [^a] has no counterpart"),
        ("\\d+", "has no counterpart"),
        ("(?i)get", "has no counterpart"),
        ("GET|POST", "tags hold small letters"),
        ("a||b", "a tag that is missing"),
        ("[0-9][0-9]", "more than 64 values"),
        ("(a", "a parenthesis is open"),
        ("a)", "has no counterpart"),
        ("!.*", "leaves nothing"),
        ("", "no value that a tag"),
        ("GET", "no value that a tag"),
    ],
)
def test_what_the_filters_cannot_say_is_refused(pattern: str, reason: str) -> None:
    with pytest.raises(UnsupportedError, match=re.escape(reason)) as refused:
        compiled(form="rate", metric="m", match={"x": pattern})
    assert refused.value.backend == "Datadog"
    assert "form: rate" in str(refused.value)


@pytest.mark.parametrize(
    ("fields", "reason", "remedy"),
    [
        ({"form": "expr", "expr": "up"}, "raw PromQL", "another form"),
        ({"form": "quantile", "metric": "m", "q": 0.8}, "p50, p75, p90, p95, p99", "ask for q: 0.75"),
        ({"form": "gauge", "metric": "m", "unless": {"metric": "n"}}, "leave out groups", "'unless'"),
        ({"form": "rate", "metric": "m{*}"}, "no name of a metric", "letters"),
        ({"form": "rate", "metric": "m", "by": ["a b"]}, "'a b' is no tag", "prefixes"),
        ({"form": "rate", "metric": "m", "by": ["a} by {b"]}, "is no tag", "prefixes"),
        ({"form": "rate", "metric": "m", "window": "1500ms"}, "1.5 s is no whole number", "round"),
    ],
)
def test_what_datadog_cannot_say_is_refused(fields, reason, remedy) -> None:
    with pytest.raises(UnsupportedError) as refused:
        datadog.compile(FleetQuery("latency", signal(**fields), ONE))
    assert reason in refused.value.reason
    assert remedy in refused.value.remedy
    assert str(refused.value).startswith(f"Datadog cannot answer 'latency' (form: {fields['form']}): ")


def test_an_option_that_is_not_understood_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(datadog._UNDERSTOOD, "ratio", frozenset({"of", "of_match"}))
    with pytest.raises(UnsupportedError, match="the option 'floor' has no counterpart"):
        compiled(form="ratio", metric="m", floor=1)


def test_a_query_without_services_is_refused() -> None:
    with pytest.raises(ValueError, match="names no service"):
        compiled({}, form="presence")


@given(st.text(max_size=20), st.text(max_size=20))
def test_no_value_breaks_out_of_the_braces(job: str, value: str) -> None:
    assume(not value.startswith("!"))
    fields = {"form": "rate", "metric": "m", "match": {"x": escape_regex(value)}}
    try:
        text = compiled({"a": {"service": job}, "b": {"service": job + "b"}}, **fields)
    except UnsupportedError:
        return
    found = re.fullmatch(
        r"sum:m\{service IN \(([^(){}, ]+),([^(){}, ]+)\) AND x:([^(){}, *]+)\} by \{service\}"
        r"\.as_rate\(\)\.rollup\(sum, 300\)",
        text,
    )
    assert found
    assert set(found.groups()[:2]) == {job, job + "b"}
    assert found.group(3) == value


@pytest.mark.parametrize("value", ["a} by {b", "a OR b", "*", "a*", "a,b", "a)", "$env", "or", "a\nb", "a'b"])
def test_hostile_values_are_refused(value: str) -> None:
    with pytest.raises(UnsupportedError, match="no value that a tag of Datadog can have"):
        compiled({"a": {"service": value}}, form="presence")


# Answers


ANSWER: dict[str, Any] = {
    "status": "ok",
    "res_type": "time_series",
    "query": "max:m{*} by {service,pool}",
    "group_by": ["service", "pool"],
    "series": [
        {
            "metric": "m",
            "scope": "pool:a:b,service:orders",
            "tag_set": ["pool:a:b", "service:orders"],
            "interval": 60,
            "pointlist": [
                [1_700_000_000_000.0, 1.5],
                [1_700_000_060_000.0, None],
                [1_700_000_120_000.0, 2.0],
            ],
        },
        {"metric": "m", "tag_set": ["service:pay", "pool:N/A"], "pointlist": [[1_700_000_000_000.0, 3.0]]},
        {"metric": "m", "tag_set": ["service:web"], "pointlist": []},
    ],
}


def asked(**fields: Any) -> FleetQuery:
    return FleetQuery("q", signal(**fields), ONE)


def test_series_are_read_at_the_ends_of_their_intervals() -> None:
    assert datadog.answer(ANSWER, asked(form="gauge", metric="m", by=["pool"])) == [
        Row({"service": "orders", "pool": "a:b"}, [1_700_000_060.0, 1_700_000_180.0], [1.5, 2.0]),
        Row({"service": "pay", "pool": ""}, [1_700_000_060.0], [3.0]),
    ]
    increase = datadog.answer(ANSWER, asked(form="increase", metric="m"))
    assert increase[0].times == [1_700_000_300.0, 1_700_000_420.0]


def test_age_is_told_to_the_end_of_the_interval() -> None:
    series = [{"tag_set": ["service:orders"], "pointlist": [[1_700_000_000_000.0, 1_699_999_000.0]]}]
    body = {"status": "ok", "series": series}
    assert datadog.answer(body, asked(form="age", metric="m"))[0].values == [1060.0]
    assert datadog.answer(body, asked(form="age", metric="m", left=True))[0].values == [-1060.0]


def test_a_failure_is_no_answer() -> None:
    with pytest.raises(ValueError, match="Datadog: Rate limit"):
        datadog.answer({"status": "error", "error": "Rate limit"}, asked(form="presence"))


@pytest.mark.skipif(not SPEC.exists(), reason=f"Datadog's contract is not at {SPEC}")
def test_questions_and_answers_conform_to_the_contract() -> None:
    document = yaml.load(SPEC.read_text(), Loader=yaml.CSafeLoader)
    parameters = document["paths"]["/api/v1/query"]["get"]["parameters"]
    assert {parameter["name"] for parameter in parameters} == {"from", "to", "query"}
    schemas = {"components": {"schemas": _nullable(document["components"]["schemas"])}}
    schema = {"$ref": "#/components/schemas/MetricsQueryResponse"} | schemas
    jsonschema.Draft7Validator(schema).validate(ANSWER)
    definition = {"$ref": "#/components/schemas/FormulaAndFunctionMetricQueryDefinition"} | schemas
    query = compiled(form="presence")
    jsonschema.Draft7Validator(definition).validate({"data_source": "metrics", "name": "q", "query": query})


def _nullable(node: Any) -> Any:
    if isinstance(node, list):
        return [_nullable(item) for item in node]
    if not isinstance(node, dict):
        return node
    found = {name: _nullable(item) for name, item in node.items()}
    if found.get("nullable") is True and isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
    return found


def test_nan_is_no_value() -> None:
    series = [{"tag_set": ["service:orders"], "pointlist": [[0.0, math.nan]]}]
    assert datadog.answer({"series": series}, asked(form="presence")) == []
