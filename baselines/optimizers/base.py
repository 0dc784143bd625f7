"""What a policy-gradient method is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from baselines.types import FloatArray, LossOutput

AdvantageFunction: TypeAlias = Callable[[Sequence[FloatArray]], list[FloatArray]]
"""From the credit of a whole step, one (G, A) array per group, to advantages of those shapes."""

PolicyLoss: TypeAlias = Callable[..., LossOutput]
"""(logprobs, TokenBatch, *, knobs) -> LossOutput, without importing torch when it is defined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyOptimizer:
    """A policy-gradient method: relative to what, and how far to step.

    Args:
        name: Its key in OPTIMIZERS.
        advantage: Turns credit into advantages; numpy.
        loss: Turns log-probabilities and advantages into a loss; torch.
    """

    name: str
    advantage: AdvantageFunction
    loss: PolicyLoss
