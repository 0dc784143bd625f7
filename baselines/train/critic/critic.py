"""The critic of a run: reads conversations, fits their values, and says how far to trust them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from baselines.common.types import FloatArray
from baselines.policies.base import HiddenStatePolicy, Policy
from baselines.rollouts.costs import CostTracker
from baselines.rollouts.groups import Group
from baselines.train.critic.explained_variance import Estimate, ExplainedVariance
from baselines.train.critic.features import ease, group_features, stacked_states
from baselines.train.critic.value_model import DECAY, ValueModel, fold_of, number_of
from ccpo_env.prompts import question_with_options

FULL_WEIGHT = 0.2
"""Explained variance by messages, at the lower end of its interval, from which on the critic has
the weight 1."""


class Critic:
    """Predicts the reward before each turn, from models fitted to the rollouts of the run so far.

    The features of a conversation are a hidden state of the policy that speaks next, and the
    log-probabilities and the agreement of the messages before; the models are ridge regressions
    that never predict a task whose rewards they have seen.

    Args:
        speakers: The policy of each turn.
        names: The name of each turn.

    Raises:
        ValueError: If a policy shows no hidden states.
    """

    def __init__(self, speakers: Sequence[Policy], names: Sequence[str]) -> None:
        self._speakers: list[HiddenStatePolicy] = []
        for policy, name in zip(speakers, names, strict=True):
            if not isinstance(policy, HiddenStatePolicy):
                raise ValueError(
                    f"allocator 'critic' must read hidden states of every policy, got a "
                    f"{type(policy).__name__} without any for {name!r}; pass a model that runs in "
                    f"this process, or --allocator shared"
                )
            self._speakers.append(policy)
        num_turns = len(names)
        self._model: ValueModel | None = None  # its size is that of the first features
        self._total = ExplainedVariance.new(num_turns, decay=DECAY)
        self._by_messages = ExplainedVariance.new(num_turns, decay=DECAY)
        self.weights: FloatArray = np.zeros(num_turns)

    def read(self, groups: Sequence[Group], costs: CostTracker) -> list[Group]:
        """Return groups with the features of their conversations; one batch per turn."""
        started = time.perf_counter()
        rollouts = [rollout for group in groups for rollout in group.rollouts]
        if not rollouts:
            return list(groups)
        columns = []
        for turn, policy in enumerate(self._speakers):
            prompts = [rollout.sampled[turn].prompt_ids for rollout in rollouts]
            columns.append(policy.hidden_states(prompts))
            costs.count("critic", tokens_read=sum(map(len, set(prompts))))
        states = stacked_states(columns)  # (N, T, W)
        ends = np.cumsum([len(group.rollouts) for group in groups])[:-1]
        read = [
            replace(group, states=group_features(group.rollouts, own)) if len(own) else group
            for group, own in zip(groups, np.split(states, ends), strict=True)
        ]
        costs.critic_s += time.perf_counter() - started
        return read

    def values(self, groups: Sequence[Group]) -> list[FloatArray]:
        """Return the value before each turn, (G, T) per group; once per step, with all its groups.

        The weights of the step are those that earlier steps support; the models are fitted to this
        step as well, and so is what its values explain.

        Args:
            groups: The groups of all processes, with features.
        """
        share = self.by_messages.low / FULL_WEIGHT  # of few tasks: not known, or minus infinity
        self.weights = np.clip(np.nan_to_num(share), 0.0, 1.0)
        if not groups:
            return []
        features = [group.states for group in groups if group.states is not None]
        rewards = [group.rewards for group in groups]
        questions = [question_with_options(group.task) for group in groups]
        folds = [fold_of(question) for question in questions]
        tasks = np.array([number_of(question) for question in questions])
        if self._model is None:
            self._model = _new_model(len(self.weights), features[0].shape[-1])
        self._model = self._model.updated(features, rewards, folds)
        values = self._model.values(features, folds)
        mean = float(np.concatenate(rewards).mean())
        self._total = self._total.updated(tasks, *_by_values(rewards, values, mean))
        self._by_messages = self._by_messages.updated(tasks, *_by_messages(rewards, values))
        return values

    @property
    def total(self) -> Estimate:
        """Explained variance of the rewards by the values before each turn."""
        return self._total.estimate

    @property
    def by_messages(self) -> Estimate:
        """Of what the value before the first turn leaves, the part that later values explain.

        For each turn that of the value after its message; for the last one, which has the reward
        itself, of the value before it. Within groups, where they have several rollouts.
        """
        return Estimate(*[np.append(own[1:], own[-1:]) for own in self._by_messages.estimate])

    def to_arrays(self) -> dict[str, FloatArray]:
        """Return the state needed to resume."""
        moments = {} if self._model is None else {"moments": self._model.moments}
        return {**moments, "total": self._total.rows, "by_messages": self._by_messages.rows}

    def load_arrays(self, arrays: Mapping[str, FloatArray]) -> None:
        """Restore a state from `to_arrays`."""
        if "moments" in arrays:
            moments = arrays["moments"]
            self._model = replace(_new_model(len(moments), moments.shape[-1] - 2), moments=moments)
        self._total = replace(self._total, rows=arrays["total"])
        self._by_messages = replace(self._by_messages, rows=arrays["by_messages"])


def _new_model(num_turns: int, num_features: int) -> ValueModel:
    return ValueModel.new(num_turns, ease(num_features, num_turns))


def _by_values(
    rewards: Sequence[FloatArray], values: Sequence[FloatArray], mean: float
) -> tuple[FloatArray, FloatArray]:
    """Return squared deviations of each group's rewards from a mean, and from values, (N, T)."""
    pairs = list(zip(rewards, values, strict=True))
    total = [np.repeat(((team - mean) ** 2).sum(), own.shape[1]) for team, own in pairs]
    unexplained = [((team[:, None] - own) ** 2).sum(axis=0) for team, own in pairs]
    return np.stack(total), np.stack(unexplained)


def _by_messages(
    rewards: Sequence[FloatArray], values: Sequence[FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """Return squared deviations from the values before the first turn, and from each, (N, T)."""
    unexplained = []
    for team, own in zip(rewards, values, strict=True):
        left = team[:, None] - own  # (G, T)
        if len(team) > 1:
            left = left - left.mean(axis=0)  # as the group's advantage compares them
        unexplained.append((left**2).sum(axis=0))
    b = np.stack(unexplained)
    return np.broadcast_to(b[:, :1], b.shape), b
