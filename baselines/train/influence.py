"""How far each message changed what the next agent said: two forward passes, no sampling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np

from baselines.policies.base import Completion, Prompt, TrainablePolicy
from baselines.rollouts.costs import CostTracker
from baselines.rollouts.groups import Group
from baselines.rollouts.plan import next_reader
from baselines.rollouts.runner import RolloutRunner


@runtime_checkable
class PromptScorer(TrainablePolicy, Protocol):
    """A policy that can score what it sampled after another prompt."""

    def encode(self, prompts: Sequence[Prompt], max_tokens: int) -> list[tuple[int, ...]]:
        """Return token ids of each prompt, cut to leave room for max_tokens."""
        ...


@dataclass(frozen=True, slots=True)
class _Pair:
    """A turn of a rollout, and the completion that reads it with and without its message."""

    group: int
    rollout: int
    turn: int
    given: Completion
    without: Completion


def expect_scorers(runner: RolloutRunner) -> None:
    """Raise ValueError unless the policies of all who read a message can score what they said."""
    topology = runner.topology
    readers = [next_reader(topology, turn) for turn in range(len(topology.turns))]
    for place in readers:
        if place is None:
            continue
        role = topology.turns[place].role
        if not isinstance(runner.policies[role], PromptScorer):
            raise ValueError(
                f"policy of {role!r} must be a model in this process to measure influence, which "
                f"scores its messages again, got {type(runner.policies[role]).__name__}; use a "
                f"local model, or another allocator"
            )


def with_influence(
    groups: Sequence[Group],
    runner: RolloutRunner,
    *,
    micro_batch_tokens: int,
    costs: CostTracker,
) -> list[Group]:
    """Return the groups with the influence of each message on the next agent that reads it.

    influence = log p(next message | prompt) - log p(next message | prompt without the message)

    Args:
        groups: Groups of rollouts that the policies of the runner have sampled.
        runner: The team, whose policies score their own messages.
        micro_batch_tokens: Tokens of one forward pass.
        costs: Accumulates the prompt tokens.

    Note: 0 for a message that nobody reads, and where the next message has no tokens. Both scores
        are those of the training network, at the temperature of sampling.
    """
    from baselines.train.update.forward import score  # loads torch

    found = [np.zeros((len(group.rollouts), len(runner.role_of))) for group in groups]
    for turn in range(len(runner.role_of)):
        reader = next_reader(runner.topology, turn)
        if reader is None:
            continue
        policy = runner.policies[runner.topology.turns[reader].role]
        assert isinstance(policy, PromptScorer), "checked when the run starts"
        pairs = _pairs(groups, runner, policy, turn, reader)
        completions = [side for pair in pairs for side in (pair.given, pair.without)]
        scores = score(policy, completions, micro_batch_tokens=micro_batch_tokens)
        costs.forward_passes += 2  # with and without the message, in micro-batches
        costs.count("influence", tokens_read=sum(len(c.prompt_ids) for c in completions))
        for pair, given, without in zip(pairs, scores[::2], scores[1::2], strict=True):
            found[pair.group][pair.rollout, pair.turn] = given.sum() - without.sum()
    return [
        replace(group, influence=values) if group.rollouts else group
        for group, values in zip(groups, found, strict=True)
    ]


def _pairs(
    groups: Sequence[Group], runner: RolloutRunner, policy: PromptScorer, turn: int, reader: int
) -> list[_Pair]:
    """Return the completions of the turn `reader`, with their prompt without the message."""
    places, prompts, said = [], [], []
    for number, group in enumerate(groups):
        for index, rollout in enumerate(group.rollouts):
            if rollout.sampled[reader].token_ids:
                before = [message.text for message in rollout.messages[:reader]]
                places.append((number, index))
                prompts.append(runner.prompt(group.task, before, left_out=(turn,)))
                said.append(rollout.sampled[reader])
    room = max((len(completion.token_ids) for completion in said), default=1)
    return [
        _Pair(number, index, turn, completion, replace(completion, prompt_ids=ids))
        for (number, index), completion, ids in zip(
            places, said, policy.encode(prompts, room), strict=True
        )
    ]
