from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from baselines.credit import ALLOCATORS, GroupBatch, GroupOutcomes, branch_credit
from tests.rl.strategies import groups, measured_groups

PAIR = ("thinker_0", "solver_0")


def test_branch_credit_by_hand() -> None:
    # V of the thoughts: 1, 0, -0.5, their mean 1/6. Solver: 1 - 1, 1 - 0, -1 + 0.5.
    thoughts = [[1, 1, 1, 1], [1, -1, 1, -1], [-1, -1, -1, 1]]
    credit = branch_credit(GroupOutcomes(PAIR, [1, 1, -1], branch_rewards={"thinker_0": thoughts}))
    expected = [[5 / 6, 0], [-1 / 6, 1], [-2 / 3, -0.5]]
    np.testing.assert_allclose(credit, expected, rtol=0, atol=1e-15)


def test_branch_credit_compares_a_thought_with_the_others_by_hand() -> None:
    # V: 1, 0, -0.5. The others' means: -0.25, 0.25, 0.5.
    thoughts = [[1, 1, 1, 1], [1, -1, 1, -1], [-1, -1, -1, 1]]
    group = GroupOutcomes(PAIR, [1, 1, -1], branch_rewards={"thinker_0": thoughts})
    credit = branch_credit(group, baseline="others")
    np.testing.assert_allclose(credit[:, 0], [1.25, -0.25, -1.0], rtol=0, atol=1e-15)
    np.testing.assert_array_equal(credit[:, 1], branch_credit(group)[:, 1])


def test_branch_credit_without_a_baseline_is_the_value_of_the_first_message() -> None:
    thoughts = [[1, 1, 1, 1], [1, -1, 1, -1], [-1, -1, -1, 1]]
    group = GroupOutcomes(PAIR, [1, 1, -1], branch_rewards={"thinker_0": thoughts})
    credit = branch_credit(group, baseline="none")
    np.testing.assert_array_equal(credit[:, 0], [1.0, 0.0, -0.5])
    np.testing.assert_array_equal(credit[:, 1], branch_credit(group)[:, 1])
    single = GroupOutcomes(PAIR, [1], branch_rewards={"thinker_0": thoughts[1:2]})
    np.testing.assert_array_equal(branch_credit(single, baseline="none"), [[0.0, 1.0]])


def test_branch_credit_after_the_last_thinker_by_hand() -> None:
    team = ("thinker_0", "thinker_1", "solver_0")
    answers = {"thinker_1": [[1, -1], [-1, -1]]}
    group = GroupOutcomes(team, [1, -1], branch_rewards=answers)
    # W: mean of R and the two: 1/3 and -1. Their mean is -1/3. The solver: 1 - 0 and -1 + 1.
    credit = branch_credit(group, after="last")
    np.testing.assert_allclose(credit, [[2 / 3, 2 / 3, 1], [-2 / 3, -2 / 3, 0]], atol=1e-15)
    others = branch_credit(group, after="last", baseline="others")
    np.testing.assert_allclose(others[:, :2], 2 * credit[:, :2], atol=1e-15)
    value = branch_credit(group, after="last", baseline="none")
    np.testing.assert_allclose(value[:, 0], [1 / 3, -1], atol=1e-15)
    with pytest.raises(ValueError, match=r"branch_rewards must hold .* after 'thinker_0'"):
        branch_credit(group)


def test_branch_credit_of_one_agent_has_nothing_to_continue() -> None:
    group = GroupOutcomes(("solver_0",), [1, -1])
    np.testing.assert_array_equal(branch_credit(group, after="last"), branch_credit(group))


def test_branch_credit_of_a_chain_by_hand() -> None:
    team = ("thinker_0", "thinker_1", "solver_0")
    branches = {"thinker_0": [[0.5], [-0.5]], "thinker_1": [[1], [0]], "solver_0": [[9e-9], [0]]}
    credit = branch_credit(GroupOutcomes(team, [1, 1], branch_rewards=branches))
    np.testing.assert_array_equal(credit, [[0.5, 0.5, 0], [-0.5, 0.5, 1]])


def test_branch_credit_of_one_agent_is_compared_with_its_group() -> None:
    credit = branch_credit(GroupOutcomes(("solver_0",), [1, -1, -1, -1]))
    np.testing.assert_array_equal(credit[:, 0], [1.5, -0.5, -0.5, -0.5])
    groups = [GroupOutcomes(("solver_0",), rewards) for rewards in ([1, -1], [-1, -1], [1, 1])]
    together = ALLOCATORS["branch"].many(groups)
    np.testing.assert_array_equal(together, [[[1], [-1]], [[0], [0]], [[0], [0]]])


def slow_credit(group: GroupOutcomes) -> list[list[float]]:
    """The contract, one rollout and one agent at a time."""
    values = {
        agent: [sum(row) / len(row) for row in group.branch_rewards[agent].tolist()]
        for agent in group.agents[:-1]
    }
    values[group.agents[-1]] = group.team_rewards.tolist()
    first = values[group.agents[0]]
    rows = []
    for g in range(len(first)):
        row, before = [], sum(first) / len(first)
        for agent in group.agents:
            row.append(values[agent][g] - before)
            before = values[agent][g]
        rows.append(row)
    return rows


@pytest.mark.no_cover
def test_branch_credit_equals_a_loop_over_500_groups() -> None:
    step = measured_groups(500)
    for group, credit in zip(step, ALLOCATORS["branch"].many(step), strict=True):
        np.testing.assert_allclose(credit, slow_credit(group), rtol=0, atol=1e-14)


@given(group=groups())
def test_branch_credit_of_a_rollout_sums_to_its_reward_less_the_mean(group: GroupOutcomes) -> None:
    mean = group.branch_rewards[group.agents[0]].mean()
    total = branch_credit(group).sum(axis=1)
    np.testing.assert_allclose(total, group.team_rewards - mean, rtol=0, atol=1e-12)


@given(group=groups())
def test_branch_credit_is_zero_for_a_message_that_changes_nothing(group: GroupOutcomes) -> None:
    certain = np.repeat(group.team_rewards[:, None], 2, axis=1)
    settled = replace(group, branch_rewards=dict.fromkeys(group.agents, certain))
    np.testing.assert_array_equal(branch_credit(settled)[:, 1:], 0.0)
    alike = {group.agents[0]: np.full((len(certain), 3), 0.25)}
    alike_first = replace(group, branch_rewards={**group.branch_rewards, **alike})
    np.testing.assert_array_equal(branch_credit(alike_first)[:, 0], 0.0)


def slope_and_error(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Slope through the origin and its standard error; groups (rows) are independent."""
    slope = (x * y).sum() / np.square(x).sum()
    scores = (x * (y - slope * x)).sum(axis=1)
    return float(slope), float(np.sqrt(np.square(scores).sum()) / np.square(x).sum())


def test_branch_credit_is_unbiased_for_the_marginal_values() -> None:
    # A thought is worth q = E[R | thought], drawn anew for every rollout, E[q] = 0. Answers are
    # independent given the thought, also those of the branches.
    num_groups, group_size, num_branches = 20_000, 4, 4
    rng = np.random.default_rng(0)
    worth = rng.uniform(-1.0, 1.0, (num_groups, group_size))

    def answers(shape: tuple[int, ...]) -> np.ndarray:
        chance = (1.0 + worth.reshape(*worth.shape, *[1] * (len(shape) - 2))) / 2.0
        return np.where(rng.random(shape) < chance, 1.0, -1.0)

    batch = GroupBatch(
        agents=PAIR,
        team_rewards=answers(worth.shape),
        branch_rewards={"thinker_0": answers((*worth.shape, num_branches))},
    )
    group, others = branch_credit(batch), branch_credit(batch, baseline="others")
    centred = worth - worth.mean(axis=1, keepdims=True)
    for truth, credit in (
        (centred, group[..., 0]),  # against the thoughts of its group
        (worth, others[..., 0]),  # against the policy: E[q] is 0
        (batch.team_rewards - worth, group[..., 1]),  # what the answer added to the thought
    ):
        slope, error = slope_and_error(truth, credit)
        assert error < 0.01
        assert abs(slope - 1.0) < 1.96 * error
    # The mean of the group has the thought in it, which costs 1 / G against the policy.
    slope, error = slope_and_error(worth, group[..., 0])
    assert abs(slope - (1.0 - 1.0 / group_size)) < 1.96 * error


def test_branch_credit_says_what_is_missing() -> None:
    with pytest.raises(ValueError, match=r"^branch_rewards must .* none after 'thinker_0'; sample"):
        branch_credit(GroupOutcomes(PAIR, [1, -1], branch_rewards={"solver_0": [[1], [1]]}))


def test_branch_credit_refuses_a_bad_baseline() -> None:
    group = GroupOutcomes(PAIR, [1], branch_rewards={"thinker_0": [[1]]})
    with pytest.raises(ValueError, match="did you mean 'others'"):
        branch_credit(group, baseline="other")
    with pytest.raises(ValueError, match=r"^group_size must be >= 2 .* got 1; pass baseline="):
        branch_credit(group, baseline="others")
    np.testing.assert_array_equal(branch_credit(group), [[0.0, 0.0]])
