"""The credit audit of a whole run: means over its steps, with their confidence intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from baselines.common.metrics import MetricRow
from baselines.common.stats.estimate import CONFIDENCE
from baselines.common.stats.scipy_stats import scipy_stats
from baselines.common.types import FloatArray
from baselines.pages.series import amounts, column

MIN_STEPS = 10
"""Steps with a signal below which a mean has no interval: neighbouring steps are dependent."""
PRACTICALLY_SHARED = 0.98
"""Correlation with the shared advantage above which less than 4 % of the variance differs."""


@dataclass(frozen=True, slots=True)
class RunMean:
    """A mean over the steps of a run.

    Args:
        value: The weighted mean.
        low: Lower end of the 95 % interval; None with fewer than MIN_STEPS steps.
        high: Upper end, likewise.
        num_steps: Steps that count.
    """

    value: float
    low: float | None
    high: float | None
    num_steps: int

    def text(self, spec: str = ".2f") -> str:
        """Return it as in "0.47 [0.41, 0.53]", without the interval if there is none."""
        if self.low is None or self.high is None:
            return f"{self.value:{spec}}"
        return f"{self.value:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"


@dataclass(frozen=True, slots=True)
class AgentAudit:
    """How an agent's advantage compared with the shared one over a run; see `CreditAudit`.

    Args:
        slope: Mean slope; None without signal, likewise below.
        correlation: Mean correlation.
        variance_ratio: Mean ratio of the variances.
        signal_rate: Share of the groups in which the advantage was not all zero.
        degenerate_rate: Share of the groups with a signal that are in steps in which the advantage
            was, in every group, a multiple of the shared one.
        critic_weight: Newest weight of the critic in the agent's credit, the rest of which is the
            shared reward; None without a critic.
    """

    slope: RunMean | None
    correlation: RunMean | None
    variance_ratio: RunMean | None
    signal_rate: RunMean
    degenerate_rate: float
    critic_weight: float | None = None

    @property
    def is_degenerate(self) -> bool:
        """Whether the advantage was a multiple of the shared one in every step with a signal."""
        return self.signal_rate.value > 0.0 and self.degenerate_rate == 1.0

    @property
    def is_practically_shared(self) -> bool:
        """Whether the advantage is so close to the shared one that the update hardly differs."""
        found = self.correlation
        return self.is_degenerate or (found is not None and found.value > PRACTICALLY_SHARED)

    @property
    def is_shared_so_far(self) -> bool:
        """Whether it is so close because the critic does not have its full weight yet."""
        weight = self.critic_weight
        return self.is_practically_shared and weight is not None and weight < 1.0

    def to_json(self) -> dict[str, Any]:
        """Return the means for summary.json, and the interval of the correlation."""
        found = self.correlation
        bounds = None if found is None or found.low is None else [found.low, found.high]
        return {
            "slope": self.slope and self.slope.value,
            "correlation": found and found.value,
            "correlation_interval": bounds,
            "variance_ratio": self.variance_ratio and self.variance_ratio.value,
            "degenerate": self.is_degenerate,
            "signal_rate": self.signal_rate.value,
        }


def run_audit(rows: Sequence[MetricRow], agents: Sequence[str]) -> dict[str, AgentAudit]:
    """Return the audit of each agent over all steps.

    mean = sum over steps of w * x / sum over steps of w

    where x is the value of a step and w the number of its groups with a signal of the agent; for
    the signal rate itself, the number of its groups.

    Args:
        rows: The metrics of each step.
        agents: Names of the agents.

    Returns:
        The agents of which any step was audited.
    """
    audits = {}
    for agent in agents:
        prefix = f"credit/{agent}"
        rates = column(rows, f"{prefix}/signal_rate")
        groups = np.where(np.isfinite(rates), _groups(rows), 0.0)
        signal_rate = mean_over_steps(rates, groups, bounds=(0.0, 1.0))
        if signal_rate is None:
            continue
        weights = groups * np.nan_to_num(rates)
        degenerate = mean_over_steps(column(rows, f"{prefix}/degenerate"), weights)
        audits[agent] = AgentAudit(
            slope=mean_over_steps(column(rows, f"{prefix}/slope_vs_shared"), weights),
            correlation=mean_over_steps(
                column(rows, f"{prefix}/correlation_vs_shared"), weights, bounds=(-1.0, 1.0)
            ),
            variance_ratio=mean_over_steps(
                column(rows, f"{prefix}/variance_ratio"), weights, bounds=(0.0, math.inf)
            ),
            signal_rate=signal_rate,
            degenerate_rate=degenerate.value if degenerate else 0.0,
            critic_weight=newest(rows, f"critic/{agent}/weight"),
        )
    return audits


def newest(rows: Sequence[MetricRow], name: str) -> float | None:
    """Return the value of a metric in the last step that measured it; None if none did."""
    return next((value for row in reversed(rows) if (value := row.get(name)) is not None), None)


def mean_over_steps(
    values: FloatArray,
    weights: FloatArray,
    *,
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> RunMean | None:
    """Return the weighted mean of a series of dependent steps with its 95 % interval.

    mean = sum of w x / sum of w,   r_s = n w_s (x_s - mean) / sum of w
    variance of the mean = b / ((n - b) (n - b + 1)) * sum over j of (r_j + ... + r_{j+b-1})² / b²
    (low, high) = mean ± t(n / b - 1) * its root

    with n steps, overlapping batches of b = n^(1/3) of them, and Student's 0.975 quantile t. It is
    the variance that a moving-block bootstrap of the same block length estimates by resampling.

    Args:
        values: One value per step, shape (S,); NaN where not measured.
        weights: Weight of each step, >= 0; steps of weight 0 do not count.
        bounds: Range of a value; the interval is clipped to it.

    Returns:
        None if no step counts; without an interval if fewer than MIN_STEPS do.

    Note: A trend over the run widens the interval, which then is conservative.

    Source: Meketon and Schmeiser, "Overlapping batch means", Winter Simulation Conference 1984;
        block length: Hall, Horowitz and Jing, Biometrika 82 (1995) 561-574.
    """
    counts = np.isfinite(values) & (weights > 0.0)
    x, w = values[counts], weights[counts]
    num_steps = len(x)
    if not num_steps:
        return None
    mean = float(np.clip(w @ x / w.sum(), x.min(), x.max()))  # rounding can leave the range
    if num_steps < MIN_STEPS:
        return RunMean(mean, None, None, num_steps)
    residuals = num_steps * w * (x - mean) / w.sum()
    size = round(num_steps ** (1.0 / 3.0))
    batches = np.convolve(residuals, np.ones(size), mode="valid") / size  # (n - b + 1,)
    variance = size * (batches @ batches) / ((num_steps - size) * len(batches))
    quantile = scipy_stats().t.ppf((1.0 + CONFIDENCE) / 2.0, num_steps / size - 1.0)
    half = float(quantile * math.sqrt(variance))
    low, high = np.clip([mean - half, mean + half], *bounds)
    return RunMean(mean, min(float(low), mean), max(float(high), mean), num_steps)


def _groups(rows: Sequence[MetricRow]) -> FloatArray:
    """Return the number of groups of each step, shape (S,)."""
    return amounts(rows, "rollout/groups")
