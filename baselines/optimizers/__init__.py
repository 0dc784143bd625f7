"""Policy-gradient methods: advantage estimators, losses and hyperparameters; imports no torch."""

from baselines.optimizers.at_grpo import AT_GRPO
from baselines.optimizers.dapo import DAPO
from baselines.optimizers.dr_grpo import DR_GRPO
from baselines.optimizers.dr_mas import DR_MAS
from baselines.optimizers.grpo import GRPO
from baselines.optimizers.gspo import GSPO
from baselines.optimizers.hyperparameters import Hyperparameters
from baselines.optimizers.magrpo import MAGRPO
from baselines.optimizers.optimizer import PolicyOptimizer
from baselines.optimizers.rae import RAE
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
    "magrpo": MAGRPO,
    "dr_mas": DR_MAS,
    "at_grpo": AT_GRPO,
    "rae": RAE,
}

__all__ = ["OPTIMIZERS", "Hyperparameters", "PolicyOptimizer"]
