from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.credit import (
    ALLOCATORS,
    GroupBatch,
    GroupOutcomes,
    additive_effects,
    regression_credit,
)
from baselines.credit.regression import INTERACTION, ridges_per_turn
from tests.rl.strategies import groups, measured_groups

NUM_CATEGORIES = 3


def test_ridges_fall_with_the_group_size_and_grow_with_turns_that_it_cannot_tell_apart() -> None:
    np.testing.assert_allclose(ridges_per_turn(16, 3), [1 / 2, 1 / 4, 1 / 8, 1 / 16])
    np.testing.assert_allclose(ridges_per_turn(2, 1), ridges_per_turn(16, 3))
    np.testing.assert_allclose(ridges_per_turn(64, 9), [1 / 4, 1 / 8, 1 / 16, 1 / 32])
    np.testing.assert_allclose(ridges_per_turn(16, 5), [1, 1 / 2, 1 / 4, 1 / 8])


def one_agent(categories: list[int], team: list[float]) -> GroupOutcomes:
    return GroupOutcomes(("solver_0",), team, features=[[x] for x in categories])


def test_regression_credit_by_hand() -> None:
    # Without a rollout of category 0: one of it is right, two of 1 wrong. phi = (t, -t) and
    # c = (t - 1) / 3 leave errors of 4/3 (1 - t) once, -2/3 (1 - t) twice: 8/3 (1 - t)^2, and the
    # smallest ridge, which predicts best, adds 1/16 * 2 t^2. So t = (16/3) / (16/3 + 1/4) = 64/67.
    credit = regression_credit(one_agent([0, 0, 1, 1], [1, 1, -1, -1]))
    np.testing.assert_allclose(credit[:, 0], np.array([1, 1, -1, -1]) * 64 / 67, atol=1e-12)


def test_regression_credit_of_a_pair_by_hand() -> None:
    # The thought is always the same, so without the answer three of the other rollouts predict the
    # reward of a fourth: 1, -1, -1 that of a right one, -1/3. With the answer the effect is as
    # above with a ridge of 1/4 in place of 1/16 (two turns, four rollouts), and its pair with the
    # thought has a tenth of the prior variance: with 1.1 in all,
    # t = (16/3) / (16/3 + 4 * 1/4 / 1.1) = 88/103. The prediction of 1 is then c + t, which is
    # (4 t - 1) / 3, and the change is 4/3 t.
    features = [[0, 0], [0, 0], [0, 1], [0, 1]]
    group = GroupOutcomes(("thinker_0", "solver_0"), [1, 1, -1, -1], features=features)
    credit = regression_credit(group)
    np.testing.assert_array_equal(credit[:, 0], 0.0)
    signs = np.array([1, 1, -1, -1])
    np.testing.assert_allclose(credit[:, 1], signs * 4 / 3 * 88 / 103, atol=1e-12)
    # Who reads nobody has no pairs, and is compared with its mean: t = (16/3) / (16/3 + 4 * 1/4).
    credit = regression_credit(group, reads="none")
    np.testing.assert_allclose(credit[:, 1], signs * 16 / 19, atol=1e-12)


def test_regression_credit_compares_with_what_might_have_been_said_by_hand() -> None:
    # As above, but the agent says 0 with chance 3/4: it expects 3/4 t - 1/4 t = t/2. A category
    # that nobody chose has no effect.
    chances = np.broadcast_to([0.75, 0.25], (4, 1, 2))
    group = one_agent([0, 0, 1, 1], [1, 1, -1, -1])
    credit = regression_credit(group, probabilities=chances)
    np.testing.assert_allclose(credit[:, 0] * 67 / 64, [0.5, 0.5, -1.5, -1.5], atol=1e-12)
    third = np.broadcast_to([0.0, 0.0, 1.0], (4, 1, 3))
    credit = regression_credit(group, probabilities=third)
    np.testing.assert_allclose(credit[:, 0] * 67 / 64, [1, 1, -1, -1], atol=1e-12)


def test_regression_credit_takes_features_of_the_caller_first() -> None:
    group = one_agent([0, 1, 0, 1], [1, 1, -1, -1])
    credit = regression_credit(group, features=[[0], [0], [1], [1]])
    expected = regression_credit(one_agent([0, 0, 1, 1], [1, 1, -1, -1]))
    np.testing.assert_array_equal(credit, expected)
    assert (credit != regression_credit(group)).all()


def nested(rewards: np.ndarray, features: np.ndarray, chances: np.ndarray | None) -> np.ndarray:
    """What each message changes in the prediction from it and the messages before it.

    With the chances of all categories, it is compared with their mean prediction instead of the
    prediction without it; the first message always is.
    """
    credit, before = np.empty(features.shape), None
    for turn in range(features.shape[1]):
        own = None if chances is None else chances[:, : turn + 1]
        effects, predicted = refitted(rewards, features[:, : turn + 1], own, context=range(turn))
        is_direct = turn == 0 or chances is not None
        credit[:, turn] = effects[:, turn] if is_direct else predicted - before
        before = predicted
    return credit


def refitted(
    rewards: np.ndarray,
    features: np.ndarray,
    chances: np.ndarray | None,
    context: Sequence[int] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """The effects and predictions of the model as it is written, fitted again without each rollout.

    One-hot columns and an intercept. With a context, the last agent's column interacts with those
    of the context.
    """
    num_rollouts, num_agents = features.shape
    eye = np.eye(NUM_CATEGORIES)

    def columns(said: np.ndarray) -> np.ndarray:
        """The row of the design of each rollout, if this was said, (..., A)."""
        pairs = [
            eye[said[..., u]][..., :, None] * eye[said[..., -1]][..., None, :] for u in context
        ]
        parts = [eye[said[..., a]] for a in range(num_agents)]
        parts += [np.sqrt(INTERACTION) * p.reshape(*said.shape[:-1], -1) for p in pairs]
        return np.concatenate([np.ones((*said.shape[:-1], 1)), *parts], axis=-1)

    design = columns(features)
    kept = 1.0 - np.eye(num_rollouts)  # row g: without rollout g
    normal = np.einsum("gn,ni,nj->gij", kept, design, design)
    target = np.einsum("gn,n,ni->gi", kept, rewards, design)
    penalty = np.eye(design.shape[1])
    penalty[0, 0] = 0.0
    systems = (
        normal
        + (ridges_per_turn(num_rollouts, num_agents) * num_agents)[:, None, None, None] * penalty
    )
    fits = list(np.linalg.solve(systems, target[None, ..., None])[..., 0])
    errors = [np.square(rewards - (design * fit).sum(axis=1)).sum() for fit in fits]
    best = next(fit for fit, e in zip(fits, errors, strict=True) if e <= min(errors) * (1 + 1e-9))
    if chances is None:
        chances = np.broadcast_to(eye[features].mean(axis=0), (*features.shape, NUM_CATEGORIES))
    credit = np.zeros(features.shape)
    for agent in range(num_agents):
        predicted = np.empty((num_rollouts, NUM_CATEGORIES))
        for category in range(NUM_CATEGORIES):
            instead = features.copy()
            instead[:, agent] = category
            predicted[:, category] = (columns(instead) * best).sum(axis=1)
        taken = np.take_along_axis(predicted, features[:, [agent]], axis=1)[:, 0]
        credit[:, agent] = taken - (predicted * chances[:, agent]).sum(axis=1)
    return credit, (design * best).sum(axis=1)


@pytest.mark.no_cover
def test_regression_credit_equals_refitted_models_of_200_groups() -> None:
    step = measured_groups(200)
    for group, credit in zip(step, ALLOCATORS["regression"].many(step), strict=True):
        expected = np.clip(nested(group.team_rewards, group.features, None), -2.0, 2.0)
        np.testing.assert_allclose(credit, expected, rtol=0, atol=1e-11)


def test_regression_credit_of_a_vote_is_by_one_model_of_all_voters() -> None:
    for group in measured_groups(100):
        expected = np.clip(refitted(group.team_rewards, group.features, None)[0], -2.0, 2.0)
        credit = regression_credit(group, reads="none")
        np.testing.assert_allclose(credit, expected, rtol=0, atol=1e-11)


def test_regression_credit_with_probabilities_equals_refitted_models() -> None:
    for index, group in enumerate(measured_groups(100)):
        rng = np.random.default_rng([1, index])
        chances = rng.dirichlet(np.ones(NUM_CATEGORIES), group.features.shape)
        credit = regression_credit(group, probabilities=chances)
        expected = np.clip(nested(group.team_rewards, group.features, chances), -2.0, 2.0)
        np.testing.assert_allclose(credit, expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("reads", ["chain", "none"])
def test_regression_credit_uses_the_known_probabilities_of_single_turns(reads) -> None:
    # A turn whose probabilities are not known has the credit that it has without any.
    for index, group in enumerate(measured_groups(20)):
        rng = np.random.default_rng([2, index])
        chances = rng.dirichlet(np.ones(NUM_CATEGORIES), group.features.shape)
        known = np.arange(group.features.shape[1]) % 2 == 1
        partly = np.where(known[:, None], chances, np.nan)
        credit = regression_credit(group, probabilities=partly, reads=reads)
        with_all = regression_credit(group, probabilities=chances, reads=reads)
        with_none = regression_credit(group, reads=reads)
        expected = np.where(known, with_all, with_none)
        np.testing.assert_allclose(credit, expected, rtol=0, atol=1e-12)


def test_regression_credit_reads_the_probabilities_of_a_group_also_in_batches() -> None:
    groups, expected = [], []
    for index, group in enumerate(measured_groups(12)):
        rng = np.random.default_rng([3, index])
        num_categories = NUM_CATEGORIES + index % 2
        chances = rng.dirichlet(np.ones(num_categories), group.features.shape)
        if index % 3:
            chances[:, 0] = np.nan
        own = None if index % 4 == 0 else chances
        groups.append(
            GroupOutcomes(
                group.agents, group.team_rewards, features=group.features, probabilities=own
            )
        )
        expected.append(regression_credit(group, probabilities=own))
    for credit, wanted in zip(ALLOCATORS["regression"].many(groups), expected, strict=True):
        np.testing.assert_allclose(credit, wanted, rtol=0, atol=1e-12)


@given(group=groups(), numbers=st.permutations(range(5)))
def test_regression_credit_ignores_how_categories_are_numbered(
    group: GroupOutcomes, numbers: list[int]
) -> None:
    renumbered = regression_credit(group, features=np.array(numbers)[group.features])
    np.testing.assert_allclose(renumbered, regression_credit(group), rtol=0, atol=1e-12)


@given(group=groups())
def test_regression_credit_is_zero_for_an_agent_that_always_says_the_same(
    group: GroupOutcomes,
) -> None:
    features = group.features.copy()
    features[:, 0] = 1
    credit = regression_credit(group, features=features)
    np.testing.assert_allclose(credit[:, 0], 0.0, rtol=0, atol=1e-12)


@given(group=groups(), shift=st.floats(-5.0, 5.0), scale=st.floats(0.1, 10.0))
def test_additive_effects_scale_with_the_reward_and_ignore_its_mean(
    group: GroupOutcomes, shift: float, scale: float
) -> None:
    effects = additive_effects(group.team_rewards, group.features)
    scaled = additive_effects(scale * group.team_rewards + shift, group.features)
    np.testing.assert_allclose(scaled, scale * effects, rtol=0, atol=1e-9)


def test_regression_credit_is_never_more_than_the_range_of_the_reward() -> None:
    # Of two agents with three categories and eight rollouts, a few effects in ten thousand are
    # estimated beyond it.
    rng = np.random.default_rng(0)
    rewards, features = rng.choice([-1.0, 1.0], (20_000, 8)), rng.integers(3, size=(20_000, 8, 2))
    certain = np.eye(3)[rng.integers(3, size=features.shape)]
    effects = additive_effects(rewards, features, certain)
    agents = tuple("ab")
    batch = GroupBatch(agents=agents, team_rewards=rewards, features=features)
    credit = regression_credit(batch, probabilities=certain, reads="none")
    assert np.abs(effects).max() > 2.0
    np.testing.assert_allclose(credit, np.clip(effects, -2.0, 2.0), rtol=0, atol=1e-12)


def sequential_bandit(
    rng: np.random.Generator, *, num_agents: int, num_rollouts: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rewards, actions, their chances and exact advantages: agents see the action before theirs.

    The reward is a sum of one value per agent and action; four actions each. The advantage of
    agent k is E[R | actions up to k] - E[R | actions before k], by dynamic programming.
    """
    values = rng.normal(size=(num_agents, 4))
    logits = rng.normal(0.0, 0.5, (num_agents, 1, 4)) + rng.normal(size=(num_agents, 4, 4))
    policy = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    to_come = np.zeros((num_agents + 1, 4))  # expected reward from agent k on, per last action
    for k in reversed(range(num_agents)):
        to_come[k] = policy[k] @ (values[k] + to_come[k + 1])
    actions = np.empty((num_rollouts, num_agents), np.int64)
    chances, truth = np.empty((2, num_rollouts, num_agents, 4))
    last = np.zeros(num_rollouts, np.int64)  # what the first agent sees
    for k in range(num_agents):
        chances[:, k] = policy[k, last]
        draws = rng.random((num_rollouts, 1))
        actions[:, k] = (chances[:, k].cumsum(axis=-1)[:, :-1] < draws).sum(axis=-1)
        truth[:, k, 0] = (values[k] + to_come[k + 1])[actions[:, k]] - to_come[k, last]
        last = actions[:, k]
    rewards = values[range(num_agents), actions].sum(axis=1)
    return rewards, actions, chances, truth[..., 0]


def test_additive_effects_have_skill_for_sixteen_agents_and_sixteen_rollouts() -> None:
    skills, shared_skills = [], []
    for seed in range(30):
        rng = np.random.default_rng([16, seed])
        game = sequential_bandit(rng, num_agents=16, num_rollouts=16)
        rewards, actions, chances, truth = game
        effects = additive_effects(rewards, actions, chances)
        nothing = np.square(truth).mean()
        skills.append(1.0 - np.square(effects - truth).mean() / nothing)
        shared = (rewards - rewards.mean())[:, None]
        shared_skills.append(1.0 - np.square(shared - truth).mean() / nothing)
    half_width = 1.96 * np.std(skills, ddof=1) / np.sqrt(len(skills))
    assert np.mean(skills) - half_width > 0.1
    assert np.max(shared_skills) < 0.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, r"^features must hold a category of each message, got none; give GroupOutcomes"),
        ({"features": [[0]]}, r"^features must have shape \(2, 1\), got \(1, 1\); give each"),
        (
            {"features": [[0], [1]], "probabilities": [[1.0], [0.0]]},
            r"^probabilities must have shape \(2, 1, C\), got \(2, 1\); give each category",
        ),
        (
            {"features": [[0], [1]], "probabilities": [[[1.5, 0]], [[1, 0]]]},
            r"^probabilities must lie in \[0, 1\], got 1.5; give each category",
        ),
        (
            {"features": [[0], [2]], "probabilities": [[[1, 0]], [[1, 0]]]},
            r"^probabilities must have a last size above the largest category 2, got 2; give",
        ),
        (
            {"features": [[0], [1]], "probabilities": [[[1.0]], [[1.0]]]},
            r"^probabilities must have a last size above the largest category 1, got 1; give",
        ),
        (
            {"features": [[0], [1]], "probabilities": [[[0.5, 0]], [[1, 0]]]},
            r"^probabilities must sum to 1 over the categories, got 0.5; give each category",
        ),
        ({"features": [[0.5], [1]]}, r"^features must be integers, got float64; number them"),
        ({"features": [[-1], [1]]}, r"^features must be >= 0, got -1; number them from 0$"),
    ],
)
def test_regression_credit_refuses_what_it_cannot_read(
    arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        regression_credit(GroupOutcomes(("solver_0",), [1, -1]), **arguments)


def test_regression_credit_refuses_a_group_of_one() -> None:
    with pytest.raises(ValueError, match=r"^group_size must be >= 2 .* got 1; pass a larger"):
        regression_credit(one_agent([0], [1]))
