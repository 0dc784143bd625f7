"""Training samples from replays: continuations of the team, and episodes without an agent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from baselines.common.types import FloatArray, IntArray
from baselines.optimizers import PolicyOptimizer
from baselines.policies.base import Completion
from baselines.rollouts.groups import Group
from baselines.rollouts.plan import turns_without
from baselines.rollouts.rollout import Replays
from baselines.train.samples import training_samples
from baselines.train.update.batching import TrainingSample
from ccpo_env.types import Role, Topology

SPREAD = 1e-18
"""Sum of squares below which the credit of a turn differs by rounding only."""


def advantage_scale(
    optimizer: PolicyOptimizer,
    credit: Sequence[FloatArray],
    advantages: Sequence[FloatArray],
    num_tokens: Sequence[IntArray] | None = None,
) -> FloatArray:
    """Return how much one unit of reward counts in the gradient of each turn of the team.

    scale[t] = c * (slope of advantages[., t] on credit[., t])

    The slope is taken within groups, and c = 1 - groups / rollouts, (G - 1) / G for groups of G, if
    the optimizer subtracts the mean of a group, of which each rollout is a part; else the slope is
    taken over the step, and c = 1. Credit without spread is replaced by alternating -1 and +1.

    Args:
        optimizer: Has computed the advantages.
        credit: Credit of each group, (G, T), at least one group.
        advantages: Advantages of each group, (G, T).
        num_tokens: Completion tokens of the same shapes, for an optimizer that whitens.

    Returns:
        Shape (T,).

    Note: Exact for advantages that are linear in credit, with or without whitening. For those
        divided by the standard deviation of their group it is the scale of an average group.
    """
    sizes = [len(own) for own in credit]
    signs = 1.0 - 2.0 * (np.arange(sum(sizes)) % 2)
    ends = np.cumsum(sizes)[:-1]
    trial = [np.repeat(s[:, None], credit[0].shape[1], axis=1) for s in np.split(signs, ends)]
    slopes = _slopes(trial, optimizer.advantage(trial, num_tokens), optimizer)
    found = _slopes(credit, advantages, optimizer)
    share = 1.0 - len(sizes) / sum(sizes) if optimizer.centres_on_group else 1.0
    scale: FloatArray = share * np.where(np.isnan(found), np.nan_to_num(slopes, nan=1.0), found)
    return scale


@dataclass(frozen=True, slots=True, eq=False)
class SampleMaker:
    """Makes the training samples of a step from everything that was sampled in it.

    A continuation after turn k of a rollout has the same distribution as a rollout with these
    first messages, so each later message of it is one more sample for the policy gradient:

    advantage = scale[t] * (R - mean R of the others that share the first k messages)
    weight[t] = G / (completions of turn t on this task, of rollouts and continuations)

    The others are the rollout itself and its other continuations after turn k. Given what an agent
    has read, they do not depend on its message, so that their mean is a baseline without bias. The
    samples of a turn have the total weight of the G rollouts, so that the expected gradient is
    that of the rollouts alone: the policy gradient of the team's expected reward J if credit and
    optimizer give it, also where several turns share one policy.

    A message sampled without the agents S is read in other contexts than those of the team. No
    baseline makes it a sample of the gradient of J: it is one of the gradient of J_S, the expected
    reward of the team without S, with the others of these n episodes as the baseline:

    advantage = scale[t] * (R - mean R of the others)
    weight    = min(1, G / n) / (number of sets S measured on the task)

    They are the n - 1 others of the rollout if S was removed in the middle of each rollout, else of
    the task. The expected gradient is then that of J + sum over S of min(1, n / G) * J_S / sets.

    Args:
        topology: Turns of the team.
        scale: Result of `advantage_scale`, (T,).
        optimizer: Defines the penalty for long completions, if any.
        max_tokens: Length limit of each turn.

    Source: the policy gradient theorem with a baseline (Williams 1992; Sutton et al. 2000); sibling
        baselines: VinePPO, arXiv:2410.01679, and C3, arXiv:2603.06859. Weights are ours.
    """

    topology: Topology
    scale: FloatArray
    optimizer: PolicyOptimizer
    max_tokens: Sequence[int]

    def samples(
        self,
        groups: Sequence[Group],
        advantages: Sequence[FloatArray],
        active: Collection[Role],
    ) -> dict[Role, list[TrainingSample]]:
        """Return the training samples of each active role, those of the rollouts first.

        Args:
            groups: Groups whose replays keep their completions.
            advantages: Advantages of the rollouts, (G, T) per group.
            active: Roles that are trained in this step.
        """
        roles = [turn.role for turn in self.topology.turns]
        episodes = [_episodes(group) for group in groups]
        weights = [self._weights(len(g.rollouts), e) for g, e in zip(groups, episodes, strict=True)]
        made = {
            role: training_samples(
                groups, advantages, [t for t, own in enumerate(roles) if own == role], weights
            )
            for role in active
        }
        for group, team_weights, replayed in zip(groups, weights, episodes, strict=True):
            counts = Counter(episode.removed for episode in replayed if episode.removed)
            shares = {
                removed: min(1.0, len(group.rollouts) / count) / len(counts)
                for removed, count in counts.items()
            }
            for episode in replayed:
                left = turns_without(self.topology, episode.removed)
                turns = [turn for turn in left if turn not in episode.kept]
                for turn, completion in zip(turns, episode.completions, strict=True):
                    if roles[turn] in made:
                        weight = shares.get(episode.removed, team_weights[turn])
                        sample = self._sample(turn, completion, episode.gain, weight)
                        made[roles[turn]].append(replace(sample, version=group.version))
        return made

    def _weights(self, size: int, episodes: Sequence[_Episode]) -> FloatArray:
        """Return the weight of the whole team's completions of each turn, (T,)."""
        counts = np.full(len(self.topology.turns), size)
        for episode in episodes:
            if not episode.removed:
                counts[len(episode.kept) :] += 1
        weights: FloatArray = size / counts
        return weights

    def _sample(
        self, turn: int, completion: Completion, gain: float, weight: float
    ) -> TrainingSample:
        length = np.array([[len(completion.token_ids)]])
        penalty = self.optimizer.shape(np.zeros((1, 1)), length, self.max_tokens[turn])
        advantage = float(self.scale[turn] * (gain + penalty[0, 0]))
        return TrainingSample(completion, advantage, weight=float(weight))


@dataclass(frozen=True, slots=True)
class _Episode:
    """A measured replay.

    Args:
        removed: Agents that did not take part.
        kept: Positions of the turns that were not sampled in it.
        completions: The others.
        gain: Its reward minus its baseline.
    """

    removed: frozenset[str]
    kept: tuple[int, ...]
    completions: tuple[Completion, ...]
    gain: float


def _episodes(group: Group) -> list[_Episode]:
    """Return the measured replays of a group that can be compared with others."""
    episodes = []
    for own in group.replays:
        measured = [index for index, reward in enumerate(own.rewards) if reward is not None]
        known = _known(own)
        rest = [] if own.removed else [float(group.rewards[own.rollout])]
        if len(known) == 1 and not rest:  # no other episode shares its prefix
            others = (o for o in group.replays if o.removed == own.removed and o is not own)
            rest = [reward for other in others for reward in _known(other)]
        num_others = len(known) - 1 + len(rest)
        if not num_others:
            continue
        total = sum(known) + sum(rest)
        for index, reward in zip(measured, known, strict=True):
            gain = reward - (total - reward) / num_others
            episodes.append(_Episode(own.removed, own.kept, own.completions[index], gain))
    return episodes


def _known(replays: Replays) -> list[float]:
    return [reward for reward in replays.rewards if reward is not None]


def _slopes(
    credit: Sequence[FloatArray], advantages: Sequence[FloatArray], optimizer: PolicyOptimizer
) -> FloatArray:
    """Return the least-squares slope of the advantages of each turn; NaN without spread, (T,)."""
    if not optimizer.centres_on_group:
        credit, advantages = [np.concatenate(credit)], [np.concatenate(advantages)]
    x, y = (np.concatenate([g - g.mean(axis=0) for g in each]) for each in (credit, advantages))
    squares, products = (x * x).sum(axis=0), (x * y).sum(axis=0)
    slopes: FloatArray = np.full(len(squares), np.nan)
    np.divide(products, squares, out=slopes, where=squares > SPREAD)
    return slopes
