from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.credit import (
    ALLOCATORS,
    GroupOutcomes,
    audit,
    critic_credit,
    generalized_advantages,
    shared_credit,
)
from tests.rl.strategies import groups

TRIO = ("thinker_0", "thinker_1", "solver_0")
GROUP = GroupOutcomes(TRIO, [1, -1], values=[[0.2, 0.5, 0.9], [0.2, 0.1, -0.4]])


def test_changes_in_value_of_the_published_vector() -> None:
    # VinePPO: values .2, .5, .9 before the three turns, advantages .3, .4, and the reward 1.
    values, rewards = np.array([[0.2, 0.5, 0.9]]), np.array([1.0])
    advantages = generalized_advantages(values, rewards, gae_lambda=0.0)
    np.testing.assert_allclose(advantages, [[0.3, 0.4, 0.1]], rtol=0, atol=1e-12)


def test_lambda_of_one_leaves_the_critic_as_a_baseline() -> None:
    credit = critic_credit(GROUP, gae_lambda=1.0)
    np.testing.assert_allclose(credit, [[0.8, 0.5, 0.1], [-1.2, -1.1, -0.6]], rtol=0, atol=1e-12)


def test_credit_by_hand_with_lambda_of_one_half() -> None:
    # Last: 1 - .9 = .1. Second: .9 - .5 + .5 * .1 = .45. First: .5 - .2 + .5 * .45 = .525.
    credit = critic_credit(GROUP)
    np.testing.assert_allclose(credit[0], [0.525, 0.45, 0.1], rtol=0, atol=1e-12)


def test_weights_mix_the_team_reward_with_the_advantage() -> None:
    credit = critic_credit(GROUP, weights=[0.0, 0.5, 1.0])
    np.testing.assert_allclose(credit[0], [1.0, (1 + 0.45) / 2, 0.1], rtol=0, atol=1e-12)


def test_values_of_the_caller_come_first() -> None:
    values = np.zeros((2, 3))
    credit = critic_credit(GROUP, values=values, gae_lambda=1.0)
    np.testing.assert_array_equal(credit, shared_credit(GROUP))


@given(group=groups(), gae_lambda=st.floats(0.5, 1.0))
def test_credit_is_the_weighted_mean_of_returns_of_every_length(
    group: GroupOutcomes, gae_lambda: float
) -> None:
    # Another route to the same numbers: the returns after k turns, weighted by lambda^k.
    after = np.concatenate([group.values, group.team_rewards[:, None]], axis=1)
    num_turns = len(group.agents)
    expected = np.empty(group.values.shape)
    for turn in range(num_turns):
        left = num_turns - turn
        weights = [(1.0 - gae_lambda) * gae_lambda**k for k in range(left - 1)]
        weights.append(gae_lambda ** (left - 1))
        returns = [after[:, turn + 1 + k] for k in range(left)]
        expected[:, turn] = np.average(returns, axis=0, weights=weights) - after[:, turn]
    credit = critic_credit(group, gae_lambda=gae_lambda)
    np.testing.assert_allclose(credit, expected, rtol=0, atol=1e-12)


@given(group=groups())
def test_credit_without_weight_is_the_team_reward(group: GroupOutcomes) -> None:
    credit = critic_credit(group, weights=np.zeros(len(group.agents)))
    np.testing.assert_array_equal(credit, shared_credit(group))


def test_audit_says_that_a_mere_baseline_ranks_the_first_speaker_as_shared_credit_does() -> None:
    rng = np.random.default_rng(0)
    step = []
    for _ in range(8):
        values = np.concatenate(
            [np.full((6, 1), rng.uniform(-1, 1)), rng.uniform(-1, 1, (6, 2))], 1
        )
        step.append(GroupOutcomes(TRIO, rng.permutation([1, 1, 1, -1, -1, -1]), values=values))
    found = audit("critic", optimizer="grpo", batches=step, gae_lambda=1.0)
    assert [found[agent].degenerate for agent in TRIO] == [True, False, False]
    found = audit("critic", optimizer="grpo", batches=step)
    assert [found[agent].degenerate for agent in TRIO] == [False, False, False]
    found = audit("critic", optimizer="grpo", batches=step, weights=np.zeros(3))
    assert [found[agent].degenerate for agent in TRIO] == [True, True, True]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gae_lambda": 0.4}, r"^gae_lambda must lie in \[0.5, 1\], got 0.4; leave it out"),
        (
            {"values": [[0.0] * 3]},
            r"^values must have shape \(2, 3\), got \(1, 3\); give the value",
        ),
        ({"values": [[1.5] * 3] * 2}, r"^values must lie in \[-1, 1\], got 1.5; clip them"),
        ({"values": [[np.nan] * 3] * 2}, r"^values must be finite, got 6 NaN or infinite of 6"),
        ({"weights": [1.0]}, r"^weights must have shape \(3,\), got \(1,\); give each turn one"),
        ({"weights": [0.0, 0.0, 2.0]}, r"^weights must lie in \[0, 1\], got 2; clip them$"),
        ({"weights": [0.0, 0.0, np.nan]}, r"^weights must be finite, got 1 NaN"),
    ],
)
def test_arguments_are_checked(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        critic_credit(GROUP, **arguments)


def test_values_are_needed_and_checked() -> None:
    with pytest.raises(ValueError, match=r"^values must hold the expected reward before each turn"):
        ALLOCATORS["critic"](replace(GROUP, values=None))
    with pytest.raises(ValueError, match=r"^values must lie in \[-1, 1\], got 2; clip them"):
        GroupOutcomes(TRIO, [1], values=[[0, 0, 2]])
