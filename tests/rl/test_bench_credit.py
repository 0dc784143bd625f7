from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from baselines.bench.credit import scores
from baselines.bench.credit.credit_config import CreditConfig
from baselines.bench.credit.credit_tables import COLUMNS
from baselines.bench.credit.games import turn_game
from baselines.bench.credit.games.bandit import make_bandit
from baselines.bench.credit.games.chain import make_chain
from baselines.bench.credit.games.cosac import EXACT, SAMPLED, cosac_advantages
from baselines.bench.credit.games.measured import Measured, Plan, measure_game
from baselines.bench.credit.games.registry import GAMES, TASKS_PER_SEED, every_removal
from baselines.bench.credit.games.vote_game import make_vote
from baselines.bench.credit.seed_scores import ZERO, reliability, seed_scores
from baselines.common.stats import mean_over_seeds
from baselines.credit import ALLOCATORS, GroupOutcomes
from baselines.credit.outcomes import GroupBatch
from baselines.credit.registry import RemovalPlan
from baselines.credit.removals import stages

UNMEASURED = {"own_rewards", "values"}
"""What a chain has not: only its solver answers, and symbols have no hidden states to value."""
SMALL = Plan(num_pairs=4, removals=every_removal, group_size=4, num_samples=2, num_set_samples=2)


def exact(truth):
    return np.stack([truth, truth])


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def slope_of(estimate, truth):
    """The slope and its 95 % interval, groups as independent clusters."""
    guess, reference = scores.centred(estimate), scores.centred(truth)
    products = (guess * reference).sum(axis=(1, 2))
    squares = (reference**2).sum(axis=(1, 2))
    slope = products.sum() / squares.sum()
    rest = products - slope * squares
    half = 1.96 * np.sqrt((rest**2).sum()) / squares.sum()
    return slope, slope - half, slope + half


@pytest.mark.parametrize("num_thinkers", [1, 2])
def test_branch_credit_is_unbiased_for_every_agent(num_thinkers):
    rng = np.random.default_rng(0)
    game = make_chain(num_thinkers, rng)
    choices = turn_game.play(game, 20_000, 8, rng)
    branches = {
        agent: turn_game.branch_rewards(game, choices, turn, 2, rng)
        for turn, agent in enumerate(game.agents[:-1])
    }
    batch = GroupBatch(
        agents=game.agents, team_rewards=game.reward(choices), branch_rewards=branches
    )
    made, truth = ALLOCATORS["branch"].credit(batch), game.advantages(choices)
    for agent in range(num_thinkers + 1):
        column = slice(agent, agent + 1)
        _, low, high = slope_of(made[..., column], truth[..., column])
        assert low < 1.0 < high
        assert high - low < 0.05


def bandit_skills(num_agents):
    """Skill of regression and of COSAC's estimates, by seed, in groups of 16 rollouts."""
    skills: dict[str, list[float]] = {"regression": [], EXACT: [], SAMPLED: []}
    for seed in range(30):
        rng = np.random.default_rng([7, seed])
        game = make_bandit(num_agents, rng)
        choices = turn_game.play(game, 8, 16, rng)
        truth, rewards = game.advantages(choices), game.reward(choices)
        batch = GroupBatch(agents=game.agents, team_rewards=rewards, features=choices)
        estimates = {
            "regression": ALLOCATORS["regression"].credit(batch),
            EXACT: cosac_advantages(game, choices, rewards),
            SAMPLED: cosac_advantages(game, choices, rewards, num_suffixes=8, rng=rng),
        }
        for name, estimate in estimates.items():
            skills[name].append(scores.accuracy_scores(estimate, exact(truth))["skill"])
    return {name: np.array(own) for name, own in skills.items()}


def test_regression_has_skill_where_there_are_more_rollouts_than_turns():
    assert mean_over_seeds(bandit_skills(4)["regression"]).is_above(0.0)


def test_cosac_has_skill_in_many_turns_with_exact_expectations_and_none_with_few_suffixes():
    skills = bandit_skills(16)
    assert mean_over_seeds(skills[SAMPLED]).is_below(0.0)
    assert mean_over_seeds(skills[EXACT]).is_above(0.0)
    assert mean_over_seeds(skills["regression"] - skills[SAMPLED]).is_above(0.0)


def test_sampled_cosac_approaches_the_exact_one_by_hand():
    # One agent: suffixes before it are drawn, after it there is only its own choice. Rewards of
    # choices 0, 0, 1 are 1, 1, -1; with ridge 1, phi = sums / (counts + 1) = (2/3, -1/2, 0, 0).
    game = make_vote(1, np.random.default_rng(0))
    choices = np.array([[[0], [0], [1]]])
    rewards = np.array([[1.0, 1.0, -1.0]])
    made = cosac_advantages(
        game, choices, rewards, num_suffixes=200_000, rng=np.random.default_rng(0)
    )
    expected = np.array([2 / 3, 2 / 3, -1 / 2]) - game.policy[0] @ [2 / 3, -1 / 2, 0, 0]
    np.testing.assert_allclose(made[0, :, 0], expected, rtol=0, atol=0.01)
    exact = cosac_advantages(game, choices, rewards)
    np.testing.assert_allclose(exact[0, :, 0], expected, rtol=0, atol=1e-12)


@pytest.fixture(scope="module")
def parts() -> list[Measured]:
    rng = np.random.default_rng(0)
    return [measure_game(make_chain(1, rng), SMALL, task, rng) for task in range(3)]


def test_seed_scores_has_a_row_for_every_allocator_and_reference(parts):
    made = seed_scores(parts)
    measured = [name for name, a in ALLOCATORS.items() if not a.needs & UNMEASURED]
    assert list(made) == [ZERO, *measured, EXACT, SAMPLED]
    assert all(set(COLUMNS) <= set(row) for row in made.values())
    assert made[ZERO]["skill"] == 0.0
    assert made["shared"]["skill"] != 0.0


def test_shared_credit_is_the_reward_in_every_part(parts):
    made = seed_scores(parts)["shared"]
    rewards = np.concatenate([np.repeat(p.batch.team_rewards[..., None], 2, -1) for p in parts])
    truth = np.concatenate([part.truth for part in parts], axis=1)
    expected = scores.accuracy_scores(rewards, truth)
    assert {name: made[name] for name in expected} == pytest.approx(expected)


def test_every_removal_is_what_some_allocator_asks_for():
    def plan(num_agents, *, are_recounts=False):
        agents = tuple(f"agent_{n}" for n in range(num_agents))
        return agents, every_removal(agents, np.random.default_rng(0), are_recounts=are_recounts)

    agents, two = plan(2)
    assert set(two.removals) == {frozenset({agent}) for agent in agents}
    assert two.orders is None
    assert (len(plan(4)[1].removals), plan(4)[1].orders) == (2**4 - 2, None)
    # Of many agents a sample of orders, and each alone for the allocators without.
    agents, many = plan(7)
    assert set(many.removals) == {
        *stages(agents, many.orders),
        *(frozenset({agent}) for agent in agents),
    }
    assert len(many.removals) == len(set(many.removals)) < 2**7 - 2
    assert len(plan(7, are_recounts=True)[1].removals) == 2**7 - 2


def test_cost_counts_what_an_allocator_needs(parts):
    made = seed_scores(parts)
    cost = {name: (row["tokens"], row["verifier_calls"]) for name, row in made.items()}
    # 4 rollouts of 2 messages; without an agent 2 samples of 1 message each, once for the task;
    # 2 answers to each of 4 thoughts; 2 raters of 4 rollouts; 8 suffixes of 2 and of 1 messages.
    free = ("shared", ZERO, "regression", "influence", EXACT)
    assert {cost[name] for name in free} == {(8, 4)}
    assert cost["counterfactual"] == cost["history"] == (10, 6)
    assert cost["leave_one_out"] == cost["shapley"] == cost["banzhaf"] == (12, 8)
    assert cost["branch"] == cost["c3"] == cost["hierarchical_grpo"] == (16, 12)
    assert cost["self_evaluation"] == (16, 4)
    assert cost[SAMPLED] == (8 + 4 * 8 * 3, 4)


@pytest.mark.parametrize(("make", "are_recounts"), [(make_vote, True), (make_bandit, False)])
def test_only_removals_from_a_vote_are_recounts(make, are_recounts):
    asked = []

    def ask(agents, _rng, *, are_recounts):
        asked.append((agents, are_recounts))
        return RemovalPlan((frozenset(agents[:1]),), orders=((0, 1),))

    rng = np.random.default_rng(0)
    game = make(2, rng)
    made = measure_game(game, replace(SMALL, removals=ask), 3, rng)
    assert asked == [(game.agents, are_recounts)]
    assert list(made.batch.removed_rewards) == [frozenset(game.agents[:1])]
    assert made.batch.orders == ((0, 1),)
    assert made.reads == game.reads
    assert set(made.tasks) == {3}


def test_sets_of_agents_are_removed_as_often_as_the_plan_says():
    rng = np.random.default_rng(0)
    plan = replace(SMALL, num_samples=2, num_set_samples=3)
    made = measure_game(make_bandit(3, rng), plan, 0, rng)
    entries = {
        tuple(sorted(removed)): rewards.shape[-1]
        for removed, rewards in made.batch.removed_rewards.items()
    }
    assert entries == {
        ("agent_0",): 2,
        ("agent_1",): 2,
        ("agent_2",): 1,  # nobody speaks after it, so nothing is drawn
        ("agent_0", "agent_1"): 3,
        ("agent_0", "agent_2"): 3,
        ("agent_1", "agent_2"): 1,
    }


def test_default_groups_of_a_game_are_pairs_of_its_tasks():
    for name, game in GAMES.items():
        num_tasks = 1 if name.startswith(("bandit", "tiny")) else TASKS_PER_SEED
        assert game.num_groups % (2 * num_tasks) == 0


def test_a_plan_measures_by_default_as_the_bench_does():
    plan, config = Plan(num_pairs=1, removals=every_removal), CreditConfig()
    assert (plan.group_size, plan.num_samples) == (config.group_size, config.samples)
    assert plan.num_set_samples == config.samples


def test_removals_from_a_vote_are_free():
    rng = np.random.default_rng(0)
    made = seed_scores([measure_game(make_vote(3, rng), SMALL, 0, rng)])
    assert made["shapley"]["tokens"] == made["shared"]["tokens"] == 12
    assert made["own_answer"]["tokens"] == 12


def test_influence_in_a_chain_is_that_of_the_policy_by_hand():
    game = make_chain(1, np.random.default_rng(0))
    made = measure_game(game, SMALL, 0, np.random.default_rng(1))
    message, answer = made.batch.features[2, 3]
    # Rows: 2 of the thinker, then 5 messages of the solver after each message and after none, and
    # 5 answers; a solver that nobody follows gives an answer.
    given, alone = game.policy[2 + 5 + message, answer], game.policy[2 + 5 + 4, answer]
    assert made.batch.influence[2, 3].tolist() == [pytest.approx(np.log(given / alone)), 0.0]


def test_own_rewards_of_a_vote_are_those_of_its_answers():
    game = make_vote(3, np.random.default_rng(0))
    made = measure_game(game, SMALL, 0, np.random.default_rng(1))
    right = made.batch.features == 0
    np.testing.assert_array_equal(made.batch.own_rewards, np.where(right, 1.0, -1.0))


def test_gain_compares_with_shared_credit_of_the_same_tokens(parts):
    made = seed_scores(parts)
    # A group with shared credit costs 8, with branches 16, with COSAC's suffixes 104.
    shared = [
        part.gradients(scores.centred(np.repeat(part.batch.team_rewards[..., None], 2, axis=-1)))
        for part in parts
    ]
    for name, count in {"shared": 1, "regression": 1, "branch": 2}.items():
        cosines = [
            scores.cosine(gradients, part.exact_gradient, count)
            for gradients, part in zip(shared, parts, strict=True)
        ]
        assert made[name]["cosine_shared"] == pytest.approx(np.mean(cosines))
        assert made[name]["gain"] == pytest.approx(made[name]["cosine"] - np.mean(cosines))
    assert made["shared"]["gain"] == made["shared"]["gain/thinker_0"] == 0.0
    assert math.isnan(made[SAMPLED]["gain"])  # there are 8 groups, not 13


def test_gain_of_an_agent_is_of_its_own_logits(parts):
    gains = []
    for part in parts:
        credit = ALLOCATORS["branch"].credit(part.batch)
        shared = scores.centred(np.repeat(part.batch.team_rewards[..., None], 2, axis=-1))
        only = np.array([1.0, 0.0])  # the solver is not trained
        first_row = np.arange(len(part.exact_gradient)) < 4  # the thinker's four messages
        exact_part = np.where(first_row, part.exact_gradient, 0.0)
        own, other = part.gradients(credit * only), part.gradients(shared * only)
        gains.append(scores.cosine(own, exact_part, 1) - scores.cosine(other, exact_part, 2))
    assert seed_scores(parts)["branch"]["gain/thinker_0"] == pytest.approx(np.mean(gains))


def test_memory_grows_in_steps_that_mix_the_tasks(parts):
    # 3 parts of 8 groups: the first step of 8 is groups 0 and 1 of every part, and group 2 of two.
    allocator = ALLOCATORS["history"]
    state, made = allocator.new_state(), {}
    order = [(part, group) for group in range(8) for part in range(3)]
    for start in (0, 8, 16):
        step = {(p, g): outcomes_of(parts[p], g) for p, g in order[start : start + 8]}
        made |= {where: allocator(group, state=state) for where, group in step.items()}
        state = state.updated(list(step.values()))
    estimate = np.array([[made[part, group] for group in range(8)] for part in range(3)])
    truth = np.concatenate([part.truth for part in parts], axis=1)
    expected = scores.accuracy_scores(estimate.reshape(24, 4, 2), truth)
    found = seed_scores(parts)["history"]
    assert {name: found[name] for name in expected} == pytest.approx(expected)


def outcomes_of(part, group):
    removed = {key: entry[group] for key, entry in part.batch.removed_rewards.items()}
    return GroupOutcomes(part.batch.agents, part.batch.team_rewards[group], removed)


def test_reliability_is_one_for_exact_truth_and_falls_with_noise(parts):
    assert reliability(parts) == 1.0
    truth = normal(2000, 8, 1)
    noisy = truth + normal(2, 2000, 8, 1, seed=1)
    part = parts[0]
    sampled = Measured(batch=part.batch, truth=noisy, prices=part.prices, tasks=part.tasks)
    # Signal 1 and noise 1 in each half: r = 1/2, both halves 2/3.
    assert reliability([sampled]) == pytest.approx(2 / 3, abs=0.02)
