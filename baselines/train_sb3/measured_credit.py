"""Credit in the signal game: what an allocator asks for, measured on many groups at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from baselines.common.types import FloatArray, IntArray
from baselines.credit import ALLOCATORS, GroupBatch, GroupOutcomes, State
from baselines.train_sb3.exact import Role
from baselines.train_sb3.game import NOBODY, SignalGame, Tasks, draw
from ccpo_env.errors import unknown_name

AGENTS = ("thinker_0", "solver_0")
Replay: TypeAlias = Literal["same_coin", "fresh", "task"]

MEANINGFUL = tuple(name for name in ALLOCATORS if name != "self_evaluation")
"""Allocators that can be measured here: agents that send symbols do not rate each other."""
NEED_GROUPS = frozenset({"branch", "regression"})
"""Allocators that compare the rollouts of a group: a group of one has no credit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditPlan:
    """Which credit, and how the team without the thinker is played again.

    Args:
        allocator: A name of MEANINGFUL.
        hyperparameters: Those of the allocator that are set.
        replay: With which luck: "same_coin", the coin of the rollout, so that solver and task
            are as lucky as they were; "fresh", num_samples new coins for each rollout; "task",
            num_samples new coins for the whole group.
        num_samples: Replays, and continuations after a message; 1 with the same coin.

    Raises:
        ValueError: If the allocator cannot be measured here or a number is out of range.
    """

    allocator: str = "shared"
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    replay: Replay = "same_coin"
    num_samples: int = 1

    def __post_init__(self) -> None:
        if self.allocator == "self_evaluation":
            raise ValueError(
                "credit must not be 'self_evaluation' here, got it; agents that send symbols "
                "cannot rate each other, so train language models with it"
            )
        if self.allocator not in MEANINGFUL:
            raise unknown_name("credit", self.allocator, MEANINGFUL)
        if self.num_samples < 1:
            raise ValueError(f"num_samples must be >= 1, got {self.num_samples}; pass e.g. 8")

    def reads(self, name: str, trained: Role) -> bool:
        """Return whether the credit of the agent that is trained reads a setting of the plan.

        Args:
            name: "replay" or "num_samples".
            trained: The agent.
        """
        allocator = ALLOCATORS[self.allocator]
        thinker, own = frozenset({"thinker_0"}), frozenset({f"{trained}_0"})
        replays = thinker in allocator.removals(AGENTS) and "removed_rewards" in allocator.needs
        replays = replays and (thinker == own or not allocator.own_removals_only)
        if name == "replay":
            return replays
        return "branch_rewards" in allocator.needs or (replays and self.replay != "same_coin")

    @property
    def all_hyperparameters(self) -> Mapping[str, Any]:
        """The hyperparameters, with the baseline that fits the replays of counterfactual credit."""
        if self.allocator == "counterfactual" and self.replay != "task":
            return {"baseline": "rollout", **self.hyperparameters}
        return self.hyperparameters


def expect_groups(
    plan: CreditPlan, num_envs: int, group_size: int, *, group_baseline: bool
) -> None:
    """Raise ValueError unless episodes can be split into such groups and have credit in them."""
    needs = "a group baseline" if group_baseline else None
    if plan.allocator in NEED_GROUPS:
        needs = f"{plan.allocator!r}, which compares the rollouts of a task"
    if needs is not None and group_size < 2:
        raise ValueError(
            f"group_size must be >= 2 for {needs}, got {group_size}; pass --group-size 8"
        )
    if group_size < 1 or num_envs % group_size:
        raise ValueError(
            f"num_envs must be a multiple of group_size={group_size}, got {num_envs}; pass "
            f"e.g. {8 * max(group_size, 1)}"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Rollouts:
    """N groups of G rollouts of the whole team.

    Args:
        tasks: One for each group, shape (N,).
        coins: The solver's luck, uniform in [0, 1), shape (N, G).
        messages: What the thinker said, shape (N, G).
        answers: What the solver answered, shape (N, G).
        rewards: -1 or +1, shape (N, G).
    """

    tasks: Tasks
    coins: FloatArray
    messages: IntArray
    answers: IntArray
    rewards: FloatArray


def rewards_without(
    game: SignalGame, rollouts: Rollouts, solver: FloatArray, role: Role
) -> FloatArray:
    """Return what the team earns without an agent at the same luck, shape (N, G).

    Without the thinker the solver answers alone, with its coin of the rollout; without the solver
    the thinker's message is the answer.
    """
    tasks = rollouts.tasks.repeat(1)
    if role == "solver":
        return game.rewards(tasks, game.spelled[rollouts.messages])
    rows = game.solver_rows(tasks, np.array(NOBODY))
    return game.rewards(tasks, draw(solver[rows], rollouts.coins))


class CreditSource:
    """Measures what an allocator needs, and asks it for credit. Counts what that costs.

    Args:
        game: The game.
        plan: Which credit.
        rng: All luck of replays and continuations comes from it.
        trained: The agent that learns. What only the other's credit reads costs nothing.
    """

    def __init__(
        self,
        game: SignalGame,
        plan: CreditPlan,
        rng: np.random.Generator,
        *,
        trained: Role = "thinker",
    ) -> None:
        self.plan = plan
        self.num_answers_drawn = 0
        self._game = game
        self._rng = rng
        self._trained = f"{trained}_0"
        self._allocator = ALLOCATORS[plan.allocator]
        new_state = self._allocator.new_state
        self._state: State | None = None if new_state is None else new_state()

    def credit(self, rollouts: Rollouts, solver: FloatArray) -> FloatArray:
        """Return the credit of each agent, shape (N, G, 2).

        Args:
            rollouts: One step's groups.
            solver: Table of the solver that answered; it also answers in replays.
        """
        batch = self.measured(rollouts, solver)
        hyperparameters = dict(self.plan.all_hyperparameters)
        if self._state is not None:
            credit = self._allocator.credit(batch, state=self._state, **hyperparameters)
            self._state = self._state.updated(unbatched(batch))
            return credit
        return self._allocator.credit(batch, **hyperparameters)

    def measured(self, rollouts: Rollouts, solver: FloatArray) -> GroupBatch:
        """Return the groups with all that the allocator needs; counts each answer that it took."""
        self.num_answers_drawn += rollouts.rewards.size
        needs = self._allocator.needs
        removals = self._allocator.removals(AGENTS)
        removed = {agents: self._removed(rollouts, solver, agents) for agents in removals}
        branches = {}
        if "branch_rewards" in needs:
            branches["thinker_0"] = self._branches(rollouts, solver)
        features = np.stack([rollouts.messages, rollouts.answers], axis=-1)
        for agents, rewards in (*removed.items(), *branches.items()):
            if not self._allocator.own_removals_only or self._trained in agents:
                self.num_answers_drawn += rewards.size
        return GroupBatch(
            agents=AGENTS,
            team_rewards=rollouts.rewards,
            removed_rewards=removed or None,
            branch_rewards=branches or None,
            features=features if "features" in needs else None,
        )

    def _removed(
        self, rollouts: Rollouts, solver: FloatArray, agents: frozenset[str]
    ) -> FloatArray:
        """Return rewards without one agent, shape (N, M) for the task, else (N, G, M)."""
        game, tasks = self._game, rollouts.tasks.repeat(1)
        if agents == frozenset({"solver_0"}):
            return rewards_without(game, rollouts, solver, "solver")[..., None]
        if self.plan.replay == "same_coin":
            return rewards_without(game, rollouts, solver, "thinker")[..., None]
        num_groups, group_size = rollouts.rewards.shape
        rows = game.solver_rows(tasks, np.array(NOBODY))  # (N, 1)
        if self.plan.replay == "task":
            coins = self._rng.random((num_groups, self.plan.num_samples))
            return game.rewards(tasks, draw(solver[rows], coins))
        coins = self._rng.random((num_groups, group_size, self.plan.num_samples))
        return game.rewards(tasks.repeat(1), draw(solver[rows[..., None]], coins))

    def _branches(self, rollouts: Rollouts, solver: FloatArray) -> FloatArray:
        """Return rewards of fresh answers to each message, shape (N, G, M)."""
        tasks = rollouts.tasks.repeat(1)
        rows = self._game.solver_rows(tasks, rollouts.messages)[..., None]
        coins = self._rng.random((*rollouts.rewards.shape, self.plan.num_samples))
        return self._game.rewards(tasks.repeat(1), draw(solver[rows], coins))


def unbatched(batch: GroupBatch) -> list[GroupOutcomes]:
    """Return the groups of a batch one by one, checked."""
    removed, branches = batch.removed_rewards or {}, batch.branch_rewards or {}
    return [
        GroupOutcomes(
            batch.agents,
            team,
            {agents: rewards[index] for agents, rewards in removed.items()},
            {agent: rewards[index] for agent, rewards in branches.items()},
            features=None if batch.features is None else batch.features[index],
        )
        for index, team in enumerate(batch.team_rewards)
    ]
