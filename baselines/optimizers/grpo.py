"""GRPO: group-relative advantages with PPO's clipped surrogate."""

from __future__ import annotations

from baselines.optimizers.advantages import group_relative
from baselines.optimizers.hyperparameters import Hyperparameters
from baselines.optimizers.losses import clipped_policy_loss
from baselines.optimizers.optimizer import PolicyOptimizer

GRPO = PolicyOptimizer(
    name="grpo",
    baseline=group_relative,
    policy_loss=clipped_policy_loss,
    hyperparameters=Hyperparameters(
        std=False, clip_low=0.2, clip_high=0.2, dual_clip=3.0, aggregation="token_mean"
    ),
)
"""Group Relative Policy Optimization.

advantage = credit - group mean; divided by the group's standard deviation if std is set
loss      = clipped surrogate, averaged over the completion tokens of the whole update

The advantage is not divided by the group's standard deviation. That division gives more weight to
tasks whose rollouts rarely differ (Dr. GRPO, arXiv:2503.20783), and in a group whose rewards are
all equal it would scale a small bonus up to the size of a reward.

Source: GRPO, arXiv:2402.03300, eq. (3); differs from it in that, in averaging over the tokens of
the whole update rather than first over each completion (aggregation "completion_token_mean"), in
having no KL term (kl_weight 0.04 there), and in bounding the loss of a bad token (dual_clip 3, as
verl and the paper's reference code do).
"""
