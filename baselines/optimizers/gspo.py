"""GSPO: one importance ratio per completion."""

from __future__ import annotations

from baselines.optimizers.advantages import group_relative
from baselines.optimizers.hyperparameters import Hyperparameters
from baselines.optimizers.losses import sequence_clipped_loss
from baselines.optimizers.optimizer import PolicyOptimizer

GSPO = PolicyOptimizer(
    name="gspo",
    baseline=group_relative,
    policy_loss=sequence_clipped_loss,
    hyperparameters=Hyperparameters(
        std=False, clip_low=3e-4, clip_high=4e-4, aggregation="completion_token_mean"
    ),
)
"""Group Sequence Policy Optimization.

advantage = credit - group mean; divided by the group's standard deviation if std is set
loss      = clipped surrogate with the ratio of the completion, averaged over its tokens and then
            over completions

The clip range suits learning rates around 1e-6. At larger ones, a second update on the same
rollouts is mostly clipped: widen the range (clip_low, clip_high) or use one update per step.

Source: GSPO, arXiv:2507.18071, eq. (5) and section 5.1; differs from it in not dividing by the
standard deviation, as the scripts of CCPO, arXiv:2603.21563, do not.
"""
