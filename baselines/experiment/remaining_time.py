"""Estimate how long the runs of a sweep that are not finished will take."""

from __future__ import annotations

import time
from collections.abc import Callable

MINUTE_S, HOUR_S = 60.0, 3600.0


class RemainingTime:
    """Estimates the remaining time of a sweep from its finished runs.

    remaining = max(mean time of a finished run,
                    remaining runs * mean time of a finished run / parallel runs) - time since then

    Args:
        num_runs: All runs of the sweep.
        num_workers: Runs at a time.
        clock: Returns the time in seconds.
    """

    def __init__(
        self, num_runs: int, num_workers: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._num_runs = num_runs
        self._num_workers = num_workers
        self._clock = clock
        self._seconds: list[float] = []
        self._since = clock()

    def add(self, seconds: float) -> None:
        """Take into account a run that took some seconds, in this call or an earlier one."""
        self._seconds.append(seconds)
        self._since = self._clock()

    @property
    def seconds(self) -> float | None:
        """Estimated seconds until the last run is finished; None before the first one is."""
        if not self._seconds:
            return None
        missing = self._num_runs - len(self._seconds)
        mean = sum(self._seconds) / len(self._seconds)
        expected = max(mean * missing / self._num_workers, mean) if missing > 0 else 0.0
        return max(0.0, expected - (self._clock() - self._since))

    def __str__(self) -> str:
        """Return the estimate in words, as in "about 42 min left"."""
        left = self.seconds
        if left is None:
            return "time unknown before the first run"
        if left < 2 * MINUTE_S:
            return f"about {left:.0f} s left"
        if left < 2 * HOUR_S:
            return f"about {left / MINUTE_S:.0f} min left"
        return f"about {left / HOUR_S:.1f} h left"
