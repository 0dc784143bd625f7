"""Which rollouts a step plays on each task: those that its credit and its metrics need."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from baselines.common.hyperparameters import Value
from baselines.credit import ALLOCATORS
from baselines.credit.removals import each_but_the_last
from baselines.rollouts.plan import Plan, branching_turns, per_task_removals, removals_are_recounts
from baselines.rollouts.runner import RolloutRunner
from baselines.train.config import TrainConfig
from ccpo_env.types import Role


class Planner:
    """Plans the rollouts of the steps of a run.

    Args:
        config: The allocator, and rollout settings.
        runner: Runner of the episodes.
        hyperparameters: Those of the allocator.
        skips_uniform: Whether removals may be omitted in groups of uniform team rewards: the
            advantage subtracts the mean over the task, and no state is updated from the group.
    """

    def __init__(
        self,
        config: TrainConfig,
        runner: RolloutRunner,
        *,
        hyperparameters: Mapping[str, Value],
        skips_uniform: bool,
    ) -> None:
        self._config = config
        self._runner = runner
        self._allocator = ALLOCATORS[config.allocator]
        self._hyperparameters = hyperparameters
        self._skips_uniform = skips_uniform

    def plan(self, active: Collection[Role], rng: np.random.Generator) -> Plan:
        """Return the plan of each task in a step that trains the active roles.

        Args:
            active: The roles.
            rng: Draws the orders of joining the team, if they are sampled.
        """
        config, needs, runner = self._config, self._allocator.needs, self._runner
        topology = runner.topology
        are_recounts = removals_are_recounts(topology)
        wanted, orders = (
            self._allocator.plan_removals(runner.agents, rng, are_recounts=are_recounts)
            if "removed_rewards" in needs
            else ((), None)
        )
        if self._allocator.own_removals_only:
            # Rollouts that only affect the credit of roles not trained in this step are omitted.
            credited = speakers_in(runner, active)
            wanted = tuple(removed for removed in wanted if removed & credited)
        extra = each_but_the_last(runner.agents) if config.measure_removed else ()
        return Plan(
            group_size=config.group_size,
            removals=tuple(dict.fromkeys([*wanted, *extra])),
            orders=orders,
            num_removed=config.removed_samples,
            branches=self._branching_turns if "branch_rewards" in needs else (),
            num_branches=config.branch_samples,
            rate="ratings" in needs,
            skip_uniform_groups=(
                self._is_cancelled_in_uniform_groups
                and not config.measure_removed
                and config.train_on == "team"
            ),
            keep_completions=config.train_on == "all",
        )

    @property
    def fixed_removals(self) -> tuple[frozenset[str], ...] | None:
        """The removals that the allocator reads; None if they are sampled in each step."""
        removals, orders = self._allocator.plan_removals(
            self._runner.agents,
            np.random.default_rng(0),
            are_recounts=removals_are_recounts(self._runner.topology),
        )
        return removals if orders is None else None

    @property
    def _branching_turns(self) -> tuple[str, ...]:
        """Names of the turns that are continued, if the allocator needs continuations."""
        turns = branching_turns(self._runner.topology)
        return turns[-1:] if self._hyperparameters.get("after") == "last" else turns

    @property
    def _is_cancelled_in_uniform_groups(self) -> bool:
        """Whether a removal cannot change the advantages of a group with uniform team rewards.

        Then credit depends on a rollout only through its reward, plus a constant per task.
        """
        removals = self.fixed_removals or ()
        is_task_level = len(per_task_removals(self._runner.topology, removals)) == len(removals) > 0
        return (
            self._skips_uniform and self._allocator.needs == {"removed_rewards"} and is_task_level
        )


def speakers_in(runner: RolloutRunner, roles: Collection[Role]) -> frozenset[str]:
    """Return the agents that speak in one of these roles."""
    return frozenset(a for a in runner.agents if {*runner.roles_of(a)} & {*roles})
