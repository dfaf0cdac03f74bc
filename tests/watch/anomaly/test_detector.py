"""What the anomaly detector promises, whatever it is made of."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bongsu.watch.anomaly import Detector

from .series import DAY, PER_DAY, START, STEP, daily, paged, pages, times


@st.composite
def blocks(draw, rows=120):
    """A few series with gaps, constants, spikes and huge values, at any step."""
    step = draw(st.sampled_from([60, 300, 600, 3600]))
    count = draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    level = rng.choice([0.0, 1e-6, 1.0, 1e4, 1e9], count)
    values = level + rng.normal(0, 1, (rows, count)) * rng.choice([0.0, 0.01, 1.0], count) * (level + 1)
    values[rng.random((rows, count)) < 0.02] *= draw(st.sampled_from([-5.0, 0.0, 100.0]))
    values[rng.random((rows, count)) < draw(st.sampled_from([0.0, 0.2, 0.9]))] = np.nan
    return step, START + step * np.arange(rows, dtype=float), values


def names(values):
    return [f"s{i}" for i in range(values.shape[1])]


def same(one, other):
    for name in ("score", "page", "expected", "residual"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def head(scores, rows):
    return type(scores)(*(getattr(scores, n)[:rows] for n in ("score", "page", "expected", "residual")))


@settings(max_examples=25)
@given(blocks(), st.integers(1, 119), st.integers(0, 2**32 - 1))
def test_the_future_changes_nothing_that_was_said(block, cut, seed):
    step, ts, values = block
    other = values.copy()
    other[cut:] = np.random.default_rng(seed).normal(0, 1e3, other[cut:].shape)
    first = Detector(step, names(values)).feed(ts, values)
    second = Detector(step, names(values)).feed(ts, other)
    third = Detector(step, names(values)).feed(ts[:cut], values[:cut])
    same(head(first, cut), head(second, cut))
    same(head(first, cut), third)


@settings(max_examples=15)
@given(blocks(), st.integers(0, 119))
def test_a_restored_detector_goes_on_as_the_one_that_was_saved(block, cut):
    step, ts, values = block
    lived = Detector(step, names(values))
    lived.feed(ts[:cut], values[:cut])
    restored = Detector.restore(lived.save())
    assert restored.names == lived.names
    same(lived.feed(ts[cut:], values[cut:]), restored.feed(ts[cut:], values[cut:]))
    assert restored.save() == lived.save()


@settings(max_examples=15)
@given(blocks())
def test_a_series_is_judged_the_same_alone_as_among_others(block):
    step, ts, values = block
    together = Detector(step, names(values)).feed(ts, values)
    for i, name in enumerate(names(values)):
        alone = Detector(step, [name]).feed(ts, values[:, [i]])
        np.testing.assert_allclose(alone.score[:, 0], together.score[:, i], rtol=1e-3, atol=1e-3)
        np.testing.assert_array_equal(alone.page[:, 0], together.page[:, i])


@settings(max_examples=25)
@given(blocks())
def test_scores_are_numbers_whatever_comes(block):
    step, ts, values = block
    scores = Detector(step, names(values)).feed(ts, values)
    assert np.isfinite(scores.score).all()
    read = np.isfinite(values)
    assert np.isfinite(scores.expected[read]).all()
    assert np.isnan(scores.expected[~read]).all()
    assert not scores.page[~read].any()


def test_feeding_history_is_living_through_it():
    ts = times(3)
    values = np.stack([daily(ts, 1), daily(ts, 2)], axis=1)
    lived, fed = Detector(STEP, ["a", "b"]), Detector(STEP, ["a", "b"])
    for t, row in zip(ts, values, strict=True):
        lived.tick(t, row)
    fed.feed(ts, values)
    assert fed.save() == lived.save()


def test_each_series_may_have_its_own_clock():
    ts = times(2)
    a, b = daily(ts, 1), daily(ts, 2)
    own = Detector(STEP, ["a", "b"]).feed(np.stack([ts, ts + 7200], axis=1), np.stack([a, b], axis=1))
    alone = Detector(STEP, ["b"]).feed(ts + 7200, b[:, None])
    np.testing.assert_allclose(own.score[:, 1], alone.score[:, 0], rtol=1e-3, atol=1e-3)


def test_what_was_not_read_leaves_a_series_as_it_was():
    ts = times(3)
    values = daily(ts)
    detector = Detector(STEP, ["one"])
    detector.feed(ts, values[:, None])
    before = dict(detector._state.stream.arrays())
    before = {name: array.copy() for name, array in before.items()}
    for k in range(20):
        detector.tick(ts[-1] + STEP * (k + 1), [np.nan])
    for name, array in detector._state.stream.arrays():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


def test_coming_back_from_a_gap_at_the_usual_level_pages_nobody():
    ts = times(20)
    values = daily(ts)
    values[14 * PER_DAY : 15 * PER_DAY] = np.nan
    assert not paged(values, ts)[14 * PER_DAY : 15 * PER_DAY + 30].any()


@pytest.mark.parametrize("step", [60, 300, 600, 3600])
def test_a_spike_of_five_minutes_is_paged_within_them_at_any_step(step):
    days = {60: 4, 300: 10}.get(step, 30)
    ts = times(days, step)
    values = daily(ts)
    lasts = max(1, 300 // step)
    at = len(values) - lasts
    values[at:] += 80
    page = paged(values, ts, step)
    assert page[at:].any()
    assert pages(page[:at], step) <= 1.0 * days / 7


def test_an_outage_of_a_young_series_is_paged():
    ts = times(3)
    values = daily(ts)
    values[-2:] = 0
    assert paged(values, ts)[-2:].any()


def test_a_level_shift_is_paged_and_then_becomes_the_usual():
    ts = times(40)
    values = daily(ts)
    values[31 * PER_DAY :] += 60
    page = paged(values, ts)
    assert page[31 * PER_DAY :][:3].any()
    assert pages(page[32 * PER_DAY :]) <= 1


def test_a_day_without_its_shape_is_paged():
    ts = times(36)
    values = daily(ts)
    flat = slice(34 * PER_DAY, 35 * PER_DAY)
    values[flat] = 100 + np.random.default_rng(9).normal(0, 2, PER_DAY)
    page = paged(values, ts)
    assert page[flat].any()


def test_a_slow_ramp_is_paged_before_it_has_doubled_the_level():
    ts = times(36)
    values = daily(ts)
    values[33 * PER_DAY :] += np.linspace(0, 100, len(values) - 33 * PER_DAY)
    assert paged(values, ts)[33 * PER_DAY :].any()


def test_a_drop_to_zero_is_paged():
    ts = times(32)
    values = daily(ts)
    values[31 * PER_DAY :][33:37] = 0
    assert paged(values, ts)[31 * PER_DAY + 33 :][:3].any()


def test_a_constant_series_pages_nobody():
    ts = times(30)
    assert not paged(np.full(len(ts), 42.0), ts).any()


@pytest.mark.parametrize("kind", ["white", "daily", "counts"])
def test_quiet_series_stay_within_the_budget(kind):
    ts = times(35)
    rng = np.random.default_rng(3)
    many = {
        "white": lambda: rng.normal(50, 5, len(ts)),
        "daily": lambda: daily(ts, int(rng.integers(1e6)), 3.0),
        "counts": lambda: rng.poisson(20 + 15 * np.sin(2 * np.pi * ts / DAY)).astype(float),
    }[kind]
    values = np.stack([many() for _ in range(6)], axis=1)
    said = Detector(STEP, names(values)).feed(ts, values)
    rate = sum(pages(said.page[:, i]) for i in range(6)) / (6 * 5)
    assert rate <= 1.0


def test_nothing_is_paged_in_the_first_day_and_little_in_the_second():
    ts = times(2)
    values = np.stack([daily(ts, seed) for seed in range(10)], axis=1)
    values[33] += 500
    said = Detector(STEP, names(values)).feed(ts, values)
    assert not said.page[:PER_DAY].any()
    assert sum(pages(said.page[:, i]) for i in range(10)) <= 1


def test_a_smaller_budget_pages_no_more():
    ts = times(35)
    rng = np.random.default_rng(4)
    values = np.stack([daily(ts, seed) for seed in range(6)], axis=1)
    values[rng.random(values.shape) < 0.002] += 25
    counts = [Detector(STEP, names(values), budget=b).feed(ts, values).page.sum() for b in (0.1, 1.0, 4.0)]
    assert counts[0] <= counts[1] <= counts[2]
    assert counts[0] < counts[2]


def test_an_untrusted_incident_teaches_nothing_of_the_day_s_shape():
    ts = times(15)
    values = daily(ts)
    broken = values.copy()
    during = np.zeros((len(ts), 1), bool)
    for day in (8, 9, 10):
        broken[day * PER_DAY + 30 : day * PER_DAY + 50] = 0
        during[day * PER_DAY + 30 : day * PER_DAY + 50] = True
    taught, told = Detector(STEP, ["one"]), Detector(STEP, ["one"])
    taught.feed(ts, broken[:, None])
    told.feed(ts, broken[:, None], trust=~during)
    usual = values[40::PER_DAY].mean()
    next_day = ts[-1] + STEP * (40 + 1)
    guesses = []
    for detector in (taught, told):
        detector.tick(next_day, [usual])
        why = detector.explain("one")
        assert why is not None
        guesses.append(abs(why.usual - usual))
    assert guesses[1] < guesses[0]


def test_one_series_added_and_removed_leaves_the_others_alone():
    ts = times(3)
    a, b = daily(ts, 1), daily(ts, 2)
    detector = Detector(STEP, ["gone", "a"])
    detector.feed(ts[:150], np.stack([b, a], axis=1)[:150])
    detector.remove(["gone"])
    detector.add(["late"])
    assert detector.names == ("a", "late")
    mixed = detector.feed(ts[150:], np.stack([a, b], axis=1)[150:])
    alone = Detector(STEP, ["a"])
    alone.feed(ts[:150], a[:150, None])
    kept = alone.feed(ts[150:], a[150:, None])
    np.testing.assert_allclose(mixed.score[:, 0], kept.score[:, 0], rtol=1e-3, atol=1e-3)
    late = Detector(STEP, ["late"]).feed(ts[150:], b[150:, None])
    np.testing.assert_allclose(mixed.score[:, 1], late.score[:, 0], rtol=1e-3, atol=1e-3)


def test_a_series_takes_at_most_8_kib():
    assert Detector(STEP, [f"s{i}" for i in range(100)]).bytes_per_series <= 8 * 1024


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="step"):
        Detector(0, ["a"])
    with pytest.raises(ValueError, match="budget"):
        Detector(STEP, ["a"], budget=0)
    with pytest.raises(ValueError, match="only once"):
        Detector(STEP, ["a", "a"])
    with pytest.raises(ValueError, match="expected 2 values"):
        Detector(STEP, ["a", "b"]).tick(START, [1.0])
    with pytest.raises(KeyError, match="no series named 'b'"):
        Detector(STEP, ["a"]).verdict("b", real=False)
    with pytest.raises(ValueError, match="no saved state"):
        Detector.restore(b"not a state")
