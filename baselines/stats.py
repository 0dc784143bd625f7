"""Rates with intervals: how far a count of right answers can be trusted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Proportion:
    """A rate with its interval, as `proportion` returns it.

    Args:
        successes: Trials that succeeded.
        total: Trials, at least 1.
        low: Lower end of the interval, in [0, rate].
        high: Upper end of the interval, in [rate, 1].
    """

    successes: int
    total: int
    low: float
    high: float

    @property
    def rate(self) -> float:
        """The share of successes, in [0, 1]."""
        return self.successes / self.total

    def is_above(self, other: Proportion) -> bool:
        """Return whether this interval lies above the other one and does not touch it."""
        return self.low > other.high

    def __str__(self) -> str:
        return f"{self.rate:.3f} [{self.low:.2f}, {self.high:.2f}]"


def proportion(successes: int, total: int, confidence: float = 0.95) -> Proportion:
    """Return a rate with its Wilson score interval.

    (low, high) = (p + z² / 2n ± z * sqrt(p (1 - p) / n + z² / 4n²)) / (1 + z² / n)

    where p = successes / total, n = total and z is the normal quantile of (1 + confidence) / 2.

    Args:
        successes: Trials that succeeded, in [0, total].
        total: Independent trials, at least 1.
        confidence: Share of such intervals that hold the true rate, in (0, 1).

    Raises:
        ValueError: If an argument is out of its range.

    Note: The interval is never empty: 20 of 20 gives [0.84, 1.00].

    Source: Wilson, J. Amer. Stat. Assoc. 22 (1927) 209-212.
    """
    if total < 1:
        raise ValueError(
            f"total must be >= 1, got {total}; a rate of nothing is not measured, so leave it out"
        )
    if not 0 <= successes <= total:
        raise ValueError(
            f"successes must lie in [0, {total}], got {successes}; count each trial once"
        )
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}; pass e.g. 0.95")
    try:
        from scipy.stats import binomtest  # type: ignore[attr-defined]  # exported, not declared
    except ImportError:
        raise ImportError(
            "scipy must be installed for intervals, got no such package; "
            "run: pip install 'ccpo-env[hf]'"
        ) from None
    interval = binomtest(successes, total).proportion_ci(confidence, method="wilson")
    return Proportion(successes, total, float(interval.low), float(interval.high))
