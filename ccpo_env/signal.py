"""Think→Solve with symbols instead of text: small enough for any reinforcement learner."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from ccpo_env.errors import unknown_name
from ccpo_env.reset_options import check_option_names, check_removed, check_seed
from ccpo_env.shared_reward import SharedRewardEnv, snapshot_before_reset
from ccpo_env.symbols import check_sizes, digits, number_of, spell, spelled

Difficulty = Literal["easy", "hard", "hopeless"]
DIFFICULTIES: tuple[Difficulty, ...] = get_args(Difficulty)
SignalObservation = npt.NDArray[np.float32]
SignalAction = int | npt.NDArray[np.int64]

DEFAULT_MIX: Mapping[Difficulty, float] = {"easy": 0.60, "hard": 0.15, "hopeless": 0.25}
RARE_MIX: Mapping[Difficulty, float] = {"easy": 0.80, "hard": 0.05, "hopeless": 0.15}
"""A mix in which the thinker seldom matters, so that its shared credit is mostly noise."""

AGENTS = ("thinker_0", "solver_0")
NO_DIFFICULTY = -1
"""The difficulty in numeric infos while the episode runs."""


@dataclass(frozen=True, slots=True)
class SignalTask:
    """A task: the sum of two numbers, modulo the number of answers.

    Args:
        first: The number that both agents observe.
        second: The number that the solver observes in easy episodes only.
        difficulty: "easy"; "hard", where the solver needs the signal; "hopeless", where every
            answer is wrong. No agent observes it.
    """

    first: int
    second: int
    difficulty: Difficulty


@dataclass(frozen=True, slots=True)
class SignalState:
    """The complete state of an episode and of its environment's random stream.

    Args:
        sizes: Number of answers, number of symbols and size of the alphabet of the environment.
        task: The task.
        removed: Agents that do not exist in this episode.
        symbols: The symbols that the thinker sent, or None.
        is_over: Whether the team has answered.
        answer: The answer, or None if there is none.
        num_left: Number of agents that have taken their final step since the end.
        stream: The generator of tasks.
    """

    sizes: tuple[int, int, int]
    task: SignalTask
    removed: frozenset[str]
    symbols: tuple[int, ...] | None
    is_over: bool
    answer: int | None
    num_left: int
    stream: bytes


class SignalEnv(SharedRewardEnv[SignalObservation, SignalAction, SignalState]):
    """A thinker sends symbols, a solver picks an answer.

    Observation: float32 in {0, 1}, shape (2 N + 1 + K S,): one-hot first number, one-hot second
        number, a flag that the second is hidden, one-hot symbols received. Symbols are all zero
        for the thinker and if the thinker is removed.
    Action: thinker MultiDiscrete of K symbols, S each, 0 is silence; solver Discrete, N answers.
        With a shared action space both are Discrete(S ** K): the thinker's symbols as the digits
        of one number to the base S, and the solver's answer, wrong from N on.
    Reward: +1 or -1 to both agents, once, after the answer.
    Termination: after the answer.
    Options: ``task`` a SignalTask; ``removed`` agents that do not exist in this episode. Without
        the solver, the thinker's symbols are the answer: each but silence is a digit to the base
        S - 1, and silence anywhere is a wrong answer.
    Versions: v0.

    Args:
        num_answers: N, at least 2; numbers are 0 … N - 1.
        num_symbols: K, at least 1.
        alphabet_size: S, silence included, at least 2. (S - 1) ** K must reach N, so that the
            thinker can encode every number.
        mix: Probability of each difficulty; they sum to 1.
        removed: Agents removed in every episode, unless the options of reset say otherwise.
        shared_action_space: Whether both agents have the same action space.
        numeric_infos: Whether infos hold int64 numbers instead of names, under the same keys in
            every step: ``role`` is the index of the agent, ``difficulty`` that in DIFFICULTIES,
            NO_DIFFICULTY before the end.
        render_mode: None, "ansi", "human" or "rgb_array".

    Raises:
        ValueError: If a number breaks these rules.
    """

    metadata: dict[str, Any] = {**SharedRewardEnv.metadata, "name": "signal_v0"}  # noqa: RUF012

    def __init__(
        self,
        *,
        num_answers: int = 4,
        num_symbols: int = 2,
        alphabet_size: int = 3,
        mix: Mapping[Difficulty, float] = DEFAULT_MIX,
        removed: Iterable[str] = (),
        shared_action_space: bool = False,
        numeric_infos: bool = False,
        render_mode: str | None = None,
    ) -> None:
        super().__init__(AGENTS, removed=removed, render_mode=render_mode)
        check_sizes(num_answers, num_symbols, alphabet_size)
        self._sizes = (num_answers, num_symbols, alphabet_size)
        self._num_answers = num_answers
        self._alphabet_size = alphabet_size
        self._num_symbols = num_symbols
        self._probabilities = _check_mix(mix)
        self._size = 2 * num_answers + 1 + num_symbols * alphabet_size
        self._shares_actions = shared_action_space
        self._numeric_infos = numeric_infos
        self.observation_spaces = {
            agent: spaces.Box(0.0, 1.0, (self._size,), np.float32) for agent in AGENTS
        }
        self.action_spaces = {
            "thinker_0": spaces.MultiDiscrete([alphabet_size] * num_symbols),
            "solver_0": spaces.Discrete(num_answers),
        }
        if shared_action_space:
            num_actions = alphabet_size**num_symbols
            self.action_spaces = {agent: spaces.Discrete(num_actions) for agent in AGENTS}
        self._rng = np.random.default_rng()
        self.symbols: tuple[int, ...] | None = None
        self.answer: int | None = None
        self._is_over = False
        self._has_episode = False

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        """Start an episode; a reset with the option ``task`` draws nothing."""
        options = options or {}
        check_option_names(options)
        if options.get("prefix") is not None:
            raise ValueError(
                f"options must not hold a prefix in signal_v0, got {options['prefix']!r}; step the "
                f"thinker with its symbols"
            )
        removed = self._default_removed
        if options.get("removed") is not None:
            removed = check_removed(options["removed"], AGENTS)
        if seed is not None:
            self._rng = np.random.default_rng(check_seed(seed))
        task = options.get("task")
        self._begin(self._draw_task() if task is None else self._check_task(task), removed)

    def step(self, action: SignalAction | None) -> None:
        """Send the thinker's symbols or give the team's answer; None after the end."""
        agent = self.agent_selection
        if self._is_over:
            self._was_dead_step(action)  # type: ignore[arg-type]
            return
        if not self.action_spaces[agent].contains(action):
            raise ValueError(
                f"an action of {agent} must be in {self.action_spaces[agent]}, got {action!r}; "
                f"see env.action_space({agent!r})"
            )
        assert action is not None
        if agent == "thinker_0":
            self.symbols = self._symbols_of(action)
            if "solver_0" not in self.removed:
                self.agent_selection = "solver_0"
                return
            self._finish(spelled(self.symbols, self._alphabet_size))
        else:
            self._finish(int(np.asarray(action)))

    def observe(self, agent: str) -> SignalObservation:
        """Return an agent's current observation; zeros for a removed agent."""
        observation = np.zeros(self._size, np.float32)
        if agent in self.removed:
            return observation
        size = self._num_answers
        observation[self.task.first] = 1.0
        if agent == "thinker_0" or self.task.difficulty == "easy":
            observation[size + self.task.second] = 1.0
        else:
            observation[2 * size] = 1.0
        if agent == "solver_0" and self.symbols is not None:
            for place, symbol in enumerate(self.symbols):
                observation[2 * size + 1 + place * self._alphabet_size + symbol] = 1.0
        return observation

    def snapshot(self) -> SignalState:
        """Return the exact state of the episode and of the random stream, immutable.

        Raises:
            RuntimeError: Before the first reset.
        """
        if not self._has_episode:
            raise snapshot_before_reset()
        return SignalState(
            sizes=self._sizes,
            task=self.task,
            removed=self.removed,
            symbols=self.symbols,
            is_over=self._is_over,
            answer=self.answer,
            num_left=self._num_left,
            stream=pickle.dumps(self._rng),
        )

    def restore(self, state: SignalState) -> None:
        """Return to a snapshot of an environment with the same settings.

        Raises:
            ValueError: If the snapshot is of another number of answers or symbols, or alphabet.
        """
        if state.sizes != self._sizes:
            raise ValueError(
                f"a snapshot must be of (num_answers, num_symbols, alphabet_size) = {self._sizes}, "
                f"got {state.sizes}; restore it in such an environment"
            )
        self._rng = pickle.loads(state.stream)  # bytes that snapshot() wrote
        self._begin(self._check_task(state.task), state.removed)
        self.symbols = state.symbols
        if state.is_over:
            self._finish(state.answer)
            self._take_dead_steps(state.num_left)
        elif state.symbols is not None:
            self.agent_selection = "solver_0"

    def _begin(self, task: SignalTask, removed: frozenset[str]) -> None:
        self.task = task
        self.symbols = None
        self.answer = None
        self._is_over = False
        self._has_episode = True
        self._start(removed, {agent: self._info(agent) for agent in AGENTS if agent not in removed})

    def _info(self, agent: str) -> dict[str, Any]:
        if not self._numeric_infos:
            return {"role": agent.split("_")[0]}
        return {"role": np.int64(AGENTS.index(agent)), "difficulty": np.int64(NO_DIFFICULTY)}

    def _symbols_of(self, action: SignalAction) -> tuple[int, ...]:
        if self._shares_actions:
            return digits(int(np.asarray(action)), self._num_symbols, self._alphabet_size)
        return tuple(int(symbol) for symbol in np.asarray(action))

    def _as_text(self) -> str:
        task = self.task
        note = ": every answer is wrong" if task.difficulty == "hopeless" else ""
        numbers = f"{task.first} + {task.second} modulo {self._num_answers}"
        lines = [f"Task {numbers}, {task.difficulty}{note}"]
        lines += [f"({agent} is removed)" for agent in AGENTS if agent in self.removed]
        if self.symbols is not None:
            lines += ["", "thinker_0:", f"  symbols {' '.join(map(str, self.symbols))}"]
        if self._is_over:
            if "solver_0" not in self.removed:
                lines += ["", "solver_0:", f"  answer {self.answer}"]
            status = "correct, reward +1" if self._is_correct else "wrong, reward -1"
            lines.append(f"=> {status} (answer {self.answer}, gold {self._gold})")
        return "\n".join(lines)

    def expert_symbols(self, observation: SignalObservation) -> SignalAction:
        """Return the action that encodes the second number: an optimal thinker."""
        number = int(observation[self._num_answers : 2 * self._num_answers].argmax())
        sizes = {"num_symbols": self._num_symbols, "alphabet_size": self._alphabet_size}
        symbols = spell(number, **sizes)
        if self._shares_actions:
            return number_of(symbols, self._alphabet_size)
        return np.array(symbols, np.int64)

    def expert_answer(self, observation: SignalObservation) -> int:
        """Return the answer of a solver that decodes such symbols and guesses 0 for silence."""
        size, width = self._num_answers, self._alphabet_size
        first = int(observation[:size].argmax())
        if not observation[2 * size]:
            return (first + int(observation[size : 2 * size].argmax())) % size
        symbols = observation[2 * size + 1 :].reshape(self._num_symbols, width).argmax(axis=1)
        second = spelled([int(symbol) for symbol in symbols], width)
        return (first + (second or 0)) % size

    def _draw_task(self) -> SignalTask:
        first, second = self._rng.integers(self._num_answers, size=2).tolist()
        index = int(self._rng.choice(len(DIFFICULTIES), p=self._probabilities))
        return SignalTask(first, second, DIFFICULTIES[index])

    def _check_task(self, task: object) -> SignalTask:
        numbers = range(self._num_answers)
        if not isinstance(task, SignalTask) or not {task.first, task.second} <= set(numbers):
            raise ValueError(
                f"task must be a SignalTask with numbers in 0..{self._num_answers - 1}, got "
                f"{task!r}; pass e.g. SignalTask(1, 2, 'hard')"
            )
        if task.difficulty not in DIFFICULTIES:
            raise unknown_name("difficulty", task.difficulty, DIFFICULTIES)
        return task

    def _finish(self, answer: int | None) -> None:
        self.answer = answer
        self._is_over = True
        difficulty = self.task.difficulty
        shown = np.int64(DIFFICULTIES.index(difficulty)) if self._numeric_infos else difficulty
        self._end_episode(1.0 if self._is_correct else -1.0, difficulty=shown)

    @property
    def _gold(self) -> int:
        return (self.task.first + self.task.second) % self._num_answers

    @property
    def _is_correct(self) -> bool:
        return self.answer == self._gold and self.task.difficulty != "hopeless"


def _check_mix(mix: Mapping[Difficulty, float]) -> Sequence[float]:
    for name in mix:
        if name not in DIFFICULTIES:
            raise unknown_name("difficulty", name, DIFFICULTIES)
    shares = [mix.get(name, 0.0) for name in DIFFICULTIES]
    if min(shares) < 0 or abs(sum(shares) - 1.0) > 1e-9:
        raise ValueError(f"mix must sum to 1 without negative shares, got {mix!r}; rescale it")
    return shares
