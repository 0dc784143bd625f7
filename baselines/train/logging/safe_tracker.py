"""A tracker whose failures do not end the run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from baselines.common.metrics import MetricRow
from baselines.train.logging.completions import CompletionRow
from baselines.train.logging.trackers import Tracker


class SafeTracker:
    """Forwards every row; the first failure is reported, and no failure ends the run.

    A tracker uses external servers and packages, so any exception counts as a failure. Later rows
    are still forwarded, because a server may recover.

    Args:
        tracker: The tracker to forward to.
        on_warning: Called with one sentence about the first failure.
    """

    def __init__(self, tracker: Tracker, on_warning: Callable[[str], None]) -> None:
        self._tracker = tracker
        self._on_warning = on_warning
        self._has_failed = False

    def log(self, row: MetricRow) -> None:
        """Record the metrics of one step, if the tracker can."""
        self._attempt(lambda: self._tracker.log(row))

    def log_completions(self, rows: Sequence[CompletionRow]) -> None:
        """Record the completions of a step, if there are any and the tracker can."""
        if rows:
            self._attempt(lambda: self._tracker.log_completions(rows))

    def close(self) -> None:
        """Flush and close, if the tracker can."""
        self._attempt(self._tracker.close)

    def _attempt(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:
            if not self._has_failed:
                self._has_failed = True
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                self._on_warning(
                    f"the tracker must take every row, got {reason}; training continues and "
                    f"metrics.jsonl has all rows (further failures are not reported)"
                )
