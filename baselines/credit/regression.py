"""Regression credit: additive models of the reward, with an effect per turn and category."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from baselines.common.checks import expect_between, expect_shape
from baselines.common.types import FloatArray, IntArray
from baselines.credit.outcome_checks import expect_categories
from baselines.credit.outcomes import Outcomes
from baselines.credit.reading import Reading, Reads, readings
from baselines.credit.turns import columns_of

RIDGES_PER_TURN = np.array([1 / 2, 1 / 4, 1 / 8, 1 / 16])
"""Candidate ridge penalties, in units of the number of turns in a model. Larger ones shrink the
credit of early turns, whose effects are small: they lowered its slope on the truth and the cosine
of its gradient with the exact one, at every group size from 8 to 512."""

UNSCALED_ROLLOUTS = 16
"""Group size beyond which the penalties fall, as one over the square root of the group size: the
leave-one-out error hardly tells small penalties apart, but the larger ones bias rare messages."""

INTERACTION = 0.1
"""Prior variance of the interaction with a message that a turn reads, relative to its own effect.
Without interactions the slope on the truth stays below .95 at any group size; with larger ones the
error in small groups grows."""

REWARD_RANGE = 2.0  # from -1 to +1: the largest possible effect on the expected reward

SUM_TOLERANCE = 1e-4  # for probabilities computed in float32

TIE = 1e-9  # relative; far above rounding, so that reordered rollouts select the same ridge


def regression_credit(
    outcomes: Outcomes,
    *,
    features: npt.ArrayLike | None = None,
    probabilities: npt.ArrayLike | None = None,
    reads: Reads = "chain",
) -> FloatArray:
    """Credit each turn with the effect of its category of message, by cross-fitted models.

    R[g]         = c + sum over u in U(t) of phi_u(x[g, u])
                     + sum over u read by t of psi_u(x[g, u], x[g, t]) + rest
    e(g, x)      = phi_t(x) + sum over u read by t of psi_u(x[g, u], x)
    credit[g, t] = e(g, x[g, t]) - sum over x' of p[g, t, x'] * e(g, x')
    c, phi, psi  = argmin sum of rest^2 + ridge * (sum of phi^2 + sum of psi^2 / INTERACTION)
                     over all rollouts but g

    U(t) holds turn t and all turns that it cannot influence: those before it, and later ones that
    read neither it nor anybody who read it. What message t makes the others say is so a part of its
    effect; a model of all turns would attribute it to them.

    Args:
        outcomes: One task's group of G rollouts of T turns, or a batch of groups. Reads
            team_rewards R, shape (..., G), and features x.
        features: Category of each turn's message, shape (..., G, T), integers >= 0. None: the
            features of the group.
        probabilities: p, the probability of each of C categories when the message was sampled,
            shape (..., G, T, C). None: the frequencies in the group.
        reads: Which earlier turns each turn reads. "chain": all of them, so that U(t) are the
            turns up to t; "none": no others, as in a vote, so that there is one model, without
            psi; else a tuple of turns, or agents if each speaks once, per turn.

    Returns:
        Credit, shape (..., G, T), in units of reward, clipped to [-2, 2]. Like branch credit, it
        is the change in expected reward by a message, so it is already centred.

    Raises:
        ValueError: If there are no features, their shape or the probabilities are wrong, reads
            names a turn that is not earlier, or the group has one rollout.

    Note: Coding: all effects of all categories are penalised alike, so no category is the
        reference, and the effects of a model are unique however many turns there are; the
        intercept c is not penalised. Cross-fitting: the credit of rollout g is from the model
        fitted without it, so its own noise is not in its credit. Ridge: the penalty of
        `ridges_per_turn` times the number of turns in the model with the smallest leave-one-out
        error. One ridge per group and model is selected, with all rollouts. The rollouts must be
        of the current policies, because effects include how later agents respond.

    Source: COSAC, arXiv:2604.17693, whose direct term is the effect in the model of all turns;
        differs from it in the nested models, which contain its indirect term and need no
        fictitious continuations, in the coding, which there leaves the design short of full rank,
        in the cross-fitting and in the choice of ridge.
    """
    turns = columns_of(outcomes)
    shape = (*outcomes.team_rewards.shape, len(turns))
    if features is not None:
        categories = expect_categories(np.asarray(features), shape)
    elif outcomes.features is not None:
        categories = outcomes.features
    else:
        raise ValueError(
            "features must hold a category of each message, got none; give GroupOutcomes "
            "features, pass features=..., or use the allocator 'shared'"
        )
    chances = None if probabilities is None else _chances(probabilities, categories)
    credit = np.empty(shape)
    for reading, own in _models(reads, turns).items():
        model = list(reading.unaffected)
        effects = _effects(
            outcomes.team_rewards,
            categories[..., model],
            chances if chances is None else chances[..., model, :],
            own=[model.index(turn) for turn in own],
            context=[model.index(turn) for turn in reading.read],
        )
        credit[..., own] = effects
    return np.clip(credit, -REWARD_RANGE, REWARD_RANGE)


def _models(reads: Reads, turns: tuple[str, ...]) -> dict[Reading, list[int]]:
    """Return the turns that each model credits: one in a chain, all of them in a vote."""
    models: dict[Reading, list[int]] = {}
    for turn, reading in enumerate(readings(reads, turns)):
        models.setdefault(reading, []).append(turn)
    return models


def _chances(probabilities: npt.ArrayLike, categories: IntArray) -> FloatArray:
    chances = np.asarray(probabilities, dtype=np.float64)
    remedy = "give each category of `features` its probability"
    expect_shape("probabilities", chances, (*categories.shape, "C"), remedy=remedy)
    expect_between("probabilities", chances, 0.0, 1.0, remedy=remedy)
    if categories.max() >= chances.shape[-1]:
        raise ValueError(
            f"probabilities must have a last size above the largest category {categories.max()}, "
            f"got {chances.shape[-1]}; {remedy}"
        )
    sums = chances.sum(axis=-1)
    wrong = sums[np.abs(sums - 1.0) > SUM_TOLERANCE]
    if wrong.size:
        raise ValueError(
            f"probabilities must sum to 1 over the categories, got {wrong[0]:g}; {remedy}"
        )
    return chances


def additive_effects(
    rewards: FloatArray, features: IntArray, probabilities: FloatArray | None = None
) -> FloatArray:
    """Return `regression_credit` of agents that read nobody, for rewards of any scale.

    Args:
        rewards: Rewards, shape (..., G) with G >= 2.
        features: Categories, shape (..., G, A), integers >= 0.
        probabilities: Probabilities of each category, shape (..., G, A, C), or None.

    Returns:
        Effects of one model of all agents, shape (..., G, A), not clipped.

    Raises:
        ValueError: If there is one rollout only.
    """
    everybody = range(features.shape[-1])
    return _effects(rewards, features, probabilities, own=everybody, context=())


def _effects(
    rewards: FloatArray,
    features: IntArray,
    probabilities: FloatArray | None,
    *,
    own: Sequence[int],
    context: Sequence[int],
) -> FloatArray:
    """Return the effects of some turns of a model, less their expectation, shape (..., G, own).

    Args:
        rewards: Rewards, shape (..., G).
        features: Categories of the turns in the model, shape (..., G, T).
        probabilities: Probabilities of their categories, shape (..., G, T, C), or None.
        own: Positions of the credited turns; one if there is a context.
        context: Positions of the turns that interact with it.
    """
    if rewards.shape[-1] < 2:
        raise ValueError(
            "group_size must be >= 2 for regression credit, got 1; pass a larger --group-size"
        )
    # Ridge on one-hot blocks in its dual form: the kernel counts the turns, and pairs of turns,
    # in which two rollouts agree; an effect is the sum of the duals of those that agree with it.
    same = (features[..., :, None, :] == features[..., None, :, :]).astype(np.float64)
    num_turns = features.shape[-1]
    around = 1.0 + INTERACTION * np.add.reduce(same[..., list(context)], axis=-1)  # (..., G, G)
    credited = same[..., list(own)]  # (..., G, G, own)
    kernel = np.add.reduce(same, axis=-1)
    if len(context):
        kernel += credited[..., 0] * (around - 1.0)
    duals = _left_out_duals(rewards, kernel / num_turns) / num_turns  # row g: without g
    chance = _chance(features[..., list(own)], credited, probabilities, own)
    effects: FloatArray = np.einsum("...gj,...gja->...ga", duals * around, credited - chance)
    return effects


def _chance(
    features: IntArray,
    same: FloatArray,
    probabilities: FloatArray | None,
    own: Sequence[int],
) -> FloatArray:
    """Return the probability, when it was rollout g's turn, of what rollout j says there.

    Shape (..., G, G, own), or (..., 1, G, own) from frequencies in the group.
    """
    if probabilities is None:
        frequency: FloatArray = same.mean(axis=-2)
        return frequency[..., None, :, :]
    chance = np.take_along_axis(
        np.swapaxes(probabilities[..., list(own), :], -3, -2)[..., None, :],  # (..., own, G, 1, C)
        np.swapaxes(features, -2, -1)[..., None, :, None],  # (..., own, 1, G, 1)
        axis=-1,
    )[..., 0]  # (..., own, G, G)
    return np.moveaxis(chance, -3, -1)


def _left_out_duals(rewards: FloatArray, kernel: FloatArray) -> FloatArray:
    """Return the dual weights of the ridge regressions without each rollout.

    dual = Q y      Q = (H K H + ridge)^-1 without its constant part, H = centring
    error of rollout g when left out = dual[g] / Q[g, g]
    dual without g = dual - Q[:, g] * dual[g] / Q[g, g]

    Args:
        rewards: y, shape (..., G).
        kernel: K, the share of agents that agree, shape (..., G, G).

    Returns:
        Row g: the weights without rollout g, shape (..., G, G), 0 on the diagonal.
    """
    num_rollouts = rewards.shape[-1]
    centring = np.eye(num_rollouts) - 1.0 / num_rollouts
    sizes, vectors = np.linalg.eigh(centring @ kernel @ centring)  # (..., G), (..., G, G)
    transposed = np.swapaxes(vectors, -1, -2)
    sizes = np.maximum(sizes, 0.0)[..., None]  # (..., G, 1), without rounding errors below 0
    offsets = (centring @ rewards[..., None])[..., 0]
    precision = _best_precision(sizes, vectors, transposed @ offsets[..., None])  # (..., 1, 1)
    # Q is scaled by the ridge, so that an infinite ridge needs no special case.
    kept = 1.0 / (1.0 + sizes * precision)
    q = vectors @ (kept * transposed) - 1.0 / num_rollouts
    dual = q @ offsets[..., None]  # (..., G, 1)
    error = dual / np.diagonal(q, axis1=-2, axis2=-1)[..., None]
    without: FloatArray = (np.swapaxes(dual, -1, -2) - error * q) * precision
    return without


def ridges_per_turn(num_rollouts: int) -> FloatArray:
    """Return the candidate ridge penalties of a group, per turn in the model."""
    scale = min(1.0, float(np.sqrt(UNSCALED_ROLLOUTS / num_rollouts)))
    ridges: FloatArray = RIDGES_PER_TURN * scale
    return ridges


def _best_precision(sizes: FloatArray, vectors: FloatArray, projected: FloatArray) -> FloatArray:
    """Return 1 / ridge with the smallest sum of squared errors of left-out rollouts."""
    num_rollouts = vectors.shape[-1]
    precisions = 1.0 / ridges_per_turn(num_rollouts)  # the kernel is already a mean over turns
    kept = 1.0 / (1.0 + sizes * precisions)  # (..., G, L)
    dual = vectors @ (kept * projected)  # (..., G, L)
    diagonal = np.square(vectors) @ kept - 1.0 / num_rollouts  # (..., G, L)
    errors = np.add.reduce(np.square(dual / diagonal), axis=-2)  # (..., L)
    within_tie = errors <= errors.min(axis=-1, keepdims=True) * (1.0 + TIE)
    best: FloatArray = precisions[within_tie.argmax(axis=-1)]  # the strongest ridge of the best
    return best[..., None, None]
