"""REINFORCE++-baseline: group mean first, then whitened over the whole step."""

from __future__ import annotations

from baselines.optimizers.advantages import group_mean
from baselines.optimizers.hyperparameters import Hyperparameters
from baselines.optimizers.losses import clipped_policy_loss
from baselines.optimizers.optimizer import PolicyOptimizer

REINFORCE_PP_BASELINE = PolicyOptimizer(
    name="reinforce_pp_baseline",
    baseline=group_mean,
    policy_loss=clipped_policy_loss,
    hyperparameters=Hyperparameters(
        clip_low=0.2, clip_high=0.2, dual_clip=None, aggregation="token_mean", kl_estimator="k2"
    ),
    whitens=True,
)
"""REINFORCE++ with the group mean as its baseline.

advantage = (x - mean) / sqrt(variance + 1e-8), over the tokens of an agent in the whole step, of
x         = credit - group mean
loss      = clipped surrogate, averaged over the tokens of the update

All groups share one standard deviation, so a group with nearly equal credit is not scaled up.

Source: REINFORCE++, arXiv:2501.03262, section 3.3; differs from it in having no KL term unless
kl_weight is set, then with its estimator k2.
"""
