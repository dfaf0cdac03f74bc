"""What people say of pages raises a threshold a little, for a while, and never teaches to ignore a real
fault."""

import numpy as np

from bongsu.watch.anomaly import Detector
from bongsu.watch.anomaly.calibration import VERDICT_MOST

from .series import PER_DAY, STEP, daily, times


def test_a_false_page_raises_its_own_series_threshold_only():
    detector = Detector(STEP, ["noisy", "other"])
    detector.verdict("noisy", real=False)
    assert detector.raised("noisy") > 0
    assert detector.raised("other") == 0


def test_however_many_false_pages_the_rise_is_bounded():
    detector = Detector(STEP, ["noisy"])
    for _ in range(50):
        detector.verdict("noisy", real=False)
    assert detector.raised("noisy") == VERDICT_MOST


def test_the_rise_fades():
    ts = times(28)
    detector = Detector(STEP, ["noisy"])
    detector.verdict("noisy", real=False)
    risen = detector.raised("noisy")
    detector.feed(ts, daily(ts)[:, None])
    assert detector.raised("noisy") < 0.4 * risen


def test_a_real_page_never_raises_the_threshold():
    detector = Detector(STEP, ["one"])
    for _ in range(50):
        detector.verdict("one", real=True)
    assert detector.raised("one") == 0


def test_after_the_most_false_verdicts_an_outage_is_still_paged():
    ts = times(33)
    values = daily(ts)
    values[32 * PER_DAY + 16 : 32 * PER_DAY + 24] = 0
    detector = Detector(STEP, ["one"])
    detector.feed(ts[: 32 * PER_DAY], values[: 32 * PER_DAY, None])
    for _ in range(50):
        detector.verdict("one", real=False)
    assert detector.feed(ts[32 * PER_DAY :], values[32 * PER_DAY :, None]).page[16:24].any()


def test_verdicts_are_kept_with_the_state():
    detector = Detector(STEP, ["one"])
    detector.verdict("one", real=False)
    assert np.isclose(Detector.restore(detector.save()).raised("one"), detector.raised("one"))
