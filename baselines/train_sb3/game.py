"""`ccpo_env.signal_v0` with its default sizes as tables: drawn by the thousand, solved exactly."""

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
    SILENCE,
    Difficulty,
    SignalEnv,
    SignalTask,
)

MIXES: Mapping[str, Mapping[Difficulty, float]] = {"default": DEFAULT_MIX, "rare": RARE_MIX}
EASY, HOPELESS = DIFFICULTIES.index("easy"), DIFFICULTIES.index("hopeless")
NOBODY = -1
"""Message of a thinker that was removed, and answer that is no number."""

Observations = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Tasks:
    """Tasks of one shape: the fields of SignalTask, difficulties as places in DIFFICULTIES."""

    first: IntArray
    second: IntArray
    difficulty: IntArray

    def repeat(self, times: int) -> Tasks:
        """Return each task so many times in a row along a new last axis."""
        fields = (self.first, self.second, self.difficulty)
        return Tasks(*(np.repeat(field[..., None], times, axis=-1) for field in fields))


class SignalGame:
    """Two agents with a table of probabilities each.

    A message is a number: its symbols are the digits to the base of the alphabet, so 0 is all
    silence. A row of the thinker's table is a pair of numbers, of the solver's what it sees: the
    first number, the second or that it is hidden, the message or that there is none.

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
        """Rows of the thinker's table and of the solver's."""
        return len(self.thinker_observations), len(self.solver_observations)

    def draw_tasks(self, num_tasks: int, rng: np.random.Generator) -> Tasks:
        """Return tasks as the environment draws them, shape (N,)."""
        first, second = rng.integers(self.num_answers, size=(2, num_tasks))
        difficulty = rng.choice(len(DIFFICULTIES), size=num_tasks, p=self.difficulty_rates)
        return Tasks(first, second, difficulty)

    def messages(self, symbols: npt.NDArray[np.integer]) -> IntArray:
        """Return the numbers of messages of these symbols, shape (..., K)."""
        weights = self.alphabet_size ** np.arange(self.num_symbols)[::-1]
        messages: IntArray = (symbols * weights).sum(axis=-1)
        return messages

    def thinker_rows(self, tasks: Tasks) -> IntArray:
        """Return the row of the thinker's table for each task."""
        return tasks.first * self.num_answers + tasks.second

    def solver_rows(self, tasks: Tasks, messages: IntArray) -> IntArray:
        """Return the row of the solver's table for each task and message, NOBODY if there is none.

        The tasks' shape is broadcast against that of the messages.
        """
        seen = np.where(tasks.difficulty == EASY, tasks.second, self.num_answers)
        heard = np.where(messages == NOBODY, self.num_messages, messages)
        pair = tasks.first * (self.num_answers + 1) + seen
        rows: IntArray = pair * (self.num_messages + 1) + heard
        return rows

    def rewards(self, tasks: Tasks, answers: IntArray) -> FloatArray:
        """Return +1 for a right answer and -1 for a wrong one or none; tasks are broadcast."""
        gold = (tasks.first + tasks.second) % self.num_answers
        is_right = (answers == gold) & (tasks.difficulty != HOPELESS)
        return np.where(is_right, 1.0, -1.0)

    def expert_solver(self, *, guesses: bool = True) -> FloatArray:
        """Return the table of a solver who reads a whole message.

        Args:
            guesses: What it does if the second number is hidden and a symbol is missing: answer
                at random, or as `SignalEnv.expert_answer` does, as if that number were 0.
        """
        first, seen, heard = np.unravel_index(
            np.arange(self.num_rows[1]),
            (self.num_answers, self.num_answers + 1, self.num_messages + 1),
        )
        said = np.append(self.spelled, NOBODY)[heard]
        second = np.where(seen < self.num_answers, seen, said)
        known = (first + np.maximum(second, 0)) % self.num_answers
        table = np.eye(self.num_answers)[known]
        if guesses:
            table[second == NOBODY] = 1.0 / self.num_answers
        return table

    def expert_thinker(self, *, silence: float = 0.0) -> FloatArray:
        """Return the table of a thinker who names the second number, or says nothing at a rate."""
        message_of = {int(said): m for m, said in enumerate(self.spelled) if said != NOBODY}
        second = np.arange(self.num_rows[0]) % self.num_answers
        table = np.zeros((self.num_rows[0], self.num_messages))
        table[np.arange(len(table)), [message_of[number] for number in second.tolist()]] = 1.0
        table *= 1.0 - silence
        table[:, self.messages(np.full(self.num_symbols, SILENCE))] += silence
        return table

    def _spelled(self) -> IntArray:
        """Return the number that each message names, NOBODY if a symbol is missing, shape (H,)."""
        base = self.alphabet_size - 1
        places = base ** np.arange(self.num_symbols)[::-1]
        numbers = ((self.symbols - 1) * places).sum(axis=1)
        is_whole = (self.symbols != SILENCE).all(axis=1)
        return np.where(is_whole, numbers, NOBODY).astype(np.int64)

    def _observations(self, env: SignalEnv) -> tuple[Observations, Observations]:
        """Ask the environment what each row looks like."""
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
    """Return the choice that each coin, uniform in [0, 1), picks from its row of probabilities.

    Args:
        probabilities: Shape (..., C).
        coins: Any shape that the rest of the probabilities' can be broadcast to.
    """
    thresholds = probabilities.cumsum(axis=-1)[..., :-1]  # the last choice takes what is left
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
