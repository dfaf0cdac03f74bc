"""Properties of the template miner: bounded, deterministic, and deaf to what varies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bongsu.analysis.redact import redact
from bongsu.analysis.templates import WILDCARD, TemplateMiner, mask

LINES = st.lists(st.text(max_size=200), max_size=60)


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        ("took 12 ms", "took <num> ms"),
        ("took 12.5ms", "took <num>"),
        ("user 'kim' not found", "user <str> not found"),
        ("order 123e4567-e89b-12d3-a456-426614174000 failed", "order <uuid> failed"),
        ("connect 10.0.0.1:5432 refused", "connect <ip> refused"),
        ("at 0xdeadBEEF", "at <hex>"),
        ("trace 4bf92f3577b34da6a3ce929d0e0e4736", "trace <hex>"),
        ("2026-11-02T03:04:05.678Z boom", "<time> boom"),
        ("req_1 for payments", "req_1 for payments"),
        ("payments:8080 refused", "payments:<num> refused"),
    ],
)
def test_masks(line: str, masked: str) -> None:
    assert mask(line) == masked


def test_lines_that_differ_in_a_word_share_a_template() -> None:
    miner = TemplateMiner()
    first = miner.add("charge of order alpha failed: card processor answered 503")
    second = miner.add("charge of order beta failed: card processor answered 502")
    assert first is second
    assert WILDCARD in first.tokens
    assert first.count == 2


def test_different_messages_stay_apart() -> None:
    miner = TemplateMiner()
    assert miner.add("connection refused by payments") is not miner.add("disk is nearly full now")


@given(LINES)
def test_every_line_is_counted_once(lines: list[str]) -> None:
    miner = TemplateMiner(max_templates=8, max_children=3)
    for line in lines:
        miner.add(line)
    assert sum(template.count for template in miner.templates) == len(lines)
    assert len(miner.templates) <= 9


@given(LINES)
def test_equal_input_gives_equal_templates(lines: list[str]) -> None:
    one, other = TemplateMiner(), TemplateMiner()
    assert [one.add(line).number for line in lines] == [other.add(line).number for line in lines]
    assert [t.text for t in one.templates] == [t.text for t in other.templates]


@given(st.text(max_size=200))
def test_a_line_joins_its_own_template(line: str) -> None:
    miner = TemplateMiner()
    assert miner.add(line) is miner.add(line)
    assert len(miner.templates) == 1


@given(st.text(max_size=300))
def test_masking_twice_changes_nothing_that_matters(line: str) -> None:
    assert len(mask(mask(line)).split()) <= len(mask(line).split()) + 1


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_numbers_do_not_make_templates(a: int, b: int) -> None:
    miner = TemplateMiner()
    assert miner.add(f"retry {a} of request") is miner.add(f"retry {b} of request")


def test_hostile_lines_are_cut() -> None:
    miner = TemplateMiner()
    template = miner.add("x " * 100_000)
    assert len(template.tokens) <= miner.max_tokens
    assert miner.add("") is miner.add("   ")


@pytest.mark.parametrize(
    "secret",
    [
        "password=hunter2hunter2",
        "Authorization: Bearer abcdefghijklmnop",
        "postgres://user:s3cretpw@db/x",
        '{"api_key": "hunter2hunter2"}',
        "AKIAABCDEFGHIJKLMNOP",
    ],
)
def test_secrets_are_redacted(secret: str) -> None:
    clean = redact(f"failed with {secret} here")
    assert "redacted" in clean
    for word in ("hunter2", "abcdefghijklmnop", "s3cretpw", "ABCDEFGHIJKLMNOP"):
        assert word not in clean
