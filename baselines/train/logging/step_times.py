"""Timing of the parts of a training step."""

from __future__ import annotations

import time

from baselines.rollouts.costs import CostTracker
from baselines.train.logging.step_metrics import Metrics
from baselines.train.playing import StepRollouts

SHORTEST = 1e-9
"""Smallest time for token rates, in seconds."""


class StepTimes:
    """Measures the duration of each part of a step, which starts at construction."""

    def __init__(self) -> None:
        self._started = self._last = time.perf_counter()
        self._seconds: dict[str, float] = {}

    def end(self, part: str) -> None:
        """Record the end of a part and the start of the next one."""
        now = time.perf_counter()
        self._seconds[part] = now - self._last
        self._last = now

    def ahead_metrics(self, rollouts: StepRollouts, step: int) -> Metrics:
        """Return how long rollouts took that were played ahead, and how old their weights were.

        Args:
            rollouts: Rollouts of the step, whose versions are known.
            step: Number of the step, which updates the weights after step - 1 steps.
        """
        ages = [step - 1 - own.version for own in rollouts.played if own.version is not None]
        return {
            "rollout/staleness": sum(ages) / len(ages) if ages else None,
            "time/rollouts_s": rollouts.seconds,
            "time/wait_s": self._seconds["play"],
        }

    def metrics(self, costs: CostTracker) -> Metrics:
        """Return the times of a step that ends now, after its credit and update parts."""
        return {
            "time/step_s": time.perf_counter() - self._started,
            "time/generate_s": costs.generate_s,
            "time/rate_s": costs.rate_s,
            "time/verify_s": costs.verify_s,
            "time/environment_s": costs.environment_s,
            "time/critic_s": costs.critic_s,
            "time/credit_s": self._seconds["credit"],
            "time/update_s": self._seconds["update"],
            "time/tokens_per_s": costs.tokens_generated / max(costs.generate_s, SHORTEST),
        }
