"""Credit that claims a true value converges to it: per agent, per turn, in teams of 2 to 8."""

from __future__ import annotations

import numpy as np
import pytest

from baselines.bench.credit.games.chain import make_chain
from baselines.bench.credit.games.enumeration import coalition_value, outcomes
from baselines.bench.credit.games.turn_game import (
    TabularGame,
    branch_rewards,
    play,
    removed_rewards,
)
from baselines.bench.credit.games.vote_game import make_vote
from baselines.credit import ALLOCATORS, GroupOutcomes
from tests.rl.games import dividend_shapley

pytestmark = pytest.mark.no_cover  # thousands of replays, of what other files test

SIZES = (2, 3, 5, 8)
FEW, MANY = 16, 1024  # replays
GROUP_SIZE = 6


def chain(num_agents: int) -> TabularGame:
    return make_chain(num_agents - 1, np.random.default_rng([1, num_agents]), num_choices=2)


def vote(num_agents: int) -> TabularGame:
    return make_vote(num_agents, np.random.default_rng([2, num_agents]), num_choices=3)


def rollouts(game: TabularGame, group_size: int = GROUP_SIZE) -> np.ndarray:
    return play(game, 1, group_size, np.random.default_rng(3))


def measured(game: TabularGame, choices: np.ndarray, num_samples: int, removals) -> GroupOutcomes:
    """A group with M continuations after each turn but the last, and M replays of each removal."""
    rng = np.random.default_rng([4, num_samples])
    removed = {
        gone: removed_rewards(
            game, choices, frozenset(map(game.agents.index, gone)), num_samples, rng
        )[0]
        for gone in removals
    }
    branches = {
        agent: branch_rewards(game, choices, turn, num_samples, rng)[0]
        for turn, agent in enumerate(game.agents[:-1])
    }
    return GroupOutcomes(game.agents, game.reward(choices)[0], removed or None, branches)


def expect_convergence(name: str, few: np.ndarray, many: np.ndarray, exact: np.ndarray) -> None:
    """The error falls as 1 / sqrt(M), and with many replays there is none left but noise."""
    for replays, found in ((FEW, few), (MANY, many)):
        for column in range(exact.shape[1]):
            worst = np.abs(found - exact)[:, column].max()
            assert worst < 5.0 * np.sqrt(2.0 / replays), f"{name}, agent {column}: {worst:.3f}"


@pytest.mark.parametrize("num_agents", SIZES)
def test_branch_credit_converges_to_the_change_in_expected_reward(num_agents: int) -> None:
    game = chain(num_agents)
    choices = rollouts(game)
    exact = game.advantages(choices)[0]
    exact[:, 0] -= exact[:, 0].mean()  # the first message is compared with those of the group
    few, many = (ALLOCATORS["branch"](measured(game, choices, m, ())) for m in (FEW, MANY))
    expect_convergence("branch", few, many, exact)


@pytest.mark.parametrize("make", [chain, vote])
@pytest.mark.parametrize("num_agents", SIZES)
def test_credit_of_removals_converges_to_the_marginal_contribution(num_agents: int, make) -> None:
    game = make(num_agents)
    choices = rollouts(game)
    alone = [frozenset({agent}) for agent in game.agents]
    values = np.array(
        [
            [coalition_value(game, own, frozenset({a})) for a in range(num_agents)]
            for own in choices[0]
        ]
    )
    gains = game.reward(choices)[0][:, None] - values
    few, many = (measured(game, choices, m, alone) for m in (FEW, MANY))
    own = [ALLOCATORS["leave_one_out"](group) for group in (few, many)]
    expect_convergence("leave_one_out", *own, gains)
    margins = [ALLOCATORS["counterfactual"](g, weight=1.0, mode="margin") for g in (few, many)]
    if make is vote:  # measured on each rollout, of which a group's mean is taken by default
        margins = [
            ALLOCATORS["counterfactual"](g, weight=1.0, mode="margin", baseline="rollout")
            for g in (few, many)
        ]
        expect_convergence("margin", *margins, game.reward(choices)[0][:, None] + gains / 2.0)
    else:
        first = game.reward(choices)[0] + gains[:, 0] / 2.0
        expect_convergence("margin", *(m[:, :1] for m in margins), first[:, None])


@pytest.mark.parametrize("make", [chain, vote])
@pytest.mark.parametrize("num_agents", SIZES)
def test_shapley_credit_converges_to_the_shapley_value(num_agents: int, make) -> None:
    game = make(num_agents)
    choices = rollouts(game, 2)
    teams = range(2**num_agents)
    members = [[a for a in range(num_agents) if team >> a & 1] for team in teams]
    gone = [frozenset(range(num_agents)) - frozenset(team) for team in members]
    values = np.array([[coalition_value(game, own, out) for out in gone] for own in choices[0]])
    exact = dividend_shapley(values, num_agents)
    # Many agents in a chain: orders are sampled, anew in each of many steps.
    allocator, rng = ALLOCATORS["shapley"], np.random.default_rng(5)
    are_recounts = make is vote
    steps = {FEW: 1, MANY: 1 if are_recounts or num_agents < 7 else 40}
    found = []
    for num_samples, num_steps in steps.items():
        credit = []
        for _ in range(num_steps):
            plan = allocator.plan_removals(game.agents, rng, are_recounts=are_recounts)
            each = num_samples // num_steps
            group = measured(game, choices, max(each, 1), plan.removals)
            credit.append(
                allocator(
                    GroupOutcomes(
                        group.agents,
                        group.team_rewards,
                        group.removed_rewards,
                        orders=plan.orders,
                    )
                )
            )
        found.append(np.mean(credit, axis=0))
    if num_steps == 1:
        expect_convergence("shapley", *found, exact)
    else:
        error = np.std(credit, axis=0, ddof=1) / np.sqrt(num_steps)
        assert (np.abs(found[1] - exact) < 4.5 * error + 1e-9).all()
    np.testing.assert_allclose(found[1].sum(axis=1), game.reward(choices)[0] + 1.0, atol=1e-9)


def projected_effects(game: TabularGame):
    """The limit of many rollouts: the best model up to each message, exactly.

    Weighted least squares over all joint choices. In a vote all answers are in one model; in a
    chain a message is in one with those before it, and interacts with each of them.
    """
    joint, probability = outcomes(game)
    reward, num_turns = game.reward(joint), joint.shape[1]
    eye, root = np.eye(game.policy.shape[1]), np.sqrt(probability)[:, None]
    effects = []
    for turn in range(num_turns):
        is_vote = game.reads == "none"
        model = range(num_turns) if is_vote else range(turn + 1)
        read = () if is_vote else range(turn)

        def columns(said: np.ndarray, model=model, read=read, turn=turn) -> np.ndarray:
            pairs = [(eye[said[:, u]][:, :, None] * eye[said[:, turn]][:, None]) for u in read]
            flat = [pair.reshape(len(said), -1) for pair in pairs]
            return np.hstack([*(eye[said[:, t]] for t in model), *flat])

        fit = np.linalg.lstsq(root * columns(joint), root[:, 0] * reward, rcond=None)[0]
        effects.append((columns, fit, probability @ eye[joint[:, turn]]))
    return effects


def effect_of(game: TabularGame, effects, choices: np.ndarray) -> np.ndarray:
    """The change in the prediction by each message, (G, A)."""
    joint, probability = outcomes(game)
    credit = np.empty(choices.shape)
    before = np.full(len(choices), float(probability @ game.reward(joint)))
    for turn, (columns, fit, chances) in enumerate(effects):
        after = columns(choices) @ fit
        if game.reads == "none":  # of an answer instead of the mean one
            before = np.zeros(len(choices))
            for category, chance in enumerate(chances):
                instead = choices.copy()
                instead[:, turn] = category
                before += chance * (columns(instead) @ fit)
        credit[:, turn] = after - before
        before = after
    return credit


def test_the_best_model_of_two_agents_is_exact() -> None:
    game = chain(2)
    choices = rollouts(game, 64)[0]
    exact = effect_of(game, projected_effects(game), choices)
    np.testing.assert_allclose(exact, game.advantages(choices), rtol=0, atol=1e-9)


@pytest.mark.parametrize("make", [chain, vote])
@pytest.mark.parametrize("num_agents", SIZES)
def test_regression_credit_converges_to_the_best_model(num_agents: int, make) -> None:
    game = make(num_agents)
    exact = projected_effects(game)
    errors = {}
    for group_size, num_groups in ((64, 6), (512, 4 if num_agents < 5 else 2)):
        choices = play(game, num_groups, group_size, np.random.default_rng(6))
        off = []
        for own in choices:
            group = GroupOutcomes(game.agents, game.reward(own), features=own)
            credit = ALLOCATORS["regression"](group, reads=game.reads)
            off.append(credit - effect_of(game, exact, own))
        errors[group_size] = np.sqrt(np.square(off).mean(axis=(0, 1)))  # per turn
    assert (errors[512] < 0.12).all()
    assert np.sqrt(np.square(errors[512]).mean()) < 0.6 * np.sqrt(np.square(errors[64]).mean())


def slope(credit: np.ndarray, truth: np.ndarray) -> float:
    """The slope of centred credit on centred true values, of shape (groups, G)."""
    x, y = (values - values.mean(axis=1, keepdims=True) for values in (truth, credit))
    return float((x * y).sum() / (x * x).sum())


@pytest.mark.parametrize("num_thinkers", [1, 2])
@pytest.mark.parametrize(("group_size", "least"), [(64, 0.8), (512, 0.95)])
def test_regression_credit_of_thinkers_has_the_size_of_their_effect(
    num_thinkers: int, group_size: int, least: float
) -> None:
    rng = np.random.default_rng([7, num_thinkers])
    num_groups, num_games = (6, 24) if group_size == 64 else (1, 6)
    credit, truth = [], []
    for _ in range(num_games):
        game = make_chain(num_thinkers, rng)
        choices = play(game, num_groups, group_size, rng)
        truth += list(game.advantages(choices))
        groups = [GroupOutcomes(game.agents, game.reward(c), features=c) for c in choices]
        credit += ALLOCATORS["regression"].many(groups)
    credit, truth = np.stack(credit), np.stack(truth)
    joined = np.concatenate([credit[..., t] for t in range(num_thinkers)])
    assert slope(joined, np.concatenate([truth[..., t] for t in range(num_thinkers)])) > least


def relay(
    num_agents: int, chances: tuple[float, float], shape: tuple[int, int], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Two categories, handed on: P(good | good), P(good | bad); the last is the answer.

    Returns the categories (N, G, A) and the true advantages.
    """
    good, bad = chances
    said = [rng.random(shape) < 0.5]
    for _ in range(num_agents - 1):
        said.append(rng.random(shape) < np.where(said[-1], good, bad))
    value = [np.array([-1.0, 1.0])]  # E[R | category] of the last turn, then of those before it
    for _ in range(num_agents - 1):
        wrong, right = value[0]
        value.insert(0, np.array([p * right + (1 - p) * wrong for p in (bad, good)]))
    after = [v[s.astype(int)] for v, s in zip(value, said, strict=True)]
    before = [np.full(shape, value[0].mean()), *after[:-1]]
    truth = np.stack([a - b for a, b in zip(after, before, strict=True)], axis=-1)
    return np.stack(said, axis=-1).astype(int), truth


@pytest.mark.parametrize("num_agents", [2, 3])
@pytest.mark.parametrize("chances", [(0.9, 0.1), (0.85, 0.3)])
def test_regression_credit_of_what_is_handed_on_does_not_vanish(num_agents, chances) -> None:
    rng = np.random.default_rng([8, num_agents])
    for group_size, num_groups, least in ((64, 40, 0.9), (512, 4, 0.98)):
        said, truth = relay(num_agents, chances, (num_groups, group_size), rng)
        rewards = np.where(said[..., -1] == 1, 1.0, -1.0)
        agents = tuple(f"agent_{a}" for a in range(num_agents))
        groups = [GroupOutcomes(agents, r, features=s) for r, s in zip(rewards, said, strict=True)]
        credit = np.stack(ALLOCATORS["regression"].many(groups))
        for turn in range(num_agents - 1):
            found = slope(credit[..., turn], truth[..., turn])
            # Rollouts are few where the categories of two turns nearly always agree.
            assert found > least - 0.03, f"turn {turn} of {group_size} rollouts: {found:.3f}"


def test_branch_credit_pays_the_opening_that_decides_a_debate() -> None:
    # Two debaters in two rounds: the second opening alone decides, others are noise.
    rng = np.random.default_rng(9)
    turns = ("debater_0#1", "debater_1#1", "debater_0#2", "debater_1#2")
    num_groups, group_size, num_branches = 60, 8, 4
    opening = rng.random((num_groups, group_size)) < 0.5
    chance = np.where(opening, 0.95, 0.05)
    reward = np.where(rng.random(opening.shape) < chance, 1.0, -1.0)

    def branches(chance: np.ndarray) -> np.ndarray:
        drawn = rng.random((*opening.shape, num_branches))
        return np.where(drawn < chance[..., None], 1.0, -1.0)

    after = [branches(np.full(opening.shape, 0.5)), branches(chance), branches(chance)]
    groups = [
        GroupOutcomes(
            ("debater_0", "debater_1"),
            reward[n],
            branch_rewards={turn: own[n] for turn, own in zip(turns, after, strict=False)},
            turns=turns,
        )
        for n in range(num_groups)
    ]
    credit = np.stack(ALLOCATORS["branch"].many(groups))
    assert credit.shape == (num_groups, group_size, 4)
    truth = 2.0 * chance - 1.0
    slopes = [
        [slope(credit[n : n + 10, :, turn], truth[n : n + 10]) for n in range(0, num_groups, 10)]
        for turn in range(4)
    ]
    means, errors = np.mean(slopes, axis=1), np.std(slopes, axis=1, ddof=1) / np.sqrt(6)
    np.testing.assert_array_less(np.abs(means - [0.0, 1.0, 0.0, 0.0]), 4.0 * errors)
