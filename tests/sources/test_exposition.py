"""The scraper's parser against the format's rules and against prometheus_client's own parsers."""

import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from bongsu.sources.embedded import Metadata, series_key
from bongsu.sources.embedded.exposition import Exposition, ExpositionError, parse

NAMES = st.from_regex(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,10}", fullmatch=True)
LABELS = st.dictionaries(
    st.from_regex(r"[a-zA-Z][a-zA-Z0-9_]{0,6}", fullmatch=True), st.text(max_size=12), max_size=4
)
VALUES = st.floats(allow_nan=True, allow_infinity=True)
TIMES = st.none() | st.integers(0, 2**41)


def rows(found: Exposition) -> list:
    return [
        (key, repr(value), None if math.isnan(at) else round(at * 1000))
        for key, value, at in zip(found.keys, found.values, found.times, strict=True)
    ]


def reference(families) -> list:
    return [
        (
            series_key(s.name, s.labels),
            repr(float(s.value)),
            None if s.timestamp is None else round(float(s.timestamp) * 1000),
        )
        for family in families
        for s in family.samples
    ]


def written(name: str, labels: dict[str, str], value: float, at: int | None, *, seconds: bool) -> str:
    escaped = ",".join(
        '{}="{}"'.format(k, v.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n"))
        for k, v in labels.items()
    )
    number = {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, "NaN" if math.isnan(value) else repr(value))
    stamp = "" if at is None else f" {at / 1000:.3f}" if seconds else f" {at}"
    return f"{name}{{{escaped}}} {number}{stamp}"


@given(st.lists(st.tuples(NAMES, LABELS, VALUES, TIMES), max_size=8))
def test_text_is_read_as_prometheus_client_reads_it(samples: list) -> None:
    text = "".join(written(*sample, seconds=False) + "\n" for sample in samples)
    assert rows(parse(text.encode())) == reference(parse_text(text))


@given(st.lists(st.tuples(NAMES, LABELS, st.floats(-1e9, 1e9)), max_size=8, unique_by=lambda s: s[0].lower()))
def test_openmetrics_is_read_as_prometheus_client_reads_it(samples: list) -> None:
    lines = [
        f"# TYPE {name} gauge\n{written(name, labels, value, None, seconds=True)}\n"
        for name, labels, value in samples
    ]
    text = "".join(lines) + "# EOF\n"
    assert rows(parse(text.encode(), openmetrics=True)) == reference(parse_openmetrics(text))


def registry() -> CollectorRegistry:
    found = CollectorRegistry()
    Counter("requests", 'Help with "quotes" and \\ and\nlines', ["path"], registry=found).labels(
        '/a"b\\c\n'
    ).inc(3, exemplar={"trace_id": "abc"})
    Gauge("temperature", "", registry=found).set(-1.5e-7)
    Histogram("latency_seconds", "h", ["m"], registry=found).labels("GET").observe(0.3, {"trace_id": "x # y"})
    Summary("size_bytes", "s", registry=found).observe(7)
    return found


def test_both_formats_of_a_real_registry_are_read_in_full() -> None:
    text = generate_latest(registry()).decode()
    assert rows(parse(text.encode())) == reference(parse_text(text))
    om = generate_openmetrics(registry()).decode()
    assert rows(parse(om.encode(), openmetrics=True)) == reference(parse_openmetrics(om))
    assert Metadata("latency_seconds", "histogram", "", "h") in parse(text.encode()).metadata


@given(st.lists(st.tuples(NAMES, LABELS, VALUES, TIMES), max_size=5))
def test_a_second_scrape_reads_the_same_from_memory(samples: list) -> None:
    body = "".join(written(*sample, seconds=False) + "\n" for sample in samples).encode()
    cache: dict = {}
    assert rows(parse(body, cache=cache)) == rows(parse(body, cache=cache)) == rows(parse(body))


@given(st.binary(max_size=60) | st.text(alphabet='ab{}"=,# \\\n1.eN', max_size=40).map(str.encode))
def test_any_body_is_read_or_refused_with_a_place(body: bytes) -> None:
    for openmetrics in (False, True):
        with suppress(ExpositionError):
            parse(body, openmetrics=openmetrics)
            continue
        with pytest.raises(ExpositionError) as caught:
            parse(body, openmetrics=openmetrics)
        error = caught.value
        assert str(error).startswith(f"line {error.line} column {error.column}: ")
        assert 1 <= error.line <= body.count(b"\n") + 1
        assert error.column >= 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'a 1\nb{x="y} 2\n', "line 2 column 5: a label value in double quotes is expected"),
        (b"a 1\n\na{x=1} 2\n", "line 3 column 5: a label value in double quotes is expected"),
        (b'a{x="1"', "line 1 column 8: ',' or '}' is expected after a label"),
        (b'a{x="1" y="2"} 1', "line 1 column 9: ',' or '}' is expected after a label"),
        (b'a{x="1",x="2"} 1', "line 1 column 9: label 'x' appears twice"),
        (b'a{x="1"} zz', "line 1 column 10: a number is expected as the value, not 'zz'"),
        (b"a 1_000", "line 1 column 3: a number is expected as the value, not '1_000'"),
        (b"a", "line 1 column 2: a value is missing"),
        (b"a-b 1", "line 1 column 2: '-' cannot be in a metric name"),
        (b"a 1 2 3", "line 1 column 7: the line should end after the timestamp"),
        (b"a 1 NaN", "line 1 column 5: a timestamp must be finite"),
        (b"<!doctype html>", "line 1 column 1: a metric name is expected"),
        (b"a 1\nb \xff", "line 2 column 3: this is not UTF-8"),
    ],
)
def test_a_broken_line_is_named(body: bytes, message: str) -> None:
    with pytest.raises(ExpositionError) as caught:
        parse(body)
    assert str(caught.value) == message


def test_openmetrics_that_was_cut_short_is_refused() -> None:
    with pytest.raises(ExpositionError, match="without # EOF"):
        parse(b"a 1\n", openmetrics=True)
    with pytest.raises(ExpositionError, match="line 3 column 1: there is text after # EOF"):
        parse(b"a 1\n# EOF\nb 1\n", openmetrics=True)


def test_timestamps_are_milliseconds_in_text_and_seconds_in_openmetrics() -> None:
    assert parse(b"a 1 1500").times == [1.5]
    assert parse(b"a 1 1.5\n# EOF\n", openmetrics=True).times == [1.5]


def test_quoted_names_are_read() -> None:
    assert parse(b'{"http.requests","a.b"="c"} 1').keys == [series_key("http.requests", {"a.b": "c"})]


def test_more_samples_than_allowed_are_refused() -> None:
    with pytest.raises(ExpositionError, match="more than 2 samples"):
        parse(b"a 1\nb 1\nc 1\n", max_samples=2)
