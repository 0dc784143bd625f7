from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, norm, permutation_test

from baselines.common.stats import bootstrap_bounds, holm, mcnemar, sign_flip_p_value
from baselines.common.stats.significance import exchange_p_value


# statsmodels 0.15.0, statsmodels.stats.contingency_tables.mcnemar(..., exact=True).pvalue
@pytest.mark.parametrize(
    ("first_only", "second_only", "p_value"),
    [
        (0, 0, 1.0),
        (1, 5, 0.21875),
        (12, 12, 1.0),
        (3, 0, 0.25),
        (30, 12, 0.007915897334896727),
        (121, 59, 4.4344492637551645e-06),
        (7, 25, 0.0021024015732109547),
    ],
)
def test_mcnemar_gives_the_values_of_statsmodels(first_only, second_only, p_value):
    assert mcnemar(first_only, second_only) == pytest.approx(p_value)
    assert mcnemar(second_only, first_only) == pytest.approx(p_value)


def test_mcnemar_by_hand():
    # 1 of 5 coins or fewer, or 4 and more: 2 * (1 + 5) / 32
    assert mcnemar(1, 4) == pytest.approx(12 / 32)


def test_mcnemar_refuses_negative_counts():
    with pytest.raises(ValueError, match="counts must be >= 0, got -1 and 2"):
        mcnemar(-1, 2)


@pytest.mark.parametrize(("won", "lost"), [(9, 1), (6, 4), (14, 3)])
def test_sign_flip_is_mcnemar_with_one_sample_per_task(won, lost):
    differences = np.repeat([1.0, -1.0, 0.0], [won, lost, 30])
    found = sign_flip_p_value(differences, rng=np.random.default_rng(0), num_resamples=40_000)
    assert found == pytest.approx(mcnemar(lost, won), abs=0.01)


def test_sign_flip_is_the_permutation_test_of_scipy():
    rng = np.random.default_rng(1)
    differences = rng.choice([-0.5, -0.25, 0.0, 0.25, 0.5, 0.75], size=30)
    theirs = permutation_test(
        (differences, np.zeros(30)),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=40_000,
        rng=rng,
    )
    found = sign_flip_p_value(differences, rng=rng, num_resamples=40_000)
    assert found == pytest.approx(theirs.pvalue, abs=0.01)


def test_sign_flip_is_never_zero():
    found = sign_flip_p_value(np.ones(60), rng=np.random.default_rng(0), num_resamples=99)
    assert found == 0.01


def test_sign_flip_of_nothing_finds_nothing():
    assert sign_flip_p_value(np.array([]), rng=np.random.default_rng(0)) == 1.0


def test_sign_flip_rejects_5_of_100_where_nothing_differs():
    rng = np.random.default_rng(2)
    found = [
        sign_flip_p_value(
            rng.binomial(4, 0.5, 60) / 4 - rng.binomial(4, 0.5, 60) / 4, rng=rng, num_resamples=199
        )
        for _ in range(1000)
    ]
    assert 0.03 <= np.mean(np.array(found) <= 0.05) <= 0.07


def test_holm_by_hand():
    # sorted .005 .01 .03 .04 .2 times 5 4 3 2 1, then never falling; statsmodels gives the same
    assert holm([0.01, 0.04, 0.03, 0.005, 0.2]) == pytest.approx([0.04, 0.09, 0.09, 0.025, 0.2])
    assert holm([]) == []


@given(values=st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_rejects_what_the_stepwise_procedure_rejects(values):
    adjusted = holm(values)
    for level in (0.01, 0.05, 0.3):
        rejected = set()
        for rank, index in enumerate(sorted(range(len(values)), key=lambda i: values[i])):
            if (len(values) - rank) * values[index] > level:
                break
            rejected.add(index)
        assert {i for i, p in enumerate(adjusted) if p <= level} == rejected


def test_permutation_tests_of_many_tasks_draw_what_is_equal_at_once():
    """10,000 tasks of four samples have nine differences: a megabyte, not one sign per task."""
    rng = np.random.default_rng(0)
    one, two = (rng.binomial(4, 0.5, size=10_000) / 4 for _ in range(2))
    counts = np.full(10_000, 4)
    tracemalloc.start()
    p_values = [
        sign_flip_p_value(two - one, rng=rng, num_resamples=2_000),
        exchange_p_value((one, counts), (two, counts), rng=rng, num_resamples=2_000),
    ]
    bootstrap_bounds(two - one, rng=rng, num_resamples=2_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4_000_000
    # Both are near the normal one: the statistic is a sum of 10,000 tasks.
    z = abs((two - one).sum()) / np.sqrt(((two - one) ** 2).sum())
    assert p_values == pytest.approx([2 * norm.sf(z)] * 2, abs=0.05)


def test_signs_of_equal_differences_are_counted_as_single_ones_are():
    """100 equal differences, drawn by their number, and the same with tiny ones that differ."""
    rng = np.random.default_rng(0)
    few = np.repeat([0.25, -0.25], [60, 40])
    many = few + rng.uniform(-1e-6, 1e-6, 100)
    # 60 or more heads of 100 coins, twice
    expected = 2 * binom.sf(59, 100, 0.5)
    assert sign_flip_p_value(few, rng=rng, num_resamples=20_000) == pytest.approx(
        expected, abs=0.01
    )
    found = sign_flip_p_value(many, rng=rng, num_resamples=20_000)
    assert 2 * binom.sf(60, 100, 0.5) - 0.01 < found < expected + 0.01  # ties are half broken
