"""RAE: the policy gradient with a running mean of each role's credit as baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from baselines.common.types import FloatArray
from baselines.optimizers.advantages import columns_of, expect_groups
from baselines.optimizers.hyperparameters import Hyperparameters
from baselines.optimizers.losses import policy_gradient_loss
from baselines.optimizers.optimizer import PolicyOptimizer


@dataclass(frozen=True, slots=True)
class RoleMeans:
    """Running mean of the credit of each role; 0 for a role that was not seen. Immutable."""

    means: Mapping[str, float] = field(default_factory=dict)

    def updated(
        self,
        credit: Sequence[FloatArray],
        *,
        roles: Sequence[str] | None,
        baseline_decay: float = 0.9,
    ) -> Self:
        """Return the means after a step with this credit; see `role_relative`."""
        _, means = _compared(credit, roles, self.means, baseline_decay)
        return type(self)(means)

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {"means": dict(self.means)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the state from the values of `to_json`."""
        return cls(dict(values["means"]))


def role_relative(
    credit: Sequence[FloatArray],
    *,
    baseline_decay: float = 0.9,
    roles: Sequence[str] | None = None,
    state: RoleMeans | None = None,
) -> list[FloatArray]:
    """Subtract from each credit the running mean of its role, which it then updates.

    advantage = credit - mean of the role
    mean     <- baseline_decay * mean + (1 - baseline_decay) * credit

    in the order of the groups, of the rollouts in a group and of the turns in a rollout.

    Args:
        credit: The groups of one step, each of shape (G, T) with G >= 1.
        baseline_decay: Weight of the past in the mean, in [0, 1).
        roles: Role of each column. None: every column is a role of its own.
        state: Means before the step; None: all 0.

    Returns:
        Advantages, a list of the same shapes.

    Raises:
        ValueError: If roles does not name each column.

    Note: A credit is compared with those before it only, and the result depends on the order of
        the rollouts. Where each column is of another role, its own noise is not in its baseline.
        Where a role speaks more than once in a rollout, the credit of its earlier turns is: if all
        of them have the rollout's reward, the k-th advantage moves with it by baseline_decay **
        (k - 1), which is .9 for the second turn.
    """
    means = {} if state is None else state.means
    return _compared(credit, roles, means, baseline_decay)[0]


def _compared(
    credit: Sequence[FloatArray],
    roles: Sequence[str] | None,
    means: Mapping[str, float],
    decay: float,
) -> tuple[list[FloatArray], dict[str, float]]:
    """Return the advantages, and the means after the last credit."""
    expect_groups(credit, min_group_size=1)
    advantages = [np.empty(group.shape) for group in credit]
    after = dict(means)
    for role, own in columns_of(credit, roles, "roles").items():
        mean = after.get(role, 0.0)
        values = np.concatenate([group[:, own].ravel() for group in credit]).tolist()
        before = []
        for value in values:
            before.append(mean)
            mean = decay * mean + (1.0 - decay) * value
        after[role] = mean
        ends = np.cumsum([group[:, own].size for group in credit])[:-1]
        for group, compared in zip(
            advantages, np.split(np.array(values) - np.array(before), ends), strict=True
        ):
            group[:, own] = compared.reshape(len(group), -1)
    return advantages, after


RAE = PolicyOptimizer(
    name="rae",
    baseline=role_relative,
    policy_loss=policy_gradient_loss,
    hyperparameters=Hyperparameters(aggregation="completion_token_sum", baseline_decay=0.9),
    min_group_size=1,
    centres_on_group=False,
    state=RoleMeans(),
)
"""Role-conditioned advantage estimation.

advantage = credit - running mean of the credit of its role, before it is updated by this credit
loss      = -advantage * log-probability of the whole completion, averaged over completions

There is no group baseline: a group may have one rollout, and credit that is constant in a group is
not cancelled. The means are kept from step to step, and in checkpoints.

Source: SPIRAL, arXiv:2506.24119; the order of comparison and update, the start at 0 and the decay
are those of rae in prime-rl. Differs from SPIRAL in one mean per role for all tasks.
"""
