"""When a run saves a checkpoint: after so many steps, and after so many minutes."""

from __future__ import annotations

import time
from collections.abc import Callable


class CheckpointTimes:
    """Tells after each step whether a checkpoint is due.

    Args:
        every: Steps between checkpoints.
        minutes: Longest time between checkpoints, up to the end of a step. None: no limit.
        clock: Returns the time in seconds.
    """

    def __init__(
        self, every: int, minutes: float | None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._every = every
        self._seconds = None if minutes is None else 60 * minutes
        self._clock = clock
        self._saved_at = clock()

    def is_due(self, step: int) -> bool:
        """Return whether a checkpoint is due after a step."""
        is_late = self._seconds is not None and self._clock() - self._saved_at >= self._seconds
        return is_late or step % self._every == 0

    def saved(self) -> None:
        """Count the time from now."""
        self._saved_at = self._clock()
