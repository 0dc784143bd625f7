"""Every number and choice of a policy-gradient method that can be set, and how to read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TypeAlias, get_args

from baselines.optimizers.losses import Aggregation, KLEstimator
from ccpo_env.errors import unknown_name

Knob: TypeAlias = float | bool | str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Knobs:
    """The knobs of all methods; each method has those that its `tunable` names.

    Args:
        std: Divide a group's centred credit by its standard deviation.
        clip_low: How far below 1 a ratio may fall, in [0, 1].
        clip_high: How far above 1 it may rise, >= 0.
        dual_clip: Largest ratio a negative advantage is multiplied with, >= 1. None: no bound.
        aggregation: How the losses of tokens become one; see `losses.normalizer`.
        gamma: Discount per token, in [0, 1].
        reward_kl: Reward that one nat of log policy - log reference costs on each token, >= 0.
        kl_weight: Weight of the KL to the reference policy in the loss, >= 0.
        kl_estimator: "k1", "k2" or "k3"; see `baselines.optimizers.losses.kl_estimates`.
        entropy_weight: Weight of the entropy that is subtracted from the loss, >= 0.
        drop_equal_groups: Drop groups whose team rewards are all equal.
        overlong_weight: Credit that a completion of the greatest length loses, >= 0.
        overlong_rate: Share of the greatest length, at its end, over which that loss grows from
            0, in (0, 1].

    Raises:
        ValueError: If a value is out of range.
    """

    std: bool = False
    clip_low: float = 0.2
    clip_high: float = 0.2
    dual_clip: float | None = None
    aggregation: Aggregation = "token_mean"
    gamma: float = 1.0
    reward_kl: float = 0.0
    kl_weight: float = 0.0
    kl_estimator: KLEstimator = "k3"
    entropy_weight: float = 0.0
    drop_equal_groups: bool = False
    overlong_weight: float = 0.0
    overlong_rate: float = 0.2

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ValueError(
                    f"knob {name} must lie in [{low:g}, {high:g}], got {value}; "
                    f"leave it out for the published default"
                )
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise unknown_name(f"knob {name}", getattr(self, name), choices)


LARGEST = 1e9
"""Refuses infinity."""

RANGES: Mapping[str, tuple[float, float]] = {
    "clip_low": (0.0, 1.0),
    "clip_high": (0.0, LARGEST),
    "dual_clip": (1.0, LARGEST),
    "gamma": (0.0, 1.0),
    "reward_kl": (0.0, LARGEST),
    "kl_weight": (0.0, LARGEST),
    "entropy_weight": (0.0, LARGEST),
    "overlong_weight": (0.0, LARGEST),
    "overlong_rate": (1e-9, 1.0),
}
CHOICES: Mapping[str, tuple[str, ...]] = {
    "aggregation": get_args(Aggregation),
    "kl_estimator": get_args(KLEstimator),
}
WORDS: Mapping[str, bool | None] = {"true": True, "false": False, "none": None}


def read_knob(name: str, text: str) -> Knob:
    """Return the value of a knob that was given as text.

    Args:
        name: A field of Knobs.
        text: A number, "true" or "false", "none" for a bound that is not wanted, or a choice.

    Raises:
        ValueError: If the text does not fit the knob.
    """
    if name in CHOICES:
        return text
    default = next(field.default for field in fields(Knobs) if field.name == name)
    is_switch, word = isinstance(default, bool), text.lower()
    if word in WORDS and isinstance(WORDS[word], bool) == is_switch:
        if WORDS[word] is not None or default is None:
            return WORDS[word]
    elif not is_switch:
        try:
            return float(text)
        except ValueError:
            pass
    wanted = "true or false" if is_switch else "a number"
    raise ValueError(f"knob {name} must be {wanted}, got {text!r}; pass e.g. {name} {default}")
