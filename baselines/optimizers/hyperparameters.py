"""Hyperparameters of policy-gradient methods, and which of them a function takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Annotated

from baselines.common.hyperparameters import Range, check_fields, declared
from baselines.optimizers import losses

COMMON = ("aggregation", "kl_weight", "kl_estimator", "entropy_weight")
"""Hyperparameters that every method has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hyperparameters:
    """Hyperparameters of all methods; `PolicyOptimizer.tunable` lists those of a method.

    Args:
        std: Divide the centred credit of a group by its standard deviation.
        clip_low: How far below 1 a probability ratio may fall.
        clip_high: How far above 1 a probability ratio may rise.
        dual_clip: Upper bound of the ratio for negative advantages. None: no bound.
        aggregation: How token losses are averaged. See `losses.normalizer`.
        gamma: Discount per token.
        reward_kl: KL penalty in the reward, per nat of log policy - log reference on each token.
        kl_weight: Weight of the KL to the reference policy in the loss.
        kl_estimator: Estimator of that KL. See `baselines.optimizers.losses.kl_estimates`.
        entropy_weight: Weight of the entropy bonus in the loss.
        baseline_decay: Weight of the past in the running mean of a role's credit.
        drop_equal_groups: Drop groups whose team rewards are all equal.
        overlong_weight: Penalty in the credit of a completion of maximum length.
        overlong_rate: Final fraction of the maximum length over which that penalty grows from 0.

    Raises:
        ValueError: If a value is out of range.
    """

    std: bool = False
    clip_low: Annotated[float, Range(0.0, 1.0)] = 0.2
    clip_high: Annotated[float, Range(0.0)] = 0.2
    dual_clip: Annotated[float | None, Range(1.0)] = None
    aggregation: losses.Aggregation = "token_mean"
    gamma: Annotated[float, Range(0.0, 1.0)] = 1.0
    baseline_decay: Annotated[float, Range(0.0, 1.0, open_high=True)] = 0.9
    reward_kl: Annotated[float, Range(0.0)] = 0.0
    kl_weight: Annotated[float, Range(0.0)] = 0.0
    kl_estimator: losses.KLEstimator = "k3"
    entropy_weight: Annotated[float, Range(0.0)] = 0.0
    drop_equal_groups: bool = False
    overlong_weight: Annotated[float, Range(0.0)] = 0.0
    overlong_rate: Annotated[float, Range(0.0, 1.0, open_low=True)] = 0.2

    def __post_init__(self) -> None:
        """Check the values."""
        check_fields(self)


@cache
def taken_by(function: Callable[..., object]) -> tuple[str, ...]:
    """Return the names of the hyperparameters that are parameters of a function."""
    known = declared(Hyperparameters)
    return tuple(name for name in inspect.signature(function).parameters if name in known)
