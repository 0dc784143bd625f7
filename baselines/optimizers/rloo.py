"""RLOO: the plain policy gradient with a leave-one-out baseline."""

from __future__ import annotations

from baselines.optimizers.advantages import leave_one_out
from baselines.optimizers.hyperparameters import Hyperparameters
from baselines.optimizers.losses import policy_gradient_loss
from baselines.optimizers.optimizer import PolicyOptimizer

RLOO = PolicyOptimizer(
    name="rloo",
    baseline=leave_one_out,
    policy_loss=policy_gradient_loss,
    hyperparameters=Hyperparameters(aggregation="completion_token_sum"),
)
"""REINFORCE leave-one-out.

advantage = credit - mean credit of the other rollouts of the group
loss      = -advantage * log-probability of the whole completion, averaged over completions

Source: RLOO, arXiv:2402.14740, eq. (6) and section 3.3; differs from it in having no KL penalty in
the reward. TRL and verl step with a clipped ratio instead.
"""
