"""Exact values of policies in the signal game, by enumeration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from baselines.common.types import FloatArray
from baselines.train_sb3.game import MISSING, SignalGame, Tasks
from ccpo_env.signal import DIFFICULTIES

Role: TypeAlias = Literal["thinker", "solver"]


@dataclass(frozen=True, slots=True)
class Worth:
    """Expected rewards of a team of two stochastic policies.

    Args:
        team: E[R] of the team.
        without_thinker: E[R] of the solver alone.
        without_solver: E[R] if the thinker's message is the answer.
        best_thinker: E[R] of this solver with its best-response thinker.
        best_solver: E[R] of this thinker with its best-response solver.
    """

    team: float
    without_thinker: float
    without_solver: float
    best_thinker: float
    best_solver: float

    def contribution(self, role: Role) -> float:
        """Return the contribution of an agent: E[R] - E[R without it]."""
        return self.team - self._without(role)

    def ceiling(self, role: Role) -> float:
        """Return the contribution of the best policy in its place."""
        best = self.best_thinker if role == "thinker" else self.best_solver
        return best - self._without(role)

    def share(self, role: Role) -> float:
        """Return the contribution of an agent over its ceiling."""
        return self.contribution(role) / self.ceiling(role)

    def _without(self, role: Role) -> float:
        return self.without_thinker if role == "thinker" else self.without_solver


def worth(game: SignalGame, thinker: FloatArray, solver: FloatArray) -> Worth:
    """Return the expected rewards of two tables, together and without each other.

    E[R] = mean over the pairs of numbers of
           sum over difficulty d, message m, answer x of p(d) thinker[m] solver[x] R(d, x)

    Args:
        game: The game.
        thinker: Probability of each message, one row per pair of numbers.
        solver: Probability of each answer, one row per observation.
    """
    values = message_values(game, solver)  # (pairs, H + 1)
    heard, alone = values[:, :-1], values[:, -1]
    spelled = _spelled_values(game)
    return Worth(
        team=float((thinker * heard).sum(axis=1).mean()),
        without_thinker=float(alone.mean()),
        without_solver=float((thinker * spelled).sum(axis=1).mean()),
        best_thinker=float(heard.max(axis=1).mean()),
        best_solver=float(_answer_values(game, thinker).max(axis=1).sum()),
    )


def message_values(game: SignalGame, solver: FloatArray) -> FloatArray:
    """Return E[R | numbers, message], shape (pairs, H + 1), without a message last."""
    tasks = _all_tasks(game)
    messages = np.append(np.arange(game.num_messages), MISSING)
    rows = game.solver_rows(tasks, messages)  # (pairs, 1, H + 1) by difficulty
    rewards = game.rewards(_wider(tasks), np.arange(game.num_answers))
    expected = (solver[rows] * rewards).sum(axis=-1)  # (pairs, difficulties, H + 1)
    values: FloatArray = np.einsum("d,pdm->pm", game.difficulty_rates, expected)
    return values


def _answer_values(game: SignalGame, thinker: FloatArray) -> FloatArray:
    """Return E[R | answer, observation of the solver], shape (rows, answers)."""
    tasks = _all_tasks(game)
    rows = game.solver_rows(tasks, np.arange(game.num_messages))  # (pairs, difficulties, H)
    rewards = game.rewards(_wider(tasks), np.arange(game.num_answers))  # (..., 1, answers)
    chance = game.difficulty_rates[:, None] * thinker[:, None, :] / len(thinker)
    values = np.zeros((game.num_rows[1], game.num_answers))
    np.add.at(values, rows, chance[..., None] * rewards)
    return values


def _spelled_values(game: SignalGame) -> FloatArray:
    rewards = game.rewards(_all_tasks(game), game.spelled)  # (pairs, difficulties, H)
    values: FloatArray = np.einsum("d,pdm->pm", game.difficulty_rates, rewards)
    return values


def _all_tasks(game: SignalGame) -> Tasks:
    """Return every task, shape (pairs, difficulties, 1); pairs in the thinker's order of rows."""
    shape = (game.num_answers, game.num_answers, len(DIFFICULTIES))
    first, second, difficulty = (
        index.reshape(game.num_rows[0], len(DIFFICULTIES), 1) for index in np.indices(shape)
    )
    return Tasks(first, second, difficulty)


def _wider(tasks: Tasks) -> Tasks:
    return Tasks(tasks.first[..., None], tasks.second[..., None], tasks.difficulty[..., None])
