"""A reimplementation of COSAC's estimator, as a reference for credit."""

from __future__ import annotations

import numpy as np

from baselines.bench.credit.games.turn_game import FREE, TabularGame, certain, complete
from baselines.common.types import FloatArray, IntArray

NUM_SUFFIXES = 8
"""Suffixes L of the sampled estimate, after a public reimplementation; L of the paper is unknown.
"""
RIDGE = 1.0
"""Penalty of the fit; that of the paper is unknown."""
EXACT, SAMPLED = "cosac (exact)", f"cosac (L = {NUM_SUFFIXES})"
"""Names of the estimates, by how the expectations over later choices are computed."""


def cosac_advantages(
    game: TabularGame,
    choices: IntArray,
    rewards: FloatArray,
    *,
    ridge: float = RIDGE,
    num_suffixes: int | None = None,
    rng: np.random.Generator | None = None,
) -> FloatArray:
    """Return the advantage of each choice, from one additive fit per group.

    f(a) = sum_k phi_k(a_k)      phi = (ridge * I + X'X)^-1 X'R, X one-hot, shape (G, A * C)
    A_k  = E[f | a_<=k] - E[f | a_<k] = the sum of `cosac_terms`

    Args:
        game: The game; the estimator uses its policy, not its rewards.
        choices: Choices of whole teams in N groups, shape (N, G, A).
        rewards: Team rewards, shape (N, G).
        ridge: Penalty of the fit, without an intercept.
        num_suffixes: L, from which the expectations are estimated: suffixes sampled from the policy
            after each prefix, which need no rewards; those after agent k are also those before
            k + 1. None: the expectations are exact.
        rng: Random generator, for suffixes.

    Returns:
        Advantages, shape (N, G, A).

    Note: The noise of few suffixes dominates: with 16 agents in groups of 16 the skill is -.55 with
        L = 8, +.13 with L = 128 and +.17 with exact expectations; see docs/credit.md.

    Source: COSAC, arXiv:2604.17693, after second-hand descriptions; ridge and L are ours.
    """
    effects = additive_fit(choices, rewards, game.policy.shape[1], ridge)
    if num_suffixes is None:
        chances = np.stack(
            [game.chances(choices, turn) for turn in range(choices.shape[-1] + 1)], axis=2
        )
    else:
        assert rng is not None, "suffixes are sampled"
        chances = _frequencies(game, choices, num_suffixes, rng)
    direct, continuation = cosac_terms(effects, chances)
    return direct + continuation


def cosac_terms(effects: FloatArray, chances: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the direct and the continuation term of each agent's advantage.

    D_k = phi_k(a_k) - E[phi_k | a_<k]
    I_k = sum over j > k of E[phi_j | a_<=k] - E[phi_j | a_<k]

    Args:
        effects: phi, shape (N, A, C).
        chances: Probability of each choice of agent j given the first k choices of a rollout, at
            [.., k, j, :], shape (N, G, A + 1, A, C); certain for j < k.

    Returns:
        D and I, both of shape (N, G, A). D + I sums over agents to f(a) - E[f].
    """
    expected = np.einsum("njc,ngkjc->ngkj", effects, chances)
    change = np.diff(expected, axis=2)  # (N, G, A, A): by agent k, in the effect of agent j
    direct = np.diagonal(change, axis1=2, axis2=3)
    continuation: FloatArray = np.triu(change, k=1).sum(axis=3)
    return direct, continuation


def additive_fit(
    choices: IntArray, rewards: FloatArray, num_choices: int, ridge: float
) -> FloatArray:
    """Return phi, the effect of each agent's choices by ridge regression, shape (N, A, C).

    Args:
        choices: Choices in N groups, shape (N, G, A).
        rewards: Rewards, shape (N, G).
        num_choices: Number of choices C.
        ridge: Penalty of every effect; there is no intercept.
    """
    num_groups, group_size, num_agents = choices.shape
    design = certain(choices, num_choices).reshape(num_groups, group_size, -1)
    gram = np.einsum("ngi,ngj->nij", design, design) + ridge * np.eye(design.shape[-1])
    effects = np.linalg.solve(gram, np.einsum("ngi,ng->ni", design, rewards)[..., None])
    return effects.reshape(num_groups, num_agents, num_choices)


def _frequencies(
    game: TabularGame, choices: IntArray, num_suffixes: int, rng: np.random.Generator
) -> FloatArray:
    """Return the frequency of each choice in suffixes, shape (N, G, A + 1, A, C)."""
    counted = []
    for turn in range(choices.shape[-1] + 1):
        suffixes = np.repeat(choices[:, :, None], num_suffixes, axis=2)  # (N, G, L, A)
        suffixes[..., turn:] = FREE
        drawn = complete(game, suffixes, rng)
        counted.append(certain(drawn, game.policy.shape[1]).mean(axis=2))
    return np.stack(counted, axis=2)
