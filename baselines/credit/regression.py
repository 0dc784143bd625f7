"""Regression credit: additive models of the reward, with an effect per turn and category."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress

import numpy as np
import numpy.typing as npt

from baselines.common.types import FloatArray, IntArray
from baselines.credit.category_checks import expect_categories, expect_chances, known_turns
from baselines.credit.left_out_ridge import left_out_duals, left_out_predictions
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

ROLLOUTS_PER_OTHER_TURN = 8
"""Number of rollouts per other turn of a model below which the penalties grow: many effects of few
rollouts are mostly noise."""

INTERACTION = 0.1
"""Prior variance of the interaction with a message that a turn reads, relative to its own effect.
Without interactions the slope on the truth stays below .95 at any group size; with larger ones the
error in small groups grows."""

REWARD_RANGE = 2.0  # from -1 to +1: the largest possible effect on the expected reward


def regression_credit(
    outcomes: Outcomes,
    *,
    features: npt.ArrayLike | None = None,
    probabilities: npt.ArrayLike | None = None,
    reads: Reads = "chain",
) -> FloatArray:
    """Credit each turn with the effect of its category of message, by cross-fitted models.

    Q_t[g]       = c + sum over u in U(t) of phi_u(x[g, u])
                     + sum over u read by t of psi_u(x[g, u], x[g, t])
    credit[g, t] = Q_t[g] - E[Q_t | the messages in U(t) without t]
    c, phi, psi  = argmin sum of (R - Q_t)^2 + ridge * (sum of phi^2 + sum of psi^2 / INTERACTION)
                     over all rollouts but g

    U(t) holds turn t and all turns that it cannot influence: those before it, and later ones that
    read neither it nor anybody who read it. What message t makes the others say is so a part of its
    effect; a model of all turns would attribute it to them. The expectation is over p_t, if known;
    over the frequencies of x_t in the group, if t reads nobody; else it is the model without t.

    Args:
        outcomes: One task's group of G rollouts of T turns, or a batch of groups. Reads
            team_rewards R, shape (..., G), and features x.
        features: Category of each turn's message, shape (..., G, T), integers >= 0. None: the
            features of the group.
        probabilities: p, the probability of each of C categories when the message was sampled,
            shape (..., G, T, C); NaN in all places of a turn where they are not known. None: those
            of the group, if it has any.
        reads: Which earlier turns each turn reads. "chain": all of them, so that U(t) are the
            turns up to t; "none": no others, as in a vote, so that there is one model, without
            psi; else a tuple of turns, or agents if each speaks once, per turn.

    Returns:
        Credit, shape (..., G, T), in units of reward, clipped to [-2, 2]. Like branch credit, it
        is the change in expected reward by a message: its mean given what was read is 0.

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
    given = outcomes.probabilities if probabilities is None else probabilities
    chances = None if given is None else expect_chances(np.asarray(given), categories)
    if shape[-2] < 2:
        raise _too_few()
    models = readings(reads, turns)
    known = known_turns(chances, len(models))
    is_direct = [known[turn] or not reading.read for turn, reading in enumerate(models)]
    credit, same = np.empty(shape), _agreement(categories)
    for model in dict.fromkeys(compress(models, is_direct)):  # one for all turns in a vote
        own = [turn for turn, other in enumerate(models) if other == model]
        credit[..., own] = _effects(
            outcomes.team_rewards, categories, same, chances, model=model, own=own
        )
    fits = _Fits(outcomes.team_rewards, same, models)
    for turn in np.flatnonzero(~np.array(is_direct)).tolist():
        before = tuple(other for other in models[turn].unaffected if other != turn)
        credit[..., turn] = fits.of(models[turn].unaffected, turn) - fits.of(before, before[-1])
    return np.clip(credit, -REWARD_RANGE, REWARD_RANGE)


class _Fits:
    """Predictions of a group's rewards by models of some of its turns."""

    def __init__(self, rewards: FloatArray, same: FloatArray, models: Sequence[Reading]) -> None:
        self._rewards = rewards
        self._same = same
        self._models = models
        self._known: dict[tuple[tuple[int, ...], int], FloatArray] = {}

    def of(self, turns: tuple[int, ...], interacting: int) -> FloatArray:
        """Return the prediction of each rollout by the model fitted without it, shape (..., G).

        Args:
            turns: Positions of the turns in the model.
            interacting: The one that interacts with those that it reads.
        """
        if (turns, interacting) not in self._known:
            context = [turn for turn in self._models[interacting].read if turn in turns]
            kernel, _ = _kernel(self._same, turns, interacting, context)
            duals = left_out_duals(self._rewards, kernel, _ridges(self._rewards, turns))
            self._known[turns, interacting] = left_out_predictions(self._rewards, kernel, duals)
        return self._known[turns, interacting]


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
    if rewards.shape[-1] < 2:
        raise _too_few()
    everybody = tuple(range(features.shape[-1]))
    same, model = _agreement(features), Reading(everybody, ())
    return _effects(rewards, features, same, probabilities, model=model, own=everybody)


def ridges_per_turn(num_rollouts: int, num_turns: int) -> FloatArray:
    """Return the candidate ridge penalties of a group, per turn in the model."""
    large = min(1.0, float(np.sqrt(UNSCALED_ROLLOUTS / num_rollouts)))
    few = max(1.0, ROLLOUTS_PER_OTHER_TURN * (num_turns - 1) / num_rollouts)
    ridges: FloatArray = RIDGES_PER_TURN * (large * few)
    return ridges


def _ridges(rewards: FloatArray, turns: Sequence[int]) -> FloatArray:
    """Return the candidate ridge penalties of a model of these turns."""
    return ridges_per_turn(rewards.shape[-1], len(turns)) * len(turns)


def _too_few() -> ValueError:
    return ValueError(
        "group_size must be >= 2 for regression credit, got 1; pass a larger --group-size"
    )


def _effects(
    rewards: FloatArray,
    features: IntArray,
    same: FloatArray,
    probabilities: FloatArray | None,
    *,
    model: Reading,
    own: Sequence[int],
) -> FloatArray:
    """Return the effects of some turns of a model, less their expectation, shape (..., G, own).

    Args:
        rewards: Rewards, shape (..., G).
        features: Categories, shape (..., G, T).
        same: Their `_agreement`.
        probabilities: Probabilities of the categories, shape (..., G, T, C), or None.
        model: Positions of the turns in the model, and of those that interact with a credited one.
        own: Positions of the credited turns; one if there are interactions.
    """
    turns = model.unaffected
    kernel, around = _kernel(same, turns, own[0], model.read)
    duals = left_out_duals(rewards, kernel, _ridges(rewards, turns))  # row g: without g
    credited = same[..., list(own)]  # (..., G, G, own)
    chance = _chance(features[..., list(own)], credited, probabilities, own)
    effects: FloatArray = np.einsum("...gj,...gja->...ga", duals * around, credited - chance)
    return effects


def _agreement(features: IntArray) -> FloatArray:
    """Return whether two rollouts agree in each turn, 0 or 1, shape (..., G, G, T)."""
    same: FloatArray = (features[..., :, None, :] == features[..., None, :, :]).astype(np.float64)
    return same


def _kernel(
    same: FloatArray, turns: Sequence[int], interacting: int, context: Sequence[int]
) -> tuple[FloatArray, FloatArray]:
    """Return the kernel of a model, and the weight in it of agreement in the interacting turn.

    Ridge on one-hot blocks in its dual form: the kernel counts the turns, and pairs of turns, in
    which two rollouts agree; an effect is the sum of the duals of those that agree with it.
    """
    around = 1.0 + INTERACTION * np.add.reduce(same[..., list(context)], axis=-1)  # (..., G, G)
    kernel = np.add.reduce(same[..., list(turns)], axis=-1)
    return kernel + same[..., interacting] * (around - 1.0), around


def _chance(
    features: IntArray,
    same: FloatArray,
    probabilities: FloatArray | None,
    own: Sequence[int],
) -> FloatArray:
    """Return the probability, when it was rollout g's turn, of what rollout j says there.

    Shape (..., G, G, own), or (..., 1, G, own) from frequencies in the group, which also stand in
    where the probabilities are NaN.
    """
    frequency: FloatArray = same.mean(axis=-2)[..., None, :, :]
    if probabilities is None:
        return frequency
    chance = np.take_along_axis(
        np.swapaxes(probabilities[..., list(own), :], -3, -2)[..., None, :],  # (..., own, G, 1, C)
        np.swapaxes(features, -2, -1)[..., None, :, None],  # (..., own, 1, G, 1)
        axis=-1,
    )[..., 0]  # (..., own, G, G)
    chance = np.moveaxis(chance, -3, -1)
    return np.where(np.isnan(chance), frequency, chance)
