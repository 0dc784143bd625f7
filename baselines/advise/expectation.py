"""Which combinations of credit and optimizer have the expected gradient of the shared reward.

The credit of a turn is *unbiased* if it is the team reward, or an estimate of its expectation given
the message, plus terms that do not depend on the message: for each rollout, credit times the
score function then has the gradient of the expected reward as its mean. An optimizer that is
linear in the credit of a group changes this by a known factor: subtracting the mean of a group of
G, for example, by 1 - 1 / G. Such candidates are divided by their factor, and then share one
expected gradient, also with other group sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from baselines.common.types import FloatArray, IntArray
from baselines.optimizers import PolicyOptimizer


@dataclass(frozen=True, slots=True)
class OwnBaseline:
    """What unbiased credit subtracts that holds the rollout's own reward.

    Args:
        first: From the credit of the first turn: nothing ("none"), the mean over the group
            ("group"), or over its other rollouts ("others").
        later: Factor of the own reward in the credit of later turns, given the number of
            continuations M.
        is_of_all: Whether all turns but the last are compared as the first one is.
    """

    first: Literal["none", "group", "others"] = "none"
    later: Callable[[int], float] = lambda _: 1.0
    is_of_all: bool = False


UNBIASED: Mapping[str, OwnBaseline] = {
    "shared": OwnBaseline(),
    "leave_one_out": OwnBaseline(),
    "branch": OwnBaseline("group"),
    "branch after last": OwnBaseline("group", is_of_all=True),
    "c3": OwnBaseline("others"),
    "hierarchical_grpo": OwnBaseline("group", lambda samples: samples / (samples + 1.0)),
}
"""Allocators, with hyperparameters other than the defaults, whose credit is unbiased."""


@dataclass(frozen=True, slots=True, eq=False)
class Advantages:
    """Advantages of a step, divided by their known factor if there is one.

    Args:
        values: Advantage of each completion times the weight of its tokens, shape (N, G, T).
        is_unbiased: Whether their expected gradient is that of the shared reward.
    """

    values: FloatArray
    is_unbiased: bool


def advantages_of(
    optimizer: PolicyOptimizer,
    credit: FloatArray,
    num_tokens: IntArray,
    *,
    shares: FloatArray | None,
    max_tokens: Sequence[int],
    is_kept: Sequence[bool],
) -> Advantages:
    """Return the advantages of the groups of a step, and whether they are unbiased.

    Args:
        optimizer: The optimizer.
        credit: Credit of each turn, shape (N, G, T).
        num_tokens: Completion tokens of each turn, shape (N, G, T).
        shares: The factor of each turn from `shares_of`, (T,); None if there is none.
        max_tokens: Length limit of each turn.
        is_kept: Whether each group is trained on, (N,).
    """
    kept = np.flatnonzero(is_kept)
    values = np.zeros(credit.shape)
    counts = [num_tokens[place] for place in kept]
    shaped = [_shaped(optimizer, credit[place], num_tokens[place], max_tokens) for place in kept]
    own = optimizer.advantage(shaped, counts if optimizer.whitens else None)
    for place, advantage in zip(kept, own, strict=True):
        values[place] = advantage
    weights = token_weights(optimizer, num_tokens, max_tokens)
    is_plain = bool(np.ptp(weights) == 0.0) and len(kept) == len(credit)
    if shares is None or not is_plain:
        return Advantages(values * weights, is_unbiased=False)
    factors = shares
    if optimizer.whitens:
        # Whitening divides by a standard deviation, after subtracting a mean with its own part.
        before = np.stack(replace(optimizer, whitens=False).advantage(shaped))
        spread, white = np.ptp(before, axis=(0, 1)), np.ptp(values, axis=(0, 1))
        own_part = 0.0 if optimizer.centres_on_group else 1.0 / credit[..., 0].size
        slope = np.divide(white, spread, out=np.zeros_like(white), where=spread > 0.0)
        factors = factors * slope * (1.0 - own_part)
    if not (factors > 0.0).all():  # such as branch credit of one rollout, 0 in the first turn
        return Advantages(values, is_unbiased=False)
    return Advantages(values / factors, is_unbiased=True)


def shares_of(
    optimizer: PolicyOptimizer, name: str, group_size: int, num_turns: int, num_samples: int
) -> FloatArray | None:
    """Return `own_shares` of unbiased credit with a linear optimizer, (T,); None for others.

    Args:
        optimizer: The optimizer, for the team.
        name: The allocator, and those of its hyperparameters that are not the defaults.
        group_size: Rollouts per group, G.
        num_turns: Turns T.
        num_samples: Continuations after each turn, M.
    """
    if name not in UNBIASED or not is_linear(optimizer, num_turns):
        return None
    return own_shares(optimizer, UNBIASED[name], group_size, num_turns, num_samples)


def token_weights(
    optimizer: PolicyOptimizer, num_tokens: IntArray, max_tokens: Sequence[int]
) -> FloatArray:
    """Return the weight of each completion's tokens in the loss, relative to their mean."""
    weights = np.empty(num_tokens.shape)
    for turn, limit in enumerate(max_tokens):
        lengths, places = np.unique(num_tokens[..., turn], return_inverse=True)
        known = np.array([optimizer.row_weight(max(1, n), limit) for n in lengths.tolist()])
        weights[..., turn] = known[places.reshape(num_tokens.shape[:-1])]
    relative: FloatArray = weights / weights.mean()
    return relative


def is_linear(optimizer: PolicyOptimizer, num_turns: int = 1) -> bool:
    """Return whether advantages, before whitening, are linear in the credit of the turn alone.

    Args:
        optimizer: The optimizer, for a team of T turns.
        num_turns: Turns T. A baseline of several turns of one role holds, for a later turn, the
            credit of earlier turns of the same rollout, which depends on its message.
    """
    if optimizer.hyperparameters.overlong_weight or optimizer.hyperparameters.drop_equal_groups:
        return False
    rng = np.random.default_rng(0)
    one, two = (rng.normal(size=(4, num_turns)) for _ in range(2))
    team = replace(optimizer, whitens=False)
    (first,), (second,), (both,) = (team.advantage([own]) for own in (one, two, one + two))
    alone = [_before_whitening(optimizer, [one[:, [turn]]])[0] for turn in range(num_turns)]
    is_sum = np.allclose(first + second, both, atol=1e-9)
    return bool(is_sum and np.allclose(np.concatenate(alone, axis=1), first, atol=1e-9))


def own_shares(
    optimizer: PolicyOptimizer,
    baseline: OwnBaseline,
    group_size: int,
    num_turns: int,
    num_samples: int = 0,
) -> FloatArray:
    """Return the factor of each turn: how far its advantage follows its own reward, (T,).

    Args:
        optimizer: A linear optimizer.
        baseline: What the credit subtracts.
        group_size: Rollouts per group, G.
        num_turns: Turns T.
        num_samples: Continuations after each turn, M.

    Note: 1 - 1/G if the mean over the group is subtracted, by the credit, by the optimizer or by
        both; 1 if that of the other rollouts is, or none.
    """
    centre = np.eye(group_size) - 1.0 / group_size
    first = {
        "none": np.eye(group_size),
        "group": centre,
        "others": centre * group_size / max(1, group_size - 1),
    }[baseline.first]
    shares = [
        _before_whitening(optimizer, [credit[:, :1]])[0][0, 0]
        for credit in (first, np.eye(group_size))
    ]
    later = shares[1] * baseline.later(num_samples)
    num_first = max(1, num_turns - 1) if baseline.is_of_all else 1
    factors: FloatArray = np.array([*[shares[0]] * num_first, *[later] * (num_turns - num_first)])
    return factors


def _before_whitening(optimizer: PolicyOptimizer, credit: Sequence[FloatArray]) -> list[FloatArray]:
    """Return the advantages of columns of credit that are each an agent of their own."""
    alone = replace(optimizer, whitens=False, agents=None, roles=None)
    return alone.advantage(credit)


def _shaped(
    optimizer: PolicyOptimizer, credit: FloatArray, counts: IntArray, max_tokens: Sequence[int]
) -> FloatArray:
    if optimizer.hyperparameters.overlong_weight == 0.0:
        return credit
    columns = [
        optimizer.shape(credit[:, [turn]], counts[:, [turn]], limit)
        for turn, limit in enumerate(max_tokens)
    ]
    return np.concatenate(columns, axis=1)
