"""Warn once if the credit in training is only the shared reward, exactly or for all purposes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from baselines.report.run_audit import PRACTICALLY_SHARED
from baselines.report.wording import correlation

ENOUGH_GROUPS = 4
"""Groups with a signal before a warning of degenerate credit: one or two may agree by chance."""
ENOUGH_FOR_A_MEAN = 64
"""Groups with a signal before the mean correlation of the advantages is judged."""


@dataclass(slots=True)
class DegeneracyWatch:
    """Monitors the audits of a run's steps until they show whether its credit is shared credit.

    Args:
        allocator: Name of the allocator.
        optimizer: Name of the optimizer.
        centres_on_group: Whether the optimizer's advantage subtracts the mean over the task.
        agents: Agents whose credit could differ from the team reward: all but the last speaker.
        num_groups: Number of groups with a signal so far.
        is_degenerate: Whether credit was degenerate in all of them.
        sums: By agent, its groups with a known correlation and the sum of the correlations.
        is_settled: Whether the result is known, so that there will be no further warning.
    """

    allocator: str
    optimizer: str
    centres_on_group: bool
    agents: Sequence[str]
    num_groups: float = 0.0
    is_degenerate: bool = True
    sums: dict[str, list[float]] = field(default_factory=dict)
    is_settled: bool = False

    def warning(self, metrics: Mapping[str, float | None]) -> str | None:
        """Process the metrics of a step; return a warning for the user, at most once per run."""
        if self.is_settled or self.allocator == "shared":
            return None
        # A critic gives shared credit on purpose, in part, until it has its full weight.
        watched = [a for a in self.agents if metrics.get(f"critic/{a}/weight") in (None, 1.0)]
        with_signal = [a for a in watched if metrics[f"credit/{a}/signal_rate"]]
        groups = {agent: self._add(agent, metrics) for agent in with_signal}
        self.is_degenerate &= all(metrics[f"credit/{agent}/degenerate"] for agent in with_signal)
        self.num_groups += max(groups.values(), default=0.0)
        if not with_signal:
            return None
        if self.is_degenerate and self.num_groups >= ENOUGH_GROUPS:
            self.is_settled = True
            slopes = ", ".join(
                f"{agent} {metrics[f'credit/{agent}/slope_vs_shared'] or 0.0:.3f}"
                for agent in with_signal
            )
            return f"{self._finding()} (slope {slopes}); {self._remedy()}; see docs/degeneracy.md"
        if self.num_groups < ENOUGH_FOR_A_MEAN:
            return None
        self.is_settled = True
        means = {agent: total / weight for agent, (weight, total) in self.sums.items() if weight}
        if not means or min(means.values()) <= PRACTICALLY_SHARED:
            return None
        numbers = ", ".join(f"{agent} {correlation(mean)}" for agent, mean in means.items())
        return (
            f"{self.allocator} credit is practically the shared reward with {self.optimizer}: "
            f"correlation of the advantage with the shared one {numbers}; {self._remedy()}; "
            f"see docs/degeneracy.md"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return {
            "num_groups": self.num_groups,
            "is_degenerate": self.is_degenerate,
            "sums": self.sums,
            "is_settled": self.is_settled,
        }

    def load_json(self, state: Mapping[str, Any]) -> None:
        """Restore a state from `to_json`."""
        self.num_groups, self.is_degenerate = state["num_groups"], state["is_degenerate"]
        self.sums, self.is_settled = state["sums"], state["is_settled"]

    def _add(self, agent: str, metrics: Mapping[str, float | None]) -> float:
        """Add a step to the mean correlation of an agent; return its groups with a signal."""
        rate, groups = metrics[f"credit/{agent}/signal_rate"], metrics["rollout/groups"]
        weight = (rate or 0.0) * (groups or 0.0)
        correlation = metrics[f"credit/{agent}/correlation_vs_shared"]
        if correlation is not None:
            sums = self.sums.setdefault(agent, [0.0, 0.0])
            sums[0] += weight
            sums[1] += weight * correlation
        return weight

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
