"""DAPO: GRPO with a higher upper clip bound, token-level mean and no uniform groups."""

from __future__ import annotations

from baselines.optimizers.advantages import group_relative
from baselines.optimizers.hyperparameters import Hyperparameters
from baselines.optimizers.losses import clipped_policy_loss
from baselines.optimizers.optimizer import PolicyOptimizer

DAPO = PolicyOptimizer(
    name="dapo",
    baseline=group_relative,
    policy_loss=clipped_policy_loss,
    hyperparameters=Hyperparameters(
        std=True,
        clip_low=0.2,
        clip_high=0.28,
        dual_clip=None,
        aggregation="token_mean",
        drop_equal_groups=True,
        overlong_weight=1.0,
        overlong_rate=0.2,
    ),
    other_hyperparameters=("drop_equal_groups", "overlong_weight", "overlong_rate"),
)
"""Decoupled clip and dynamic sampling policy optimization.

credit    = credit - overlong penalty, which grows to 1 over the last fifth of max_tokens
advantage = (credit - group mean) / (group std + 1e-6)
loss      = clipped surrogate with clip_high > clip_low, averaged over the tokens of the update

Groups whose team rewards are all equal are dropped. This loses nothing if credit depends on the
reward only; with branch or rating credit such a group can still have a signal, so set
drop_equal_groups to false.

Source: DAPO, arXiv:2503.14476, eq. (8) to (13); the buffer is 4096 of 20480 tokens there, a fifth.
Its dynamic sampling replaces dropped tasks by others; here that is resample_rounds, a setting of
the run, because it determines the cost of a step.
"""
