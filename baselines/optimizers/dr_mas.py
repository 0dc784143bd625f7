"""Dr. MAS: advantages normalised per task and agent, over all its turns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from baselines.common.types import FloatArray
from baselines.optimizers.advantages import columns_of, expect_groups, group_relative
from baselines.optimizers.hyperparameters import Hyperparameters
from baselines.optimizers.losses import clipped_policy_loss
from baselines.optimizers.optimizer import PolicyOptimizer


def agent_relative(
    credit: Sequence[FloatArray], *, std: bool = True, agents: Sequence[str] | None = None
) -> list[FloatArray]:
    """Subtract from an agent's credit its mean over all its turns in the group.

    advantage[g, t] = (credit[g, t] - mean) / (standard deviation + 1e-6)

    Mean and standard deviation are over all rollouts of the group and all turns of the agent of t.

    Args:
        credit: The groups of one step, each of shape (G, T) with G >= 2.
        std: Whether to divide by the standard deviation.
        agents: Agent of each column. None: every column is an agent of its own.

    Returns:
        Advantages, a list of the same shapes. They sum to zero per group and agent.

    Raises:
        ValueError: If a group has fewer than two rollouts, or agents does not name each column.
    """
    expect_groups(credit, min_group_size=2)
    advantages = [np.empty(group.shape) for group in credit]
    for own in columns_of(credit, agents, "agents").values():
        pooled = [group[:, own].reshape(-1, 1) for group in credit]  # (G * turns, 1)
        for group, values in zip(advantages, group_relative(pooled, std=std), strict=True):
            group[:, own] = values.reshape(len(group), -1)
    return advantages


DR_MAS = PolicyOptimizer(
    name="dr_mas",
    baseline=agent_relative,
    policy_loss=clipped_policy_loss,
    hyperparameters=Hyperparameters(std=True, aggregation="token_mean"),
)
"""Dr. MAS.

advantage = (credit - mean) / (standard deviation + 1e-6), over an agent's completions in a task
loss      = clipped surrogate, averaged over the completion tokens of the whole update

One mean and standard deviation for all agents would mix rewards of different scales. Where every
agent speaks once, this is `grpo` with std and without the dual clip; where an agent speaks more
than once, its turns share a mean.

Source: Dr. MAS, arXiv:2602.08847.
"""
