"""Dr. GRPO: GRPO without its normalisation by length and standard deviation."""

from __future__ import annotations

from baselines.optimizers.advantages import group_mean
from baselines.optimizers.hyperparameters import Hyperparameters
from baselines.optimizers.losses import clipped_policy_loss
from baselines.optimizers.optimizer import PolicyOptimizer

DR_GRPO = PolicyOptimizer(
    name="dr_grpo",
    baseline=group_mean,
    policy_loss=clipped_policy_loss,
    hyperparameters=Hyperparameters(
        clip_low=0.2, clip_high=0.2, dual_clip=None, aggregation="constant"
    ),
)
"""GRPO done right.

advantage = credit - group mean
loss      = clipped surrogate, summed over the tokens, divided by completions * max_tokens

A token has the same weight in short and long completions, and the divisor does not depend on the
sampled completions.

Source: Dr. GRPO, arXiv:2503.20783, section 3.2; the constant is the maximum completion
length, as in TRL's loss_type "dr_grpo".
"""
