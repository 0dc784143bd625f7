"""How long the parts of a step take."""

from __future__ import annotations

import time

from baselines.playing.ledger import Ledger
from baselines.training.measure import Metrics

SHORTEST = 1e-9
"""Least time that tokens are divided by, seconds."""


class StepTimes:
    """Reads the clock at the end of each part of a step; the step begins when it is made."""

    def __init__(self) -> None:
        self._started = self._last = time.perf_counter()
        self._seconds: dict[str, float] = {}

    def end(self, part: str) -> None:
        """Say that a part has ended and the next one begins."""
        now = time.perf_counter()
        self._seconds[part] = now - self._last
        self._last = now

    def metrics(self, ledger: Ledger) -> Metrics:
        """Return the times of a step that ends now: credit and update have ended before."""
        return {
            "time/step_s": time.perf_counter() - self._started,
            "time/generate_s": ledger.generate_s,
            "time/rate_s": ledger.rate_s,
            "time/verify_s": ledger.verify_s,
            "time/environment_s": ledger.environment_s,
            "time/credit_s": self._seconds["credit"],
            "time/update_s": self._seconds["update"],
            "time/tokens_per_s": ledger.tokens_generated / max(ledger.generate_s, SHORTEST),
        }
