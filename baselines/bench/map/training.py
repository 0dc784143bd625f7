"""Policy-gradient training in the games of the map, of many teams at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from baselines.bench.map.credit_laws import LAWS, CreditLaw
from baselines.bench.map.mixture import Mixture
from baselines.bench.map.signal import expected_reward, method_of
from baselines.common.types import FloatArray, IntArray

DECAY = 0.9
"""Decay of the running mean of the squared length of the gradient."""


BRANCHES: Mapping[str, str] = {"branch": "branch", "last_branch": "branch after last"}
"""Names of credit from continuations; "last" is the value of its hyperparameter after."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """How the teams are credited; see `signal.gradient_signal`."""

    allocator: str = "shared"
    optimizer: str = "grpo"
    group_size: int = 8
    samples: int = 1
    replay_cost: float = 1.0

    @property
    def label(self) -> str:
        """Short description."""
        replays = f", M = {self.samples}" if self.allocator in REPLAYING else ""
        name = BRANCHES.get(self.allocator, self.allocator)
        return f"{name}, {self.optimizer}, G = {self.group_size}{replays}"


REPLAYING = ("leave_one_out", "branch", "last_branch", "shapley", "banzhaf", "counterfactual")
"""Allocators that need replays in a chain."""


def train(
    mixture: Mixture,
    credit: Credit,
    num_teams: int,
    *,
    num_steps: int,
    step_tokens: float,
    step_length: float,
    seed: Sequence[int],
) -> FloatArray:
    """Train teams by stochastic gradient ascent on the logits, each step of the same tokens.

    logits = logits + step_length * g / sqrt(running mean of |g|^2)

    so that a step is on average as long whatever the scale or the noise of the credit: what counts
    is how well its direction agrees with the gradient. A step has as many groups as its tokens pay
    for; what is left is spent in a later step.

    Args:
        mixture: The tasks and the policy before training.
        credit: Credit, optimizer and group size.
        num_teams: Number N of independent teams.
        num_steps: Number of steps T.
        step_tokens: Messages of a step, replays included.
        step_length: Root mean square of the length of a step, in logits.
        seed: Seed of the sampling.

    Returns:
        E[R], computed exactly, before training and after each step, shape (N, T + 1).
    """
    # Two generators, so that replays do not shift the rollouts of the next step.
    rollouts, replays = (np.random.default_rng([*seed, stream]) for stream in range(2))
    logits = np.log(np.broadcast_to(mixture.policy, (num_teams, *mixture.policy.shape)))
    cost = group_tokens(mixture, credit)
    square, weight = np.zeros(num_teams), 0.0
    values = [expected_reward(mixture, _softmax(logits))]
    for index in range(num_steps):
        num_groups = int((index + 1) * step_tokens / cost) - int(index * step_tokens / cost)
        if num_groups:
            step = _Step(mixture, _softmax(logits), num_groups, credit.group_size, rollouts)
            gradient = step.gradient(step.advantages(credit, replays))
            square = DECAY * square + (1.0 - DECAY) * (gradient**2).sum(axis=(1, 2))
            weight = DECAY * weight + 1.0 - DECAY
            scale = np.sqrt(square / weight)[:, None, None]
            logits = logits + step_length * gradient / np.where(scale > 0.0, scale, 1.0)
        values.append(expected_reward(mixture, _softmax(logits)))
    return np.stack(values, axis=-1)


def group_tokens(mixture: Mixture, credit: Credit) -> float:
    """Return the messages of a group, replays included."""
    table = mixture.tables()[0]
    law = LAWS[credit.allocator](mixture.enumerated[0], table, mixture.trained, credit.samples)
    replayed = credit.replay_cost * law.num_replayed(credit.group_size)
    return credit.group_size * len(mixture.agents) + replayed


class _Step:
    """One step of N teams: B groups of G rollouts each, as indices of outcomes."""

    def __init__(
        self,
        mixture: Mixture,
        policy: FloatArray,
        num_groups: int,
        group_size: int,
        rng: np.random.Generator,
    ) -> None:
        self._mixture, self._policy = mixture, policy
        self._tables = mixture.tables(policy)
        num_teams, num_kinds = len(policy), len(mixture.tasks)
        self.kinds = rng.choice(num_kinds, p=mixture.weights, size=(num_teams, num_groups))
        drawn = rng.random((num_teams, num_groups, group_size))
        chances = np.stack(
            [
                game.probabilities(table)
                for game, table in zip(mixture.enumerated, self._tables, strict=True)
            ],
            axis=1,
        )  # (N, Z, O)
        self.outcomes = _draw(chances, self.kinds, drawn)

    def advantages(self, credit: Credit, rng: np.random.Generator) -> FloatArray:
        """Return the advantages of a credit, shape (N, B, G, A)."""
        method = method_of(credit.optimizer, credit.group_size)
        values = self._credit(credit, rng)
        if method.centres_on_group:
            values = values - values.mean(axis=2, keepdims=True)
        if method.whitens:
            mean = values.mean(axis=(1, 2), keepdims=True)
            spread = values.std(axis=(1, 2), keepdims=True)
            values = (values - mean) / np.where(spread > 0.0, spread, 1.0)
        return values

    def _credit(self, credit: Credit, rng: np.random.Generator) -> FloatArray:
        total = np.zeros((*self.outcomes.shape, len(self._mixture.agents)))
        centred: frozenset[int] = frozenset()
        for kind, (game, table) in enumerate(
            zip(self._mixture.enumerated, self._tables, strict=True)
        ):
            law = LAWS[credit.allocator](game, table, self._mixture.trained, credit.samples)
            teams, groups = np.nonzero(self.kinds == kind)
            total[teams, groups] = _sampled(law, teams, self.outcomes[teams, groups], rng)
            centred = law.centred
        for agent in centred:
            column = total[..., agent]
            total[..., agent] = column - column.mean(axis=2, keepdims=True)
        return total

    def gradient(self, advantages: FloatArray) -> FloatArray:
        """Return the mean over rollouts of advantage * d log pi, shape (N, P, C)."""
        num_teams, num_rows, num_choices = self._policy.shape
        rows, choices = self._rows_and_choices()
        teams = np.arange(num_teams)[:, None, None, None]
        is_trained = rows >= 0
        where = (teams * num_rows + rows)[is_trained]
        weights = advantages[is_trained]
        chosen = np.bincount(
            where * num_choices + choices[is_trained], weights, num_teams * num_rows * num_choices
        ).reshape(self._policy.shape)
        met = np.bincount(where, weights, num_teams * num_rows).reshape(num_teams, num_rows, 1)
        num_rollouts = self.outcomes.shape[1] * self.outcomes.shape[2]
        gradient: FloatArray = (chosen - met * self._policy) / num_rollouts
        return gradient

    def _rows_and_choices(self) -> tuple[IntArray, IntArray]:
        """Return the parameter row and the choice of each agent, shape (N, B, G, A)."""
        mixture = self._mixture
        rows = np.stack(
            [
                parameters[game.whole.rows]
                for parameters, game in zip(mixture.parameters, mixture.enumerated, strict=True)
            ]
        )  # (Z, O, A)
        choices = mixture.enumerated[0].whole.choices
        return rows[self.kinds[:, :, None], self.outcomes], choices[self.outcomes]


def _draw(chances: FloatArray, kinds: IntArray, drawn: FloatArray) -> IntArray:
    """Return the outcome of each rollout, shape (N, B, G), by inverting its distribution.

    Args:
        chances: Probabilities, shape (N, Z, O).
        kinds: Kind of task of each group, shape (N, B).
        drawn: Uniform numbers in [0, 1), shape (N, B, G).
    """
    num_teams, num_kinds, num_outcomes = chances.shape
    sums = chances.cumsum(axis=-1)
    sums /= sums[..., -1:]
    place = np.arange(num_teams)[:, None] * num_kinds + kinds  # (N, B)
    # Distributions one after the other, in intervals of length 1, are one sorted array.
    sorted_sums = (
        sums.reshape(-1, num_outcomes) + np.arange(num_teams * num_kinds)[:, None]
    ).ravel()
    found = np.searchsorted(sorted_sums, drawn + place[..., None], side="right")
    outcomes: IntArray = np.clip(found - place[..., None] * num_outcomes, 0, num_outcomes - 1)
    return outcomes


def _sampled(
    law: CreditLaw, teams: IntArray, outcomes: IntArray, rng: np.random.Generator
) -> FloatArray:
    """Return sampled credit of n groups, shape (n, G, A), of these teams, (n,), and outcomes."""
    total = np.zeros((*outcomes.shape, len(law.terms[0].weights)))
    for term in law.terms:
        values = term.values[teams[:, None], outcomes]
        if term.samples:
            given = values[:, :1] if term.is_of_task else values
            correct = rng.binomial(term.samples, np.clip((1.0 + given) / 2.0, 0.0, 1.0))
            values = np.broadcast_to(2.0 * correct / term.samples - 1.0, values.shape)
        total += values[..., None] * term.weights
    return total


def _softmax(logits: FloatArray) -> FloatArray:
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    policy: FloatArray = weights / weights.sum(axis=-1, keepdims=True)
    return policy
