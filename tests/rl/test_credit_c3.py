"""C3 credit: the published vectors, and siblings by hand."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from baselines.credit import ALLOCATORS, GroupOutcomes, branch_credit, c3_credit
from tests.rl.strategies import measured_group

PAIR = ("thinker_0", "solver_0")
ANSWERS = np.array([[1, 1, 0, 0], [0, 0, 0, 0], [1, 0, 1, 1]])  # scores of 4 answers to 3 thoughts


def test_thinker_is_compared_with_the_other_thoughts():
    # Mean scores .5, 0 and .75: .5 - .375, 0 - .625 and .75 - .25.
    group = GroupOutcomes(PAIR, [1, -1, 1], branch_rewards={"thinker_0": ANSWERS})
    np.testing.assert_allclose(
        ALLOCATORS["c3"](group)[:, 0], [0.125, -0.625, 0.5], rtol=0, atol=1e-12
    )


def test_solver_is_compared_with_the_other_answers_to_its_thought():
    # The answer of the rollout and the rest of its row: e.g. 1 - (1 + 0 + 0) / 3 = 2/3.
    third = Fraction(1, 3)
    expected = [[2, 2, -2, -2], [0, 0, 0, 0], [1, -3, 1, 1]]
    rewards = 2 * ANSWERS - 1  # from scores to rewards, which doubles differences
    for answer in range(4):
        rest = np.delete(rewards, answer, axis=1)
        group = GroupOutcomes(PAIR, rewards[:, answer], branch_rewards={"thinker_0": rest})
        wanted = [float(2 * third * row[answer]) for row in expected]
        np.testing.assert_allclose(c3_credit(group)[:, 1], wanted, rtol=0, atol=1e-12)


def test_every_turn_of_a_chain_is_compared_with_its_siblings():
    group = measured_group(np.random.default_rng(0), num_agents=3)
    first, second = (group.branch_rewards[agent].mean(axis=1) for agent in group.agents[:2])
    others = [np.delete(first, g).mean() for g in range(len(first))]
    expected = np.stack([first - others, second - first, group.team_rewards - second], axis=1)
    np.testing.assert_allclose(c3_credit(group), expected, rtol=0, atol=1e-12)


def test_it_is_branch_credit_that_leaves_the_message_out_of_its_baseline():
    group = measured_group(np.random.default_rng(1), num_agents=4)
    np.testing.assert_array_equal(c3_credit(group), branch_credit(group, baseline="others"))


def test_one_rollout_has_no_siblings():
    group = GroupOutcomes(PAIR, [1], branch_rewards={"thinker_0": [[1, -1]]})
    with pytest.raises(ValueError, match="group_size must be >= 2"):
        c3_credit(group)
