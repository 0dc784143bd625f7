"""Tabular games of a team that acts in turn: protocol, sampling and policy gradients."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from baselines.common.types import BoolArray, FloatArray, IntArray
from baselines.credit.reading import Pattern

IDLE = -1
"""Choice of a removed agent; as an index it selects the last row of a table, reserved for it."""
FREE = -2
"""Placeholder for a choice to be sampled."""


class TabularGame(Protocol):
    """One task: A agents make one of C choices in turn, and the team is correct or wrong.

    True advantages and gradients are computed exactly.
    """

    @property
    def agents(self) -> tuple[str, ...]:
        """Names of the A agents in speaking order."""
        ...

    @property
    def reads(self) -> Pattern:
        """Whether each agent reads all before it ("chain") or nobody ("none")."""
        ...

    @property
    def policy(self) -> FloatArray:
        """Probability of each choice, shape (rows, C); its logits are the parameters."""
        ...

    @property
    def owners(self) -> IntArray:
        """Position of the agent that each row of the policy belongs to, shape (rows,)."""
        ...

    def rows(self, turn: int, before: IntArray, is_last: BoolArray) -> IntArray:
        """Return the row of the policy for an agent's choice.

        Args:
            turn: Position of the agent.
            before: Choices of the agents before it, IDLE for removed ones, shape (..., turn).
            is_last: Whether all agents after it are removed, shape (...).
        """
        ...

    def reward(self, choices: IntArray) -> FloatArray:
        """Return the team reward, -1 or +1, shape (...), of choices of shape (..., A)."""
        ...

    def advantages(self, choices: IntArray) -> FloatArray:
        """Return the true advantage of each agent of the whole team, shape (..., A).

        A = E[R | what the agent read, what it chose] - E[R | what it read]
        """
        ...

    def gradient(self) -> FloatArray:
        """Return the exact gradient of E[R] in the logits of the policy, shape (rows, C)."""
        ...

    def chances(self, choices: IntArray, turn: int) -> FloatArray:
        """Return the probability of each agent's choices given those of the agents before a turn.

        Args:
            choices: Choices of the whole team, shape (..., A).
            turn: Number of first choices that are given.

        Returns:
            Shape (..., A, C); 0 or 1 for the agents whose choices are given.
        """
        ...

    def known(self, choices: IntArray, turn: int) -> IntArray:
        """Return the choices with all FREE except those that this agent has read and its own."""
        ...

    def without(self, choices: IntArray, removed: frozenset[int]) -> IntArray:
        """Return the choices with removed agents IDLE, and those to sample again FREE."""
        ...


def complete(game: TabularGame, choices: IntArray, rng: np.random.Generator) -> IntArray:
    """Return the choices with FREE entries sampled from the policy, shape (..., A)."""
    drawn = choices.copy()
    for turn in range(choices.shape[-1]):
        free = choices[..., turn] == FREE
        if free.any():
            rows = game.rows(turn, drawn[..., :turn], is_last(choices, turn))
            drawn[..., turn] = np.where(free, _draw(game.policy[rows], rng), drawn[..., turn])
    return drawn


def is_last(choices: IntArray, turn: int) -> BoolArray:
    """Return whether all agents after a turn are removed, shape (...)."""
    last: BoolArray = (choices[..., turn + 1 :] == IDLE).all(axis=-1)
    return last


def play(game: TabularGame, num_groups: int, group_size: int, rng: np.random.Generator) -> IntArray:
    """Return the choices of N groups of G rollouts, shape (N, G, A)."""
    shape = (num_groups, group_size, len(game.agents))
    return complete(game, np.full(shape, FREE, dtype=np.int64), rng)


def twin(game: TabularGame, choices: IntArray, rng: np.random.Generator) -> IntArray:
    """Play N groups again, with the turn of one agent kept in the first rollout of each.

    In group n, agent n modulo A keeps what it read and chose; everything else is sampled again.
    Given that, the two estimates of its credit are independent.

    Args:
        game: The game.
        choices: Choices in the original groups, shape (N, G, A).
        rng: Random generator.
    """
    again = np.full_like(choices, FREE)
    for group in range(len(choices)):
        again[group, 0] = game.known(choices[group, 0], group % choices.shape[-1])
    return complete(game, again, rng)


def branch_rewards(
    game: TabularGame, choices: IntArray, turn: int, num_branches: int, rng: np.random.Generator
) -> FloatArray:
    """Return the rewards of M fresh continuations after a turn, shape (N, G, M)."""
    open_end = _repeat(choices, num_branches)  # (N, G, M, A)
    open_end[..., turn + 1 :] = FREE
    return game.reward(complete(game, open_end, rng))


def removed_rewards(
    game: TabularGame,
    choices: IntArray,
    removed: frozenset[int],
    num_samples: int,
    rng: np.random.Generator,
) -> FloatArray:
    """Return rewards of the team without some agents.

    Returns:
        Shape (N, M) if no choice of a rollout is kept; else (N, G, M), with M = 1 if nothing is
        sampled.
    """
    left = game.without(choices, removed)
    if (left < 0).all():
        return game.reward(complete(game, _repeat(left[:, 0], num_samples), rng))
    num_samples = num_samples if (left == FREE).any() else 1
    return game.reward(complete(game, _repeat(left, num_samples), rng))


def gradients(game: TabularGame, choices: IntArray, advantages: FloatArray) -> FloatArray:
    """Return each group's estimate of the policy gradient, in the logits of the policy.

    (1 / G) * sum_{g,a} advantage[g, a] * grad log pi(choice[g, a])

    Args:
        game: The game.
        choices: Choices of whole teams in N groups, shape (N, G, A).
        advantages: Advantage of each choice, shape (N, G, A).

    Returns:
        Shape (N, rows, C).
    """
    num_groups, group_size, num_agents = choices.shape
    total = np.zeros((num_groups, *game.policy.shape))
    group = np.repeat(np.arange(num_groups), group_size)
    for turn in range(num_agents):
        rows = game.rows(turn, choices[..., :turn], is_last(choices, turn)).reshape(-1)
        score = -game.policy[rows]  # d log pi(choice) / d logits = onehot - pi
        score[np.arange(len(rows)), choices[..., turn].reshape(-1)] += 1.0
        np.add.at(total, (group, rows), score * advantages[..., turn].reshape(-1, 1))
    mean: FloatArray = total / group_size
    return mean


def oracle_ratings(
    advantages: FloatArray,
    rewards: FloatArray,
    *,
    noise: float,
    invalid_rate: float,
    rng: np.random.Generator,
) -> tuple[FloatArray, BoolArray]:
    """Return the ratings of raters that know the true advantages up to noise.

    share[i, j] = softmax_j(R * A_j) + noise * N(0, 1), within [0, 1]

    A large share is credit for a correct answer and blame for a wrong one, hence the factor R.

    Args:
        advantages: True advantages, shape (N, G, A).
        rewards: Team rewards, shape (N, G).
        noise: Standard deviation of the rating noise, in shares.
        invalid_rate: Fraction of unreadable ratings.
        rng: Random generator.

    Returns:
        Ratings, shape (N, A, A, G) as raters by agents, and their validity, (N, A, G).
    """
    weights = np.exp(rewards[..., None] * advantages)  # (N, G, A)
    shares = np.moveaxis(weights / weights.sum(axis=-1, keepdims=True), 1, 2)  # (N, A, G)
    num_groups, num_agents, group_size = shares.shape
    errors = noise * rng.normal(size=(num_groups, num_agents, num_agents, group_size))
    valid = rng.random((num_groups, num_agents, group_size)) >= invalid_rate
    return np.clip(shares[:, None] + errors, 0.0, 1.0), valid


def certain(choices: IntArray, num_choices: int) -> FloatArray:
    """Return probability 1 for the choices that were made, shape (..., A, C)."""
    made: FloatArray = (choices[..., None] == np.arange(num_choices)).astype(np.float64)
    return made


def keep_before(choices: IntArray, turn: int) -> IntArray:
    """Return the choices with those from a turn on FREE."""
    kept = np.full_like(choices, FREE)
    kept[..., :turn] = choices[..., :turn]
    return kept


def keep_before_removed(choices: IntArray, removed: frozenset[int]) -> IntArray:
    """Return the choices with removed agents IDLE, and others after the first of them FREE."""
    left = keep_before(choices, min(removed))
    left[..., sorted(removed)] = IDLE
    return left


def _draw(probabilities: FloatArray, rng: np.random.Generator) -> IntArray:
    thresholds = probabilities.cumsum(axis=-1)[..., :-1]  # the last choice takes the rest
    above: IntArray = (rng.random(thresholds.shape[:-1])[..., None] >= thresholds).sum(axis=-1)
    return above


def _repeat(choices: IntArray, times: int) -> IntArray:
    return np.repeat(choices[..., None, :], times, axis=-2)
