"""Registry of allocators, with the measurements that each needs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self

import numpy as np

from baselines.common.hyperparameters import (
    Hyperparameter,
    Value,
    declared,
    read_hyperparameters,
)
from baselines.common.state import SavedState
from baselines.common.types import FloatArray
from baselines.credit.banzhaf import banzhaf_credit
from baselines.credit.batching import group_by_shape
from baselines.credit.branch import branch_credit
from baselines.credit.c3 import c3_credit
from baselines.credit.counterfactual import counterfactual_credit
from baselines.credit.critic import critic_credit
from baselines.credit.hierarchical_grpo import hierarchical_grpo_credit
from baselines.credit.history import HistoryState, history_credit
from baselines.credit.influence import influence_credit
from baselines.credit.leave_one_out import leave_one_out_credit
from baselines.credit.outcomes import GroupOutcomes, Measurement, Orders
from baselines.credit.own_answer import own_answer_credit
from baselines.credit.regression import regression_credit
from baselines.credit.removals import (
    Removals,
    balanced_orders,
    each_agent,
    each_but_the_last,
    every_subset,
    max_exact_agents,
    no_removals,
    stages,
)
from baselines.credit.self_evaluation import self_evaluation_credit
from baselines.credit.shapley import shapley_credit
from baselines.credit.shared import shared_credit


class State(SavedState, Protocol):
    """State of an allocator."""

    def updated(self, groups: Sequence[GroupOutcomes]) -> Self:
        """Return the state after a step with these groups."""
        ...


class RemovalPlan(NamedTuple):
    """The sets of agents to remove in a step.

    Args:
        removals: The sets.
        orders: Orders of joining the team whose stages they are; None if they are not sampled.
    """

    removals: tuple[frozenset[str], ...]
    orders: Orders | None = None


@dataclass(frozen=True, slots=True)
class Allocator:
    """A credit function and the measurements that it needs. Call it like the function.

    Args:
        credit: (GroupOutcomes or GroupBatch, *, hyperparameters and inputs) -> credit, shape
            (..., G, A), or (..., G, T) with turns.
        needs: What must be measured besides the team reward.
        removals: Returns the sets of agents to remove, given all agents in speaking order.
        samples_orders: Whether the credit of many agents needs only the stages of some orders of
            joining, given as the orders of the outcomes, instead of every set of removals.
        new_state: Creates the state of a new run, which is passed as the keyword `state` and
            replaced by `state.updated(groups)` after each step; None if it has no state.
        own_removals_only: Whether the credit of an agent reads only removals that include it, so
            that they need not be measured while it is not trained. Such a function either
            accepts the keyword `agents`, those to credit, or credits all others without them.
    """

    credit: Callable[..., FloatArray]
    needs: frozenset[Measurement] = frozenset()
    removals: Removals = no_removals
    samples_orders: bool = False
    new_state: Callable[[], State] | None = None
    own_removals_only: bool = False

    @property
    def tunable(self) -> Mapping[str, Hyperparameter]:
        """Hyperparameters of this allocator by name."""
        return declared(self.credit)

    @property
    def inputs(self) -> frozenset[str]:
        """Keywords of the function besides outcomes that are not hyperparameters."""
        parameters = inspect.signature(self.credit).parameters.values()
        keywords = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}
        return frozenset(keywords - set(self.tunable))

    def plan_removals(
        self, agents: tuple[str, ...], rng: np.random.Generator, *, are_recounts: bool
    ) -> RemovalPlan:
        """Return the sets of agents to remove, a sample of them if there are too many.

        Args:
            agents: All agents, in speaking order.
            rng: Draws new orders on each call.
            are_recounts: Whether removals need no rollouts, so that more sets can be measured.
        """
        num_exact = max_exact_agents(are_recounts=are_recounts)
        if not self.samples_orders or len(agents) <= num_exact:
            return RemovalPlan(self.removals(agents))
        orders = balanced_orders(len(agents), rng)
        return RemovalPlan(stages(agents, orders), orders)

    def __call__(self, outcomes: GroupOutcomes, **arguments: object) -> FloatArray:
        """Return the credit of each agent, or turn, in each rollout, (G, A) or (G, T)."""
        return self.credit(outcomes, **arguments)

    def many(self, groups: Sequence[GroupOutcomes], **arguments: object) -> list[FloatArray]:
        """Return the credit of each group, as individual calls would, but batched.

        Groups of one team and shape are computed together; the order is kept.
        """
        credit: list[FloatArray | None] = [None] * len(groups)
        for where, batch in group_by_shape(groups, self.needs):
            for index, group_credit in zip(where, self.credit(batch, **arguments), strict=True):
                credit[index] = group_credit
        return [group_credit for group_credit in credit if group_credit is not None]


ALLOCATORS: dict[str, Allocator] = {
    "shared": Allocator(shared_credit),
    "counterfactual": Allocator(
        counterfactual_credit,
        needs=frozenset({"removed_rewards"}),
        removals=each_but_the_last,
        own_removals_only=True,
    ),
    "history": Allocator(
        history_credit,
        needs=frozenset({"removed_rewards"}),
        removals=each_but_the_last,
        new_state=HistoryState,
    ),
    "self_evaluation": Allocator(self_evaluation_credit, needs=frozenset({"ratings"})),
    "branch": Allocator(branch_credit, needs=frozenset({"branch_rewards"})),
    "leave_one_out": Allocator(
        leave_one_out_credit,
        needs=frozenset({"removed_rewards"}),
        removals=each_agent,
        own_removals_only=True,
    ),
    "shapley": Allocator(
        shapley_credit,
        needs=frozenset({"removed_rewards"}),
        removals=every_subset,
        samples_orders=True,
    ),
    "regression": Allocator(regression_credit, needs=frozenset({"features"})),
    "banzhaf": Allocator(
        banzhaf_credit,
        needs=frozenset({"removed_rewards"}),
        removals=every_subset,
        samples_orders=True,
    ),
    "c3": Allocator(c3_credit, needs=frozenset({"branch_rewards"})),
    "hierarchical_grpo": Allocator(hierarchical_grpo_credit, needs=frozenset({"branch_rewards"})),
    "own_answer": Allocator(own_answer_credit, needs=frozenset({"own_rewards"})),
    "influence": Allocator(influence_credit, needs=frozenset({"influence"})),
    "critic": Allocator(critic_credit, needs=frozenset({"values"})),
}


def read_allocator_args(allocator: str, texts: Mapping[str, str]) -> dict[str, Value]:
    """Parse the hyperparameters of an allocator from text, such as command-line arguments.

    Raises:
        ValueError: If the allocator has no hyperparameter of that name, or a value is not valid.
    """
    return read_hyperparameters(f"allocator {allocator!r}", ALLOCATORS[allocator].tunable, texts)
