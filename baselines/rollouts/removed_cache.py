"""A cache of rewards with agents removed from earlier steps, weighted by their age."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ccpo_env.types import Role, Task

PRIOR = 0.5
"""Pseudo-counts of correct and of wrong answers: Jeffreys' prior."""


@dataclass(frozen=True, slots=True)
class BetaPosterior:
    """Beta posterior of the accuracy on a task without some agents.

    Args:
        right: Weighted number of correct answers.
        wrong: Weighted number of wrong answers.
        versions: Number of updates of the remaining agents' policies when it was measured.
    """

    right: float = 0.0
    wrong: float = 0.0
    versions: Mapping[Role, int] = field(default_factory=dict)

    @property
    def weight(self) -> float:
        """Equivalent number of new rollouts."""
        return self.right + self.wrong

    @property
    def reward(self) -> float:
        """Posterior mean of the team reward, in (-1, 1)."""
        return (self.right - self.wrong) / (self.weight + 2.0 * PRIOR)

    @property
    def standard_deviation(self) -> float:
        """Posterior standard deviation of the mean team reward."""
        alpha, beta = self.right + PRIOR, self.wrong + PRIOR
        total = alpha + beta
        return 2.0 * float(np.sqrt(alpha * beta / (total * total * (total + 1.0))))


class RemovedCache:
    """Caches measured rewards per task and set of removed agents.

    weight of an answer = decay ** (updates of the remaining agents' policies since then)

    Args:
        decay: In (0, 1]; 1 keeps all answers at full weight, which suits frozen policies.
        roles_left: Returns the roles of the agents that remain without a set of agents.
    """

    def __init__(
        self, decay: float, roles_left: Callable[[frozenset[str]], Sequence[Role]]
    ) -> None:
        if not 0.0 < decay <= 1.0:
            raise ValueError(
                f"removed_cache_decay must be in (0, 1], got {decay}; pass e.g. 0.9, or 0 for none"
            )
        self._decay = decay
        self._roles_left = roles_left
        self._versions: dict[Role, int] = {}
        self._estimates: dict[tuple[str, frozenset[str]], BetaPosterior] = {}

    def estimate(self, task: Task, removed: frozenset[str]) -> BetaPosterior:
        """Return the current estimate, of weight 0 if nothing was measured."""
        known = self._estimates.get((task.id, removed))
        if known is None:
            return BetaPosterior(versions=self._now(removed))
        now = self._now(removed)
        age = sum(number - known.versions.get(role, 0) for role, number in now.items())
        kept = self._decay**age
        return BetaPosterior(known.right * kept, known.wrong * kept, now)

    def add(self, task: Task, removed: frozenset[str], rewards: Sequence[float]) -> BetaPosterior:
        """Add new team rewards from -1 to +1, and return the updated estimate.

        A reward between the two counts as a part of a right answer.
        """
        known = self.estimate(task, removed)
        num_right = sum((reward + 1.0) / 2.0 for reward in rewards)
        estimate = BetaPosterior(
            known.right + num_right, known.wrong + len(rewards) - num_right, known.versions
        )
        self._estimates[task.id, removed] = estimate
        return estimate

    def policy_updated(self, role: Role) -> None:
        """Record an update of the policy of a role."""
        self._versions[role] = self._versions.get(role, 0) + 1

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        return {
            "versions": dict(self._versions),
            "estimates": [
                [task, sorted(removed), known.right, known.wrong, dict(known.versions)]
                for (task, removed), known in self._estimates.items()
            ],
        }

    def load_json(self, state: Mapping[str, Any]) -> None:
        """Restore a state from `to_json`."""
        self._versions = dict(state["versions"])
        self._estimates = {
            (task, frozenset(removed)): BetaPosterior(right, wrong, versions)
            for task, removed, right, wrong, versions in state["estimates"]
        }

    def _now(self, removed: frozenset[str]) -> dict[Role, int]:
        return {role: self._versions.get(role, 0) for role in self._roles_left(removed)}
