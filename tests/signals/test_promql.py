"""The PromQL of each form, spelled out."""

import re

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from bongsu.signals import promql
from bongsu.signals.matchers import escape_regex, parse_matchers
from bongsu.signals.model import Signal
from bongsu.signals.query import FleetQuery

FLEET = {"orders": {"job": "orders"}, "pay": {"job": "payments.v2"}}
ONE = {"orders": {"job": "orders"}}
RATES = 'sum by (job) (rate(h_bucket{job="orders"}[5m]))'


def compiled(services=ONE, *, native: bool = False, **fields) -> str:
    query = FleetQuery("q", TypeAdapter(Signal).validate_python(fields), services)
    text = promql.compile(query, native_histograms=native)
    promql_parser.parse(text)
    return text


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"form": "rate", "metric": "m_total", "match": {"status": "5..", "path": "!/health"}},
            'sum by (job) (rate(m_total{job="orders",status=~"5..",path!="/health"}[5m]))',
        ),
        (
            {"form": "increase", "metric": "m_total", "window": "1h30m", "by": ["route"]},
            'sum by (job, route) (increase(m_total{job="orders"}[1h30m]))',
        ),
        (
            {"form": "ratio", "metric": "m_total", "match": {"status": "5.."}, "floor": "0.1/s"},
            '(sum by (job) (rate(m_total{job="orders",status=~"5.."}[5m])) '
            'or 0 * sum by (job) (rate(m_total{job="orders"}[5m]))) '
            '/ (sum by (job) (rate(m_total{job="orders"}[5m])) > 0.1)',
        ),
        (
            {"form": "ratio", "metric": "e_total", "of": "m_total", "of_match": {"path": "!/h|/r.*"}},
            '(sum by (job) (rate(e_total{job="orders"}[5m])) '
            'or 0 * sum by (job) (rate(m_total{job="orders",path!~"/h|/r.*"}[5m]))) '
            '/ (sum by (job) (rate(m_total{job="orders",path!~"/h|/r.*"}[5m])) > 0)',
        ),
        (
            {"form": "quantile", "metric": "h", "q": 0.95, "floor": 2},
            'histogram_quantile(0.95, sum by (job, le) (rate(h_bucket{job="orders"}[5m]))) '
            'and sum by (job) (rate(h_count{job="orders"}[5m])) > 2',
        ),
        (
            {"form": "gauge", "metric": "used", "divisor": "size", "divisor_match": {"area": "heap"}},
            'max by (job) (used{job="orders"}) / (max by (job) (size{job="orders",area="heap"}) > 0)',
        ),
        ({"form": "gauge", "metric": "m", "agg": "avg"}, 'avg by (job) (m{job="orders"})'),
        (
            {"form": "gauge", "metric": "m", "over": "min", "window": "3m", "match": {"x": "y"}},
            'max by (job) (min_over_time(m{job="orders",x="y"}[3m]))',
        ),
        (
            {"form": "gauge", "metric": "used", "agg": "sum", "over": "avg", "divisor": "size"},
            'sum by (job) (avg_over_time(used{job="orders"}[5m])) / (sum by (job) (size{job="orders"}) > 0)',
        ),
        (
            {"form": "gauge", "metric": "idle", "agg": "avg", "complement": True},
            '1 - avg by (job) (idle{job="orders"})',
        ),
        (
            {"form": "gauge", "metric": "free", "divisor": "size", "complement": True},
            '1 - (max by (job) (free{job="orders"}) / (max by (job) (size{job="orders"}) > 0))',
        ),
        (
            {"form": "gauge", "metric": "m", "by": ["d"], "unless": {"metric": "off", "match": {"x": "y"}}},
            'max by (job, d) (m{job="orders"}) '
            'unless on (job, d) (max by (job, d) (off{job="orders",x="y"}) > 0)',
        ),
        (
            {
                "form": "gauge",
                "metric": "free",
                "over": "last",
                "divisor": "size",
                "complement": True,
                "unless": {"metric": "off"},
            },
            '1 - (max by (job) (last_over_time(free{job="orders"}[5m])) '
            '/ (max by (job) (size{job="orders"}) > 0)) '
            'unless on (job) (max by (job) (off{job="orders"}) > 0)',
        ),
        ({"form": "age", "metric": "m"}, 'time() - max by (job) (m{job="orders"})'),
        ({"form": "age", "metric": "m", "left": True}, 'min by (job) (m{job="orders"}) - time()'),
        (
            {"form": "age", "metric": "m", "over": "last", "window": "2d"},
            'time() - max by (job) (last_over_time(m{job="orders"}[2d]))',
        ),
        (
            {"form": "age", "metric": "m", "left": True, "over": "last", "window": "10m"},
            'min by (job) (last_over_time(m{job="orders"}[10m])) - time()',
        ),
        ({"form": "presence"}, 'max by (job) (up{job="orders"})'),
        (
            {"form": "expr", "expr": "sum(rate(a{$selector}[$window])) by (job)", "match": {"x": "y"}},
            'sum(rate(a{job="orders",x="y"}[5m])) by (job)',
        ),
    ],
)
def test_each_form_has_its_expression(fields: dict, expected: str) -> None:
    assert compiled(**fields) == expected


def test_a_fleet_is_one_anchored_alternation_of_literals() -> None:
    assert compiled(FLEET, form="presence") == r'max by (job) (up{job=~"orders|payments\\.v2"})'


def test_identity_may_have_several_labels() -> None:
    services = {"a": {"job": "x", "env": "prod"}, "b": {"job": "y", "env": "prod"}}
    assert compiled(services, form="presence") == 'max by (env, job) (up{env="prod",job=~"x|y"})'


def test_native_histograms_have_no_buckets() -> None:
    text = compiled(form="quantile", metric="h", q=0.5, native=True)
    rates = 'sum by (job) (rate(h{job="orders"}[5m]))'
    assert text == f"histogram_quantile(0.5, {rates}) and histogram_count({rates}) > 0"


def test_a_metric_that_is_no_plain_name_is_matched_by_its_name_label() -> None:
    assert compiled(form="gauge", metric="a.b") == 'max by (job) ({__name__="a.b",job="orders"})'


def test_nothing_to_ask_is_refused() -> None:
    with pytest.raises(ValueError, match="names no service"):
        compiled({}, form="presence")


def test_a_label_that_promql_cannot_spell_is_refused() -> None:
    with pytest.raises(ValueError, match="not a label name"):
        compiled(form="presence", by=["a}b"])


def test_dashboards_bring_their_own_selector_and_window() -> None:
    signal = TypeAdapter(Signal).validate_python({"form": "rate", "metric": "m_total"})
    text = promql.expression(signal, 'job=~"$service"', ["job"], "$__rate_interval")
    assert text == 'sum by (job) (rate(m_total{job=~"$service"}[$__rate_interval]))'


def test_what_is_left_out_is_left_out_of_the_whole_value() -> None:
    fields = {"form": "gauge", "metric": "m", "divisor": "d", "complement": True, "unless": {"metric": "off"}}
    parsed = promql_parser.parse(compiled(**fields))
    assert isinstance(parsed, promql_parser.BinaryExpr)
    assert str(parsed.op) == "unless"


@pytest.mark.parametrize(
    ("text", "op", "value"),
    [
        ("a", "=", "a"),
        ("!a", "!=", "a"),
        ("a.*", "=~", "a.*"),
        ("!a|b", "!~", "a|b"),
        ("", "=", ""),
        ("!", "!=", ""),
    ],
)
def test_a_matcher_is_a_literal_when_it_can_be(text: str, op: str, value: str) -> None:
    (matcher,) = parse_matchers({"x": text})
    assert (matcher.op, matcher.value) == (op, value)


@given(st.text(max_size=20), st.text(max_size=20))
def test_no_value_breaks_out_of_its_quotes(job: str, value: str) -> None:
    query = {"form": "ratio", "metric": "m", "match": {"x": escape_regex(value)}}
    text = compiled({"a": {"job": job}, "b": {"job": "b"}}, **query)
    parsed = promql_parser.parse(text)
    assert isinstance(parsed, promql_parser.BinaryExpr)


@given(st.text(max_size=30))
def test_an_escaped_literal_matches_only_itself(text: str) -> None:
    pattern = re.compile(escape_regex(text), re.DOTALL)
    assert pattern.fullmatch(text)
    assert not pattern.fullmatch(text + "x")
