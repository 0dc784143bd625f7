"""Detection of a server whose log-probabilities are not those of the trained policy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from baselines.common.errors import RolloutError
from baselines.common.stats.cluster_sums import ClusterSums
from baselines.common.stats.scipy_stats import scipy_stats
from baselines.common.types import FloatArray

FALSE_ALARM_RATE = 5e-4
"""Probability of a false alarm per step, of all policies and tests together."""
NUM_REFERENCE_BATCHES = 8
"""Number of batches, from the start of a run, with which all later ones are compared."""
QUANTILE = 0.95
"""Quantile of the gaps, in addition to their mean."""
GROWTH = (1.25, 2.0)
"""Smallest relative growth of the mean, and of the rate above the quantile, that is an alarm."""
NEGLIGIBLE = 1e-5
"""Largest mean gap, in nats, that is never an alarm; of a float32 server: 2e-7 to 5e-6."""
FLOORS = (NEGLIGIBLE, 1.0 - QUANTILE)
"""Smallest mean of the reference for each of the two tests."""
FLOAT32_LIMIT = 1e-3
"""Largest gap of a single token of a float32 server, in nats; measured: 5e-7 to 4e-5."""
START_LIMIT = 0.1
"""Largest mean gap of any server before there is a reference, in nats; bfloat16: 0.03 to 0.05."""


class StaleServerError(RolloutError):
    """A server does not sample from the weights that were transferred to it."""


@dataclass(slots=True)
class SyncGuard:
    """Compares the log-probability gaps of a batch with those of the first batches of the run.

    gap    = |log-probability of the server - of the trainer| of a token, in nats
    growth = log(mean gap of the batch / of the reference)
    alarm    if growth > log(1.25) and growth / SE > t(1 - rate), or the same, with log(2), for the
             rate of gaps above the 95 % quantile of the first batch

    SE: standard error of growth by the delta method, with completions as clusters. rate: the rate
    of false alarms per test, FALSE_ALARM_RATE divided by the tests of a step. The reference is all
    batches up to the NUM_REFERENCE_BATCHES-th.

    Args:
        num_guards: Number of guards in each step, which share the rate of false alarms.
        is_float32: Whether the server computes in float32. Each gap must then be below
            FLOAT32_LIMIT.

    Note: A server in bfloat16 differs from the trainer by 0.03 to 0.05 nats on average, so weights
        that are a few small updates old cannot be told from the current ones.
    """

    num_guards: int = 1
    is_float32: bool = False
    threshold: float = math.nan
    num_batches: int = 0
    reference: list[ClusterSums] = field(default_factory=lambda: [ClusterSums(), ClusterSums()])

    def check(self, rows: Sequence[FloatArray], *, name: str, version: int) -> None:
        """Test a batch, and add it to the reference if it is one of the first.

        Args:
            rows: Gaps of each completion, none empty.
            name: Name of the policy, for the error.
            version: Number of the transfer that the server should sample from.

        Raises:
            StaleServerError: If the gaps have grown, are too large at the start, or are NaN.
        """
        gaps = np.concatenate(rows)
        is_first = self.num_batches == 0
        threshold = self.threshold
        if is_first:
            threshold = max(float(np.quantile(gaps, QUANTILE)), NEGLIGIBLE / (1.0 - QUANTILE))
        above = [(row > threshold).astype(np.float64) for row in rows]
        batch = [ClusterSums.of(rows), ClusterSums.of(above)]
        mean, reason = float(gaps.mean()), ""
        if not np.isfinite(gaps).all():
            reason = "log-probabilities that are not finite"
        elif self.is_float32 and gaps.max() > FLOAT32_LIMIT:
            reason = f"one {gaps.max():.2g} nats apart (limit {FLOAT32_LIMIT:g} in float32)"
        elif is_first and mean > START_LIMIT:
            reason = f"a mean gap of {mean:.2g} nats (limit {START_LIMIT:g} at the start)"
        elif not is_first and any(map(self._has_grown, batch, self.reference, FLOORS, GROWTH)):
            reason = f"a mean gap of {mean:.2g} nats, {self.reference[0].mean:.2g} at the start"
        if reason:
            raise StaleServerError(
                f"a rollout server must sample from the trained weights, got {reason}, for {name} "
                f"after sync {version}; start it from the model of the training, for full weights "
                f"from the folder that python -m baselines.train.engines.server_weights writes"
            )
        if self.num_batches < NUM_REFERENCE_BATCHES:
            self.threshold = threshold
            self.reference = [old + new for old, new in zip(self.reference, batch, strict=True)]
            self.num_batches += 1

    def _has_grown(self, new: ClusterSums, old: ClusterSums, floor: float, factor: float) -> bool:
        """Return whether a mean is significantly above that of the reference."""
        start, num = max(old.mean, floor), min(new.num_clusters, old.num_clusters)
        if new.mean <= factor * start or num < 2:
            return False
        error = math.hypot(new.standard_error / new.mean, old.standard_error / start)
        rate = FALSE_ALARM_RATE / (len(FLOORS) * self.num_guards)
        return math.log(new.mean / start) > float(scipy_stats().t.isf(rate, num - 1)) * error

    def state_dict(self) -> dict[str, Any]:
        """Return the reference as JSON values."""
        return {
            "threshold": self.threshold if self.num_batches else None,
            "num_batches": self.num_batches,
            "reference": [list(own.values) for own in self.reference],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a reference from `state_dict`."""
        self.num_batches = state["num_batches"]
        self.threshold = math.nan if state["threshold"] is None else state["threshold"]
        self.reference = [ClusterSums(tuple(own)) for own in state["reference"]]
