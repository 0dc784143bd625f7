"""A sequential bandit for many agents, with exact values by dynamic programming."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from baselines.bench.credit.games.turn_game import certain, keep_before, keep_before_removed
from baselines.common.types import BoolArray, FloatArray, IntArray
from baselines.credit.reading import Pattern

GRID = 0.25
"""Unit of the score; all parts are multiples, so that sums have few values."""


@dataclass(frozen=True, eq=False)
class Bandit:
    """K agents choose in turn, given the previous choice; a high total score is correct.

    f(a) = sum_k phi_k(a_k) + interaction * sum_k g_k(a_{k-1}, a_k)
    R = +1 if f(a) > bar, else -1

    Given the sum so far and the last choice, the rest is independent of earlier choices, so
    E[R | a_<=k] is a table over both, computed from the last agent to the first.

    Args:
        gains: phi_k(b) + interaction * g_k(a, b) in units of GRID, at [k, a, b], shape
            (K, C + 1, C + 1); the last row and column are for IDLE.
        policy: Probability of choice b after choice a, agent k's at row k * (C + 1) + a, shape
            (K * (C + 1), C); the last a of each agent is IDLE, also for the first agent.
        bar: Threshold that the score must exceed, in units of GRID.

    Note: A removed agent adds nothing, and the next one chooses as if it were the first.
        Interactions are between neighbours; other pairs would need a larger table.
        The true advantage of agent k is E[R | a_<=k] - E[R | a_<k].

    Source: The bandit of COSAC, arXiv:2604.17693; differs from it in a reward of -1 or +1
        instead of f, in interactions between neighbours only, and in distributions, which we chose.
    """

    gains: IntArray
    policy: FloatArray
    bar: int
    agents: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Name the agents."""
        names = tuple(f"agent_{turn}" for turn in range(len(self.gains)))
        object.__setattr__(self, "agents", names)  # the class is frozen from here on

    @property
    def reads(self) -> Pattern:
        """Who reads whom."""
        return "chain"

    @property
    def owners(self) -> IntArray:
        """Position of the agent that each row belongs to."""
        return np.repeat(np.arange(len(self.gains)), self.policy.shape[1] + 1)

    def rows(self, turn: int, before: IntArray, is_last: BoolArray) -> IntArray:
        """Return the row of a choice after another one."""
        idle = self.policy.shape[1]
        if turn == 0:
            return np.full(before.shape[:-1], idle, dtype=np.int64)
        rows: IntArray = turn * (idle + 1) + np.where(before[..., -1] < 0, idle, before[..., -1])
        return rows

    def reward(self, choices: IntArray) -> FloatArray:
        """Return +1 where the score is above the bar, else -1."""
        return np.where(self._scores(choices)[..., -1] > self.bar, 1.0, -1.0)

    def advantages(self, choices: IntArray) -> FloatArray:
        """Return E[R | a_<=k] - E[R | a_<k]."""
        scores = self._scores(choices)
        after = [
            self._values[turn][choices[..., turn], scores[..., turn] - self._lowest]
            for turn in range(len(self.gains))
        ]
        start = np.full(choices.shape[:-1], self.value)
        return np.diff(np.stack([start, *after], axis=-1), axis=-1)

    def chances(self, choices: IntArray, turn: int) -> FloatArray:
        """Return the probability of each choice, which depends on the one before it."""
        num_choices = self.policy.shape[1]
        chances = certain(choices, num_choices)
        last = np.full(choices.shape[:-1], num_choices) if turn == 0 else choices[..., turn - 1]
        for later in range(turn, choices.shape[-1]):
            table = self._table(later)
            following = table[last] if later == turn else chances[..., later - 1, :] @ table[:-1]
            chances[..., later, :] = following
        return chances

    @property
    def value(self) -> float:
        """E[R] of the whole team."""
        first = self._shifted(0, self._values[0])[-1, :, -self._lowest]  # after IDLE, at sum 0
        return float(self._table(0)[-1] @ first)

    def gradient(self) -> FloatArray:
        """Return the exact gradient of E[R] in the logits."""
        num_choices = self.policy.shape[1]
        total = np.zeros_like(self.policy)
        reach = self._initial_probabilities()
        for turn in range(len(self.gains)):
            policy = self._table(turn)  # (C + 1, C)
            after = self._shifted(turn, self._values[turn])  # (C + 1, C, S)
            quality = np.einsum("as,abs->ab", reach, after) * policy
            rows = slice(turn * (num_choices + 1), (turn + 1) * (num_choices + 1))
            # d pi(b) / d logit(c) = pi(b) * (1[b = c] - pi(c))
            total[rows] = quality - quality.sum(axis=1, keepdims=True) * policy
            reach = self._step(reach, turn)
        return total

    def fair_bar(self) -> int:
        """Return the threshold for which P(correct) is closest to 1/2."""
        reach = self._initial_probabilities()
        for turn in range(len(self.gains)):
            reach = self._step(reach, turn)
        above = 1.0 - reach.sum(axis=0).cumsum()
        return int(np.abs(above - 0.5).argmin()) + self._lowest

    def known(self, choices: IntArray, turn: int) -> IntArray:
        """Return the choices that an agent has read and its own."""
        return keep_before(choices, turn + 1)

    def without(self, choices: IntArray, removed: frozenset[int]) -> IntArray:
        """Return choices to complete: those before the first removed agent are kept."""
        return keep_before_removed(choices, removed)

    def _scores(self, choices: IntArray) -> IntArray:
        """Return the sum after each turn, shape (..., K)."""
        before = np.concatenate([np.full_like(choices[..., :1], -1), choices[..., :-1]], axis=-1)
        scores: IntArray = np.cumsum(
            self.gains[np.arange(len(self.gains)), before, choices], axis=-1
        )
        return scores

    def _table(self, turn: int) -> FloatArray:
        size = self.policy.shape[1] + 1
        return self.policy[turn * size : (turn + 1) * size]

    @cached_property
    def _lowest(self) -> int:
        return int(np.minimum(self.gains.min(axis=(1, 2)), 0).sum())

    @cached_property
    def _num_sums(self) -> int:
        return int(np.maximum(self.gains.max(axis=(1, 2)), 0).sum()) - self._lowest + 1

    @cached_property
    def _values(self) -> list[FloatArray]:
        """E[R | a_k = a, sum s after it] of each turn, shape (C + 1, S)."""
        num_rows = self.policy.shape[1] + 1
        right = np.arange(self._num_sums) + self._lowest > self.bar
        values = [np.tile(np.where(right, 1.0, -1.0), (num_rows, 1))]
        for turn in reversed(range(1, len(self.gains))):
            values.insert(
                0, np.einsum("ab,abs->as", self._table(turn), self._shifted(turn, values[0]))
            )
        return values

    def _shifted(self, turn: int, values: FloatArray) -> FloatArray:
        """Return the values after choice b at sum s when a came before, shape (C + 1, C, S)."""
        num_choices = self.policy.shape[1]
        sums = np.arange(self._num_sums) + self.gains[turn][:, :num_choices, None]
        # Sums out of range are unreachable, so their value is irrelevant.
        sums = np.clip(sums, 0, self._num_sums - 1)
        shifted: FloatArray = values[np.arange(num_choices)[:, None], sums]
        return shifted

    def _initial_probabilities(self) -> FloatArray:
        """Return the initial probability of each last choice and sum, shape (C + 1, S)."""
        reach = np.zeros((self.policy.shape[1] + 1, self._num_sums))
        reach[-1, -self._lowest] = 1.0
        return reach

    def _step(self, reach: FloatArray, turn: int) -> FloatArray:
        """Return these probabilities after a turn."""
        num_choices = self.policy.shape[1]
        after = np.zeros_like(reach)
        for last, choice in np.ndindex(num_choices + 1, num_choices):
            moved = np.roll(reach[last], self.gains[turn][last, choice])
            after[choice] += moved * self._table(turn)[last, choice]
        return after


def make_bandit(
    num_agents: int,
    rng: np.random.Generator,
    *,
    num_choices: int = 4,
    interaction: float = 0.0,
    dependence: float = 1.0,
) -> Bandit:
    """Sample a bandit whose team is correct about half of the time.

    phi_k(b), g_k(a, b) ~ N(0, 1), rounded to GRID after scaling
    logits of agent k after a: base_k(b) + dependence * coupling_k(a, b)

    with base ~ N(0, 1/4), coupling ~ N(0, 1), and 0 in place of coupling for the first agent and
    after a removed one.

    Args:
        num_agents: Number of agents K.
        rng: Random generator.
        num_choices: Number of choices C per agent.
        interaction: Strength of the interactions between neighbours.
        dependence: Dependence of an agent's policy on the previous choice.
    """
    shape = (num_agents, num_choices + 1, num_choices + 1)
    own, pair = np.zeros(shape), np.zeros(shape)
    own[:, :, :-1] = rng.normal(size=(num_agents, 1, num_choices))
    pair[1:, :-1, :-1] = rng.normal(size=(num_agents - 1, num_choices, num_choices))
    gains = np.rint((own + interaction * pair) / GRID).astype(np.int64)
    logits = np.zeros((num_agents, num_choices + 1, num_choices))
    logits += rng.normal(scale=0.5, size=(num_agents, 1, num_choices))
    coupling = rng.normal(size=(num_agents, num_choices, num_choices))
    logits[1:, :-1] += dependence * coupling[1:]
    weights = np.exp(logits)
    policy = (weights / weights.sum(axis=-1, keepdims=True)).reshape(-1, num_choices)
    return Bandit(gains, policy, Bandit(gains, policy, 0).fair_bar())
