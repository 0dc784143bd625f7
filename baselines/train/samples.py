"""Training samples from the credit and the advantages of a step."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import accumulate

import numpy as np

from baselines.common.types import FloatArray, IntArray
from baselines.optimizers import PolicyOptimizer
from baselines.policies.base import Completion, TrainablePolicy
from baselines.rollouts.groups import Group
from baselines.train.update.batching import TrainingSample
from baselines.train.update.forward import score


def count_tokens(groups: Sequence[Group], agents: Sequence[str]) -> list[IntArray]:
    """Return the number of completion tokens of each agent in each rollout, (G, A) per group."""
    turns = [r.completions[a] for group in groups for r in group.rollouts for a in agents]
    counts = np.array([sum([len(c.token_ids) for c in own]) for own in turns], dtype=np.int64)
    counts = counts.reshape(-1, len(agents))
    ends = list(accumulate(len(group.rollouts) for group in groups))
    return [counts[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def shaped_credit(
    optimizer: PolicyOptimizer,
    credit: Sequence[FloatArray],
    groups: Sequence[Group],
    max_tokens: Mapping[str, int],
) -> list[FloatArray]:
    """Return credit minus the optimizer's penalty for long completions.

    Args:
        optimizer: Defines the penalty, if any.
        credit: Credit of each group, (G, A).
        groups: The groups, for the length of each agent's longest completion.
        max_tokens: Maps each agent, in speaking order, to its length limit.
    """
    if optimizer.hyperparameters.overlong_weight == 0.0:
        return list(credit)
    agents = list(max_tokens)
    shaped = []
    for own, group in zip(credit, groups, strict=True):
        longest = np.array(
            [
                [max(len(c.token_ids) for c in rollout.completions[agent]) for agent in agents]
                for rollout in group.rollouts
            ]
        )
        columns = [
            optimizer.shape(own[:, [a]], longest[:, [a]], max_tokens[agent])
            for a, agent in enumerate(agents)
        ]
        shaped.append(np.concatenate(columns, axis=1))
    return shaped


def reference_divergence(
    groups: Sequence[Group],
    agents: Sequence[str],
    references: Mapping[str, TrainablePolicy],
    *,
    micro_batch_tokens: Mapping[str, int],
) -> list[FloatArray]:
    """Return log policy - log reference of each sampled token, (G, A, T) per group, padded with 0.

    Args:
        groups: Groups of rollouts.
        agents: All agents, in speaking order.
        references: Maps agents to their reference policies; other agents get 0.
        micro_batch_tokens: Tokens of one forward pass of each agent's reference, counted as by
            `counting_of`.
    """
    counts = count_tokens(groups, agents)
    divergence = [
        np.zeros((*count.shape, int(count.max(initial=1)))) for count in counts
    ]  # (G, A, T)
    for column, agent in enumerate(agents):
        if agent not in references:
            continue
        places = [
            (number, index, completion)
            for number, group in enumerate(groups)
            for index, rollout in enumerate(group.rollouts)
            for completion in rollout.completions[agent]
        ]
        scored = score(
            references[agent],
            [completion for _, _, completion in places],
            micro_batch_tokens=micro_batch_tokens[agent],
        )
        filled: dict[tuple[int, int], int] = {}
        for (number, index, completion), reference in zip(places, scored, strict=True):
            start = filled.get((number, index), 0)
            end = start + len(completion.token_ids)
            difference = np.asarray(completion.logprobs) - reference
            divergence[number][index, column, start:end] = difference
            filled[number, index] = end
    return divergence


def training_samples(
    groups: Sequence[Group],
    advantages: Sequence[FloatArray],
    agents: Sequence[str],
    trained: Collection[str],
) -> list[TrainingSample]:
    """Return a sample for each completion of some agents.

    Args:
        groups: Groups of rollouts.
        advantages: Advantages of each group, (G, A), or (G, A, T) per token, where the tokens of
            all turns of an agent are concatenated.
        agents: All agents, in speaking order.
        trained: Agents whose completions are returned.
    """
    columns = [(column, agent) for column, agent in enumerate(agents) if agent in trained]
    return [
        sample
        for group, own in zip(groups, advantages, strict=True)
        for rollout, values in zip(group.rollouts, own.tolist(), strict=True)
        for column, agent in columns
        for sample in _samples_of(rollout.completions[agent], values[column])
    ]


def _samples_of(
    completions: Sequence[Completion], advantage: float | list[float]
) -> Iterable[TrainingSample]:
    if isinstance(advantage, float):
        return [TrainingSample(completion, advantage) for completion in completions]
    ends = list(accumulate(len(completion.token_ids) for completion in completions))
    return [
        TrainingSample(completion, tuple(advantage[start:end]))
        for completion, start, end in zip(completions, [0, *ends], ends, strict=False)
    ]
