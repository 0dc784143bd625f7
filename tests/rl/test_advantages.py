from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from baselines.advantages import group_mean

credit = arrays(
    float, st.tuples(st.integers(2, 6), st.integers(1, 3)), elements=st.floats(-2.0, 2.0)
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


@given(value=st.floats(-2.0, 2.0), size=st.integers(2, 20))
def test_group_mean_is_exactly_zero_when_all_credit_is_equal(value: float, size: int) -> None:
    (advantages,) = group_mean([np.full((size, 1), value)])
    assert not advantages.any()


def test_group_mean_leaves_its_argument_alone() -> None:
    step = [np.array([[1.0], [-1.0]])]
    group_mean(step)
    np.testing.assert_array_equal(step[0], [[1.0], [-1.0]])


def test_group_mean_refuses_a_group_of_one() -> None:
    with pytest.raises(ValueError, match=r"group_size must be >= 2, got 1 rollout in group 1; "):
        group_mean([np.zeros((2, 2)), np.zeros((1, 2))])


def test_group_mean_refuses_credit_without_a_column_per_agent() -> None:
    with pytest.raises(ValueError, match=r"credit of group 0 must have shape \(G, A\), got \(4,\)"):
        group_mean([np.zeros(4)])
