from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from baselines.bench.credit.games.continuations import measure_model, tiny_player
from baselines.bench.credit.games.measured import Cost, Plan
from baselines.credit import ALLOCATORS
from baselines.credit.registry import RemovalPlan
from baselines.policies.base import Completion
from ccpo_env.types import Task
from tests.rl.teams import runner_of

TASKS = tuple(Task(f"t/{number}", f"{number} or 2?", "2") for number in range(20))
PLAN = Plan(
    num_pairs=1,
    removals=ALLOCATORS["leave_one_out"].plan_removals,
    group_size=4,
    num_samples=3,
)
RIGHT_AFTER = {"useful": 0.8, "useless": 0.2}


class CoinPolicy:
    """Says one of two things, with a probability that may depend on what it reads."""

    def __init__(self, yes, no, probability):
        self.yes, self.no, self.probability = yes, no, probability
        self.num_said = 0

    def sample(self, prompts, *, sampling, rng):
        self.num_said += len(prompts)
        says_yes = [rng.random() < self.probability(prompt.text) for prompt in prompts]
        texts = [self.yes if yes else self.no for yes in says_yes]
        return [Completion(text, (), tuple(range(len(text)))) for text in texts]


def after_thought(prompt):
    return next((chance for word, chance in RIGHT_AFTER.items() if f"{word}." in prompt), 0.5)


@pytest.fixture
def team():
    thinker = CoinPolicy("useful.", "useless.", lambda _prompt: 0.5)
    return thinker, CoinPolicy("2", "3", after_thought)


@pytest.fixture
def runner(team):
    return runner_of(*team, tasks=TASKS)


def measured(runner, num_held_out=32, tasks=TASKS):
    return measure_model(runner, tasks, PLAN, np.random.default_rng(0), num_held_out=num_held_out)


def test_truth_is_the_value_of_a_thought_up_to_the_task(runner):
    made = measured(runner, num_held_out=200, tasks=TASKS[:6])
    thoughts = made.batch.features[..., 0]
    value = made.truth[..., 0]  # (2, N, G)
    for half in value:
        for group, kinds in zip(half, thoughts, strict=True):
            # Rewards are -1 and +1: a useful thought is worth 2 * 0.8 - 1, the other -0.6.
            for kind in np.unique(kinds):
                assert abs(abs(group[kinds == kind].mean()) - 0.6) < 0.35
    spread = value.max() - value.min()
    assert 1.2 < spread < 1.8


def test_truth_of_the_last_agent_is_what_the_thought_leaves(runner):
    made = measured(runner)
    total = made.truth.sum(axis=-1)  # V + (R - V)
    np.testing.assert_allclose(total, np.stack([made.batch.team_rewards] * 2), rtol=0, atol=1e-12)


def test_halves_of_the_truth_and_branches_are_different_samples(runner, team):
    made = measured(runner, num_held_out=8)
    assert not np.array_equal(*made.truth[..., 0])
    num_groups, num_rollouts, num_samples = 2 * len(TASKS), PLAN.group_size, PLAN.num_samples
    assert made.batch.branch_rewards["thinker_0"].shape == (num_groups, num_rollouts, num_samples)
    # Every answer is a sample of its own: one per rollout, but for the 10 that are kept whole,
    # one per continuation, seen or held out, and one per removal of the thinker.
    rollouts = num_groups * num_rollouts - len(TASKS) // 2
    continuations = num_groups * num_rollouts * (num_samples + 8)
    assert team[1].num_said == rollouts + continuations + num_groups * num_samples


def test_first_rollout_of_a_twin_keeps_what_the_agent_knew(runner):
    made = measured(runner)
    thought = 2 * made.truth[..., 0].mean(axis=0)[:, 0] > 0.0  # of the first rollout: is it useful
    first, again = np.split(thought, 2)
    np.testing.assert_array_equal(first, again)
    rewards = made.batch.team_rewards[:, 0]
    solver_kept = made.kept == 1
    one, two = np.split(rewards, 2)
    np.testing.assert_array_equal(one[solver_kept], two[solver_kept])
    assert (one[~solver_kept] != two[~solver_kept]).any()


def test_features_number_the_texts_of_each_agent(runner):
    made = measured(runner)
    assert made.batch.features.shape == (2 * len(TASKS), PLAN.group_size, 2)
    answers, rewards = made.batch.features[..., 1], made.batch.team_rewards
    for group in range(len(rewards)):
        # Answers are "2" and "3": numbered in order, so the smaller number is the right answer.
        is_right = rewards[group] > 0
        if len(set(is_right)) == 2:
            np.testing.assert_array_equal(answers[group] == 0, is_right)


def test_cost_counts_the_tokens_that_were_sampled(runner):
    prices = measured(runner).prices
    # A token per character: an answer has 1, a thought 7 or 8.
    assert prices.removed[frozenset({"thinker_0"})] == Cost(3.0, 3)
    assert prices.branches["thinker_0"] == Cost(12.0, 12)
    assert 4 * 8.0 < prices.team.tokens < 4 * 9.0
    assert prices.team.verifier_calls == 4


def test_removals_of_a_model_are_no_recounts(runner):
    asked = []

    def ask(agents, _rng, *, are_recounts):
        asked.append((agents, are_recounts))
        return RemovalPlan(())

    rng = np.random.default_rng(0)
    made = measure_model(runner, TASKS[:1], replace(PLAN, removals=ask), rng, num_held_out=2)
    assert asked == [(("thinker_0", "solver_0"), False)]
    assert made.batch.removed_rewards == {}
    assert made.prices.removed == {}


def test_rollouts_that_cannot_be_measured_are_an_error(team):
    silent = runner_of(team[0], CoinPolicy("?", "?", lambda _prompt: 0.5), tasks=TASKS)
    with pytest.raises(RuntimeError, match="must be measured, got 'timeout'; use a verifier"):
        measured(silent)


def test_embedded_model_is_measured():
    runner, tasks = tiny_player()
    made = measured(runner, num_held_out=4, tasks=tasks[:2])
    assert set(np.unique(made.batch.team_rewards)) <= {-1.0, 1.0}
    assert made.truth.shape == (2, 4, 4, 2)
    assert made.prices.team.tokens > 8.0
