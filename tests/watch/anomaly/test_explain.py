"""Why a series was paged about, as data."""

import numpy as np
import pytest

from bongsu.watch.anomaly import Detector

from .series import PER_DAY, STEP, daily, times


@pytest.fixture(scope="module")
def spiked():
    ts = times(30)
    values = daily(ts)
    values[10 * PER_DAY] += 200
    values[-1] += 60
    detector = Detector(STEP, ["one"])
    scores = detector.feed(ts, values[:, None])
    return detector, scores, ts, values


def test_it_says_what_was_expected_and_what_came(spiked):
    detector, scores, ts, values = spiked
    why = detector.explain("one")
    assert why.time == ts[-1]
    assert why.observed == pytest.approx(values[-1], rel=1e-4)
    assert why.expected == pytest.approx(scores.expected[-1, 0], rel=1e-4)
    assert why.expected == pytest.approx(values[-1] - 60, abs=10)
    assert why.residual == pytest.approx((why.observed - why.expected) / why.scale, rel=1e-3)


def test_the_contributions_sum_to_the_forecast(spiked):
    why = spiked[0].explain("one")
    assert why.last + sum(why.contributions.values()) == pytest.approx(why.expected, rel=1e-4)


def test_it_says_in_how_many_days_nothing_was_as_large(spiked):
    assert spiked[0].explain("one").largest_in_days == 19


def test_it_points_at_the_most_similar_hours_before():
    ts = times(20)
    rng = np.random.default_rng(0)
    values = rng.normal(100, 1, len(ts)) + np.repeat(rng.normal(0, 40, len(ts) // 4), 4)
    values[-25:-1] = values[-25 - 5 * PER_DAY : -1 - 5 * PER_DAY]
    detector = Detector(STEP, ["one"])
    detector.feed(ts, values[:, None])
    similar = detector.explain("one").similar
    assert similar.hours_ago == 5 * 24
    assert similar.distance < similar.usual


def test_nothing_is_explained_that_was_not_read():
    detector = Detector(STEP, ["one"])
    assert detector.explain("one") is None
    detector.tick(0.0, [np.nan])
    assert detector.explain("one") is None
