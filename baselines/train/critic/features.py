"""Features of a conversation before each turn, from which a critic predicts the reward."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np

from baselines.common.types import FloatArray
from baselines.rollouts.rollout import Rollout

MAX_WIDTH = 128
"""Most features of a hidden state; of a wider one, this many random projections are taken."""

NUM_AGREEMENT = 2
"""Features of agreement before each turn; see `_agreement`."""

NUM_MESSAGE = 7
"""Features of each message; see `_message_features`."""

SHORTEST = -30.0
"""Log-probabilities are clipped to this, so that one token cannot decide a fit."""

EASE = 10.0
"""Scale of the other features relative to hidden states in the penalty: they are few, and say most
of what distinguishes one rollout of a task from another."""


def ease(num_features: int, num_turns: int) -> FloatArray:
    """Return the relative scale of each of D features in the penalty, shape (D,)."""
    width = num_features - NUM_AGREEMENT - (num_turns - 1) * NUM_MESSAGE
    return np.where(np.arange(num_features) < width, 1.0, EASE)


def stacked_states(columns: Sequence[FloatArray]) -> FloatArray:
    """Return hidden states of T turns, each (N, width of its model), as one array, (N, T, W).

    W is the largest width, at most MAX_WIDTH. Narrower ones are padded with zeros. Of wider ones,
    scaled to the same length, W seeded random projections are taken, the same in every run.
    """
    width = min(MAX_WIDTH, max(column.shape[1] for column in columns))
    return np.stack([_of_width(column, width) for column in columns], axis=1)


def _of_width(states: FloatArray, width: int) -> FloatArray:
    wide = states.shape[1]
    if wide <= width:
        return np.pad(states, ((0, 0), (0, width - wide)))
    lengths = np.linalg.norm(states, axis=1, keepdims=True)
    axes = np.random.default_rng(wide).normal(size=(wide, width)) / np.sqrt(width)
    taken: FloatArray = states / np.maximum(lengths, np.finfo(float).tiny) @ axes
    return taken


def group_features(rollouts: Sequence[Rollout], states: FloatArray) -> FloatArray:
    """Return the features before each turn of the rollouts of a task, (G, T, D).

    Args:
        rollouts: The G rollouts of the task, at least one.
        states: Hidden state of the speaker of each turn after its prompt, shape (G, T, W).

    Returns:
        The state; the agreement of the other rollouts; and the features of each message before the
        turn, 0 for those after it.

    Note: No reward is read. Of the rollout itself, only what came before the turn is; the others,
        which are independent of it given the task, are read to their end.
    """
    num_rollouts, num_turns, _ = states.shape
    messages = np.zeros((num_rollouts, num_turns, num_turns - 1, NUM_MESSAGE))
    for turn in range(num_turns - 1):
        messages[:, turn + 1 :, turn] = _message_features(rollouts, turn)[:, None]
    others = _agreement(rollouts, num_turns)
    return np.concatenate([states, others, messages.reshape(num_rollouts, num_turns, -1)], axis=-1)


def _message_features(rollouts: Sequence[Rollout], turn: int) -> FloatArray:
    """Return the features of each rollout's message in a turn, (G, NUM_MESSAGE).

    Mean and least log-probability of its tokens; the probability of its least probable token, the
    geometric mean over its tokens, and that of the whole message; the logarithm of its length; and
    the fraction of the other rollouts with the same message.
    """
    logprobs = [np.array(own.sampled[turn].logprobs or (0.0,)) for own in rollouts]
    sums = np.array([[own.mean(), own.min(), own.sum()] for own in logprobs])
    mean, least, whole = np.maximum(sums, SHORTEST).T
    length = np.log1p([len(own.sampled[turn].token_ids) for own in rollouts])
    texts = [own.messages[turn].text.strip() for own in rollouts]
    same = _others_equal(texts).sum(axis=1) / max(len(texts) - 1, 1)
    return np.stack(
        [mean, least, np.exp(least), np.exp(mean), np.exp(whole), length, same], axis=-1
    )


def _agreement(rollouts: Sequence[Rollout], num_turns: int) -> FloatArray:
    """Return what the other rollouts say of each rollout before a turn, (G, T, NUM_AGREEMENT).

    The fraction of the others with the same messages before the turn; and the mean over these of
    the fraction of all others that came to the same answer, or over all others if none is like it.
    """
    num_others = max(len(rollouts) - 1, 1)
    texts = [tuple(message.text.strip() for message in own.messages) for own in rollouts]
    equal = _others_equal([own.verdict.answer for own in rollouts])
    # Others than the rollout itself that came to the answer of a third one.
    support = equal.sum(axis=1)[None, :] - equal  # (G, others)
    found = np.empty((len(rollouts), num_turns, NUM_AGREEMENT))
    for turn in range(num_turns):
        alike = _others_equal([own[:turn] for own in texts])
        num_alike = alike.sum(axis=1)
        everybody = ~np.eye(len(rollouts), dtype=bool)
        counted = np.where(num_alike[:, None] > 0, alike, everybody)
        means = (counted * support).sum(axis=1) / np.maximum(counted.sum(axis=1), 1)
        found[:, turn, 0] = num_alike / num_others
        found[:, turn, 1] = means / max(num_others - 1, 1)
    return found


def _others_equal(keys: Sequence[Hashable]) -> FloatArray:
    """Return 1 where two different rollouts have the same key, else 0, shape (G, G)."""
    number_of = {key: number for number, key in enumerate(Counter(keys))}
    numbers = np.array([number_of[key] for key in keys])
    equal: FloatArray = (numbers[:, None] == numbers[None, :]).astype(np.float64)
    np.fill_diagonal(equal, 0.0)
    return equal
