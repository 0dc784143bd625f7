"""Policy-gradient methods: advantage estimators, losses and hyperparameters; imports no torch."""

from baselines.optimizers.dapo import DAPO
from baselines.optimizers.dr_grpo import DR_GRPO
from baselines.optimizers.grpo import GRPO
from baselines.optimizers.gspo import GSPO
from baselines.optimizers.optimizer import Hyperparameters, PolicyOptimizer
from baselines.optimizers.reinforce_pp import REINFORCE_PP
from baselines.optimizers.reinforce_pp_baseline import REINFORCE_PP_BASELINE
from baselines.optimizers.rloo import RLOO

OPTIMIZERS: dict[str, PolicyOptimizer] = {
    "grpo": GRPO,
    "dr_grpo": DR_GRPO,
    "dapo": DAPO,
    "gspo": GSPO,
    "rloo": RLOO,
    "reinforce_pp": REINFORCE_PP,
    "reinforce_pp_baseline": REINFORCE_PP_BASELINE,
}

__all__ = ["OPTIMIZERS", "Hyperparameters", "PolicyOptimizer"]
