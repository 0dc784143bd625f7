"""What agents of the signal game are worth, by going through everything that can happen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from baselines.signal.game import NOBODY, SignalGame, Tasks
from baselines.types import FloatArray
from ccpo_env.signal import DIFFICULTIES


@dataclass(frozen=True, slots=True)
class Worth:
    """Expected rewards of a team of two policies, both stochastic.

    Args:
        team: E[R] of both.
        alone: E[R] of the solver alone.
        spelled: E[R] if the thinker's message is the answer.
        best: E[R] with the thinker that is best for this solver.
    """

    team: float
    alone: float
    spelled: float
    best: float

    @property
    def contribution(self) -> float:
        """What the thinker adds: E[R] - E[R without it]."""
        return self.team - self.alone

    @property
    def ceiling(self) -> float:
        """The most that a thinker can add to this solver."""
        return self.best - self.alone

    @property
    def share(self) -> float:
        """What the thinker adds, as a share of the most it can."""
        return self.contribution / self.ceiling


def worth(game: SignalGame, thinker: FloatArray, solver: FloatArray) -> Worth:
    """Return what two tables are worth together and without each other.

    E[R] = mean over the pairs of numbers of
           sum over difficulty d, message m, answer x of p(d) thinker[m] solver[x] R(d, x)

    Args:
        game: The game.
        thinker: Probability of each message, one row for each pair of numbers.
        solver: Probability of each answer, one row for each thing that it can see.
    """
    values = message_values(game, solver)  # (pairs, H + 1)
    heard, alone = values[:, :-1], values[:, -1]
    spelled = _spelled_values(game)
    return Worth(
        team=float((thinker * heard).sum(axis=1).mean()),
        alone=float(alone.mean()),
        spelled=float((thinker * spelled).sum(axis=1).mean()),
        best=float(heard.max(axis=1).mean()),
    )


def message_values(game: SignalGame, solver: FloatArray) -> FloatArray:
    """Return E[R | numbers, message], shape (pairs, H + 1); the last message is none at all."""
    tasks = _all_tasks(game)
    messages = np.append(np.arange(game.num_messages), NOBODY)
    rows = game.solver_rows(tasks, messages)  # (pairs, 1, H + 1) by difficulty
    rewards = game.rewards(_wider(tasks), np.arange(game.num_answers))
    expected = (solver[rows] * rewards).sum(axis=-1)  # (pairs, difficulties, H + 1)
    values: FloatArray = np.einsum("d,pdm->pm", game.difficulty_rates, expected)
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
