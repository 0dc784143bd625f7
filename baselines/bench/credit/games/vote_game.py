"""A tabular vote: independent agents, and the most frequent answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from baselines.bench.credit.games.enumeration import enumerated_gradient, marginal_values
from baselines.bench.credit.games.turn_game import FREE, IDLE, certain
from baselines.common.types import BoolArray, FloatArray, IntArray
from baselines.credit.reading import Pattern

CORRECT = 0
"""Index of the correct answer."""


@dataclass(frozen=True, eq=False)
class Vote:
    """One task of voters that answer independently.

    Args:
        policy: Probability of each answer of each voter, shape (A, C).

    Note: The true advantage of a voter is E[R | its own vote] - E[R]. In a tie, the answer
        that was given first wins, as in the environment. Other votes do not change when a voter
        is removed, so removals cost nothing.
    """

    policy: FloatArray
    agents: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Name the agents."""
        names = tuple(f"voter_{turn}" for turn in range(len(self.policy)))
        object.__setattr__(self, "agents", names)  # the class is frozen from here on

    @property
    def reads(self) -> Pattern:
        """Who reads whom."""
        return "none"

    @property
    def owners(self) -> IntArray:
        """Position of the voter that each row belongs to."""
        return np.arange(len(self.policy))

    def rows(self, turn: int, before: IntArray, is_last: BoolArray) -> IntArray:
        """Return the voter's only row."""
        return np.full(before.shape[:-1], turn, dtype=np.int64)

    def reward(self, choices: IntArray) -> FloatArray:
        """Return +1 where the winning answer is correct, else -1."""
        num_voters, num_choices = self.policy.shape
        votes = choices[..., None] == np.arange(num_choices)  # (..., A, C)
        # In a tie the earlier answer wins; a difference in counts outweighs any position.
        first = np.where(votes.any(axis=-2), votes.argmax(axis=-2), num_voters)
        winner = (votes.sum(axis=-2) * (num_voters + 1) - first).argmax(axis=-1)
        return np.where(winner == CORRECT, 1.0, -1.0)

    def advantages(self, choices: IntArray) -> FloatArray:
        """Return the change in expected reward by each vote."""
        return self._marginal_advantages[np.arange(len(self.policy)), choices]

    def gradient(self) -> FloatArray:
        """Return the exact gradient of E[R] in the logits."""
        return enumerated_gradient(self)

    def chances(self, choices: IntArray, turn: int) -> FloatArray:
        """Return the probability of each vote; votes are independent."""
        chances = certain(choices, self.policy.shape[1])
        chances[..., turn:, :] = self.policy[turn:]
        return chances

    def known(self, choices: IntArray, turn: int) -> IntArray:
        """Return the voter's own vote."""
        own = np.full_like(choices, FREE)
        own[..., turn] = choices[..., turn]
        return own

    def without(self, choices: IntArray, removed: frozenset[int]) -> IntArray:
        """Return the other votes unchanged."""
        left = choices.copy()
        left[..., sorted(removed)] = IDLE
        return left

    @cached_property
    def _marginal_advantages(self) -> FloatArray:
        values = marginal_values(self)  # (A, C)
        gains: FloatArray = values - (values * self.policy).sum(axis=1, keepdims=True)
        return gains


def make_vote(num_voters: int, rng: np.random.Generator, *, num_choices: int = 4) -> Vote:
    """Sample a task with voters of different skill and a common distribution of wrong answers.

    P(voter is correct) = sigmoid(N(0, 1/4) + N(0, 1))      one for the task, one for the voter

    Args:
        num_voters: Number of agents A.
        rng: Random generator.
        num_choices: Number of answers C.
    """
    correct = 1.0 / (1.0 + np.exp(-(rng.normal(scale=0.5) + rng.normal(size=num_voters))))
    wrong = rng.dirichlet(np.ones(num_choices - 1))
    policy = np.concatenate([correct[:, None], (1.0 - correct)[:, None] * wrong], axis=1)
    return Vote(policy)
