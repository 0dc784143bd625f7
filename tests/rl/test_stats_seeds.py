"""Intervals and comparisons over seeds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from baselines.common.stats import (
    Difference,
    differences_to_reference,
    holm,
    interquartile_mean,
    mean_over_seeds,
    seeds_for_power,
)

BOTH = pytest.mark.parametrize("mean", [mean_over_seeds, interquartile_mean])


def test_mean_over_seeds_is_students():
    values = np.array([0.8, 0.9, 0.95, 0.7])
    half = stats.t.ppf(0.975, 3) * values.std(ddof=1) / 2
    found = mean_over_seeds(values)
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half))
    assert found.num_units == 4


def test_interquartile_mean_leaves_the_ends_out():
    values = np.array([0.0, 0.8, 0.9, 1.0, 0.85, 0.95, 0.9, 0.2])
    found = interquartile_mean(values)
    assert found.value == pytest.approx(np.sort(values)[2:6].mean())
    assert found.low < found.value < found.high
    assert found.num_units == 8


def test_interquartile_mean_by_hand():
    # 8 runs, 2 left out at each end and replaced by 0.4 and 0.6 in the deviation; 4 are kept.
    values = np.array([0.0, 0.1, 0.4, 0.5, 0.5, 0.6, 0.8, 1.0])
    deviation = np.std([0.4, 0.4, 0.4, 0.5, 0.5, 0.6, 0.6, 0.6], ddof=1)
    half = stats.t.ppf(0.975, 3) * deviation / (0.5 * np.sqrt(8))
    found = interquartile_mean(values)
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.5 - half, 0.5 + half))


@pytest.mark.parametrize("num_runs", [2, 3, 4, 5, 10, 31])
def test_intervals_over_seeds_are_those_of_scipy(num_runs):
    values = np.random.default_rng(num_runs).normal(size=num_runs)
    mean, trimmed = mean_over_seeds(values), interquartile_mean(values)
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert (mean.low, mean.high) == pytest.approx(expected)
    assert trimmed.value == pytest.approx(stats.trim_mean(values, 0.25))
    expected = stats.mstats.trimmed_mean_ci(values, limits=(0.25, 0.25))
    assert (trimmed.low, trimmed.high) == pytest.approx(tuple(expected))


@BOTH
@pytest.mark.parametrize("num_runs", [0, 1])
def test_intervals_over_seeds_refuse_fewer_than_two_runs(mean, num_runs):
    with pytest.raises(ValueError, match=f"must come from at least 2 runs, got {num_runs}"):
        mean(np.full(num_runs, 0.5))


@BOTH
def test_intervals_over_seeds_refuse_what_was_not_measured(mean):
    with pytest.raises(ValueError, match="leave out what was not measured"):
        mean(np.array([0.5, 0.6, np.nan]))


@BOTH
def test_interval_stays_within_its_bounds_and_says_when_all_runs_agree(mean):
    values = np.array([0.9, 1.0, 1.0])
    assert mean(values).high > 1.0
    assert mean(values, bounds=(0.0, 1.0)).high == 1.0
    assert str(mean(np.ones(3))) == "1.000 [all 3 equal]"


@BOTH
@pytest.mark.parametrize("num_runs", [5, 10, 20])
def test_interval_over_seeds_covers_the_mean_as_often_as_it_says(num_runs, mean):
    rng = np.random.default_rng([num_runs, mean is interquartile_mean])
    draws = rng.normal(0.5, 0.1, size=(2000, num_runs))
    found = [mean(values) for values in draws]
    assert 0.93 < np.mean([i.low <= 0.5 <= i.high for i in found]) < 0.97


def shared(cell: tuple[str, str]) -> tuple[str, str]:
    return cell[0], "shared"


def test_differences_are_paired_by_seed_and_tested_as_one_family():
    rng = np.random.default_rng(0)
    base, other = rng.normal(size=(2, 6))
    values = {
        ("a", "shared"): dict(enumerate(base)),
        ("a", "better"): dict(reversed(list(enumerate(base + 0.1 + 0.01 * other)))),
        ("a", "noise"): {seed: value for seed, value in enumerate(other) if seed != 2},
        ("b", "orphan"): dict(enumerate(other)),
    }
    found = differences_to_reference(values, shared)
    assert list(found) == [("a", "better"), ("a", "noise")]
    kept = [0, 1, 3, 4, 5]
    tests = [
        stats.ttest_rel(base + 0.1 + 0.01 * other, base),
        stats.ttest_rel(other[kept], base[kept]),
    ]
    adjusted = holm([test.pvalue for test in tests])
    for own, test, p_value in zip(found.values(), tests, adjusted, strict=True):
        assert (own.low, own.high) == pytest.approx(test.confidence_interval(0.95))
        assert own.p_value == pytest.approx(p_value)
    assert [own.num_units for own in found.values()] == [6, 5]
    assert [own.conclusion for own in found.values()] == ["above", "inconclusive"]


def test_differences_need_two_seeds_and_a_spread():
    base = {0: 0.0, 1: 0.5, 2: 0.25, 3: 0.75, 4: 0.5}
    values = {
        ("a", "shared"): base,
        ("a", "shifted"): {seed: value + 1.0 for seed, value in base.items()},
        ("a", "once"): {0: 9.0, 7: 9.0},
    }
    found = differences_to_reference(values, shared)
    assert found == {("a", "shifted"): Difference(1.0, 1.0, 1.0, 5, None)}
    assert found["a", "shifted"].conclusion == "inconclusive"


@pytest.mark.parametrize(
    ("low", "high", "p_value", "expected"),
    [
        (0.1, 0.3, 0.049, "above"),
        (0.1, 0.3, 0.05, "inconclusive"),
        (0.0, 0.3, 0.01, "inconclusive"),  # the interval contains 0
        (-0.3, -0.1, 0.01, "below"),
        (-0.3, 0.1, 0.01, "inconclusive"),
        (0.1, 0.3, None, "inconclusive"),
    ],
)
def test_conclusion_needs_both_the_interval_and_the_p_value(low, high, p_value, expected):
    assert Difference((low + high) / 2, low, high, 9, p_value).conclusion == expected


def test_p_values_need_five_seeds():
    rng = np.random.default_rng(2)
    base = dict(enumerate(rng.normal(size=6)))
    better = {seed: value + 9.0 + 0.1 * rng.normal() for seed, value in base.items()}
    for num_seeds in (2, 3, 4, 5, 6):
        few = {seed: better[seed] for seed in range(num_seeds)}
        values = {("a", "shared"): base, ("a", "better"): few}
        found = differences_to_reference(values, shared)["a", "better"]
        assert found.num_units == num_seeds
        assert (found.p_value is None) is (num_seeds < 5)
        assert found.conclusion == ("inconclusive" if num_seeds < 5 else "above")
        assert found.seeds_needed == 5


def test_cells_with_few_seeds_do_not_weaken_the_tests_of_the_others():
    rng = np.random.default_rng(3)
    base, other = (dict(enumerate(rng.normal(size=5))) for _ in range(2))
    values = {("a", "shared"): base, ("a", "full"): other}
    alone = differences_to_reference(values, shared)["a", "full"]
    values["a", "few"] = {seed: other[seed] for seed in range(3)}
    assert differences_to_reference(values, shared)["a", "full"] == alone


# Cohen's tables and G*Power 3.1, "difference between two dependent means", two-sided, power .80
@pytest.mark.parametrize(
    ("effect", "expected"), [(0.2, 199), (0.5, 34), (0.8, 15), (1.0, 10), (1.5, 6), (4.0, 5)]
)
def test_seeds_for_power_are_those_of_published_tables(effect, expected):
    assert seeds_for_power(effect * 0.03, 0.03) == expected
    assert seeds_for_power(-effect, 1.0) == expected


def test_seeds_for_power_find_a_difference_4_times_of_5():
    rng, seeds = np.random.default_rng(4), seeds_for_power(0.03, 0.04)
    draws = rng.normal(0.03, 0.04, size=(4_000, seeds))
    assert np.mean(stats.ttest_1samp(draws, 0.0, axis=1).pvalue < 0.05) == pytest.approx(
        0.8, abs=0.03
    )


def test_seeds_for_power_of_no_gap_or_one_beyond_reach_are_none():
    assert seeds_for_power(0.0, 1.0) is None
    assert seeds_for_power(0.01, 1.0) is None
    assert seeds_for_power(0.01, 0.0) == 5


def test_deviation_of_a_difference_is_that_of_the_seeds():
    own = np.array([0.1, 0.4, 0.2, 0.25, 0.9])
    values = {("a", "shared"): dict.fromkeys(range(5), 0.0), ("a", "x"): dict(enumerate(own))}
    found = differences_to_reference(values, shared)["a", "x"]
    assert found.deviation == pytest.approx(own.std(ddof=1))
    assert found.seeds_needed == seeds_for_power(own.mean(), own.std(ddof=1))


@pytest.mark.filterwarnings("ignore:Precision loss")
@pytest.mark.parametrize("num_seeds", [5, 6, 10])
@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, size: rng.normal(size=size),
        lambda rng, size: rng.standard_t(3, size=size),
        lambda rng, size: rng.binomial(300, 0.998, size=size) / 300,
        lambda rng, size: rng.binomial(4, 0.5, size=size) / 4,
        lambda rng, size: 0.6 * rng.binomial(1, 0.5, size=size) + 0.01 * rng.normal(size=size),
    ],
    ids=["normal", "heavy tails", "near the maximum", "four tasks", "some fail"],
)
def test_at_most_6_of_100_experiments_without_a_difference_conclude_anything(draw, num_seeds):
    # Any conclusion of m methods is one of the smallest p-value, which Holm multiplies by m.
    num_methods = 3
    runs = draw(np.random.default_rng([num_seeds, 1]), (10_000, 1 + num_methods, num_seeds))
    differences = runs[:, 1:] - runs[:, :1]
    varies = np.ptp(differences, axis=2) > 1e-9
    with np.errstate(divide="ignore", invalid="ignore"):
        p_values = stats.ttest_1samp(differences, 0.0, axis=2).pvalue
    p_values = np.where(varies, p_values, 1.0)
    is_wrong = p_values.min(axis=1) * num_methods < 0.05
    assert is_wrong.mean() <= 0.06
    shown = [*np.flatnonzero(is_wrong)[:3], *np.flatnonzero(~is_wrong)[:3]]
    for experiment in shown:
        values = {("a", str(i)): dict(enumerate(own)) for i, own in enumerate(runs[experiment])}
        found = differences_to_reference(values, lambda cell: (cell[0], "0"))
        concludes = any(own.conclusion != "inconclusive" for own in found.values())
        assert concludes == is_wrong[experiment]
