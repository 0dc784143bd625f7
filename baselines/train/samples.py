"""Training samples from the credit and the advantages of a step."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import accumulate

import numpy as np

from baselines.common.types import FloatArray, IntArray
from baselines.optimizers import PolicyOptimizer
from baselines.policies.base import Completion, TrainablePolicy
from baselines.rollouts.groups import Group
from baselines.train.update.batching import TrainingSample
from baselines.train.update.forward import score


def count_tokens(groups: Sequence[Group], num_turns: int) -> list[IntArray]:
    """Return the number of completion tokens of each turn in each rollout, (G, T) per group."""
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    counts = np.array([[len(c.token_ids) for c in r.sampled] for r in rollouts], dtype=np.int64)
    counts = counts.reshape(-1, num_turns)
    ends = list(accumulate(len(group.rollouts) for group in groups))
    return [counts[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def shaped_credit(
    optimizer: PolicyOptimizer,
    credit: Sequence[FloatArray],
    groups: Sequence[Group],
    max_tokens: Sequence[int],
) -> list[FloatArray]:
    """Return credit minus the optimizer's penalty for long completions.

    Args:
        optimizer: Defines the penalty, if any.
        credit: Credit of each group, (G, T).
        groups: The groups, for the lengths of their completions.
        max_tokens: Length limit of each turn.
    """
    if optimizer.hyperparameters.overlong_weight == 0.0:
        return list(credit)
    shaped = []
    for own, lengths in zip(credit, count_tokens(groups, len(max_tokens)), strict=True):
        columns = [
            optimizer.shape(own[:, [turn]], lengths[:, [turn]], limit)
            for turn, limit in enumerate(max_tokens)
        ]
        shaped.append(np.concatenate(columns, axis=1))
    return shaped


def reference_divergence(
    groups: Sequence[Group],
    references: Sequence[TrainablePolicy | None],
    *,
    micro_batch_tokens: Sequence[int],
) -> list[FloatArray]:
    """Return log policy - log reference of each sampled token, (G, T, N) per group, padded with 0.

    Args:
        groups: Groups of rollouts of T turns; N is the length of the longest completion.
        references: Reference policy of each turn; None: its divergence is 0.
        micro_batch_tokens: Tokens of one forward pass of each turn's reference, counted as by
            `counting_of`.
    """
    counts = count_tokens(groups, len(references))
    divergence = [np.zeros((*count.shape, int(count.max(initial=1)))) for count in counts]
    for turn, reference in enumerate(references):
        if reference is None:
            continue
        places = [
            (number, index, rollout.sampled[turn])
            for number, group in enumerate(groups)
            for index, rollout in enumerate(group.rollouts)
        ]
        scored = score(
            reference,
            [completion for _, _, completion in places],
            micro_batch_tokens=micro_batch_tokens[turn],
        )
        for (number, index, completion), logprobs in zip(places, scored, strict=True):
            difference = np.asarray(completion.logprobs) - logprobs
            divergence[number][index, turn, : len(difference)] = difference
    return divergence


def training_samples(
    groups: Sequence[Group],
    advantages: Sequence[FloatArray],
    trained: Collection[int],
    weights: Sequence[FloatArray] | None = None,
) -> list[TrainingSample]:
    """Return a sample for each completion of some turns.

    Args:
        groups: Groups of rollouts.
        advantages: Advantages of each group, (G, T), or (G, T, N) per token.
        trained: Positions of the turns whose completions are returned.
        weights: Weight of the completions of each turn, (T,) per group. None: 1.
    """
    all_weights = weights or [np.ones(own.shape[1]) for own in advantages]
    return [
        _sample(completion, values[turn], float(weight[turn]), group.version)
        for group, own, weight in zip(groups, advantages, all_weights, strict=True)
        for rollout, values in zip(group.rollouts, own.tolist(), strict=True)
        for turn, completion in enumerate(rollout.sampled)
        if turn in trained
    ]


def _sample(
    completion: Completion, advantage: float | list[float], weight: float, version: int | None
) -> TrainingSample:
    if isinstance(advantage, float):
        return TrainingSample(completion, advantage, weight=weight, version=version)
    own = tuple(advantage[: len(completion.token_ids)])
    return TrainingSample(completion, own, weight=weight, version=version)
