"""Exact moments of credit that depends on the whole group, by enumerating all groups."""

from __future__ import annotations

from itertools import combinations_with_replacement
from math import comb

import numpy as np

from baselines.bench.map.enumerated import Enumerated
from baselines.bench.map.mixture import Mixture
from baselines.bench.map.signal import Signal, exact_gradient, from_moments
from baselines.common.types import FloatArray, IntArray
from baselines.credit import ALLOCATORS
from baselines.credit.outcomes import GroupBatch
from baselines.optimizers import OPTIMIZERS
from ccpo_env.errors import unknown_name

WITHOUT_REPLAYS = ("shared", "regression")
"""Allocators that need the rollouts of a group alone."""
MAX_GROUPS = 60_000
"""Maximum number of groups, up to their order, that are enumerated per kind of task."""
BATCH = 4_096
"""Groups whose credit is computed at once."""


def group_signal(
    mixture: Mixture, allocator: str, *, optimizer: str = "grpo", group_size: int = 4
) -> Signal:
    """Return the exact moments of a group's gradient, as `signal.gradient_signal` does.

    All multisets of G outcomes are enumerated, each with its multinomial probability, and their
    advantages computed by the allocator and the optimizer themselves. So the credit may depend on
    the whole group, as that of a regression does, and be divided by its standard deviation.

    Args:
        mixture: The tasks and the policy.
        allocator: "shared" or "regression".
        optimizer: A name of OPTIMIZERS that does not whiten.
        group_size: Rollouts per group, G.

    Raises:
        ValueError: If a name is unknown, the optimizer whitens, or there are more than MAX_GROUPS
            groups.
    """
    if allocator not in WITHOUT_REPLAYS:
        raise unknown_name("allocator", allocator, dict.fromkeys(WITHOUT_REPLAYS))
    if optimizer not in OPTIMIZERS:
        raise unknown_name("optimizer", optimizer, OPTIMIZERS)
    if OPTIMIZERS[optimizer].whitens:
        raise ValueError(
            f"optimizer must not whiten over a step, got {optimizer!r}; choose grpo, dapo or rloo"
        )
    mean, second = np.zeros_like(mixture.policy), 0.0
    for kind, weight in enumerate(mixture.weights):
        of_kind, square = _moments(mixture, kind, allocator, optimizer, group_size)
        mean += weight * of_kind
        second += float(weight * square)
    tokens = float(group_size * len(mixture.agents))
    return from_moments(mean, second, exact_gradient(mixture), tokens)


def num_groups(mixture: Mixture, group_size: int) -> int:
    """Return the number of groups, up to their order, of a kind of task."""
    num_outcomes = mixture.policy.shape[1] ** len(mixture.agents)
    return comb(num_outcomes + group_size - 1, group_size)


def _moments(
    mixture: Mixture, kind: int, allocator: str, optimizer: str, group_size: int
) -> tuple[FloatArray, float]:
    """Return E g and E |g|^2 of groups of one kind of task."""
    count = num_groups(mixture, group_size)
    if count > MAX_GROUPS:
        raise ValueError(
            f"groups must be at most {MAX_GROUPS} to be enumerated, got {count}; choose a smaller "
            f"group_size or game"
        )
    game, table = mixture.enumerated[kind], mixture.tables()[kind]
    scores = _scores(mixture, kind, game, table)
    outcomes = np.arange(len(game.whole.rewards))
    groups = np.array(list(combinations_with_replacement(outcomes, group_size)))
    chances = _multinomial(groups, game.probabilities(table))
    mean, square = np.zeros(scores.shape[-1]), 0.0
    for start in range(0, len(groups), BATCH):
        part = slice(start, start + BATCH)
        advantages = _advantages(game, groups[part], allocator, optimizer)
        gradients = np.einsum("nga,ngap->np", advantages, scores[groups[part]]) / group_size
        mean += chances[part] @ gradients
        square += float(chances[part] @ (gradients**2).sum(axis=1))
    return mean.reshape(mixture.policy.shape), square


def _advantages(game: Enumerated, groups: IntArray, allocator: str, optimizer: str) -> FloatArray:
    method = OPTIMIZERS[optimizer]
    batch = GroupBatch(
        agents=game.game.agents,
        team_rewards=game.whole.rewards[groups],
        features=game.whole.choices[groups],
    )
    arguments = {"reads": game.game.reads} if allocator == "regression" else {}
    credit = ALLOCATORS[allocator].credit(batch, **arguments)
    options = {"std": method.hyperparameters.std} if "std" in method.tunable else {}
    return np.stack(method.baseline(list(credit), **options))


def _scores(mixture: Mixture, kind: int, game: Enumerated, table: FloatArray) -> FloatArray:
    """Return d log pi of each agent's choice in each outcome, shape (O, A, P * C)."""
    num_outcomes, num_agents = game.whole.choices.shape
    scores = np.zeros((num_outcomes, num_agents, *mixture.policy.shape))
    rows = mixture.parameters[kind][game.whole.rows]  # (O, A)
    outcome, agent = np.nonzero(rows >= 0)
    row, choice = rows[outcome, agent], game.whole.choices[outcome, agent]
    scores[outcome, agent, row] -= table[game.whole.rows[outcome, agent]]
    scores[outcome, agent, row, choice] += 1.0
    return scores.reshape(num_outcomes, num_agents, -1)


def _multinomial(groups: IntArray, chances: FloatArray) -> FloatArray:
    """Return the probability of each multiset, of sorted outcomes, shape (n, G) -> (n,)."""
    total = np.ones(len(groups))
    repeats = np.ones(len(groups))
    for place in range(groups.shape[1]):
        same = groups[:, place] == groups[:, place - 1] if place else np.zeros(len(groups), bool)
        repeats = np.where(same, repeats + 1.0, 1.0)
        # G! / product of factorials, one factor at a time
        total *= chances[groups[:, place]] * (place + 1) / repeats
    return total
