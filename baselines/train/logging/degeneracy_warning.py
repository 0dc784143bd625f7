"""Warn once if the credit in training is only a rescaled shared reward."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ENOUGH_GROUPS = 4
"""Groups with a signal before a warning: one or two may agree by chance."""


@dataclass(slots=True)
class DegeneracyWatch:
    """Monitors the audits of a run's steps until they show whether its credit is degenerate.

    Args:
        allocator: Name of the allocator.
        optimizer: Name of the optimizer.
        centres_on_group: Whether the optimizer's advantage subtracts the mean over the task.
        agents: Agents whose credit could differ from the team reward: all but the last speaker.
        num_groups: Number of groups with a signal so far, all with degenerate credit.
        is_settled: Whether the result is known, so that there will be no further warning.
    """

    allocator: str
    optimizer: str
    centres_on_group: bool
    agents: Sequence[str]
    num_groups: float = 0.0
    is_settled: bool = False

    def warning(self, metrics: Mapping[str, float | None]) -> str | None:
        """Process the metrics of a step; return a warning for the user, at most once per run."""
        if self.is_settled or self.allocator == "shared":
            return None
        with_signal = [a for a in self.agents if metrics[f"credit/{a}/signal_rate"]]
        if not all(metrics[f"credit/{agent}/degenerate"] for agent in with_signal):
            self.is_settled = True
            return None
        rates = [metrics[f"credit/{agent}/signal_rate"] or 0.0 for agent in with_signal]
        self.num_groups += max(rates, default=0.0) * (metrics["rollout/groups"] or 0.0)
        if self.num_groups < ENOUGH_GROUPS or not with_signal:
            return None
        self.is_settled = True
        slopes = ", ".join(
            f"{agent} {metrics[f'credit/{agent}/slope_vs_shared'] or 0.0:.3f}"
            for agent in with_signal
        )
        return f"{self._finding()} (slope {slopes}); {self._remedy()}; see docs/degeneracy.md"

    def _finding(self) -> str:
        if self.centres_on_group:
            return (
                f"{self.allocator} credit with a task-level baseline is cancelled by the "
                f"group-centred advantage of {self.optimizer}: within a task it ranks rollouts as "
                f"the shared reward does"
            )
        return (
            f"{self.allocator} credit gives {self.optimizer} nothing but the shared reward times a "
            f"number"
        )

    def _remedy(self) -> str:
        if self.centres_on_group:
            return "use --optimizer reinforce_pp, or --allocator branch"
        return "use --allocator branch"
