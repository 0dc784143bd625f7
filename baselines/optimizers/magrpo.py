"""MAGRPO: the group mean as baseline of every agent, and the plain policy gradient."""

from __future__ import annotations

from baselines.optimizers.advantages import group_mean
from baselines.optimizers.hyperparameters import Hyperparameters
from baselines.optimizers.losses import policy_gradient_loss
from baselines.optimizers.optimizer import PolicyOptimizer

MAGRPO = PolicyOptimizer(
    name="magrpo",
    baseline=group_mean,
    policy_loss=policy_gradient_loss,
    hyperparameters=Hyperparameters(aggregation="completion_token_sum"),
)
"""Multi-Agent Group Relative Policy Optimization.

advantage = credit - group mean
loss      = -advantage * log-probability of the whole completion, averaged over completions

With the allocator "shared" this is MAGRPO: the shared reward with a group mean, the same advantage
for every agent, and no credit assignment. It is `rloo` times (G - 1) / G.

Source: MAGRPO, arXiv:2508.04652; differs from it in one reward per episode, where the paper has a
return per turn.
"""
