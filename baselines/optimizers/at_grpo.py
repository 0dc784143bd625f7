"""AT-GRPO: group-relative advantages per task, agent and turn."""

from __future__ import annotations

from baselines.optimizers.advantages import group_relative
from baselines.optimizers.hyperparameters import Hyperparameters
from baselines.optimizers.losses import clipped_policy_loss
from baselines.optimizers.optimizer import PolicyOptimizer

AT_GRPO = PolicyOptimizer(
    name="at_grpo",
    baseline=group_relative,
    policy_loss=clipped_policy_loss,
    hyperparameters=Hyperparameters(std=True, aggregation="token_mean"),
)
"""Agent- and turn-wise grouped GRPO.

advantage = (credit - mean) / (standard deviation + 1e-6), over the rollouts of a task, for each
            agent and turn
loss      = clipped surrogate, averaged over the completion tokens of the whole update

Credit has a column per agent, or per turn where an agent speaks more than once, and every
advantage here is normalised by column: this is `grpo` with std and without the dual clip. The
reward of the paper, a mixture of the team's and an agent's own, is the allocator "own_answer" with
team_weight.

Source: AT-GRPO, arXiv:2510.11062; differs from it in that all rollouts are played to the end and
none is chosen by its reward to be continued, so that a later turn is compared over different
contexts.
"""
