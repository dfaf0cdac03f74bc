"""Alloy's syntax: read into data, written as its formatter writes it, and judged."""

import string as characters

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bongsu.stack import alloy
from bongsu.stack.alloy.layout import layout
from bongsu.stack.alloy.syntax import AlloySyntaxError, parse
from bongsu.stack.alloy.tree import (
    Access,
    Array,
    Attribute,
    Binary,
    Block,
    Body,
    Call,
    Comment,
    Expr,
    Field,
    Index,
    Literal,
    Name,
    Object,
    Paren,
    Unary,
    string,
)
from bongsu.stack.check.alloy import CONFIGURATION, check_text
from bongsu.stack.systems import Version
from tests.stack.examples import stack

names = st.text(characters.ascii_letters + "_", min_size=1, max_size=8).filter(
    lambda name: name not in ("true", "false", "null")
)
strings = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).map(string)
numbers = st.integers(0, 10**9).map(lambda n: Literal(str(n)))
literals = strings | numbers | st.sampled_from([Literal(w) for w in ("true", "false", "null", "1.5e-3")])


def _compound(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    primary = inner.map(lambda e: e if isinstance(e, Name | Access | Call | Index | Paren) else Paren(e))
    several = st.lists(inner, max_size=3).map(tuple)
    fields = st.lists(
        st.builds(Field, names | strings.filter(_quoted).map(lambda s: s.text), inner), max_size=3
    )
    operators = st.sampled_from(["+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "&&", "||"])
    return st.one_of(
        st.builds(Access, primary, names),
        st.builds(Index, primary, inner),
        st.builds(lambda f, a, s: Call(f, a, s and bool(a)), primary, several, st.booleans()),
        st.builds(Unary, st.sampled_from("!-"), primary),
        st.builds(Binary, primary, operators, primary),
        st.builds(Paren, inner),
        st.builds(lambda a, s: Array(a, s and bool(a)), several, st.booleans()),
        st.builds(lambda f, s: Object(tuple(f), s and bool(f)), fields, st.booleans()),
    )


def _quoted(value: Literal) -> bool:
    return value.text.startswith('"')


expressions = st.recursive(literals | names.map(Name), _compound, max_leaves=8)
attributes = st.builds(Attribute, names, expressions, st.booleans())
comments = st.text(characters.printable.replace("\n", "").replace("\r", ""), max_size=10).map(
    lambda text: Comment(f"// {text}".rstrip())
)
dotted = st.lists(names, min_size=1, max_size=3).map(".".join)
bodies: st.SearchStrategy[Body] = st.recursive(
    st.lists(attributes | comments, max_size=3).map(tuple),
    lambda inner: st.lists(
        attributes | comments | st.builds(Block, dotted, names | st.just(""), inner), max_size=4
    ).map(tuple),
    max_leaves=6,
)


@given(bodies)
def test_what_is_written_is_read_back_the_same(body: Body) -> None:
    written = layout(body)
    assert parse(written) == body
    assert layout(parse(written)) == written


@given(st.text(characters.printable + "한`\ufeff", max_size=60))
def test_any_text_is_read_or_refused_with_its_place(text: str) -> None:
    refused = _refusal(text)
    assert refused is None or (1 <= refused.line <= text.count("\n") + 1 and refused.column >= 1)


def _refusal(text: str) -> AlloySyntaxError | None:
    try:
        parse(text)
    except AlloySyntaxError as error:
        return error
    return None


@given(st.data())
def test_a_configuration_that_lost_a_piece_never_breaks_the_validator(data: st.DataObject) -> None:
    text = alloy.render(stack("doktori"))[CONFIGURATION]
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 200)))
    for finding in check_text(text[:start] + text[end:], Version(1, 11)):
        assert finding.where.startswith("line ")


FORMATTED = [
    ('a="b"\nlonger = 1', 'a      = "b"\nlonger = 1\n'),
    ("a = 1\n\n\n\nlonger = 2", "a = 1\n\nlonger = 2\n"),
    ('x.y "z" {}\nx.y "w" { a = 1 }', 'x.y "z" { }\n\nx.y "w" {\n\ta = 1\n}\n'),
    ("a = [\n1,\n2,\n]\nlonger = 3", "a = [\n\t1,\n\t2,\n]\nlonger = 3\n"),
    (
        "longer = 3\na = {\nb = 1,\nlonger = 2,\n}",
        "longer = 3\na      = {\n\tb      = 1,\n\tlonger = 2,\n}\n",
    ),
    ("a = [{\nb = 1,\n}, {\nc = 2,\n}]", "a = [{\n\tb = 1,\n}, {\n\tc = 2,\n}]\n"),
    ("a = 1 // one\nlonger = 22 // two", "a      = 1  // one\nlonger = 22 // two\n"),
    ("b {\na = 1\nc { }\nd = 2\n}", "b {\n\ta = 1\n\n\tc { }\n\td = 2\n}\n"),
    ("// note\nb { }\n// more\nc { }", "// note\nb { }\n// more\nc { }\n"),
    ("a = -x.y[0] ^ 2 + f(1,2)", "a = -x.y[0] ^ 2 + f(1, 2)\n"),
    ("", ""),
]


@pytest.mark.parametrize(("given_text", "expected"), FORMATTED)
def test_the_layout_is_that_of_alloy_fmt(given_text: str, expected: str) -> None:
    assert layout(parse(given_text)) == expected


REFUSED = [
    ("a = 'x'", 1, "double quotes"),
    ("b {\n  a = [1\n  ]\n}", 2, "every line of a list ends with one"),
    ("a = {b = 1\n}", 1, "every line of an object ends with one"),
    ('b "x-y" { }', 1, "letters, digits and _"),
    ("a.b = 1", 1, "one name without dots"),
    ('a "b" = 1', 1, "without dots or label"),
    ('a = "\\d"', 1, r"unknown escape \\d"),
    ("a = [", 1, "end of the file"),
    ("b {\n", 2, "end of the file"),
    ("# note", 1, "comments begin with //"),
    ("a = 1 b = 2", 1, "expected the end of the line"),
    ("a =\n1", 2, ""),
    ('a = "x', 1, "does not end"),
    ("a = `x", 1, "does not end"),
    ("/* x", 1, "does not end"),
    ("a = " + "(" * 300, 1, "nested too deeply"),
    ("b {" * 300, 1, "nested too deeply"),
]


@pytest.mark.parametrize(("text", "line", "message"), REFUSED, ids=[r[0][:20] for r in REFUSED])
def test_a_mistake_is_told_with_its_line(text: str, line: int, message: str) -> None:
    if not message:
        assert parse(text)
        return
    with pytest.raises(AlloySyntaxError, match=message) as refused:
        parse(text)
    assert refused.value.line == line


SOUND = """
prometheus.exporter.unix "host" { }

discovery.relabel "host" {
	targets = prometheus.exporter.unix.host.targets
}

prometheus.scrape "host" {
	targets         = discovery.relabel.host.output
	forward_to      = [prometheus.remote_write.p.receiver]
	scrape_interval = "15s"
}

prometheus.remote_write "p" {
	endpoint {
		url = "http://p:9090/api/v1/write"
	}
}

loki.source.file "f" {
	targets    = [{"__path__" = "/x", job = "x"}]
	forward_to = [loki.process.x.receiver]
}

loki.process "x" {
	forward_to = [loki.write.l.receiver]

	stage.regex {
		expression = `(?P<a>.)`
	}
}

loki.write "l" {
	endpoint {
		url                 = "http://l:3100/loki/api/v1/push"
		max_backoff_retries = 3
	}
}

otelcol.exporter.otlp "t" {
	client {
		endpoint = "t:4317"
	}
}

otelcol.receiver.otlp "o" {
	output {
		traces = [otelcol.exporter.otlp.t.input]
	}
}
"""
TRAPS = [
    ("prometheus.remote_write", "prometheus.remote_rite", "did you mean 'prometheus.remote_write'?"),
    ('prometheus.scrape "host"', "prometheus.scrape", 'write prometheus.scrape "name" {'),
    ("discovery.relabel.host.output", "prometheus.exporter.unix.host.targets", 'job="integrations/unix"'),
    ('scrape_interval = "15s"', 'honor_labels = "yes"', "scraped once a minute"),
    ('scrape_interval = "15s"', 'scrape_interval = "1d"', "hours are the largest unit"),
    ('scrape_interval = "15s"', "scrape_interval = 15", "write it in quotes with a unit"),
    ('scrape_interval = "15s"', 'scrape_interval = "5s"', "scrape_timeout is longer"),
    ('scrape_interval = "15s"', 'scrape_intervall = "15s"', "did you mean 'scrape_interval'?"),
    ('scrape_interval = "15s"', 'scrape_interval = "15s"\n\tscrape_interval = "15s"', "is set twice"),
    ("[prometheus.remote_write.p.receiver]", "prometheus.remote_write.p.receiver", "put it in [ ]"),
    ("[prometheus.remote_write.p.receiver]", "[loki.write.l.receiver]", "and MetricsReceiver is expected"),
    ("[loki.process.x.receiver]", "[prometheus.remote_write.p.receiver]", "name a receiver of loki.process"),
    ("[loki.write.l.receiver]", "[loki.write.k.receiver]", 'loki.write "k", which is not there; known: l'),
    ("[loki.write.l.receiver]", "[loki.write.l.input]", "loki.write exports no 'input'"),
    ("[loki.write.l.receiver]", "[lokki.write.l.receiver]", "refers to nothing"),
    ('loki.write "l" {', 'loki.write "l" { }\n\nloki.write "l" {', "is there already, in line"),
    ("/loki/api/v1/push", "", "append /loki/api/v1/push"),
    ("/api/v1/write", "", "append /api/v1/write"),
    ('url = "http://p:9090/api/v1/write"', "", "prometheus.remote_write > endpoint needs url"),
    ("max_backoff_retries = 3", 'max_backoff_retries = "3"', "write it without quotes"),
    ("max_backoff_retries = 3", 'bearer_token = "abc"', "a secret is written here"),
    ("(?P<a>.)", "(?!x)", "no lookahead"),
    ("(?P<a>.)", "(.)", "without a named group"),
    ("stage.regex {", "stage.rejex {", "did you mean 'stage.regex'?"),
    ("t:4317", "t:4318", "this exporter speaks gRPC"),
    ('client {\n\t\tendpoint = "t:4317"\n\t}', "client = {}", "client is a block of otelcol.exporter.otlp"),
    ("output {\n\t\ttraces = [otelcol.exporter.otlp.t.input]\n\t}", "", "needs a block output"),
    ('[{"__path__" = "/x", job = "x"}]', '"/x"', "a list is expected"),
    ("prometheus.exporter.unix", "x = 1\n\nprometheus.exporter.unix", "stands in no block"),
    ('"15s"', "'15s'", "double quotes"),
]


def test_a_sound_configuration_has_no_findings() -> None:
    assert check_text(SOUND, Version(1, 11)) == []
    assert layout(parse(SOUND)) == SOUND.lstrip("\n")


@pytest.mark.parametrize(("sound", "wrong", "expected"), TRAPS, ids=[t[1][:40] for t in TRAPS])
def test_a_known_trap_is_told_with_its_line(sound: str, wrong: str, expected: str) -> None:
    assert sound in SOUND
    found = [str(f) for f in check_text(SOUND.replace(sound, wrong, 1), Version(1, 11))]
    assert any(expected in f for f in found), found


def test_components_that_bongsu_does_not_write_are_let_through() -> None:
    text = 'loki.source.journal "j" {\n\tanything   = 1\n\tforward_to = [loki.write.l.receiver]\n}\n'
    assert check_text(SOUND + text, Version(1, 11)) == []


def test_functions_that_a_version_lacks_are_told() -> None:
    text = SOUND.replace('"http://l:3100/loki', 'sys.env("LOKI") + "/loki')
    assert check_text(text, Version(1, 11)) == []
    assert "has no sys.env" in str(check_text(text, Version(1, 2))[0])
