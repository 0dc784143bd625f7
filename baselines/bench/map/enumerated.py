"""All outcomes of a small game, and the values of its prefixes and coalitions, for any policy.

Every array of a policy may have leading dimensions, such as seeds: they come first in the results.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from baselines.bench.credit.games.turn_game import FREE, IDLE, TabularGame, is_last
from baselines.common.types import FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Playout:
    """Every way in which a team, some of it removed, can act.

    Args:
        choices: Choices of each way, shape (W, A); IDLE for removed agents.
        rows: Policy rows of these choices, shape (W, A).
        rewards: Team rewards, shape (W,), -1 or +1.
        kept: Number of first agents whose choices a replay keeps from the rollout.
        free: The agents that choose, in speaking order.
    """

    choices: IntArray
    rows: IntArray
    rewards: FloatArray
    kept: int
    free: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Enumerated:
    """A tabular game of A agents with C choices, with all its O = C ** A outcomes.

    Outcome o is a number with one digit per agent, that of the first agent the most significant.

    Args:
        game: The game; its policy is not used.
    """

    game: TabularGame
    _playouts: dict[frozenset[int], Playout] = field(default_factory=dict, init=False)

    @property
    def num_agents(self) -> int:
        """Number of agents A."""
        return len(self.game.agents)

    @property
    def num_choices(self) -> int:
        """Number of choices C."""
        return int(self.game.policy.shape[1])

    @cached_property
    def whole(self) -> Playout:
        """The whole team."""
        return self._playout(frozenset())

    def probabilities(self, table: FloatArray) -> FloatArray:
        """Return the probability of each outcome, shape (..., O).

        Args:
            table: Policy, shape (..., rows, C).
        """
        return _product(self.whole, table, range(self.num_agents))

    def expected_reward(self, table: FloatArray) -> FloatArray:
        """Return E[R], shape (...)."""
        return self._after(self.whole, table, 0)[..., 0]

    def prefix_values(self, table: FloatArray) -> list[FloatArray]:
        """Return E[R | the first k choices] for k = 0 to A, each of shape (..., O).

        Note: Of agents that read others, for outcomes of probability 0 as well.
        """
        return [
            self._on_outcomes(self._after(self.whole, table, k), k)
            for k in range(self.num_agents + 1)
        ]

    def own_values(self, table: FloatArray) -> FloatArray:
        """Return E[R | agent a's choice] of agents that read no messages, shape (..., O, A)."""
        num_agents, num_choices = self.num_agents, self.num_choices
        tree = (num_choices,) * num_agents
        batch = table.shape[:-2]
        values = np.empty((*batch, num_choices**num_agents, num_agents))
        for agent in range(num_agents):
            others = [other for other in range(num_agents) if other != agent]
            weights = _product(self.whole, table, others) * self.whole.rewards
            axes = tuple(len(batch) + other for other in others)
            own = weights.reshape(*batch, *tree).sum(axis=axes)  # (..., C)
            values[..., agent] = own[..., self.whole.choices[:, agent]]
        return values

    def coalition_values(self, table: FloatArray, removed: frozenset[int]) -> FloatArray:
        """Return the value of each rollout's team without some of its agents, shape (..., O).

        What they would have said before the first removed agent is kept; later agents choose
        again, except in a vote, whose other answers do not change.
        """
        batch = table.shape[:-2]
        num_outcomes = len(self.whole.rewards)
        if self.game.reads == "none":
            left = self.whole.choices.copy()
            left[:, sorted(removed)] = IDLE
            return np.broadcast_to(self.game.reward(left), (*batch, num_outcomes))
        playout = self._playout(removed)
        return self._on_outcomes(self._after(playout, table, playout.kept), playout.kept)

    def num_replayed(self, removed: frozenset[int]) -> int:
        """Return the number of messages of a replay without some agents: 0 in a vote."""
        return len(self._playout(removed).free)

    def is_of_task(self, removed: frozenset[int]) -> bool:
        """Whether a replay without these agents keeps nothing, so that a group shares it."""
        playout = self._playout(removed)
        return not playout.kept and bool(playout.free)

    def _playout(self, removed: frozenset[int]) -> Playout:
        if removed not in self._playouts:
            self._playouts[removed] = self._enumerate(removed)
        return self._playouts[removed]

    def _enumerate(self, removed: frozenset[int]) -> Playout:
        num_agents, num_choices = self.num_agents, self.num_choices
        options = [[IDLE] if a in removed else range(num_choices) for a in range(num_agents)]
        choices = np.array(list(itertools.product(*options)), dtype=np.int64)
        rows = np.zeros_like(choices)
        for agent in set(range(num_agents)) - removed:
            rows[:, agent] = self.game.rows(agent, choices[:, :agent], is_last(choices, agent))
        left = self.game.without(choices[0], removed) if removed else np.full(num_agents, FREE)
        kept = int((left < 0).argmax())
        free = tuple(np.flatnonzero(left == FREE).tolist())
        return Playout(choices, rows, self.game.reward(choices), kept, free)

    def _after(self, playout: Playout, table: FloatArray, kept: int) -> FloatArray:
        """Return E[R | the first `kept` choices], shape (..., C ** kept)."""
        free = [agent for agent in playout.free if agent >= kept]
        weights = _product(playout, table, free) * playout.rewards
        shape = (*table.shape[:-2], self.num_choices**kept, -1)
        total: FloatArray = weights.reshape(shape).sum(axis=-1)
        return total

    def _on_outcomes(self, values: FloatArray, kept: int) -> FloatArray:
        """Return values of prefixes, shape (..., C ** kept), per outcome, shape (..., O)."""
        return np.repeat(values, self.num_choices ** (self.num_agents - kept), axis=-1)


def _product(playout: Playout, table: FloatArray, agents: Iterable[int]) -> FloatArray:
    """Return the probability of the choices of some agents, shape (..., W)."""
    total = np.ones((*table.shape[:-2], len(playout.choices)))
    for agent in agents:
        total *= table[..., playout.rows[:, agent], playout.choices[:, agent]]
    return total
