"""A condition fires after its ``for``, once, and resolves after it has been clear for a while."""

import math
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bongsu.incidents.model import Alert, AlertStatus
from bongsu.signals.model import Age, AnySignal, Gauge, Hours, Presence, Severity, Text, Threshold
from bongsu.watch.judge import Judge, Track

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


AGE = Age(
    form="age",
    metric="m",
    absent="alert",
    thresholds={
        Severity.P1: Threshold.model_validate("> 3600 for 3s"),
        Severity.P3: Threshold.model_validate("> 600"),
    },
)


def ages(values: list[float | None], signal: AnySignal = AGE) -> list[tuple[float, str, str]]:
    judge = Judge(resolve_after=2)
    found = []
    for second, value in enumerate(values):
        alerts = judge.step("age", signal, {"s": value}, float(second))
        found += [(second, alert.status.value, alert.severity.value) for alert in alerts]
    return found


def test_absence_breaks_every_threshold_each_after_its_for() -> None:
    assert ages([1, None, None, None, None]) == [(1, "firing", "P3"), (4, "firing", "P1")]


def test_absence_goes_on_with_what_began_as_a_value_and_ends_with_a_good_one() -> None:
    assert ages([4000, 4000, None, None]) == [(0, "firing", "P3"), (3, "firing", "P1")]
    assert ages([None, None, 1, 1, 1]) == [(0, "firing", "P3"), (4, "resolved", "P3")]


@pytest.mark.parametrize("condition", ["> 1", "< 1", "== 1", "!= 1"])
def test_absence_breaks_a_threshold_whatever_it_compares_with(condition: str) -> None:
    signal = AGE.model_copy(update={"thresholds": {Severity.P2: Threshold.model_validate(condition)}})
    judge = Judge(resolve_after=2)
    [alert] = judge.step("age", signal, {"s": None}, 0.0)
    assert (alert.severity, alert.value, alert.threshold) == (Severity.P2, None, 1.0)


def test_absence_means_nothing_unless_the_signal_says_so() -> None:
    assert ages([None] * 9, AGE.model_copy(update={"absent": "ignore"})) == []
    presence = Presence(
        form="presence", absent="ignore", thresholds={Severity.P1: Threshold.model_validate("< 1")}
    )
    assert ages([None] * 9, presence) == []


def test_a_value_that_is_no_number_is_not_absent() -> None:
    assert ages([math.nan] * 9) == []
    other = AGE.model_copy(update={"thresholds": {Severity.P2: Threshold.model_validate("!= 1")}})
    judge = Judge(resolve_after=2)
    [alert] = judge.step("age", other, {"s": math.nan}, 0.0)
    assert alert.value is None


SEOUL = ZoneInfo("Asia/Seoul")
OPEN = SIGNAL.model_copy(update={"active": (Hours.model_validate("mon-fri 09:00-18:00"),)})


def seoul(clock: str) -> float:
    """A time of Monday, 6 November 2023."""
    return datetime.fromisoformat(f"2023-11-06T{clock}").replace(tzinfo=SEOUL).timestamp()


def during(signal: AnySignal, start: str, values: list[float | None]) -> list[tuple[float, str]]:
    judge, first = Judge(resolve_after=3, zone=SEOUL), seoul(start)
    found = []
    for second, value in enumerate(values):
        alerts = judge.step("queue", signal, {"s": value}, first + second)
        found += [(second, alert.status.value) for alert in alerts]
    return found


def test_nothing_is_judged_outside_the_hours_of_a_signal() -> None:
    assert during(OPEN, "18:00:00", [500.0] * 60) == []
    assert during(OPEN, "08:59:00", [500.0] * 60) == []
    assert during(OPEN, "12:00:00", [500.0] * 7) == [(5, "firing")]


def test_the_hours_are_those_of_the_zone() -> None:
    judge = Judge(resolve_after=3, zone=ZoneInfo("America/New_York"))
    assert not judge.awake(OPEN, seoul("12:00:00"))
    assert judge.awake(OPEN, seoul("23:30:00"))
    assert judge.awake(SIGNAL, seoul("03:00:00"))


def test_a_condition_holds_from_the_beginning_of_the_hours_at_the_earliest() -> None:
    assert during(OPEN, "08:59:50", [50.0] * 20) == [(15, "firing")]


def test_what_is_pending_at_the_end_of_the_hours_is_forgotten() -> None:
    assert during(OPEN, "17:59:56", [50.0] * 60) == []


def test_what_fires_at_the_end_of_the_hours_ends_as_if_it_were_clear() -> None:
    assert during(OPEN, "17:59:53", [50.0] * 60) == [(5, "firing"), (10, "resolved")]


def test_absence_outside_the_hours_is_none() -> None:
    assert during(OPEN.model_copy(update={"absent": "alert"}), "20:00:00", [None] * 60) == []


def test_one_of_several_hours_is_enough() -> None:
    hours = tuple(Hours.model_validate(text) for text in ("sat,sun", "mon 20:00-21:00"))
    evening = SIGNAL.model_copy(update={"active": hours})
    assert during(evening, "20:30:00", [500.0] * 7) == [(5, "firing")]
    assert during(evening, "12:00:00", [500.0] * 7) == []


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
