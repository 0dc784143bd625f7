"""The signal game as a Stable-Baselines3 VecEnv, vectorized over episodes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvStepReturn

from baselines.common.types import FloatArray
from baselines.optimizers.advantages import group_mean
from baselines.train_sb3.exact_values import Role
from baselines.train_sb3.game import Observations, SignalGame, draw
from baselines.train_sb3.measured_credit import (
    CreditPlan,
    CreditSource,
    Rollouts,
    expect_groups,
    rewards_without,
)
from ccpo_env.symbols import SILENCE

COLUMN = {"thinker": 0, "solver": 1}
"""Column of a role in the credit array."""


class SignalVecEnv(VecEnv):
    """Parallel episodes of the signal game for one agent; the other agent is a table.

    Observation, Action: those of the agent in `ccpo_env/Signal-v0`.
    Reward: the agent's credit, minus its group mean if group_baseline is set, minus the effort.
        With shared credit and neither of them, the team reward.
    Termination: after every step.
    Info: ``team`` and ``alone``, the rewards with and without the agent (common random numbers),
        ``credit``, all before baseline and effort, and ``terminal_observation``.

    Args:
        game: The game.
        role: Role of the agent.
        partner: Table of the other agent.
        plan: The credit.
        num_envs: Parallel episodes.
        group_size: Consecutive episodes that share a task; must divide num_envs.
        group_baseline: Whether to subtract the group mean from the credit.
        effort: Cost per non-silent symbol of a thinker.
        seed: Seed of all randomness except the agent's, until a later `seed()`.

    Raises:
        ValueError: If num_envs, group_size and the credit are incompatible.
    """

    def __init__(
        self,
        game: SignalGame,
        *,
        role: Role,
        partner: FloatArray,
        plan: CreditPlan,
        num_envs: int,
        group_size: int = 1,
        group_baseline: bool = False,
        effort: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.render_mode: str | None = None
        self.game, self.role = game, role
        self._partner, self._plan = partner, plan
        self._group_size, self._group_baseline, self._effort = group_size, group_baseline, effort
        expect_groups(plan, num_envs, group_size, group_baseline=group_baseline)
        self._start(seed)
        self._actions: npt.NDArray[np.integer] | None = None
        self.own_table: FloatArray | None = None
        """Table of the agent; required if a trained solver answers in replays."""
        action_space: spaces.Space[Any] = spaces.Discrete(game.num_answers)
        if role == "thinker":
            action_space = spaces.MultiDiscrete([game.alphabet_size] * game.num_symbols)
        size = game.thinker_observations.shape[1]
        super().__init__(num_envs, spaces.Box(0.0, 1.0, (size,), np.float32), action_space)

    @property
    def num_answers_drawn(self) -> int:
        """Number of sampled answers so far, including replays and continuations."""
        return self._source.num_answers_drawn

    def reset(self) -> Observations:
        """Start new episodes and return their observations, which `seed()` determines."""
        if self._seeds[0] is not None:
            self._start(self._seeds[0])
        self._reset_seeds()
        self._reset_options()
        return self._begin()

    def step_async(self, actions: npt.NDArray[np.integer]) -> None:
        """Store the actions of all episodes, shape (num_envs,) or (num_envs, K)."""
        self._actions = np.asarray(actions)

    def step_wait(self) -> VecEnvStepReturn:
        """Finish all episodes, compute rewards and start the next ones."""
        assert self._actions is not None, "step_async comes first"
        rollouts, solver = self._finish(self._actions)
        team = rollouts.rewards
        alone = rewards_without(self.game, rollouts, solver, self.role)
        credit = self._source.credit(rollouts, solver)[..., COLUMN[self.role]]  # (N, G)
        rewards = credit
        if self._group_baseline:
            rewards = np.stack([row[:, 0] for row in group_mean(list(credit[..., None]))])
        if self.role == "thinker" and self._effort:
            num_spoken = (self.game.symbols[rollouts.messages] != SILENCE).sum(axis=-1)
            rewards = rewards - self._effort * num_spoken
        infos = [
            {"team": t, "alone": a, "credit": c, "terminal_observation": seen}
            for t, a, c, seen in zip(
                team.ravel().tolist(),
                alone.ravel().tolist(),
                credit.ravel().tolist(),
                self._observations,
                strict=True,
            )
        ]
        dones = np.ones(self.num_envs, dtype=bool)
        return self._begin(), rewards.ravel().astype(np.float32), dones, infos

    def close(self) -> None:
        """Do nothing; there are no resources to release."""

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Return an attribute of this object, once per requested episode."""
        return [getattr(self, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute of this object, for all episodes.

        Raises:
            ValueError: If indices are given.
        """
        if len(list(self._get_indices(indices))) < self.num_envs:
            raise ValueError(
                f"indices must be None, got {indices!r}; the episodes of a SignalVecEnv share "
                f"their attributes"
            )
        setattr(self, attr_name, value)

    def env_method(
        self, method_name: str, *args: Any, indices: VecEnvIndices = None, **kwargs: Any
    ) -> list[Any]:
        """Raise NotImplementedError, because episodes have no separate environments."""
        raise NotImplementedError(
            f"a SignalVecEnv has no environment per episode, got a call of {method_name!r}; use "
            f"gymnasium.make('ccpo_env/Signal-v0')"
        )

    def env_is_wrapped(self, wrapper_class: type, indices: VecEnvIndices = None) -> list[bool]:
        """Return False for each requested episode."""
        return [False for _ in self._get_indices(indices)]

    def _start(self, seed: int) -> None:
        self._rng = np.random.default_rng([seed, 0])
        replays = np.random.default_rng([seed, 1])
        self._source = CreditSource(self.game, self._plan, replays, trained=self.role)

    def _begin(self) -> Observations:
        game, size = self.game, self._group_size
        self.tasks = game.draw_tasks(self.num_envs // size, self._rng)
        self.coins = self._rng.random((self.num_envs // size, size))
        tasks = self.tasks.repeat(size)  # (N, G)
        if self.role == "thinker":
            rows = np.broadcast_to(game.thinker_rows(tasks), self.coins.shape)
            self._observations = game.thinker_observations[rows.ravel()]
        else:
            luck = self._rng.random(self.coins.shape)
            self._messages = draw(self._partner[game.thinker_rows(tasks)], luck)
            rows = game.solver_rows(tasks, self._messages)
            self._observations = game.solver_observations[rows.ravel()]
        return self._observations

    def _finish(self, actions: npt.NDArray[np.integer]) -> tuple[Rollouts, FloatArray]:
        """Return the rollouts, and the table of the solver for their replays."""
        tasks = self.tasks.repeat(self._group_size)
        if self.role == "thinker":
            solver = self._partner
            messages = self.game.messages(actions).reshape(self.coins.shape)
            answers = draw(solver[self.game.solver_rows(tasks, messages)], self.coins)
        else:
            solver = self.game.expert_solver() if self.own_table is None else self.own_table
            messages, answers = self._messages, actions.reshape(self.coins.shape).astype(np.int64)
        rewards = self.game.rewards(tasks, answers)
        return Rollouts(self.tasks, self.coins, messages, answers, rewards), solver
