"""The warnings of a run: credit that is only the shared reward, and steps that train on nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from baselines.common.metrics import MetricRow
from baselines.train.logging.degeneracy_warning import DegeneracyWatch
from baselines.train.logging.empty_steps import EmptySteps


class RunWarnings:
    """Collects the warnings of the steps of a run.

    Args:
        watch: Monitors the credit.

    Attributes:
        all: Warnings of all steps so far.
        new: Those of the newest step.
    """

    def __init__(self, watch: DegeneracyWatch) -> None:
        self.all: list[str] = []
        self.new: list[str] = []
        self._watch = watch
        self._empty = EmptySteps()

    def add_groups(self, step: int, reasons: Iterable[str | None]) -> int:
        """Begin a step; return the number of steps so far that trained on nothing.

        Args:
            step: Number of the step.
            reasons: Why each group that was played is not usable; None for a usable one.
        """
        warning = self._empty.warning(step, reasons)
        self.new = [] if warning is None else [warning]
        return self._empty.count

    def add_metrics(self, row: MetricRow) -> None:
        """End the step that `add_groups` began, with its metrics."""
        warning = self._watch.warning(row)
        self.new += [] if warning is None else [warning]
        self.all += self.new

    def at_end(self, num_steps: int) -> list[str]:
        """Return the warnings of a whole run: whether several of its steps trained on nothing."""
        if self._empty.count < 2:
            return []
        return [f"{self._empty.count} of {num_steps} steps trained on nothing"]

    def to_json(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return {
            "warnings": self.all,
            "watch": self._watch.to_json(),
            "empty_steps": self._empty.count,
        }

    def load_json(self, state: Mapping[str, Any]) -> None:
        """Restore a state from `to_json`; other entries are ignored."""
        self.all = state["warnings"]
        self._watch.load_json(state["watch"])
        self._empty = EmptySteps(state["empty_steps"])
