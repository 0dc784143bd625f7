"""Statistics: estimates with 95 % confidence intervals, significance tests and pass@k.

Tasks and seeds are independent; the samples of one task are not. Functions therefore take one
value per task, or one per seed.
"""

from baselines.common.stats.bootstrap import (
    bootstrap_bounds,
    bootstrap_statistic,
    mean_difference,
)
from baselines.common.stats.estimate import Estimate, Proportion
from baselines.common.stats.intervals import (
    MIN_RUNS,
    interquartile_mean,
    mean_over_seeds,
    mean_rate,
    proportion,
    rate_bounds,
)
from baselines.common.stats.paired import PairedDifference, paired_counts, paired_difference
from baselines.common.stats.pass_at_k import pass_at_k
from baselines.common.stats.power import MIN_TESTED, seeds_for_power
from baselines.common.stats.seeds import Difference, differences_to_reference
from baselines.common.stats.significance import (
    ALPHA,
    holm,
    mcnemar,
    p_number,
    p_text,
    sign_flip_p_value,
)

__all__ = [
    "ALPHA",
    "MIN_RUNS",
    "MIN_TESTED",
    "Difference",
    "Estimate",
    "PairedDifference",
    "Proportion",
    "bootstrap_bounds",
    "bootstrap_statistic",
    "differences_to_reference",
    "holm",
    "interquartile_mean",
    "mcnemar",
    "mean_difference",
    "mean_over_seeds",
    "mean_rate",
    "p_number",
    "p_text",
    "paired_counts",
    "paired_difference",
    "pass_at_k",
    "proportion",
    "rate_bounds",
    "seeds_for_power",
    "sign_flip_p_value",
]
