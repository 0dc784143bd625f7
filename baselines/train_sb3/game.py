"""`ccpo_env.signal_v0` with its default sizes as arrays: vectorized sampling and exact values."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from baselines.common.types import FloatArray, IntArray
from ccpo_env.signal import (
    DEFAULT_MIX,
    DIFFICULTIES,
    RARE_MIX,
    Difficulty,
    SignalEnv,
    SignalTask,
)
from ccpo_env.symbols import SILENCE

MIXES: Mapping[str, Mapping[Difficulty, float]] = {"default": DEFAULT_MIX, "rare": RARE_MIX}
EASY, HOPELESS = DIFFICULTIES.index("easy"), DIFFICULTIES.index("hopeless")
MISSING = -1
"""Message of a removed thinker, and answer that is not a number."""

Observations = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Tasks:
    """Arrays of the fields of SignalTask, with difficulties as indices into DIFFICULTIES."""

    first: IntArray
    second: IntArray
    difficulty: IntArray

    def repeat(self, times: int) -> Tasks:
        """Repeat each task along a new last axis."""
        fields = (self.first, self.second, self.difficulty)
        return Tasks(*(np.repeat(field[..., None], times, axis=-1) for field in fields))


class SignalGame:
    """The game of two agents, each with a table of probabilities.

    A message is an integer whose digits in the base of the alphabet are its symbols; 0 is all
    silence. Rows of the thinker's table are pairs of numbers, rows of the solver's table are its
    observations: the first number, the second number or hidden, the message or none.

    Args:
        mix: Probability of each difficulty.
    """

    def __init__(self, mix: Mapping[Difficulty, float] = DEFAULT_MIX) -> None:
        env = SignalEnv(mix=mix)
        thinker_space, solver_space = (env.action_space(agent) for agent in env.possible_agents)
        assert isinstance(thinker_space, spaces.MultiDiscrete)
        assert isinstance(solver_space, spaces.Discrete)
        self.num_answers = int(solver_space.n)
        self.symbols = np.array(
            list(itertools.product(*(range(size) for size in thinker_space.nvec)))
        )  # (H, K)
        self.num_messages, self.num_symbols = self.symbols.shape
        self.alphabet_size = int(thinker_space.nvec[0])
        self.difficulty_rates = np.array([mix.get(name, 0.0) for name in DIFFICULTIES])
        self.spelled = self._spelled()
        self.thinker_observations, self.solver_observations = self._observations(env)

    @property
    def num_rows(self) -> tuple[int, int]:
        """Number of rows in the tables of thinker and solver."""
        return len(self.thinker_observations), len(self.solver_observations)

    def draw_tasks(self, num_tasks: int, rng: np.random.Generator) -> Tasks:
        """Sample tasks from the distribution of the environment, shape (N,)."""
        first, second = rng.integers(self.num_answers, size=(2, num_tasks))
        difficulty = rng.choice(len(DIFFICULTIES), size=num_tasks, p=self.difficulty_rates)
        return Tasks(first, second, difficulty)

    def messages(self, symbols: npt.NDArray[np.integer]) -> IntArray:
        """Return messages as integers, from symbols of shape (..., K)."""
        weights = self.alphabet_size ** np.arange(self.num_symbols)[::-1]
        messages: IntArray = (symbols * weights).sum(axis=-1)
        return messages

    def thinker_rows(self, tasks: Tasks) -> IntArray:
        """Return the row in the thinker's table for each task."""
        return tasks.first * self.num_answers + tasks.second

    def solver_rows(self, tasks: Tasks, messages: IntArray) -> IntArray:
        """Return the row in the solver's table for each task and message, which may be MISSING.

        The shapes of tasks and messages are broadcast.
        """
        seen = np.where(tasks.difficulty == EASY, tasks.second, self.num_answers)
        heard = np.where(messages == MISSING, self.num_messages, messages)
        pair = tasks.first * (self.num_answers + 1) + seen
        rows: IntArray = pair * (self.num_messages + 1) + heard
        return rows

    def rewards(self, tasks: Tasks, answers: IntArray) -> FloatArray:
        """Return +1 for a correct answer, else -1; tasks are broadcast."""
        gold = (tasks.first + tasks.second) % self.num_answers
        is_right = (answers == gold) & (tasks.difficulty != HOPELESS)
        return np.where(is_right, 1.0, -1.0)

    def expert_solver(self, *, guesses: bool = True) -> FloatArray:
        """Return the table of a solver that uses complete messages.

        Args:
            guesses: If the second number is hidden and a symbol is missing, answer at random;
                else as `SignalEnv.expert_answer`, with that number taken as 0.
        """
        first, seen, heard = np.unravel_index(
            np.arange(self.num_rows[1]),
            (self.num_answers, self.num_answers + 1, self.num_messages + 1),
        )
        named = np.append(self.spelled, MISSING)[heard]
        second = np.where(seen < self.num_answers, seen, named)
        known = (first + np.maximum(second, 0)) % self.num_answers
        table = np.eye(self.num_answers)[known]
        if guesses:
            table[second == MISSING] = 1.0 / self.num_answers
        return table

    def expert_thinker(self, *, silence: float = 0.0) -> FloatArray:
        """Return the table of a thinker that sends the second number, or is silent at a rate."""
        message_of = {int(named): m for m, named in enumerate(self.spelled) if named != MISSING}
        second = np.arange(self.num_rows[0]) % self.num_answers
        table = np.zeros((self.num_rows[0], self.num_messages))
        table[np.arange(len(table)), [message_of[number] for number in second.tolist()]] = 1.0
        table *= 1.0 - silence
        table[:, self.messages(np.full(self.num_symbols, SILENCE))] += silence
        return table

    def _spelled(self) -> IntArray:
        """Return the number spelled by each message, MISSING if incomplete, shape (H,)."""
        base = self.alphabet_size - 1
        places = base ** np.arange(self.num_symbols)[::-1]
        numbers = ((self.symbols - 1) * places).sum(axis=1)
        is_whole = (self.symbols != SILENCE).all(axis=1)
        return np.where(is_whole, numbers, MISSING).astype(np.int64)

    def _observations(self, env: SignalEnv) -> tuple[Observations, Observations]:
        """Return the observation of each row, from the environment."""
        numbers = range(self.num_answers)
        thinker = [
            _observed(env, "thinker_0", SignalTask(first, second, "hard"), None)
            for first, second in itertools.product(numbers, numbers)
        ]
        messages = [*self.symbols, None]
        solver = [
            _observed(env, "solver_0", task, symbols)
            for first in numbers
            for task in (
                *(SignalTask(first, n, "easy") for n in numbers),
                SignalTask(first, 0, "hard"),
            )
            for symbols in messages
        ]
        return np.array(thinker), np.array(solver)


def draw(probabilities: FloatArray, coins: FloatArray) -> IntArray:
    """Sample from categorical distributions by inverse transform.

    Args:
        probabilities: Shape (..., C).
        coins: Uniform random numbers in [0, 1), whose shape is broadcast with (...).
    """
    thresholds = probabilities.cumsum(axis=-1)[..., :-1]  # the last choice takes the rest
    above: IntArray = (coins[..., None] >= thresholds).sum(axis=-1)
    return above


def _observed(
    env: SignalEnv, agent: str, task: SignalTask, symbols: IntArray | None
) -> Observations:
    removed = ["thinker_0"] if agent == "solver_0" and symbols is None else []
    env.reset(options={"task": task, "removed": removed})
    if symbols is not None:
        env.step(symbols)
    return env.observe(agent)
