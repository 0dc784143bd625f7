"""Options of an updater with defaults that suit most runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from baselines.common.checks import flag_of
from ccpo_env.errors import unknown_name

OldLogprobs: TypeAlias = Literal["sampler", "recompute"]
OnNonfinite: TypeAlias = Literal["raise", "skip"]

ADAM_BETAS = (0.9, 0.99)
"""Second moments over 100 updates: runs are short, and 0.999 would span all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateOptions:
    """Options of an updater; by default each call takes one step.

    Args:
        num_epochs: Number of passes over the samples of a training step.
        num_minibatches: Number of updates per pass.
        old_logprobs: Denominator of the importance ratio: the log-probabilities reported by the
            "sampler", or those of the trained policy before the step ("recompute").
        tis_cap: With "recompute": largest weight of truncated importance sampling, which corrects
            the loss of each token for a sampler that differs from the trained policy. None: no
            correction.
        autocast: Compute matrix products in bfloat16; weights, gradients and loss stay float32.
        gradient_checkpointing: Compute activations again in the backward pass: less memory, about
            a third more time.
        on_nonfinite: Response to a non-finite loss or gradient: "raise" an error, or "skip" the
            update and count it. The batch is saved in both cases.
        adam_betas: Decay rates of AdamW's two moments.
        weight_decay: Weight decay of AdamW.
        shuffle_seed: Seed of the assignment of samples to minibatches.

    Raises:
        ValueError: If a value is out of range, or tis_cap is set without "recompute".
    """

    num_epochs: int = 1
    num_minibatches: int = 1
    old_logprobs: OldLogprobs = "sampler"
    tis_cap: float | None = None
    autocast: bool = False
    gradient_checkpointing: bool = False
    on_nonfinite: OnNonfinite = "raise"
    adam_betas: tuple[float, float] = ADAM_BETAS
    weight_decay: float = 0.0
    shuffle_seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("num_epochs", "num_minibatches"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"{name} must be >= 1, got {getattr(self, name)}; "
                    f"pass {flag_of(name)} 1 for one update per step"
                )
        choices = {"old_logprobs": get_args(OldLogprobs), "on_nonfinite": get_args(OnNonfinite)}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise unknown_name(name, getattr(self, name), allowed)
        if self.tis_cap is not None and self.tis_cap <= 0.0:
            raise ValueError(f"tis_cap must be above 0, got {self.tis_cap}; pass e.g. 2.0")
        if self.tis_cap is not None and self.old_logprobs != "recompute":
            raise ValueError(
                f"old_logprobs must be 'recompute' with tis_cap {self.tis_cap}, got "
                f"{self.old_logprobs!r}; the ratio to the sampler corrects for it already"
            )

    @property
    def updates_per_step(self) -> int:
        """Maximum number of updates per call."""
        return self.num_epochs * self.num_minibatches
