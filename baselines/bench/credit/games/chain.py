"""A tabular chain of thinkers and a solver, whose accuracy depends on the messages."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from baselines.bench.credit.games.enumeration import (
    enumerated_gradient,
    prefix_chances,
    prefix_values,
)
from baselines.bench.credit.games.turn_game import FREE, keep_before, keep_before_removed
from baselines.common.types import BoolArray, FloatArray, IntArray
from baselines.credit.reading import Pattern

CORRECT = 0
"""Index of the correct answer."""


@dataclass(frozen=True, eq=False)
class Chain:
    """One task: thinkers send messages in turn, and a solver reads them all and answers.

    Each agent has two rows per observation: for its message and for its answer, which it gives if
    all later agents are removed.

    Args:
        num_agents: Number of agents A, including the solver.
        policy: Probability of each message or answer, shape (rows, C); see `rows`.

    Note: The true advantage of an agent is E[R | messages up to its turn] minus E[R | messages
        before its turn]; that of the solver is R - E[R | messages].
    """

    num_agents: int
    policy: FloatArray
    agents: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Name the agents."""
        thinkers = [f"thinker_{turn}" for turn in range(self.num_agents - 1)]
        object.__setattr__(self, "agents", (*thinkers, "solver_0"))  # frozen from here on

    @property
    def reads(self) -> Pattern:
        """Who reads whom."""
        return "chain"

    @property
    def owners(self) -> IntArray:
        """Position of the agent that each row belongs to."""
        turns = np.arange(self.num_agents)
        return np.repeat(turns, 2 * (self.policy.shape[1] + 1) ** turns)

    def rows(self, turn: int, before: IntArray, is_last: BoolArray) -> IntArray:
        """Return the row of the previous messages, a number with one digit per earlier agent."""
        base = self.policy.shape[1] + 1
        index = np.zeros(before.shape[:-1], dtype=np.int64)
        for earlier in range(turn):
            index = index * base + before[..., earlier] % base  # IDLE is the last digit
        first = sum(2 * base**earlier for earlier in range(turn))
        rows: IntArray = first + np.where(is_last, base**turn, 0) + index
        return rows

    def reward(self, choices: IntArray) -> FloatArray:
        """Return +1 where the last agent that is not removed answers correctly, else -1."""
        num_agents = choices.shape[-1]
        last = num_agents - 1 - (choices[..., ::-1] >= 0).argmax(axis=-1)
        answer = np.take_along_axis(choices, last[..., None], axis=-1)[..., 0]
        return np.where(answer == CORRECT, 1.0, -1.0)

    def advantages(self, choices: IntArray) -> FloatArray:
        """Return the change in expected reward by each turn."""
        values = [
            values[tuple(np.moveaxis(choices[..., :turn], -1, 0))]
            for turn, values in enumerate(self._prefix_values)
        ]
        start = np.broadcast_to(values[0], choices.shape[:-1])
        return np.diff(np.stack([start, *values[1:]], axis=-1), axis=-1)

    def gradient(self) -> FloatArray:
        """Return the exact gradient of E[R] in the logits."""
        return enumerated_gradient(self)

    def chances(self, choices: IntArray, turn: int) -> FloatArray:
        """Return the probability of each message and answer after the first messages."""
        given = tuple(np.moveaxis(choices[..., :turn], -1, 0))
        return np.broadcast_to(
            self._prefix_chances[turn][given], (*choices.shape, self.policy.shape[1])
        )

    def known(self, choices: IntArray, turn: int) -> IntArray:
        """Return the choices that an agent has read and its own."""
        return keep_before(choices, turn + 1)

    def without(self, choices: IntArray, removed: frozenset[int]) -> IntArray:
        """Return choices to complete: the last agent that is not removed answers."""
        left = keep_before_removed(choices, removed)
        last = max(set(range(self.num_agents)) - removed)
        if last < self.num_agents - 1:
            left[..., last] = FREE
        return left

    @cached_property
    def _prefix_values(self) -> list[FloatArray]:
        return prefix_values(self)

    @cached_property
    def _prefix_chances(self) -> list[FloatArray]:
        return prefix_chances(self)


def make_chain(
    num_thinkers: int, rng: np.random.Generator, *, num_choices: int = 4, effect: float = 1.5
) -> Chain:
    """Sample a task.

    P(agent j is correct | messages m_i) = sigmoid(alone_j + sum_i effect * e_ji(m_i))

    with e ~ N(0, 1), 0 for a removed agent, alone ~ N(-1/2, 1) the same for all agents of a task
    (so that the solver alone can do some tasks) and wrong answers equally probable. Messages have
    logits N(0, 1/4) plus N(0, 1) for each message read.

    Args:
        num_thinkers: Number of agents before the solver.
        rng: Random generator.
        num_choices: Number C of messages, and of answers.
        effect: Effect of a message on the log-odds of the correct answer.
    """
    alone = rng.normal(-0.5, 1.0)
    blocks = []
    for turn in range(num_thinkers + 1):
        contexts = (num_choices + 1) ** turn
        read = np.indices((num_choices + 1,) * turn).reshape(turn, contexts)
        words = np.zeros((turn, num_choices + 1, num_choices))
        words[:, :-1] = rng.normal(size=(turn, num_choices, num_choices))
        help_of = np.zeros((turn, num_choices + 1))
        help_of[:, :-1] = effect * rng.normal(size=(turn, num_choices))
        own = rng.normal(scale=0.5, size=num_choices)
        earlier = np.arange(turn)[:, None]
        blocks += [
            _softmax(own + words[earlier, read].sum(axis=0)),
            _answers(alone + help_of[earlier, read].sum(axis=0), num_choices),
        ]
    return Chain(num_thinkers + 1, np.concatenate(blocks))


def _answers(log_odds: FloatArray, num_choices: int) -> FloatArray:
    correct = 1.0 / (1.0 + np.exp(-log_odds))
    answers = np.repeat(((1.0 - correct) / (num_choices - 1))[:, None], num_choices, axis=1)
    answers[:, CORRECT] = correct
    return answers


def _softmax(logits: FloatArray) -> FloatArray:
    weights = np.exp(logits)
    probabilities: FloatArray = weights / weights.sum(axis=-1, keepdims=True)
    return probabilities
