from __future__ import annotations

import math
import subprocess
import sys
from itertools import combinations
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from baselines.common.stats import (
    Difference,
    Estimate,
    bootstrap_bounds,
    bootstrap_statistic,
    mcnemar,
    mean_difference,
    mean_rate,
    pass_at_k,
    proportion,
    rate_bounds,
)


@st.composite
def counts(draw: st.DrawFn) -> tuple[int, int]:
    total = draw(st.integers(1, 5000))
    return draw(st.integers(0, total)), total


# Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3.
@pytest.mark.parametrize(
    ("successes", "total", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)],
)
def test_proportion_gives_the_published_intervals(successes, total, low, high):
    found = proportion(successes, total)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


@given(count=counts(), confidence=st.floats(0.5, 0.999))
def test_proportion_ends_where_the_score_test_starts_to_reject(count, confidence):
    # The interval holds the rates p with |successes / n - p| <= z * sqrt(p (1 - p) / n).
    successes, total = count
    found = proportion(successes, total, confidence)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    for end in (found.low, found.high):
        deviation = abs(found.value - end)
        if 0.0 < end < 1.0:
            assert deviation == pytest.approx(z * math.sqrt(end * (1 - end) / total), abs=1e-7)


@given(count=counts(), confidence=st.floats(0.5, 0.999))
def test_proportion_is_wilsons_interval_of_scipy(count, confidence):
    found = proportion(*count, confidence)
    expected = stats.binomtest(*count).proportion_ci(confidence, method="wilson")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert (found.num_units, found.successes) == (count[1], count[0])


@given(count=counts())
def test_proportion_holds_its_rate_and_stays_within_zero_and_one(count):
    found = proportion(*count)
    assert 0.0 <= found.low <= found.value <= found.high <= 1.0
    assert found.low < found.high


def test_proportion_mirrors_when_successes_become_failures():
    rises, falls = proportion(7, 40), proportion(33, 40)
    assert (rises.low, rises.high) == pytest.approx((1 - falls.high, 1 - falls.low))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 0), "total must be >= 1, got 0; a rate of nothing is not measured, so leave it out"),
        ((4, 3), r"successes must lie in \[0, 3\], got 4; count each trial once"),
        ((-1, 3), r"successes must lie in \[0, 3\], got -1"),
        ((1, 3, 1.0), "confidence must lie between 0 and 1, got 1.0"),
        ((1, 3, math.nan), "confidence must lie between 0 and 1, got nan"),
    ],
)
def test_proportion_refuses_counts_that_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        proportion(*arguments)


def test_proportion_reads_as_a_rate_with_an_interval():
    # 46 of 90: z = 1.96, so (0.5111 + 0.0213 ± 0.1055) / 1.0427 = 0.51 ± 0.10.
    assert str(proportion(46, 90)) == "0.511 [0.41, 0.61]"


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(0.1, 0.2, True), (0.1, 0.3, False), (0.25, 0.5, False)]
)
def test_is_above_needs_a_gap_between_the_intervals(low, high, expected):
    one, two = Estimate(0.4, 0.3, 0.5, 10), Estimate((low + high) / 2, low, high, 10)
    assert one.is_above(two) is expected
    assert two.is_below(one) is expected


def test_is_above_and_below_compare_the_interval_with_a_number():
    found = Estimate(0.2, 0.1, 0.3, 10)
    assert [found.is_above(x) for x in (0.0, 0.1, 0.2, 0.4)] == [True, False, False, False]
    assert [found.is_below(x) for x in (0.0, 0.2, 0.3, 0.4)] == [False, False, False, True]


@st.composite
def rates(draw: st.DrawFn) -> np.ndarray:
    """Rates of tasks over k samples each."""
    num_samples = draw(st.integers(1, 6))
    right = draw(st.lists(st.integers(0, num_samples), min_size=1, max_size=60))
    return np.array(right) / num_samples


@given(count=counts())
def test_mean_rate_of_zeros_and_ones_is_wilsons_interval(count):
    successes, total = count
    found = mean_rate(np.arange(total) < successes)
    expected = proportion(successes, total)
    assert found.num_units == total
    assert (found.value, found.low, found.high) == pytest.approx(
        (expected.value, expected.low, expected.high), abs=1e-9
    )


@given(values=rates())
def test_mean_rate_holds_its_mean_and_is_never_a_point(values):
    found = mean_rate(values)
    assert 0.0 <= found.low <= found.value <= found.high <= 1.0
    assert found.high - found.low > 1.0 / (len(values) + 4)


def test_mean_rate_of_several_samples_by_hand():
    # p = 0.5 and two squares of 0.25, one counted twice, so s² = 0.75 / 6 = 0.125 and
    # n_eff = 6 * 0.25 / 0.125 = 12; Wilson of 6 of 12
    found = mean_rate(np.array([0.0, 1.0, 0.5, 0.5, 0.5, 0.5]))
    expected = proportion(6, 12)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_mean_rate_does_not_take_samples_of_one_task_for_tasks():
    # 20 tasks, each always right or always wrong in 50 samples, tell no more than 20 coins.
    values = np.repeat([0.0, 1.0], 10)
    assert mean_rate(values).low == pytest.approx(proportion(10, 20).low)


NUM_REPEATS = 2_000
COVERAGE = (0.93, 0.97)


def tasks_of(rng, num_tasks, num_samples):
    """Chances of tasks to be solved, uniform in [0, 1], and how many samples are right."""
    chances = rng.random((NUM_REPEATS, num_tasks))
    return chances, rng.binomial(num_samples, chances)


def coverage(bounds, truth):
    low, high = bounds
    return float(((low <= truth) & (truth <= high)).mean())


@pytest.mark.parametrize(
    ("num_tasks", "num_samples"), [(50, 1), (200, 1), (50, 4), (100, 4), (500, 4), (100, 16)]
)
def test_rate_bounds_hold_the_true_mean_in_95_of_100_evaluations(num_tasks, num_samples):
    rng = np.random.default_rng([num_tasks, num_samples])
    _, right = tasks_of(rng, num_tasks, num_samples)
    found = coverage(rate_bounds(right / num_samples), 0.5)
    assert COVERAGE[0] <= found <= COVERAGE[1]


@pytest.mark.parametrize(
    ("num_tasks", "num_samples"), [(50, 1), (50, 4), (200, 4), (100, 16), (500, 4)]
)
def test_rate_bounds_of_help_and_hurt_hold_the_true_mean(num_tasks, num_samples):
    rng = np.random.default_rng([num_tasks, num_samples, 2])
    chances, right = tasks_of(rng, num_tasks, num_samples)
    team, alone = right / num_samples, rng.binomial(num_samples, chances**3) / num_samples
    # the means of p (1 - p³) and of (1 - p) p³ over a uniform chance p are 3/10 and 1/20
    helped, hurt = rate_bounds(team * (1 - alone)), rate_bounds((1 - team) * alone)
    assert COVERAGE[0] <= coverage(helped, 3 / 10) <= COVERAGE[1]
    assert COVERAGE[0] <= coverage(hurt, 1 / 20) <= COVERAGE[1]


@pytest.mark.parametrize(("num_tasks", "num_samples"), [(50, 4), (100, 16), (200, 4)])
def test_rate_bounds_of_a_rare_event_hold_the_true_mean(num_tasks, num_samples):
    # A strong team, p = 1 - u⁷, that a weak agent alone, q = v³, seldom beats: 1/8 * 1/4.
    rng = np.random.default_rng([num_tasks, num_samples, 3])
    uniform, other = rng.random((2, NUM_REPEATS, num_tasks))
    wrong = 1 - rng.binomial(num_samples, 1 - uniform**7) / num_samples
    alone = rng.binomial(num_samples, other**3) / num_samples
    found = coverage(rate_bounds(wrong * alone), 1 / 32)
    assert COVERAGE[0] <= found <= COVERAGE[1]


def test_rate_bounds_of_a_majority_hold_the_true_mean():
    # Right if at least 3 of 5 samples are: with a uniform chance, half of the time.
    rng = np.random.default_rng(5)
    _, right = tasks_of(rng, 100, 5)
    assert COVERAGE[0] <= coverage(rate_bounds((right >= 3) * 1.0), 0.5) <= COVERAGE[1]


@pytest.mark.parametrize("num_tasks", [50, 200])
def test_rate_bounds_of_pass_at_k_hold_the_true_mean(num_tasks):
    rng = np.random.default_rng(num_tasks)
    _, right = tasks_of(rng, num_tasks, 4)
    samples = np.full(right.size, 4)
    values = pass_at_k(samples, right.ravel(), 2).reshape(right.shape)
    # the mean over a uniform chance p of 1 - (1 - p)² is 2/3
    assert COVERAGE[0] <= coverage(rate_bounds(values), 2 / 3) <= COVERAGE[1]


@pytest.mark.parametrize(
    ("num_tasks", "num_samples"), [(50, 1), (200, 1), (50, 4), (100, 4), (500, 4)]
)
def test_bootstrap_bounds_hold_the_true_difference_in_95_of_100_evaluations(num_tasks, num_samples):
    rng = np.random.default_rng([num_tasks, num_samples, 1])
    chances, right = tasks_of(rng, num_tasks, num_samples)
    other = rng.binomial(num_samples, chances**1.5)  # harder, and alike from task to task
    differences = (right - other) / num_samples
    bounds = bootstrap_bounds(differences, rng=rng, num_resamples=1_000)
    # the mean of p is 1/2 and that of p^1.5 is 2/5
    assert COVERAGE[0] <= coverage(bounds, 0.1) <= COVERAGE[1]


@pytest.mark.parametrize(("num_tasks", "num_samples"), [(50, 1), (50, 4), (200, 4)])
def test_bootstrap_bounds_hold_a_large_difference(num_tasks, num_samples):
    rng = np.random.default_rng([num_tasks, num_samples, 4])
    uniform, other = rng.random((2, NUM_REPEATS, num_tasks))
    right = rng.binomial(num_samples, 1 - uniform**7)
    alone = rng.binomial(num_samples, other**3)
    bounds = bootstrap_bounds((right - alone) / num_samples, rng=rng, num_resamples=1_000)
    assert COVERAGE[0] <= coverage(bounds, 7 / 8 - 1 / 4) <= COVERAGE[1]


def test_bootstrap_bounds_are_those_of_scipy():
    rng = np.random.default_rng(0)
    differences = rng.choice([-1.0, -0.5, 0.0, 0.5, 1.0], size=80)
    largest = np.abs(differences).max() / math.sqrt(2)
    drawn_from = (np.append(differences, [largest, -largest]),)
    theirs = stats.bootstrap(
        drawn_from, np.mean, n_resamples=40_000, method="percentile", rng=rng, batch=1000
    ).confidence_interval
    ours = bootstrap_bounds(differences, rng=rng, num_resamples=40_000)
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.004)


@given(
    differences=st.lists(st.integers(-3, 3), min_size=1, max_size=40).map(np.array),
    seed=st.integers(0, 9),
)
def test_mean_difference_holds_its_mean_mirrors_and_is_never_a_point(differences, seed):
    values = differences / 3
    found = mean_difference(values, rng=np.random.default_rng(seed))
    assert -1.0 <= found.low <= found.value <= found.high <= 1.0
    assert found.low < found.high
    turned = mean_difference(-values, rng=np.random.default_rng(seed))
    step = 2.0 / (len(values) + 2)  # of a resampled mean when one task takes another's place
    expected = pytest.approx((-found.high, -found.low), abs=max(0.1, step))
    assert (turned.low, turned.high) == expected


def test_mean_difference_of_equal_tasks_ends_where_a_rare_one_could_hide():
    # Nothing differs in 20 tasks: differing ones are rarer than the upper end of 0 of 20, 0.161.
    found = mean_difference(np.zeros(20), rng=np.random.default_rng(0))
    assert (found.low, found.high) == pytest.approx((-0.1611, 0.1611), abs=1e-4)


def test_mean_difference_of_few_tasks_that_all_rose_does_not_end_at_zero():
    values = np.zeros(40)
    values[:3] = 0.25
    found = mean_difference(values, rng=np.random.default_rng(0))
    assert found.low < 0.0 < found.value


def test_mean_difference_pairs_tasks():
    # The chances of tasks spread far; of each task the other run is right a little more often.
    rng = np.random.default_rng(0)
    before = rng.random(200) * 0.9
    paired = mean_difference(np.full(200, 0.1) + rng.normal(0, 0.01, 200), rng=rng)
    alone = mean_rate(before)
    assert paired.high - paired.low < (alone.high - alone.low) / 10


@pytest.mark.parametrize("confidence", [0.5, 0.8, 0.99])
def test_mean_difference_covers_as_often_as_it_is_told(confidence):
    # Two tasks of three rose by one: of a mean of many resamples, a normal one within z * s.
    values = np.tile([1.0, 1.0, 0.0], 300)
    found = mean_difference(values, rng=np.random.default_rng(0), confidence=confidence)
    half = NormalDist().inv_cdf((1 + confidence) / 2) * values.std() / math.sqrt(len(values))
    assert (found.low, found.high) == pytest.approx((2 / 3 - half, 2 / 3 + half), abs=0.003)
    # No task differs: as rare as the upper end of 0 of 20 at this confidence.
    flat = mean_difference(np.zeros(20), rng=np.random.default_rng(0), confidence=confidence)
    assert flat.high == pytest.approx(proportion(0, 20, confidence).high)


@pytest.mark.parametrize("confidence", [0.5, 0.8, 0.99])
def test_intervals_of_rates_and_statistics_cover_as_often_as_they_are_told(confidence):
    values = np.tile([1.0, 1.0, 0.0], 30)
    rate = mean_rate(values, confidence=confidence)
    wilson = proportion(60, 90, confidence)
    assert (rate.low, rate.high) == pytest.approx((wilson.low, wilson.high))
    found = bootstrap_statistic(
        lambda drawn: float(values[drawn].mean()),
        90,
        rng=np.random.default_rng(0),
        confidence=confidence,
    )
    half = NormalDist().inv_cdf((1 + confidence) / 2) * values.std() / math.sqrt(90)
    assert (found.low, found.high) == pytest.approx((2 / 3 - half, 2 / 3 + half), abs=0.02)


def test_bootstrap_statistic_is_that_of_scipy():
    rng = np.random.default_rng(0)
    ours, theirs = rng.lognormal(size=(2, 40))
    found = bootstrap_statistic(
        lambda drawn: float(ours[drawn].mean() / theirs[drawn].mean()),
        40,
        rng=rng,
        num_resamples=20_000,
    )
    expected = stats.bootstrap(
        (ours, theirs),
        lambda x, y, axis: x.mean(axis) / y.mean(axis),
        paired=True,
        vectorized=True,
        n_resamples=20_000,
        method="percentile",
        rng=rng,
        batch=1000,
    ).confidence_interval
    assert found.value == pytest.approx(ours.mean() / theirs.mean())
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=0.03)
    assert found.num_units == 40


def test_bootstrap_statistic_of_one_unit_has_no_spread():
    found = bootstrap_statistic(lambda drawn: float(drawn.sum()), 1, rng=np.random.default_rng(0))
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("values", [[], [0.5, math.nan], [1.5], [-0.1]])
def test_mean_rate_refuses_what_is_no_rate(values):
    with pytest.raises(ValueError, match="values must be rates in"):
        mean_rate(np.array(values))


@pytest.mark.parametrize("values", [[], [0.5, math.nan], [-1.5]])
def test_mean_difference_refuses_what_is_no_difference(values):
    with pytest.raises(ValueError, match="differences must lie in"):
        mean_difference(np.array(values), rng=np.random.default_rng(0))


@pytest.mark.parametrize("numbers", [(0.5, 0.6, 0.7), (0.5, 0.4, math.nan), (0.5, -math.inf, 1.0)])
def test_estimate_does_not_exist_without_an_interval(numbers):
    with pytest.raises(
        ValueError, match="an estimate must have a finite interval that contains it"
    ):
        Estimate(*numbers, num_units=3)


def test_estimate_needs_a_unit():
    with pytest.raises(ValueError, match="of 0 units"):
        Estimate(0.5, 0.4, 0.6, 0)


def test_estimate_reads_with_its_interval():
    found = Estimate(0.5, 0.25, 0.75, 4)
    assert str(found) == "0.500 [0.250, 0.750]"
    assert found.text("+.1f", ".2f") == "+0.5 [0.25, 0.75]"
    assert str(Estimate(1.0, 1.0, 1.0, 3)) == "1.000 [all 3 equal]"


def test_estimates_are_json_values():
    found = Estimate(0.5, 0.25, 0.75, 4).to_json()
    assert found == {"value": 0.5, "low": 0.25, "high": 0.75, "num_units": 4}
    assert proportion(3, 4).to_json().items() >= {"num_units": 4, "successes": 3}.items()
    assert Difference(0.1, 0.0, 0.2, 5, None).to_json()["p_value"] is None


def test_pass_at_k_by_hand():
    # 5 samples, 2 right: of 10 pairs, 3 have only wrong ones; of 10 triples, 1.
    five, two = np.array([5]), np.array([2])
    assert pass_at_k(five, two, 1) == pytest.approx([2 / 5])
    assert pass_at_k(five, two, 2) == pytest.approx([7 / 10])
    assert pass_at_k(five, two, 3) == pytest.approx([9 / 10])
    assert pass_at_k(five, two, 4) == pytest.approx([1.0])


@given(data=st.data(), num_samples=st.integers(1, 9))
def test_pass_at_k_is_the_share_of_subsets_with_a_right_sample(data, num_samples):
    right = data.draw(st.integers(0, num_samples))
    k = data.draw(st.integers(1, num_samples))
    subsets = list(combinations([i < right for i in range(num_samples)], k))
    expected = sum(map(any, subsets)) / len(subsets)
    assert pass_at_k(np.array([num_samples]), np.array([right]), k) == pytest.approx([expected])


@pytest.mark.parametrize(
    ("samples", "right", "k", "message"),
    [
        (3, 1, 4, r"k must lie in \[1, samples of each task\], got 4 of \[3\]"),
        (3, 1, 0, "k must lie in"),
        (3, 4, 1, r"num_correct must lie in \[0, num_samples\], got \[4\] of \[3\]"),
    ],
)
def test_pass_at_k_refuses_counts_that_cannot_be(samples, right, k, message):
    with pytest.raises(ValueError, match=message):
        pass_at_k(np.array([samples]), np.array([right]), k)


def test_importing_stats_does_not_import_scipy():
    code = (
        "import sys, baselines.common.stats as s; s.proportion(1, 2); print('scipy' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"


def test_missing_scipy_is_reported_in_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    with pytest.raises(ImportError, match=r"scipy must be installed .* 'ccpo-env\[hf\]'"):
        mcnemar(1, 2)
