"""A condition fires after its ``for``, once, and resolves after it has been clear for a while."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bongsu.incidents.model import Alert, AlertStatus
from bongsu.signals.model import Gauge, Presence, Severity, Text, Threshold
from bongsu.watch.threshold import Judge, Track

SIGNAL = Gauge(
    form="gauge",
    metric="m",
    help=Text(en="queue", ko="대기열"),
    thresholds={
        Severity.P1: Threshold.model_validate("> 100 for 10s"),
        Severity.P2: Threshold.model_validate("> 10 for 5s"),
    },
)


def play(
    values: list[float | None], judge: Judge | None = None, start: float = 0.0
) -> list[tuple[float, Alert]]:
    """One value a second, and the alerts that came of them with their times."""
    judge = judge or Judge(resolve_after=3)
    found = []
    for second, value in enumerate(values):
        now = start + second
        found += [(now, alert) for alert in judge.step("queue", SIGNAL, {"s": value}, now)]
    return found


def told(values: list[float | None]) -> list[tuple[float, str, str]]:
    return [(at, a.status.value, a.severity.value) for at, a in play(values)]


def test_it_fires_when_the_condition_has_held_for_its_for() -> None:
    assert told([0, 50, 50, 50, 50, 50, 50]) == [(6.0, "firing", "P2")]


def test_it_says_since_when() -> None:
    [(_, alert)] = play([0, 50, 50, 50, 50, 50, 50])
    assert (alert.since, alert.starts_at, alert.value, alert.threshold) == (1.0, 6.0, 50, 10.0)


def test_one_good_value_starts_the_for_anew() -> None:
    assert told([50, 50, 50, 50, 0, 50, 50, 50, 50]) == []


def test_a_missing_value_holds_no_condition() -> None:
    assert told([50, 50, 50, 50, None, 50, 50, 50, 50]) == []


def test_it_is_told_once_while_it_lasts() -> None:
    assert len(told([50.0] * 60)) == 1


def test_it_escalates_once_when_the_worse_condition_holds() -> None:
    assert told([50.0] * 6 + [500.0] * 12) == [(5.0, "firing", "P2"), (16.0, "firing", "P1")]


def test_severity_does_not_fall_while_it_lasts() -> None:
    assert told([500.0] * 11 + [50.0] * 20) == [(5.0, "firing", "P2"), (10.0, "firing", "P1")]


def test_it_resolves_after_it_has_been_clear_for_a_while() -> None:
    assert told([50.0] * 6 + [0.0] * 5) == [(5.0, "firing", "P2"), (9.0, "resolved", "P2")]


def test_the_end_is_when_it_became_clear() -> None:
    [_, (_, alert)] = play([50.0] * 6 + [0.0] * 5)
    assert alert.ends_at == 6.0


def test_a_short_clear_moment_does_not_resolve() -> None:
    assert told([50.0] * 6 + [0.0, 0.0] + [50.0] * 3 + [0.0, 0.0]) == [(5.0, "firing", "P2")]


def test_the_fingerprint_is_stable_over_restarts_and_differs_between_services() -> None:
    judge = Judge(resolve_after=3)
    for second in range(6):
        last = judge.step("queue", SIGNAL, {"a": 50.0, "b": 50.0}, float(second))
    assert len({alert.fingerprint for alert in last}) == 2
    assert (
        last[0].fingerprint
        == Judge(resolve_after=3)
        .step(
            "queue",
            SIGNAL.model_copy(update={"thresholds": {Severity.P2: Threshold.model_validate("> 1")}}),
            {"a": 5.0},
            0.0,
        )[0]
        .fingerprint
    )


def test_a_service_that_is_absent_is_down_for_presence() -> None:
    presence = Presence(form="presence", thresholds={Severity.P1: Threshold.model_validate("< 1 for 2s")})
    judge = Judge(resolve_after=0)
    found = [judge.step("up", presence, {"s": None}, float(second)) for second in range(4)]
    assert [[a.severity for a in alerts] for alerts in found] == [[], [], [Severity.P1], []]


values = st.lists(st.none() | st.sampled_from([0.0, 50.0, 500.0]), max_size=80)


@given(values, st.integers(0, 80))
def test_a_restart_at_any_moment_changes_nothing(all_values: list[float | None], cut: int) -> None:
    whole = play(all_values)
    judge = Judge(resolve_after=3)
    before = play(all_values[:cut], judge)
    stored = msgspec.json.encode(judge.tracks)
    revived = Judge(resolve_after=3, tracks=msgspec.json.decode(stored, type=dict[str, Track]))
    assert before + play(all_values[cut:], revived, start=float(min(cut, len(all_values)))) == whole


@given(values)
def test_firing_and_resolved_take_turns(all_values: list[float | None]) -> None:
    firing = False
    for _, alert in play(all_values):
        if alert.status is AlertStatus.RESOLVED:
            assert firing
            firing = False
        else:
            assert not firing or alert.severity is Severity.P1
            firing = True


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_summary_is_in_the_catalogs_language(language: str) -> None:
    judge = Judge(resolve_after=3, language=language)
    [(_, alert)] = play([50.0] * 6, judge)
    assert alert.summary == {"en": "s: queue", "ko": "s: 대기열"}[language]
