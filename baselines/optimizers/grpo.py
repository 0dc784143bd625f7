"""GRPO: compare the rollouts of one task with each other, then step as PPO does."""

from __future__ import annotations

from baselines.advantages import group_mean
from baselines.losses import clipped_policy_loss
from baselines.optimizers.base import PolicyOptimizer

GRPO = PolicyOptimizer(name="grpo", advantage=group_mean, loss=clipped_policy_loss)
"""Group Relative Policy Optimization, with the clip range of 0.2 that is the loss's default.

advantage = credit - group mean
loss      = clipped surrogate, averaged over the completion tokens of the whole update

The advantage is not divided by the group's standard deviation. That division weighs a task by how
rarely its rollouts differ (Dr. GRPO, arXiv:2503.20783), and in a group whose rewards are all equal
it would blow a small bonus up to the size of a reward.

Source: GRPO, arXiv:2402.03300, eq. (3); differs from it in that, in averaging over the tokens of
the whole update rather than first over each completion, in having no KL term, and in bounding the
loss of a bad token (dual_clip).
"""
