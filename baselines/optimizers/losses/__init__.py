"""Policy-gradient losses: pure functions of tensors.

They import torch for type checking only, so that the optimizers, and the credit audit that uses
them, can be imported without it.
"""

from baselines.optimizers.losses.masked import Aggregation, normalizer, reduce_loss, row_weight
from baselines.optimizers.losses.ppo_clip import clipped_policy_loss
from baselines.optimizers.losses.regularizers import (
    KLEstimator,
    entropy_loss,
    kl_estimates,
    kl_loss,
)
from baselines.optimizers.losses.reinforce import policy_gradient_loss
from baselines.optimizers.losses.sequence_clip import sequence_clipped_loss

__all__ = [
    "Aggregation",
    "KLEstimator",
    "clipped_policy_loss",
    "entropy_loss",
    "kl_estimates",
    "kl_loss",
    "normalizer",
    "policy_gradient_loss",
    "reduce_loss",
    "row_weight",
    "sequence_clipped_loss",
]
