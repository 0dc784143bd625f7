"""A reimplementation of COSAC's estimator, as a reference for credit."""

from __future__ import annotations

import numpy as np

from baselines.bench.credit.games.turn_game import FREE, TabularGame, complete
from baselines.common.types import FloatArray, IntArray

NUM_SUFFIXES = 8


def cosac_advantages(
    game: TabularGame,
    choices: IntArray,
    rewards: FloatArray,
    *,
    ridge: float = 1.0,
    num_suffixes: int = NUM_SUFFIXES,
    rng: np.random.Generator,
) -> FloatArray:
    """Return the advantage of each choice, from one additive fit per group.

    f(a) = sum_k phi_k(a_k)      phi = (ridge * I + X'X)^-1 X'R, X one-hot, shape (G, A * C)
    A_k = mean over suffixes after k of f - mean over suffixes before k of f

    Suffixes are sampled from the policy and need no rewards. The sum over a suffix includes both
    the agent's direct term and, through the choices of later agents, its indirect term.

    Args:
        game: The game; the estimator uses its policy, not its rewards.
        choices: Choices of whole teams in N groups, shape (N, G, A).
        rewards: Team rewards, shape (N, G).
        ridge: Penalty of the fit, without an intercept.
        num_suffixes: Suffixes L per prefix; those after agent k are also those before k + 1.
        rng: Random generator.

    Returns:
        Advantages, shape (N, G, A).

    Source: COSAC, arXiv:2604.17693, after second-hand descriptions; ridge and L are ours.
    """
    num_groups, _, num_agents = choices.shape
    effects = _fit(choices, rewards, game.policy.shape[1], ridge)  # (N, A, C)
    group = np.arange(num_groups)[:, None, None, None]
    values = []
    for turn in range(num_agents + 1):
        suffixes = np.repeat(choices[:, :, None], num_suffixes, axis=2)  # (N, G, L, A)
        suffixes[..., turn:] = FREE
        suffixes = complete(game, suffixes, rng)
        values.append(effects[group, np.arange(num_agents), suffixes].sum(axis=-1).mean(axis=-1))
    return np.diff(np.stack(values, axis=-1), axis=-1)


def _fit(choices: IntArray, rewards: FloatArray, num_choices: int, ridge: float) -> FloatArray:
    num_groups, group_size, num_agents = choices.shape
    one_hot = (choices[..., None] == np.arange(num_choices)).astype(np.float64)
    design = one_hot.reshape(num_groups, group_size, num_agents * num_choices)
    gram = np.einsum("ngi,ngj->nij", design, design) + ridge * np.eye(design.shape[-1])
    effects = np.linalg.solve(gram, np.einsum("ngi,ng->ni", design, rewards)[..., None])
    return effects.reshape(num_groups, num_agents, num_choices)
