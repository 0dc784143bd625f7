"""How many seeds a paired difference needs to be found by its test."""

from __future__ import annotations

import math

from baselines.common.stats.estimate import CONFIDENCE
from baselines.common.stats.scipy_stats import scipy_stats

POWER = 0.8
"""Probability with which a difference is to be found."""
MIN_TESTED = 5
"""Fewest seeds for a p-value: with fewer, a t-test decides by the shape of the distribution."""
MOST_SEEDS = 1_000
"""More seeds than anybody trains; beyond it, no number is given."""
_CERTAIN = 30.0
"""Noncentrality beyond which the power is 1 to double precision."""


def seeds_for_power(gap: float, deviation: float, *, power: float = POWER) -> int | None:
    """Return the number of seeds with which the paired t-test finds a difference.

    power = P(T > t),   T: noncentral t, n - 1 degrees of freedom, noncentrality |gap| sqrt(n) / s

    where t is the 0.975 quantile of Student's t with n - 1 degrees of freedom.

    Args:
        gap: The mean difference.
        deviation: Standard deviation s of the differences over seeds.
        power: Probability of a p-value below 0.05 if gap and deviation are the true ones.

    Returns:
        The smallest such n >= MIN_TESTED; None if it is above MOST_SEEDS or the gap is 0.

    Note: For a single test; one adjusted for several tests needs more. A significant difference in
        the wrong direction does not count; at this power its probability is below 1e-6.

    Source: Cohen, Statistical Power Analysis for the Behavioral Sciences (1988), section 2.
    """
    if gap == 0.0:
        return None
    if deviation == 0.0:
        return MIN_TESTED
    effect = abs(gap) / deviation
    low, high = MIN_TESTED, MOST_SEEDS  # the power rises with the number of seeds
    if _power(effect, high) < power:
        return None
    while low < high:
        middle = (low + high) // 2
        if _power(effect, middle) >= power:
            high = middle
        else:
            low = middle + 1
    return low


def _power(effect: float, seeds: int) -> float:
    shift = effect * math.sqrt(seeds)
    if shift > _CERTAIN:
        return 1.0
    stats = scipy_stats()
    quantile = stats.t.ppf((1.0 + CONFIDENCE) / 2.0, seeds - 1)
    return float(stats.nct.sf(quantile, seeds - 1, shift))
