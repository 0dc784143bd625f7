"""A tracker that may fail without ending the run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from baselines.common.metrics import MetricRow
from baselines.train.logging.completions import CompletionRow
from baselines.train.logging.trackers import Tracker


class SafeTracker:
    """Passes every row on; the first failure is said, no failure ends the run.

    A tracker talks to servers and packages that are not ours, so any exception of it is a failure
    of it. Later rows are passed on as well: a server may come back.

    Args:
        tracker: Where rows go.
        on_warning: Told of the first failure in one sentence.
    """

    def __init__(self, tracker: Tracker, on_warning: Callable[[str], None]) -> None:
        self._tracker = tracker
        self._on_warning = on_warning
        self._has_failed = False

    def log(self, row: MetricRow) -> None:
        """Record the metrics of one step, if the tracker can."""
        self._attempt(lambda: self._tracker.log(row))

    def log_completions(self, rows: Sequence[CompletionRow]) -> None:
        """Record what was said in a step, if there is anything and the tracker can."""
        if rows:
            self._attempt(lambda: self._tracker.log_completions(rows))

    def close(self) -> None:
        """Write what is still in memory, if the tracker can."""
        self._attempt(self._tracker.close)

    def _attempt(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:
            if not self._has_failed:
                self._has_failed = True
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                self._on_warning(
                    f"the tracker must take every row, got {reason}; training goes on and "
                    f"metrics.jsonl has all rows (further failures are not reported)"
                )
