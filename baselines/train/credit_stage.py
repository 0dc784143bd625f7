"""From tasks to credit: play the rollouts that an allocator needs, and allocate credit."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import compress
from typing import Any

import numpy as np

from baselines.common.types import FloatArray
from baselines.credit import ALLOCATORS, GroupOutcomes, read_allocator_args, shared_credit
from baselines.credit.outcomes import Measurement
from baselines.optimizers import PolicyOptimizer
from baselines.policies.base import Policy
from baselines.rollouts.categories import find_categorize
from baselines.rollouts.costs import CostTracker
from baselines.rollouts.groups import Group, play_groups
from baselines.rollouts.plan import reads_of
from baselines.rollouts.removed_cache import RemovedCache
from baselines.rollouts.runner import RolloutRunner
from baselines.train.config import TrainConfig
from baselines.train.credit_trial import try_credit
from baselines.train.critic.critic import Critic
from baselines.train.influence import expect_scorers
from baselines.train.measurements import with_measurements
from baselines.train.planner import Planner, speakers_in
from ccpo_env.types import Role, Task

DIFFER_AT_EQUAL_REWARD = {"branch_rewards", "ratings", "own_rewards", "influence"}
"""Measurements whose credit can differ between rollouts of equal team reward."""


class CreditStage:
    """Plays groups and allocates their credit; holds what is carried from step to step.

    That are the states of the allocator and of the optimizer's baseline, and the cache.

    Args:
        config: Allocator with its hyperparameters, and rollout settings.
        runner: Runner of the episodes.
        optimizer: Determines how many rollouts a group needs and what its advantage cancels.
        readers: The policy of each role that reads conversations for a critic. None: those of the
            runner, which may be servers.

    Raises:
        ValueError: If the allocator rejects its hyperparameters or the team, the categories of
            messages lead to no function, or a critic cannot read conversations.
        ImportError: If the encoder of the categories is not installed.
    """

    def __init__(
        self,
        config: TrainConfig,
        runner: RolloutRunner,
        optimizer: PolicyOptimizer,
        *,
        readers: Mapping[Role, Policy] | None = None,
    ) -> None:
        self._config = config
        self._runner = runner
        self._optimizer = optimizer.for_team(
            [turn.speaker for turn in runner.topology.turns], tuple(runner.role_of.values())
        )
        self._allocator = ALLOCATORS[config.allocator]
        self._hyperparameters = read_allocator_args(config.allocator, config.allocator_args)
        self._state = self._allocator.new_state() if self._allocator.new_state else None
        self._categorize = (
            find_categorize(config.message_categories)
            if "features" in self._allocator.needs
            else None
        )
        self.critic: Critic | None = None
        if "values" in self._allocator.needs:
            read_by = runner.policies if readers is None else readers
            turns = runner.role_of
            self.critic = Critic([read_by[role] for role in turns.values()], tuple(turns))
        influence: set[Measurement] = {"influence"} if config.measure_influence else set()
        self._measured = self._allocator.needs | influence
        self._cache: RemovedCache | None = None
        if config.removed_cache_decay:
            self._cache = RemovedCache(config.removed_cache_decay, self._roles_without)
        self.planner = Planner(
            config,
            runner,
            hyperparameters=self._hyperparameters,
            skips_uniform=optimizer.centres_on_group and self._state is None,
        )
        arguments = self._arguments(runner.topology.roles)
        if self.critic:
            arguments["weights"] = None  # its credit once it has its full weight
        try_credit(
            config.allocator,
            topology=runner.topology,
            plan=self.planner.plan(runner.topology.roles, np.random.default_rng(0)),
            arguments=arguments,
        )
        if "influence" in self._measured:
            expect_scorers(runner)

    @property
    def optimizer(self) -> PolicyOptimizer:
        """The optimizer for this team, with its state before the step."""
        return self._optimizer

    def play(
        self,
        tasks: Sequence[Task],
        active: Collection[Role],
        *,
        rng: np.random.Generator,
        costs: CostTracker,
    ) -> list[Group]:
        """Play one group per task, with the rollouts that credit of the active roles needs."""
        plan = self.planner.plan(active, rng)
        groups = play_groups(self._runner, tasks, plan, rng=rng, costs=costs, cache=self._cache)
        groups = with_measurements(
            groups,
            self._runner,
            self._measured,
            categorize=self._categorize,
            micro_batch_tokens=self._config.micro_batch_tokens,
            rng=rng,
            costs=costs,
        )
        return self.critic.read(groups, costs) if self.critic else groups

    def is_usable(self, group: Group) -> bool:
        """Return whether enough rollouts of a group were measured to allocate credit."""
        return self.why_unusable(group) is None

    def why_unusable(self, group: Group) -> str | None:
        """Return why a group cannot be trained on, in a few words; None if it can."""
        if len(group.rollouts) < self._optimizer.min_group_size:
            return "too few measured rollouts"
        # Credit that differs between rollouts of equal reward is a signal even in uniform groups.
        is_per_rollout = bool(self._allocator.needs & DIFFER_AT_EQUAL_REWARD)
        if not is_per_rollout and not self._optimizer.keeps(group.rewards):
            return f"equal rewards, which {self._optimizer.name} drops"
        return None if group.is_complete else "a measurement that failed"

    def credit(
        self, outcomes: Sequence[GroupOutcomes], active: Collection[Role]
    ) -> list[FloatArray]:
        """Return the credit of each turn in each rollout, one (G, T) array per group.

        Args:
            outcomes: The outcomes of each group.
            active: The roles that are trained; the credit of others may be the team reward.

        Note: A group whose removals were omitted because they could not change the update gets
            shared credit, which has the same advantage.
        """
        asks_removals = "removed_rewards" in self._allocator.needs
        is_measured = [not asks_removals or bool(own.removed_rewards) for own in outcomes]
        measured = list(compress(outcomes, is_measured))
        allocated = iter(self._allocator.many(measured, **self._arguments(active)))
        return [
            next(allocated) if is_own else shared_credit(group)
            for group, is_own in zip(outcomes, is_measured, strict=True)
        ]

    def credit_of(self, outcomes: GroupOutcomes) -> FloatArray | None:
        """Return the credit of each turn in each rollout of one group, shape (G, T).

        None if the allocator needs more than the group holds, or other groups.
        """
        needs = self._allocator.needs
        wanted = self.planner.fixed_removals if "removed_rewards" in needs else ()
        is_known = wanted is not None and set(wanted) <= set(outcomes.removed_rewards or {})
        if self._state is not None or needs - {"removed_rewards"} or not is_known:
            return None
        return self._allocator(outcomes, **self._arguments(self._runner.topology.roles))

    def outcomes(self, groups: Sequence[Group]) -> list[GroupOutcomes]:
        """Return the input of an allocator for all groups of a step; once per step.

        A critic is fitted to them, and its values are a part of it.
        """
        agents = self._runner.agents
        if self.critic is None:
            return [group.outcomes(agents) for group in groups]
        values = self.critic.values(groups)
        return [group.outcomes(agents, own) for group, own in zip(groups, values, strict=True)]

    def remember(
        self,
        outcomes: Sequence[GroupOutcomes],
        updated: Collection[Role],
        *,
        credit: Sequence[FloatArray],
    ) -> None:
        """Update the states at the end of a step, after the policies of some roles were updated.

        Args:
            outcomes: The outcomes of the groups that were trained on.
            updated: The roles whose policies were updated.
            credit: What the optimizer has computed the advantages from, (G, T) per group.
        """
        self._optimizer = self._optimizer.after(credit)
        if self._state is not None and outcomes:
            self._state = self._state.updated(outcomes)
        if self._cache is not None:
            for role in updated:
                self._cache.policy_updated(role)

    def to_json(self) -> dict[str, Any]:
        """Return the state needed to resume, as JSON values."""
        return {
            "allocator": None if self._state is None else self._state.to_json(),
            "optimizer": self._optimizer.state_to_json(),
            "cache": None if self._cache is None else self._cache.to_json(),
        }

    def load_json(self, state: Mapping[str, Any]) -> None:
        """Restore a state from `to_json`."""
        self._optimizer = self._optimizer.with_state(state["optimizer"])
        if self._state is not None:
            self._state = type(self._state).from_json(state["allocator"])
        if self._cache is not None:
            self._cache.load_json(state["cache"])

    def _arguments(self, active: Collection[Role]) -> dict[str, Any]:
        """Return the keywords of the allocator, which credits those that speak in active roles."""
        inputs: dict[str, Any] = {
            "state": self._state,
            "reads": reads_of(self._runner.topology),
            "agents": speakers_in(self._runner, active),
            "weights": None if self.critic is None else self.critic.weights,
        }
        taken = {name: value for name, value in inputs.items() if name in self._allocator.inputs}
        return {**self._hyperparameters, **taken}

    def _roles_without(self, removed: frozenset[str]) -> list[Role]:
        """Return the roles of the agents that are left."""
        left = [agent for agent in self._runner.agents if agent not in removed]
        return sorted({role for agent in left for role in self._runner.roles_of(agent)})
