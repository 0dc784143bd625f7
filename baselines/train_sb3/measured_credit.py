"""Credit in the signal game: the measurements that an allocator needs, for many groups at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from baselines.common.types import FloatArray, IntArray
from baselines.credit import ALLOCATORS, GroupBatch, GroupOutcomes, State
from baselines.train_sb3.exact_values import Role
from baselines.train_sb3.game import MISSING, SignalGame, Tasks, draw
from ccpo_env.errors import unknown_name

AGENTS = ("thinker_0", "solver_0")
Replay: TypeAlias = Literal["same_coin", "fresh", "task"]

MEANINGFUL = tuple(
    name
    for name, allocator in ALLOCATORS.items()
    if not allocator.needs & {"ratings", "own_rewards", "influence", "values"}
)
"""Allocators available in the signal game, whose agents cannot rate each other, only one of which
answers, and whose messages have neither a log-probability of language nor hidden states."""
NEED_GROUPS = frozenset({"branch", "c3", "hierarchical_grpo", "regression"})
"""Allocators that compare the rollouts of a group, and so need at least two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditPlan:
    """Credit-assignment method, and how the team without the thinker is replayed.

    Args:
        allocator: Name from MEANINGFUL.
        hyperparameters: Hyperparameters of the allocator that are set.
        replay: Random numbers of replays: "same_coin", those of the rollout (common random
            numbers); "fresh", num_samples independent ones per rollout; "task", num_samples
            independent ones per group.
        num_samples: Number of replays, and of continuations after a message; 1 for "same_coin".

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
        """Return whether a setting affects the credit of the trained agent.

        Args:
            name: "replay" or "num_samples".
            trained: Role of the trained agent.
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
        """The hyperparameters; counterfactual credit gets the baseline that fits its replays."""
        if self.allocator == "counterfactual" and self.replay != "task":
            return {"baseline": "rollout", **self.hyperparameters}
        return self.hyperparameters


def expect_groups(
    plan: CreditPlan, num_envs: int, group_size: int, *, group_baseline: bool
) -> None:
    """Raise ValueError unless episodes can be split into groups that the credit supports."""
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
        tasks: Task of each group, shape (N,).
        coins: The solver's random numbers, uniform in [0, 1), shape (N, G).
        messages: Messages of the thinker, shape (N, G).
        answers: Answers of the solver, shape (N, G).
        rewards: Team rewards, -1 or +1, shape (N, G).
    """

    tasks: Tasks
    coins: FloatArray
    messages: IntArray
    answers: IntArray
    rewards: FloatArray


def rewards_without(
    game: SignalGame, rollouts: Rollouts, solver: FloatArray, role: Role
) -> FloatArray:
    """Return team rewards without an agent, with common random numbers, shape (N, G).

    Without the thinker, the solver answers alone, with its random number of the rollout; without
    the solver, the thinker's message is the answer.
    """
    tasks = rollouts.tasks.repeat(1)
    if role == "solver":
        return game.rewards(tasks, game.spelled[rollouts.messages])
    rows = game.solver_rows(tasks, np.array(MISSING))
    return game.rewards(tasks, draw(solver[rows], rollouts.coins))


class CreditSource:
    """Measures what an allocator needs, computes credit, and counts the sampled answers.

    Args:
        game: The game.
        plan: The credit.
        rng: Random generator for replays and continuations.
        trained: Role of the trained agent. Measurements for the other agent are not counted.
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
            rollouts: Groups of one step.
            solver: Table of the solver, also for replays.
        """
        batch = self.measured(rollouts, solver)
        hyperparameters = dict(self.plan.all_hyperparameters)
        if self._state is not None:
            credit = self._allocator.credit(batch, state=self._state, **hyperparameters)
            self._state = self._state.updated(unbatched(batch))
            return credit
        return self._allocator.credit(batch, **hyperparameters)

    def measured(self, rollouts: Rollouts, solver: FloatArray) -> GroupBatch:
        """Return the groups with the measurements of the allocator; count sampled answers."""
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
        """Return rewards without one agent: (N, M) if per task, else (N, G, M)."""
        game, tasks = self._game, rollouts.tasks.repeat(1)
        if agents == frozenset({"solver_0"}):
            return rewards_without(game, rollouts, solver, "solver")[..., None]
        if self.plan.replay == "same_coin":
            return rewards_without(game, rollouts, solver, "thinker")[..., None]
        num_groups, group_size = rollouts.rewards.shape
        rows = game.solver_rows(tasks, np.array(MISSING))  # (N, 1)
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
    """Return the groups of a batch, validated."""
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
