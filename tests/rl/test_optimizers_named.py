"""magrpo, dr_mas, at_grpo and rae: published vectors, and what each is in terms of others."""

from __future__ import annotations

import numpy as np
import pytest

from baselines.credit import ALLOCATORS
from baselines.optimizers import OPTIMIZERS
from baselines.optimizers.rae import RoleMeans, role_relative
from tests.rl.strategies import measured_groups

REWARDS = [1, 1, 0, 0, 1, 0]  # of six completions of one task
AGENTS = [0, 1, 0, 1, 0, 0]
# The same as two rollouts of three turns: agent 0 speaks first and last.
COLUMNS = np.array([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]])
SPEAKERS = ("agent_0", "agent_1", "agent_0")


def random_step(num_columns: int = 3) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.choice([-1.0, 1.0], (size, num_columns)) for size in (2, 4, 4, 3)]


def test_dr_mas_normalises_all_completions_of_an_agent_in_a_task():
    method = OPTIMIZERS["dr_mas"].for_team(SPEAKERS, ("agent",) * 3)
    (found,) = method.advantage([COLUMNS])
    # Agent 0 has rewards 1, 0, 1, 0, agent 1 has 1, 0.
    expected = [[0.866024, 0.707106, 0.866024], [-0.866024, -0.707106, -0.866024]]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_at_grpo_normalises_every_turn_of_its_own():
    method = OPTIMIZERS["at_grpo"].for_team(SPEAKERS, ("agent",) * 3)
    (found,) = method.advantage([COLUMNS])
    np.testing.assert_allclose(found, np.sign(COLUMNS - 0.5) * 0.707106, rtol=0, atol=1e-6)


def test_one_group_of_all_agents_has_another_scale():
    (found,) = OPTIMIZERS["at_grpo"].advantage([np.array(REWARDS, dtype=float)[:, None]])
    np.testing.assert_allclose(np.abs(found), 0.912869, rtol=0, atol=1e-6)


def test_dr_mas_of_agents_that_speak_once_and_at_grpo_are_grpo_with_std():
    step = random_step()
    expected = OPTIMIZERS["grpo"].with_hyperparameters(std=True).advantage(step)
    for name in ("dr_mas", "at_grpo"):
        for found, wanted in zip(OPTIMIZERS[name].advantage(step), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)


def test_dr_mas_by_another_route():
    step = random_step()
    method = OPTIMIZERS["dr_mas"].with_hyperparameters(std=False).for_team(SPEAKERS, ("a",) * 3)
    for group, found in zip(step, method.advantage(step), strict=True):
        pooled = group[:, [0, 2]]
        np.testing.assert_allclose(found[:, [0, 2]], pooled - pooled.mean(), rtol=0, atol=1e-12)
        one = group[:, 1]
        np.testing.assert_allclose(found[:, 1], one - one.mean(), rtol=0, atol=1e-12)


def test_dr_mas_needs_two_rollouts_even_of_an_agent_with_two_turns():
    with pytest.raises(ValueError, match="group_size must be >= 2"):
        OPTIMIZERS["dr_mas"].for_team(SPEAKERS, ("a",) * 3).advantage([np.ones((1, 3))])


def test_magrpo_with_shared_credit_is_the_reward_minus_its_group_mean_for_every_agent():
    step = measured_groups(20)
    credit = ALLOCATORS["shared"].many(step)
    rloo = OPTIMIZERS["rloo"].advantage(credit)
    for group, found, other in zip(step, OPTIMIZERS["magrpo"].advantage(credit), rloo, strict=True):
        expected = group.team_rewards - group.team_rewards.mean()
        for column in found.T:
            np.testing.assert_allclose(column, expected, rtol=0, atol=1e-12)
        size = len(group.team_rewards)
        np.testing.assert_allclose(found, other * (size - 1) / size, rtol=0, atol=1e-12)
    assert OPTIMIZERS["magrpo"].policy_loss is OPTIMIZERS["rloo"].policy_loss


def completions() -> list[np.ndarray]:
    """The six completions as groups of one rollout of one turn each."""
    return [np.array([[float(reward)]]) for reward in REWARDS]


def test_rae_by_hand():
    # One completion after the other, each with the mean of its own role.
    states = {agent: OPTIMIZERS["rae"].for_team(("a",), (f"role_{agent}",)) for agent in (0, 1)}
    found = []
    for agent, credit in zip(AGENTS, completions(), strict=True):
        found.append(states[agent].advantage([credit])[0].item())
        states[agent] = states[agent].after([credit])
    np.testing.assert_allclose(found, [1, 1, -0.1, -0.1, 0.91, -0.181], rtol=0, atol=1e-12)


def test_rae_of_one_step_is_scored_in_the_order_of_rollouts_and_turns():
    method = OPTIMIZERS["rae"].for_team(("a_0", "a_1", "b_0"), ("a", "a", "b"))
    step = [np.array([[1.0, 0.0, 1.0], [1.0, 0.0, 0.0]])]
    # Role a: 1, 0, 1, 0 after means 0, .1, .09, .181; role b: 1, 0 after 0, .1.
    expected = [[1.0, -0.1, 1.0], [0.91, -0.181, -0.1]]
    np.testing.assert_allclose(method.advantage(step)[0], expected, rtol=0, atol=1e-12)
    means = {"a": 0.9 * 0.181, "b": 0.09}
    after = method.after(step)
    assert isinstance(after.state, RoleMeans)
    assert dict(after.state.means) == pytest.approx(means, abs=1e-12)


def test_rae_keeps_less_of_a_reward_in_each_further_turn_of_a_role():
    moved = [
        role_relative([np.full((1, 3), reward)], roles=("debater",) * 3)[0][0]
        for reward in (0.0, 1.0)
    ]
    np.testing.assert_allclose(moved[1] - moved[0], [1.0, 0.9, 0.81], rtol=1e-12)


def test_rae_decay_is_a_hyperparameter():
    method = OPTIMIZERS["rae"].read_hyperparameters({"baseline_decay": "0.5"})
    found = method.advantage([np.array([[1.0], [1.0], [1.0]])])[0].ravel()
    np.testing.assert_allclose(found, [1.0, 0.5, 0.25], rtol=0, atol=1e-12)
    after = method.after([np.ones((2, 1))])
    assert list(after.state.means.values()) == [0.75]


def test_rae_of_a_step_without_groups_changes_nothing():
    method = OPTIMIZERS["rae"].for_team(("a",), ("a",)).after([np.ones((1, 1))])
    assert method.after([]) == method
    assert method.advantage([]) == []
