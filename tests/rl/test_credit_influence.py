"""Influence credit: its formula, that it estimates a difference reward, and its measurement."""

from __future__ import annotations

import math

import numpy as np
import pytest

from baselines.credit import GroupOutcomes, influence_credit
from baselines.policies.base import Completion, Sampling
from baselines.policies.registry import load_policy
from baselines.rollouts.costs import CostTracker
from baselines.rollouts.groups import Group
from baselines.rollouts.plan import has_readers, next_reader
from baselines.rollouts.rollout import RolloutRequest
from baselines.rollouts.runner import RolloutRunner, next_prompt
from baselines.train.influence import expect_scorers, with_influence
from baselines.train.logging.step_metrics import influence_metrics
from ccpo_env import debate_v0, think_solve_v0
from ccpo_env.topologies.debate import debate
from ccpo_env.topologies.think_solve import think_solve
from ccpo_env.topologies.vote import vote
from tests.rl.teams import RecordingPolicy, runner_of

PAIR = ("thinker_0", "solver_0")


def test_credit_by_hand():
    # Ratios 1/2, 1 and 2 (the bound, which exp(5) exceeds): 1 - ratio is .5, 0 and -1.
    nats = np.array([[math.log(2), 0.0], [0.0, 0.0], [-5.0, 0.0]])
    group = GroupOutcomes(PAIR, [1, -1, -1], influence=nats)
    credit = influence_credit(group)
    np.testing.assert_allclose(credit[:, 0], [1.1, -1.0, -0.8], rtol=0, atol=1e-12)
    assert credit[:, 1].tolist() == [1, -1, -1]
    bonus = influence_credit(group, mode="bonus", weight=0.5)
    np.testing.assert_allclose(bonus[:, 0], [1.25, -1.0, -1.5], rtol=0, atol=1e-12)


def test_influence_without_bound_does_not_overflow():
    group = GroupOutcomes(PAIR, [1, 1], influence=[[800.0, 0.0], [-800.0, 0.0]])
    np.testing.assert_allclose(influence_credit(group)[:, 0], [1.2, 0.8], rtol=0, atol=1e-12)


@pytest.mark.parametrize("nats", [[[1.0]], [[float("inf"), 0.0]], [[float("nan"), 0.0]]])
def test_influence_is_checked(nats):
    with pytest.raises(ValueError, match=r"^influence must"):
        GroupOutcomes(PAIR, [1], influence=nats)


def test_bonus_is_an_estimate_of_the_difference_reward():
    # Three answers, of which the first is right; no ratio exceeds the bound.
    given, without = np.array([0.5, 0.3, 0.2]), np.array([0.3, 0.4, 0.3])
    rewards = np.array([1.0, -1.0, -1.0])
    nats = np.stack([np.log(given / without), np.zeros(3)], axis=1)
    credit = influence_credit(GroupOutcomes(PAIR, rewards, influence=nats), weight=1.0)
    bonus = credit[:, 0] - rewards
    assert given @ bonus == pytest.approx(given @ rewards - without @ rewards, abs=1e-12)


def test_readers_by_topology():
    assert [next_reader(think_solve(2), turn) for turn in range(3)] == [1, 2, None]
    assert [next_reader(debate(2, 2), turn) for turn in range(4)] == [1, 2, 3, None]
    assert has_readers(vote(3)) == [False] * 3


@pytest.fixture(scope="module")
def tiny():
    return load_policy("tiny")


@pytest.mark.parametrize("make", [think_solve_v0, debate_v0], ids=["chain", "debate"])
def test_influence_is_the_change_in_log_probability_of_the_next_message(tiny, make):
    env = make(tasks="arithmetic")
    roles = env.unwrapped.topology.roles
    runner = RolloutRunner(env, dict.fromkeys(roles, tiny), dict.fromkeys(roles, Sampling()))
    task = env.unwrapped.tasks[0]
    played = runner.play([RolloutRequest(task, num_episodes=2)], rng=np.random.default_rng(0))
    costs = CostTracker()
    (found,) = with_influence(
        [Group(task, tuple(played), {}, {})], runner, micro_batch_tokens=4096, costs=costs
    )
    num_turns = len(runner.role_of)
    assert found.influence.shape == (2, num_turns)
    assert not found.influence[:, -1].any()
    own, turn = played[1], num_turns - 2
    before = [message.text for message in own.messages[:-1]]
    conversation = runner.conversation(task, before)
    # By another route: the policy samples nothing; it scores the last message after two prompts.
    prompts = [next_prompt(conversation), next_prompt(conversation, left_out=(turn,))]
    assert len(prompts[1].text) <= len(prompts[0].text) - len(before[-1])
    said = own.sampled[-1]
    scores = [
        float(tiny.logprobs([Completion("", ids, said.token_ids)]).detach().sum())
        for ids in tiny.encode(prompts, len(said.token_ids))
    ]
    assert found.influence[1, turn] == pytest.approx(scores[0] - scores[1], abs=1e-4)
    assert scores[0] == pytest.approx(sum(said.logprobs), abs=1e-3)
    assert costs.read["influence"] > 0
    assert costs.tokens_generated == 0


def test_policy_that_cannot_score_is_refused():
    silent = RecordingPolicy(["2"])
    with pytest.raises(ValueError, match="policy of 'solver' must be a model in this process"):
        expect_scorers(runner_of(silent, silent))


def outcomes_of(nats) -> GroupOutcomes:
    return GroupOutcomes(PAIR, [1] * len(nats), influence=nats)


def test_metrics_by_hand():
    groups = [outcomes_of([[0.05, 0.0], [1.0, 0.0]]), outcomes_of([[-0.5, 0.0], [0.0, 0.0]])]
    found = influence_metrics(groups, PAIR, [True, False])
    assert found["influence/thinker_0/nats"] == pytest.approx(0.55 / 4)
    assert found["influence/thinker_0/lazy_rate"] == 0.5
    assert found["influence/solver_0/nats"] is None
    assert found["influence/solver_0/lazy_rate"] is None


def test_metrics_are_null_without_a_measurement():
    found = influence_metrics([GroupOutcomes(PAIR, [1, -1])], PAIR, [True, False])
    assert set(found.values()) == {None}
    assert influence_metrics([], PAIR, [True, False]) == found
