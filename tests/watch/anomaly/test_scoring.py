"""How detectors are scored: every expected number here is worked out by hand."""

import math

import numpy as np
import pytest

from benchmarks.detection.data import Series
from benchmarks.detection.scoring import (
    Case,
    alerts,
    at_threshold,
    judge,
    nab_score,
    nab_weights,
    recall_at,
    total,
)

HOUR = 3600
WEEK = 7 * 86400


def case(count=WEEK // 300 + 1, step=300, incidents=(), start=0):
    ts = start + step * np.arange(count, dtype=np.int64)
    series = Series("one", step, start, ts, np.zeros(count))
    return Case.of(series, list(incidents))


def on(one, *seconds):
    return np.isin(one.ts, list(seconds))


def test_pages_less_than_an_hour_apart_are_one():
    one = case()
    found = alerts(one.ts, on(one, 0, 3300, 6900), one.step)
    assert found.pages.tolist() == [0, 6900]
    assert found.end.tolist() == [3300, 6900]


def test_an_alert_that_stays_on_pages_again_every_four_hours():
    one = case()
    held = (one.ts >= 0) & (one.ts <= 9 * HOUR)
    assert alerts(one.ts, held, one.step).pages.tolist() == [0, 4 * HOUR, 8 * HOUR]


def test_hourly_samples_on_end_to_end_are_one_alert():
    one = case(count=100, step=HOUR)
    found = alerts(one.ts, on(one, HOUR, 2 * HOUR, 3 * HOUR, 5 * HOUR), one.step)
    assert found.start.tolist() == [HOUR, 5 * HOUR]


def test_a_page_ten_minutes_early_or_an_hour_late_is_not_false():
    incident = (100_200, 101_400)
    one = case(incidents=[incident])
    for page, false in ((99_600, 0), (99_300, 1), (105_000, 0), (105_300, 1)):
        assert judge(one, on(one, page)).false_pages == false, page


def test_a_short_incident_may_be_caught_within_half_an_hour_of_its_start():
    one = case(incidents=[(100_200, 100_200)])
    assert judge(one, on(one, 102_000)).caught == 1
    assert judge(one, on(one, 102_300)).caught == 0


def test_an_alert_from_before_that_is_still_on_catches_without_delay():
    one = case(incidents=[(100_200, 101_400)])
    outcome = judge(one, on(one, 98_700, 100_500))
    assert outcome.caught == 1
    assert outcome.delays == (0.0,)


def test_delay_is_from_the_incident_s_start_to_the_alert():
    one = case(incidents=[(100_200, 104_000)])
    assert judge(one, on(one, 101_100)).delay == 900


def test_what_came_before_judging_begins_counts_for_nothing():
    ts = np.arange(0, 2 * WEEK, 300, dtype=np.int64)
    series = Series("one", 300, WEEK, ts, np.zeros(len(ts)))
    one = Case.of(series, [(300, 600), (WEEK + 300, WEEK + 600)])
    assert one.incidents == ((WEEK + 300, WEEK + 600),)
    assert one.ts[0] == WEEK
    assert one.weeks == pytest.approx(1, abs=0.001)


def test_rates_are_summed_over_series_before_they_are_divided():
    busy, quiet = case(), case()
    outcome = total([judge(busy, on(busy, 0, 20_100)), judge(quiet, on(quiet))])
    assert outcome.false_rate == pytest.approx(1.0)


def test_recall_at_a_budget_uses_one_threshold_for_all_series():
    first = case(incidents=[(100_200, 100_800)])
    second = case(incidents=[(100_200, 100_800)])
    a, b = np.zeros(len(first.ts)), np.zeros(len(second.ts))
    a[on(first, 100_200)] = 5.0
    b[on(second, 100_200)] = 3.0
    b[on(second, 200_100, 300_000, 400_200)] = 4.0
    assert recall_at([first, second], [a, b], 1.0).recall == 0.5
    assert at_threshold([first, second], [a, b], 3.0).false_rate == pytest.approx(1.5)
    assert recall_at([first, second], [a, b], 1.5).recall == 1.0


def test_a_nan_score_never_pages():
    one = case()
    assert at_threshold([one], [np.full(len(one.ts), np.nan)], 0.0).false_pages == 0


def sigmoid(position):
    return 2 / (1 + math.exp(5 * position)) - 1


def test_nab_rewards_by_place_in_the_window_and_punishes_by_distance_after_it():
    one = case(count=100, step=300, incidents=[(3000, 5700)])
    worth, window = nab_weights(one)
    assert window[9] == -1
    assert window[10] == window[19] == 0
    assert worth[9] == pytest.approx(-0.11)
    assert worth[10] == pytest.approx(1.0)
    assert worth[19] == pytest.approx(sigmoid(-0.1) / sigmoid(-1))
    assert worth[20] == pytest.approx(0.11 * sigmoid(1 / 9))
    assert worth[46] == pytest.approx(-0.11)
    assert worth[47] == pytest.approx(-0.11)


def test_nab_scores_silence_0_and_the_first_moment_of_every_window_100():
    one = case(count=100, incidents=[(3000, 5700), (15_000, 18_000)])
    assert nab_score([one], [np.zeros(100)]) == 0
    perfect = on(one, 3000, 15_000).astype(float)
    assert nab_score([one], [perfect]) == pytest.approx(100)


def test_nab_counts_the_best_alert_of_a_window_once_and_each_false_one():
    one = case(count=100, incidents=[(3000, 5700)])
    score = on(one, 300, 600, 3000, 3300).astype(float)
    assert nab_score([one], [score]) == pytest.approx(100 * (1 - 0.22 + 1) / 2)


def test_nab_is_read_at_the_best_threshold():
    one = case(count=100, incidents=[(3000, 5700)])
    score = on(one, 3000).astype(float) + on(one, 300, 600, 900) * 0.5
    assert nab_score([one], [score]) == pytest.approx(100)
