"""Objectives are judged over several windows at once, as the generated rules judge them."""

import pytest

from bongsu.catalog import loads, resolve
from bongsu.signals.model import Severity
from bongsu.watch.burn_rate import BurnRate
from bongsu.watch.reading import Reading

CATALOG = """
name: shop
services:
  orders:
    kind: fastapi
    tier: 1
    objectives:
      availability: {signal: error_ratio, target: 99.9%}
      speed: {signal: latency_p95, target: 99%, below: 500ms}
  payments:
    kind: fastapi
    objectives:
      availability: {signal: error_ratio, target: 99%}
"""
HOUR = 3600.0


def judged(bad: dict[float, float], events: float = 100_000.0, *, good: float = 1.0) -> BurnRate:
    """After every window was read once: the share of bad events by window, and of fast ones."""
    burn = BurnRate(list(resolve(loads(CATALOG)).values()), 300.0)
    for question in burn.due(0.0):
        share = good if question.good else bad.get(question.window, 0.0)
        services = question.share.services
        burn.learn(
            question,
            Reading("x", question.share.signal, dict.fromkeys(services, share)),
            Reading("x", question.events.signal, dict.fromkeys(services, events)),
            0.0,
        )
    return burn


def test_nothing_is_met_while_all_is_well() -> None:
    assert judged({}).found() == {}


def test_a_fast_burn_pages_whom_the_business_stops_without() -> None:
    found = judged({300.0: 0.02, HOUR: 0.02}).found()
    [condition] = found["orders", "error_ratio"]
    assert (condition.severity, condition.detail["objective"]) == (Severity.P1, "availability")
    assert condition.value == pytest.approx(20.0), "0.02 of bad events burn 0.001 twenty times as fast"
    assert condition.limit == pytest.approx(14.4)
    assert ("payments", "error_ratio") not in found, "its objective allows ten times as much"


def test_the_short_window_ends_it_soon_after_the_trouble() -> None:
    assert judged({300.0: 0.0, HOUR: 0.02}).found() == {}


def test_a_slow_burn_opens_a_ticket() -> None:
    [condition] = judged({2 * HOUR: 0.004, 24 * HOUR: 0.004}).found()["orders", "error_ratio"]
    assert condition.severity is Severity.P3


def test_a_handful_of_events_says_nothing() -> None:
    assert judged({300.0: 0.02, HOUR: 0.02}, events=100.0).found() == {}


def test_events_slower_than_the_bound_burn_the_objective_of_a_quantile() -> None:
    [condition] = judged({}, good=0.5).found()["orders", "latency_p95"]
    assert condition.detail["objective"] == "speed"


def test_services_with_the_same_signal_are_asked_together() -> None:
    burn = BurnRate(list(resolve(loads(CATALOG)).values()), 300.0)
    five_minutes = [q for q in burn.due(0.0) if q.window == 300.0 and not q.good]
    assert [set(q.share.services) for q in five_minutes] == [{"orders", "payments"}]


def test_a_long_window_is_read_seldom_and_a_short_one_each_round() -> None:
    again = {q.window for q in judged({}).due(300.0)}
    assert 300.0 in again
    assert 72 * HOUR not in again


def test_a_source_that_does_not_answer_leaves_what_was_known() -> None:
    burn = judged({300.0: 0.02, HOUR: 0.02})
    for question in burn.due(300.0):
        silent = Reading("x", question.share.signal, dict.fromkeys(question.share.services), "down")
        burn.learn(question, silent, silent, 300.0)
    assert ("orders", "error_ratio") in burn.found()
