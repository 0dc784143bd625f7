"""How an updater steps, beyond what every run decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

OldLogprobs: TypeAlias = Literal["sampler", "recompute"]
OnNonfinite: TypeAlias = Literal["raise", "skip"]

ADAM_BETAS = (0.9, 0.99)
"""Second moments of 100 updates: runs here are short; 0.999 would remember the first of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateOptions:
    """Options of an updater; the defaults take one plain step per call.

    Args:
        num_epochs: How often the completions of a step are gone through.
        num_minibatches: Into how many updates each of those is cut.
        old_logprobs: What the ratio of the loss is taken to: the log-probabilities that the
            "sampler" reported, or those of the trained policy before the step ("recompute").
        tis_cap: With "recompute": largest weight of truncated importance sampling, which corrects
            the loss of each token for a sampler that differs from the trained policy. None: no
            correction.
        autocast: Compute matrix products in bfloat16; weights, gradients and loss stay float32.
        gradient_checkpointing: Compute activations again in the backward pass: less memory, about
            a third more time.
        on_nonfinite: What a loss or gradient that is not finite does: "raise" an error, or "skip"
            the update and count it. The batch is saved either way.
        max_tokens: Longest completion that may be sampled; needed by aggregation "constant".
        adam_betas: Decay of AdamW's two moments.
        weight_decay: Of AdamW.
        shuffle_seed: Seeds how completions are dealt to minibatches.

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
    max_tokens: int | None = None
    adam_betas: tuple[float, float] = ADAM_BETAS
    weight_decay: float = 0.0
    shuffle_seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("num_epochs", "num_minibatches"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"{name} must be >= 1, got {getattr(self, name)}; "
                    f"pass --{name.replace('_', '-')} 1 for one update per step"
                )
        choices = {"old_logprobs": get_args(OldLogprobs), "on_nonfinite": get_args(OnNonfinite)}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}; "
                    f"choose one of them"
                )
        if self.tis_cap is not None and self.tis_cap <= 0.0:
            raise ValueError(f"tis_cap must be above 0, got {self.tis_cap}; pass e.g. 2.0")
        if self.tis_cap is not None and self.old_logprobs != "recompute":
            raise ValueError(
                f"old_logprobs must be 'recompute' with tis_cap {self.tis_cap}, got "
                f"{self.old_logprobs!r}; the ratio to the sampler corrects for it already"
            )

    @property
    def updates_per_step(self) -> int:
        """How many updates one call takes at most."""
        return self.num_epochs * self.num_minibatches
