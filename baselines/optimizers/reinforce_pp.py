"""REINFORCE++: advantages whitened over the whole step, not over a group."""

from __future__ import annotations

from baselines.optimizers.advantages import no_baseline
from baselines.optimizers.hyperparameters import Hyperparameters
from baselines.optimizers.losses import clipped_policy_loss
from baselines.optimizers.optimizer import PolicyOptimizer

REINFORCE_PP = PolicyOptimizer(
    name="reinforce_pp",
    baseline=no_baseline,
    policy_loss=clipped_policy_loss,
    hyperparameters=Hyperparameters(
        clip_low=0.2, clip_high=0.2, dual_clip=None, aggregation="token_mean", gamma=1.0
    ),
    other_hyperparameters=("gamma", "reward_kl"),
    whitens=True,
    min_group_size=1,
    centres_on_group=False,
)
"""REINFORCE++.

return    = discounted credit from a token on, minus reward_kl times log(policy / reference)
advantage = (return - mean) / sqrt(variance + 1e-8), over the tokens of an agent in the whole step
loss      = clipped surrogate, averaged over the tokens of the update

There is no group baseline, so a group may have one rollout, and credit that is constant in a group
is not cancelled: a task that the team always solves has positive advantages only.

Source: REINFORCE++, arXiv:2501.03262, eq. (4) to (8); differs from it in having no KL penalty
unless reward_kl is set.
"""
