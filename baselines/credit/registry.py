"""Every allocator by name, with the measurements it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from baselines.credit.counterfactual import counterfactual_credit
from baselines.credit.outcomes import GroupOutcomes
from baselines.credit.shared import shared_credit
from baselines.types import FloatArray

Measurement: TypeAlias = Literal["removed_rewards", "branch_rewards", "ratings"]
"""A field of GroupOutcomes that costs extra rollouts or turns to fill."""


@dataclass(frozen=True, slots=True)
class Allocator:
    """A credit function that says what it needs. Call it like the function.

    Args:
        credit: (GroupOutcomes, *, knobs) -> credit, shape (G, A).
        needs: What must be measured besides the team reward.
    """

    credit: Callable[..., FloatArray]
    needs: frozenset[Measurement] = frozenset()

    def __call__(self, outcomes: GroupOutcomes, **knobs: object) -> FloatArray:
        """Return the credit of each agent in each rollout, shape (G, A)."""
        return self.credit(outcomes, **knobs)


ALLOCATORS: dict[str, Allocator] = {
    "shared": Allocator(shared_credit),
    "counterfactual": Allocator(counterfactual_credit, needs=frozenset({"removed_rewards"})),
}
