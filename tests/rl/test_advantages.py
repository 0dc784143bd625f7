from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from baselines.optimizers.advantages import (
    group_mean,
    group_relative,
    group_z_score,
    leave_one_out,
    no_baseline,
    on_tokens,
    token_returns,
    whiten,
    whiten_tokens,
)

credit = arrays(
    float, st.tuples(st.integers(2, 6), st.integers(1, 3)), elements=st.floats(-2.0, 2.0)
)
BY_GROUP = [group_mean, group_z_score, leave_one_out]


@st.composite
def counted_steps(draw: st.DrawFn) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """A step of 1 to 3 groups by 2 agents, and the tokens of each completion."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    values = st.sampled_from([-1.2, -1.0, 0.25, 1.0])
    return (
        [draw(arrays(float, (size, 2), elements=values)) for size in sizes],
        [draw(arrays(int, (size, 2), elements=st.integers(0, 5))) for size in sizes],
    )


def test_group_mean_compares_each_agent_with_its_own_group() -> None:
    step = [np.array([[1.0, 1.2], [-1.0, -1.0]]), np.array([[1.0, 0.0], [1.0, 0.0], [-1.0, 3.0]])]
    first, second = group_mean(step)
    np.testing.assert_allclose(first, [[1.0, 1.1], [-1.0, -1.1]], rtol=1e-12)
    np.testing.assert_allclose(second, [[2 / 3, -1.0], [2 / 3, -1.0], [-4 / 3, 2.0]], rtol=1e-12)


@given(st.lists(credit, max_size=3))
def test_group_mean_keeps_shapes_differences_and_a_sum_of_zero(step: list[np.ndarray]) -> None:
    advantages = group_mean(step)
    assert [group.shape for group in advantages] == [group.shape for group in step]
    for before, after in zip(step, advantages, strict=True):
        np.testing.assert_allclose(after.sum(axis=0), 0.0, rtol=0, atol=1e-12)
        np.testing.assert_allclose(
            np.diff(after, axis=0), np.diff(before, axis=0), rtol=0, atol=1e-12
        )


@pytest.mark.parametrize("centre", BY_GROUP)
@given(step=st.lists(credit, max_size=6))
def test_advantage_of_a_group_is_to_the_bit_what_it_is_alone(centre, step) -> None:
    alone = [centre([group])[0] for group in step]
    together = centre(step)
    assert len(together) == len(alone)
    for own, among_others in zip(alone, together, strict=True):
        np.testing.assert_array_equal(own, among_others)


@pytest.mark.parametrize("centre", BY_GROUP)
@given(value=st.floats(-2.0, 2.0), size=st.integers(2, 20))
def test_centring_a_group_gives_exactly_zero_when_all_credit_is_equal(
    centre, value: float, size: int
) -> None:
    (advantages,) = centre([np.full((size, 1), value)])
    assert not advantages.any()


@pytest.mark.parametrize("centre", [no_baseline, *BY_GROUP, whiten])
def test_no_advantage_function_changes_its_argument(centre) -> None:
    step = [np.array([[1.0], [-1.0]])]
    centre(step)[0][0, 0] = 99.0
    np.testing.assert_array_equal(step[0], [[1.0], [-1.0]])


@pytest.mark.parametrize("centre", BY_GROUP)
def test_centring_refuses_a_group_of_one(centre) -> None:
    with pytest.raises(ValueError, match=r"group_size must be >= 2, got 1 rollout in group 1; "):
        centre([np.zeros((2, 2)), np.zeros((1, 2))])


@pytest.mark.parametrize("centre", [no_baseline, *BY_GROUP, whiten])
def test_advantage_functions_refuse_credit_without_a_column_per_agent(centre) -> None:
    with pytest.raises(ValueError, match=r"credit of group 0 must have shape \(G, A\), got \(4,\)"):
        centre([np.zeros(4)])


def test_z_score_divides_by_the_unbiased_deviation() -> None:
    # [1, 1, -1, -1]: mean 0, sum of squares 4, so the variance is 4 / 3.
    (found,) = group_z_score([np.array([[1.0], [1.0], [-1.0], [-1.0]])], epsilon=0.0)
    np.testing.assert_allclose(found[:, 0], np.array([1, 1, -1, -1]) * np.sqrt(3 / 4), rtol=1e-12)


def test_z_score_blows_a_small_difference_up_but_for_its_epsilon() -> None:
    (found,) = group_z_score([np.array([[0.0], [2e-6]])])
    # deviations of 1e-6 over a standard deviation of sqrt(2) * 1e-6 plus 1e-6
    np.testing.assert_allclose(found[:, 0], np.array([-1, 1]) / (np.sqrt(2) + 1), rtol=1e-9)


@given(step=st.lists(credit, min_size=1, max_size=3), std=st.booleans())
def test_group_relative_is_the_mean_or_the_z_score(step: list[np.ndarray], std: bool) -> None:
    expected = group_z_score(step) if std else group_mean(step)
    for found, wanted in zip(group_relative(step, std=std), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


@given(st.lists(credit, min_size=1, max_size=3))
def test_leave_one_out_compares_with_the_others(step: list[np.ndarray]) -> None:
    for group, found in zip(step, leave_one_out(step), strict=True):
        for g in range(len(group)):
            others = np.delete(group, g, axis=0).mean(axis=0)
            np.testing.assert_allclose(found[g], group[g] - others, rtol=0, atol=1e-12)


def test_no_baseline_returns_the_credit_of_groups_of_any_size() -> None:
    step = [np.array([[0.5, -1.0]]), np.array([[1.0, 0.0], [2.0, 3.0]])]
    for found, expected in zip(no_baseline(step), step, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_whiten_by_hand_counts_tokens() -> None:
    # Values 1 (3 tokens), -1 (1), 0 (1): mean 2/5, squares 3 * .36 + 1.96 + .16 = 3.2, over 4.
    step = [np.array([[1.0], [-1.0]]), np.array([[0.0]])]
    found = whiten(step, [np.array([[3], [1]]), np.array([[1]])], epsilon=0.0)
    expected = np.array([0.6, -1.4, -0.4]) / np.sqrt(0.8)
    np.testing.assert_allclose(np.concatenate(found)[:, 0], expected, rtol=1e-12)


@given(counted_steps())
def test_whiten_gives_mean_0_and_variance_1_over_the_tokens_of_each_agent(counted) -> None:
    step, counts = counted
    found = np.concatenate(whiten(step, counts))
    for agent in range(2):
        values = np.repeat(np.concatenate(step)[:, agent], np.concatenate(counts)[:, agent])
        white = np.repeat(found[:, agent], np.concatenate(counts)[:, agent])
        if len(np.unique(values)) > 1:
            assert white.mean() == pytest.approx(0.0, abs=1e-9)
            variance = values.var(ddof=1)
            assert white.var(ddof=1) == pytest.approx(variance / (variance + 1e-8), rel=1e-9)
        else:
            assert not white.any()


@given(counted_steps())
def test_whiten_without_counts_counts_each_completion_once(counted) -> None:
    step, _ = counted
    ones = [np.ones(group.shape, int) for group in step]
    for found, expected in zip(whiten(step), whiten(step, ones), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_whiten_of_a_single_token_is_zero_and_of_nothing_is_empty() -> None:
    assert whiten([np.array([[5.0]])])[0].tolist() == [[0.0]]
    assert whiten([]) == []


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([], r"num_tokens must hold one array per group, got 0 for 1 groups; count the tokens"),
        ([np.ones((3, 1), int)], r"num_tokens of group 0 must have shape \(2, 1\), got \(3, 1\)"),
        ([np.array([[1], [-1]])], r"num_tokens must be >= 0, got -1 in group 0; count the tokens"),
    ],
)
def test_whiten_refuses_counts_that_do_not_fit(counts, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        whiten([np.zeros((2, 1))], counts)


@pytest.mark.parametrize("value", [0.1, 0.3, -0.7])
def test_whiten_of_equal_values_is_exactly_zero(value: float) -> None:
    step, counts = [np.full((3, 1), value)], [np.array([[1], [3], [3]])]
    assert (whiten(step, counts)[0] == 0.0).all()
    assert (whiten(step)[0] == 0.0).all()


def test_token_returns_without_a_weight_read_no_kl() -> None:
    step, counts = [np.ones((1, 1))], [np.array([[2]])]
    (found,) = token_returns(step, counts, [np.ones((1, 1, 2))])
    assert found.tolist() == [[[1.0, 1.0]]]


def test_token_returns_by_hand() -> None:
    step, counts = [np.array([[8.0], [2.0]])], [np.array([[3], [1]])]
    kl = [np.array([[[1.0, 0.0, 2.0]], [[4.0, 99.0, 99.0]]])]
    (found,) = token_returns(step, counts, kl, gamma=0.5, kl_weight=0.25)
    # rewards of the first: -.25, 0, 8 - .5; of the second: 2 - 1
    assert found[0, 0].tolist() == [-0.25 + 0.25 * 7.5, 0.5 * 7.5, 7.5]
    assert found[1, 0].tolist() == [1.0, 0.0, 0.0]


@given(counted_steps(), st.floats(0.0, 1.0))
def test_token_returns_discount_the_credit_by_the_tokens_left(counted, gamma: float) -> None:
    step, counts = counted
    for group, count, found in zip(
        step, counts, token_returns(step, counts, gamma=gamma), strict=True
    ):
        for index in np.ndindex(group.shape):
            n = count[index]
            expected = [group[index] * gamma ** (n - 1 - t) for t in range(n)]
            np.testing.assert_allclose(found[index][:n], expected, rtol=0, atol=1e-12)
            assert not found[index][n:].any()


def test_token_returns_refuse_kl_that_does_not_fit() -> None:
    step, counts = [np.zeros((2, 1))], [np.array([[3], [1]])]
    with pytest.raises(ValueError, match=r"kl must hold one array per group, got 0 for 1 groups"):
        token_returns(step, counts, [])
    with pytest.raises(ValueError, match=r"kl must cover all 3 tokens, got 2; score"):
        token_returns(step, counts, [np.zeros((2, 1, 2))])
    with pytest.raises(ValueError, match=r"kl must have shape \(2, 1, T\), got \(2, 2, 3\)"):
        token_returns(step, counts, [np.zeros((2, 2, 3))])


@given(counted_steps())
def test_whiten_tokens_of_equal_tokens_is_whiten(counted) -> None:
    step, counts = counted
    found = whiten_tokens(on_tokens(step, counts), counts)
    for group, expected, count in zip(found, whiten(step, counts), counts, strict=True):
        (spread,) = on_tokens([expected], [count])
        np.testing.assert_allclose(group, spread, rtol=0, atol=1e-9)


@given(counted_steps(), st.integers(0, 2**32 - 1))
def test_whiten_tokens_gives_mean_0_and_variance_1_and_reads_no_padding(counted, seed: int) -> None:
    _, counts = counted
    rng = np.random.default_rng(seed)
    masks = [np.arange(5) < count[:, :, None] for count in counts]
    values = [np.where(mask, rng.normal(size=mask.shape), np.nan) for mask in masks]
    found = whiten_tokens(values, counts)
    for agent in range(2):
        tokens = np.concatenate(
            [group[:, agent][mask[:, agent]] for group, mask in zip(found, masks, strict=True)]
        )
        if tokens.size > 1:
            assert tokens.mean() == pytest.approx(0.0, abs=1e-9)
            assert tokens.var(ddof=1) == pytest.approx(1.0, abs=1e-3)
    assert all(not group[~mask].any() for group, mask in zip(found, masks, strict=True))
