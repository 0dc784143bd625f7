"""Advantage estimators: from the credit of a training step to its advantages.

Each function takes a list of (G, A) credit arrays, one per group of the step, because some
normalise across groups. Groups may differ in size: unmeasured rollouts have been dropped.
Each agent (column) is normalised separately; where an agent speaks more than once, each turn is a
column.
"""

from baselines.optimizers.advantages.group_baselines import (
    group_mean,
    group_relative,
    group_z_score,
    leave_one_out,
    no_baseline,
)
from baselines.optimizers.advantages.step_credit import columns_of, expect_groups
from baselines.optimizers.advantages.token_returns import on_tokens, token_returns
from baselines.optimizers.advantages.whitening import whiten, whiten_tokens

__all__ = [
    "columns_of",
    "expect_groups",
    "group_mean",
    "group_relative",
    "group_z_score",
    "leave_one_out",
    "no_baseline",
    "on_tokens",
    "token_returns",
    "whiten",
    "whiten_tokens",
]
