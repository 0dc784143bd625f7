"""Hierarchical GRPO credit: the published vectors."""

from __future__ import annotations

import numpy as np
import pytest

from baselines.credit import GroupOutcomes, branch_credit, hierarchical_grpo_credit
from tests.rl.strategies import measured_group

PAIR = ("thinker_0", "solver_0")
ANSWERS = np.array([[1, 1, 0, 0], [0, 0, 0, 0], [1, 0, 1, 1]])  # scores of 4 answers to 3 proposals
EXPECTED = [[0.5, 0.5, -0.5, -0.5], [0, 0, 0, 0], [0.25, -0.75, 0.25, 0.25]]


@pytest.mark.parametrize("answer", range(4))
def test_solver_is_centred_on_the_answers_to_its_own_proposal(answer):
    rewards = 2 * ANSWERS - 1  # from scores to rewards, which doubles differences
    rest = np.delete(rewards, answer, axis=1)
    group = GroupOutcomes(PAIR, rewards[:, answer], branch_rewards={"thinker_0": rest})
    np.testing.assert_allclose(
        hierarchical_grpo_credit(group)[:, 1],
        [2 * row[answer] for row in EXPECTED],
        rtol=0,
        atol=1e-12,
    )


def test_proposer_is_centred_on_its_group():
    # Scores 1, 0 and 1: minus 2/3. The continuations of the proposal are not read.
    group = GroupOutcomes(PAIR, [1, -1, 1], branch_rewards={"thinker_0": 2 * ANSWERS - 1})
    np.testing.assert_allclose(
        hierarchical_grpo_credit(group)[:, 0], [2 / 3, -4 / 3, 2 / 3], rtol=0, atol=1e-12
    )


def test_later_turns_are_branch_credit_without_the_value_of_the_own_message():
    group = measured_group(np.random.default_rng(0), num_agents=3)
    credit = hierarchical_grpo_credit(group)
    for turn, agent in enumerate(group.agents[:-1], start=1):
        continuations = group.branch_rewards[agent]
        children = np.concatenate([group.team_rewards[:, None], continuations], axis=1)
        expected = group.team_rewards - children.mean(axis=1)
        np.testing.assert_allclose(credit[:, turn], expected, rtol=0, atol=1e-12)
    size = group.branch_rewards[group.agents[1]].shape[1]
    np.testing.assert_allclose(
        credit[:, 2], branch_credit(group)[:, 2] * size / (size + 1), rtol=0, atol=1e-12
    )


def test_without_a_tree_it_says_what_is_missing():
    with pytest.raises(ValueError, match="branch_rewards must hold the rewards of continuations"):
        hierarchical_grpo_credit(GroupOutcomes(PAIR, [1, -1]))
