"""Policy-gradient methods by name: each an advantage plus a loss. Importing it loads no torch."""

from baselines.optimizers.base import PolicyOptimizer
from baselines.optimizers.grpo import GRPO

OPTIMIZERS: dict[str, PolicyOptimizer] = {
    "grpo": GRPO,
}

__all__ = ["OPTIMIZERS", "PolicyOptimizer"]
