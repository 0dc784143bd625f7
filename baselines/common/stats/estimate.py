"""The result types: an estimate with its 95 % confidence interval."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

CONFIDENCE = 0.95
"""Confidence level of all reported intervals."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean, rate or other statistic with its confidence interval.

    Args:
        value: The point estimate.
        low: Lower end of the interval, at most value.
        high: Upper end of the interval, at least value.
        num_units: Independent units it is estimated from (tasks, seeds or repeats), at least 1.

    Raises:
        ValueError: If the interval does not contain the value, or a number is not finite.

    Note: An estimate always has an interval; None represents a quantity that was not measured.
    """

    value: float
    low: float
    high: float
    num_units: int

    def __post_init__(self) -> None:
        if not -math.inf < self.low <= self.value <= self.high < math.inf or self.num_units < 1:
            raise ValueError(
                f"an estimate must have a finite interval that contains it, got {self.value} in "
                f"[{self.low}, {self.high}] of {self.num_units} units; leave out what was not "
                f"measured"
            )

    def is_above(self, other: Estimate | float) -> bool:
        """Return whether this interval lies above a number, or above another interval."""
        return self.low > (other.high if isinstance(other, Estimate) else other)

    def is_below(self, other: Estimate | float) -> bool:
        """Return whether this interval lies below a number, or below another interval."""
        return self.high < (other.low if isinstance(other, Estimate) else other)

    def text(self, spec: str = ".3f", ends: str | None = None) -> str:
        """Return the value and its interval, as in "0.500 [0.250, 0.750]".

        Without an interval, all units have the value: "0.500 [all 5 equal]".

        Args:
            spec: Format of the value, such as "+.2f".
            ends: Format of the ends of the interval. None: that of the value.
        """
        if self.low == self.high:
            return f"{self.value:{spec}} [all {self.num_units} equal]"
        ends = spec if ends is None else ends
        return f"{self.value:{spec}} [{self.low:{ends}}, {self.high:{ends}}]"

    def __str__(self) -> str:
        return self.text()

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Proportion(Estimate):
    """The success rate of independent trials, which `proportion` makes from their count.

    Args:
        value: The success rate, successes / num_units.
        low: Lower end of the interval, in [0, value].
        high: Upper end of the interval, in [value, 1].
        num_units: Trials, at least 1.
        successes: Trials that succeeded.
    """

    successes: int

    def __str__(self) -> str:
        return self.text(ends=".2f")
