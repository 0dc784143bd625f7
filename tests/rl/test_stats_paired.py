from __future__ import annotations

import itertools
import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from baselines.common.stats import p_number, p_text, paired_counts, paired_difference
from baselines.common.stats.paired import paired_bounds
from baselines.common.stats.significance import exchange_p_value, mcnemar_p_values

TASKS = 400


@st.composite
def tables(draw: st.DrawFn) -> tuple[int, int, int, int]:
    """Counts of tasks: both, only the first, only the second, neither."""
    found = draw(st.tuples(*[st.integers(0, 120)] * 4))
    return found if sum(found) else (1, 0, 0, 0)


def test_nine_helped_and_none_hurt_of_400_is_higher():
    # 9 coins on one side: 2 / 2⁹ = .0039
    found = paired_counts(both=200, only_first=0, only_second=9, neither=191)
    assert found.value == 9 / 400
    assert found.p_value == pytest.approx(2 / 2**9)
    assert (found.verdict, found.test, found.only_second) == ("higher", "McNemar", 9)
    assert 0.0 < found.low < 9 / 400 < found.high
    assert str(found) == "+0.022 [+0.012, +0.042], p = 0.004"


def test_five_helped_and_none_hurt_is_inconclusive_and_its_interval_holds_zero():
    # 2 / 2⁵ = .0625, while the score interval alone would begin above 0
    found = paired_counts(both=200, only_first=0, only_second=5, neither=195)
    assert found.p_value == pytest.approx(2 / 2**5)
    assert (found.verdict, found.low) == ("inconclusive", 0.0)


def test_rates_of_single_samples_are_counted_by_task():
    first = np.repeat([1.0, 1.0, 0.0, 0.0], [5, 2, 11, 7])
    second = np.repeat([1.0, 0.0, 1.0, 0.0], [5, 2, 11, 7])
    found = paired_difference(first, second, rng=np.random.default_rng(0))
    assert found == paired_counts(5, 2, 11, 7)
    assert (found.only_first, found.only_second, found.num_units) == (2, 11, 25)


@given(table=tables())
def test_p_value_is_the_binomial_test_of_scipy(table):
    _, one, two, _ = table
    expected = stats.binomtest(one, one + two).pvalue if one + two else 1.0
    assert paired_counts(*table).p_value == pytest.approx(expected)


@given(table=tables())
def test_interval_and_verdict_agree_with_the_exact_test(table):
    found = paired_counts(*table)
    assert -1.0 <= found.low <= found.value <= found.high <= 1.0
    assert (found.low <= 0.0 <= found.high) is (found.p_value >= 0.05)
    assert (found.verdict != "inconclusive") is (found.p_value < 0.05)


@given(table=tables())
def test_interval_mirrors_when_the_systems_swap(table):
    both, one, two, neither = table
    found, mirrored = paired_counts(*table), paired_counts(both, two, one, neither)
    assert (found.low, found.high) == pytest.approx((-mirrored.high, -mirrored.low), abs=1e-9)


def _score(difference: float, one: int, two: int, total: int) -> float:
    """The score statistic, with the probabilities that fit best found by a numerical search."""
    counts = (one, two, total - one - two)

    def unlikelihood(rare: float) -> float:
        chances = (rare, rare + difference, 1 - 2 * rare - difference)
        pairs = zip(counts, chances, strict=True)
        return -sum(count * math.log(max(chance, 1e-300)) for count, chance in pairs if count)

    least, most = max(0.0, -difference), (1 - difference) / 2
    rare = optimize.minimize_scalar(
        unlikelihood, bounds=(least, most), method="bounded", options={"xatol": 1e-12}
    ).x
    variance = (2 * rare + difference - difference**2) / total
    return ((two - one) / total - difference) / math.sqrt(variance)


@pytest.mark.parametrize(
    "table", [(36, 1, 12, 1), (200, 0, 9, 191), (20, 9, 31, 5), (3, 8, 1, 2), (0, 0, 10, 0)]
)
def test_interval_ends_where_the_score_test_starts_to_reject(table):
    found, z = paired_counts(*table), NormalDist().inv_cdf(0.975)
    _, one, two, _ = table
    if found.low not in (-1.0, 0.0):
        assert _score(found.low, one, two, sum(table)) == pytest.approx(z, abs=1e-3)
    if found.high not in (1.0, 0.0):
        assert _score(found.high, one, two, sum(table)) == pytest.approx(-z, abs=1e-3)


@pytest.mark.parametrize(
    ("one", "two", "num_tasks"), [(0.05, 0.15, 60), (0.3, 0.25, 40), (0.02, 0.06, 400)]
)
def test_interval_covers_the_true_difference_95_times_of_100(one, two, num_tasks):
    drawn = np.random.default_rng(0).multinomial(num_tasks, (one, two, 1 - one - two), size=4_000)
    low, high = paired_bounds(drawn[:, 0], drawn[:, 1], num_tasks)
    is_covered = (low <= two - one) & (two - one <= high)
    assert 0.935 <= is_covered.mean() <= 0.985


@pytest.mark.parametrize("discordant", [0.02, 0.1, 0.4])
def test_at_most_6_of_100_runs_without_a_difference_get_a_verdict(discordant):
    drawn = np.random.default_rng(0).multinomial(
        TASKS, (discordant / 2, discordant / 2, 1 - discordant), size=2_000
    )
    low, high = paired_bounds(drawn[:, 0], drawn[:, 1], TASKS)
    assert ((low > 0.0) | (high < 0.0)).mean() <= 0.06


def test_verdicts_on_true_differences_are_those_of_the_exact_test():
    drawn = np.random.default_rng(0).multinomial(TASKS, (0.03, 0.07, 0.9), size=2_000)
    one, two = drawn[:, 0], drawn[:, 1]
    low, high = paired_bounds(one, two, TASKS)
    found = (low > 0.0) | (high < 0.0)
    assert (found == (mcnemar_p_values(one, two) < 0.05)).all()
    assert 0.5 < found.mean() < 1.0
    for a, b in zip(one[:20].tolist(), two[:20].tolist(), strict=True):
        expected = stats.binomtest(a, a + b).pvalue < 0.05
        verdict = paired_counts(0, a, b, TASKS - a - b).verdict
        assert (verdict != "inconclusive") == expected


def test_several_samples_per_task_are_tested_by_flipping_signs():
    rng = np.random.default_rng(3)
    first = rng.binomial(4, 0.5, size=60) / 4
    second = np.minimum(first + rng.choice([0.0, 0.25], size=60), 1.0)
    found = paired_difference(first, second, rng=rng)
    assert (found.test, found.only_first, found.only_second) == ("sign flip", None, None)
    assert found.value == pytest.approx((second - first).mean())
    assert found.verdict == "higher"
    expected = stats.permutation_test(
        (second - first,), np.mean, permutation_type="samples", rng=rng
    )
    assert found.p_value == pytest.approx(expected.pvalue, abs=0.01)
    assert paired_difference(second, first, rng=rng).verdict == "lower"


def test_at_most_6_of_100_null_comparisons_of_several_samples_get_a_verdict():
    rng = np.random.default_rng(4)
    verdicts = []
    for _ in range(150):
        chances = rng.beta(0.5, 0.5, size=(30, 1))
        first, second = rng.binomial(4, chances, size=(30, 2)).T / 4
        verdicts.append(paired_difference(first, second, rng=rng).verdict != "inconclusive")
    assert np.mean(verdicts) <= 0.06


def test_at_most_6_of_100_null_comparisons_of_unequal_numbers_of_samples_get_a_verdict():
    rng = np.random.default_rng(5)
    verdicts = []
    for _ in range(100):  # a test of the rates alone is wrong in 33 of them
        first, second = rng.binomial(1, 0.9, size=10), rng.binomial(16, 0.9, size=10) / 16
        found = paired_difference(first, second, rng=rng, num_samples=(1, 16))
        verdicts.append(found.verdict != "inconclusive")
        assert found.p_value < 0.05 or found.low <= 0.0 <= found.high
    assert np.mean(verdicts) <= 0.06


def test_the_samples_of_a_task_are_exchanged_between_the_sides():
    first, second = np.array([1.0, 0.0, 1.0]), np.array([0.5, 0.25, 0.25])
    sizes = np.array([1, 1, 1]), np.array([4, 4, 4])
    found = exchange_p_value(
        (first, sizes[0]), (second, sizes[1]), rng=np.random.default_rng(0), num_resamples=20_000
    )
    # Of 3, 1 and 2 right samples of 5, the first has the right one with probability r / 5.
    extreme = 0.0
    for hits in itertools.product((0, 1), repeat=3):
        chance = math.prod(
            r / 5 if hit else 1 - r / 5 for hit, r in zip(hits, (3, 1, 2), strict=True)
        )
        sums = sum((r - hit) / 4 - hit for hit, r in zip(hits, (3, 1, 2), strict=True))
        extreme += chance * (abs(sums) >= abs((second - first).sum()) - 1e-9)
    assert found == pytest.approx(extreme, abs=0.015)


def test_more_samples_of_one_side_find_a_difference():
    rng = np.random.default_rng(6)
    chances = rng.beta(1.0, 1.0, size=200)
    first = rng.binomial(1, chances)
    second = rng.binomial(16, np.minimum(chances + 0.15, 1.0)) / 16
    found = paired_difference(first, second, rng=rng, num_samples=(1, 16))
    assert (found.verdict, found.low > 0.0) == ("higher", True)


def test_verdict_follows_an_adjusted_p_value():
    found = paired_counts(200, 0, 9, 191)
    assert replace(found, p_value=0.051).verdict == "inconclusive"


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ([1.0, 0.0], [1.0], "first and second must be rates of the same tasks, got 2 and 1 tasks"),
        ([1.0, math.nan], [1.0, 0.0], r"first must be rates in \[0, 1\], one per task"),
        ([1.0], [1.5], r"second must be rates in \[0, 1\], one per task, got \[1.5\]"),
        ([], [], r"first must be rates in \[0, 1\], one per task"),
    ],
)
def test_rates_that_cannot_be_paired_are_refused(first, second, message):
    with pytest.raises(ValueError, match=message):
        paired_difference(first, second, rng=np.random.default_rng(0))


@pytest.mark.parametrize("counts", [(0, 0, 0, 0), (5, -1, 2, 3)])
def test_counts_that_cannot_be_are_refused(counts):
    with pytest.raises(ValueError, match="counts of tasks must be >= 0 and not all 0"):
        paired_counts(*counts)


@pytest.mark.parametrize(
    ("p_value", "expected"),
    [(0.0039, "p = 0.004"), (0.0496, "p < 0.05"), (0.0503, "p = 0.050"), (2e-5, "p < 0.001")],
)
def test_p_values_are_never_rounded_up_to_the_level(p_value, expected):
    assert p_text(p_value) == expected
    assert p_number(p_value) == expected.removeprefix("p ").removeprefix("= ")
