"""How well a team answers held-out tasks, with all agents and with some removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from baselines.common.stats import Proportion, proportion
from baselines.rollouts.costs import CostTracker
from baselines.rollouts.runner import Rollout, RolloutRequest, RolloutRunner
from ccpo_env.types import Task

WHOLE_TEAM: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One rollout per task with the whole team and one per removal.

    Args:
        rollouts: From the set of removed agents, empty for the whole team, to the rollouts in
            the order of the tasks.
    """

    rollouts: Mapping[frozenset[str], Sequence[Rollout]]

    @property
    def removals(self) -> tuple[frozenset[str], ...]:
        """The sets of agents that were removed."""
        return tuple(removed for removed in self.rollouts if removed)

    @property
    def num_unmeasured(self) -> int:
        """Rollouts that the verifier could not tell; they count nowhere else."""
        return sum(r.reward is None for rollouts in self.rollouts.values() for r in rollouts)

    def accuracy(self, removed: frozenset[str] = WHOLE_TEAM) -> Proportion | None:
        """Return the share of correct answers; None if nothing was measured."""
        rewards = [r.reward for r in self.rollouts[removed] if r.reward is not None]
        return proportion(sum(r > 0 for r in rewards), len(rewards)) if rewards else None

    def help(self, removed: frozenset[str]) -> Proportion | None:
        """Return the share of tasks right with the whole team and wrong without these agents."""
        return self._share(removed, joint=1.0, without=-1.0)

    def hurt(self, removed: frozenset[str]) -> Proportion | None:
        """Return the share of tasks wrong with the whole team and right without these agents."""
        return self._share(removed, joint=-1.0, without=1.0)

    def to_json(self) -> dict[str, Any]:
        """Return counts for summary.json and evaluation.json."""
        return {
            "num_tasks": len(self.rollouts[WHOLE_TEAM]),
            "joint": counts(self.accuracy()),
            "without": {label(r): counts(self.accuracy(r)) for r in self.removals},
            "help": {label(r): counts(self.help(r)) for r in self.removals},
            "hurt": {label(r): counts(self.hurt(r)) for r in self.removals},
            "unmeasured": self.num_unmeasured,
        }

    def metrics(self) -> dict[str, float | None]:
        """Return the eval metrics of docs/metrics.md, removals averaged."""

        def mean(shares: Sequence[Proportion | None]) -> float | None:
            rates = [share.value for share in shares if share is not None]
            return float(np.mean(rates)) if rates else None

        return {
            "eval/accuracy/joint": mean([self.accuracy()]),
            "eval/accuracy/solo": mean([self.accuracy(r) for r in self.removals]),
            "eval/help_rate": mean([self.help(r) for r in self.removals]),
            "eval/hurt_rate": mean([self.hurt(r) for r in self.removals]),
        }

    def _share(self, removed: frozenset[str], *, joint: float, without: float) -> Proportion | None:
        pairs = zip(self.rollouts[WHOLE_TEAM], self.rollouts[removed], strict=True)
        rewards = [(a.reward, b.reward) for a, b in pairs]
        measured = [pair for pair in rewards if None not in pair]
        return proportion(measured.count((joint, without)), len(measured)) if measured else None


def evaluate_team(
    runner: RolloutRunner,
    tasks: Sequence[Task],
    *,
    removals: Sequence[frozenset[str]],
    rng: np.random.Generator,
    costs: CostTracker | None = None,
) -> Evaluation:
    """Play each task once with the whole team and once per removal, in one lockstep."""
    paths = (WHOLE_TEAM, *removals)
    requests = [RolloutRequest(task, removed) for removed in paths for task in tasks]
    rollouts = runner.play(requests, rng=rng, costs=costs)
    size = len(tasks)
    return Evaluation({path: rollouts[i * size : (i + 1) * size] for i, path in enumerate(paths)})


def joined(parts: Sequence[Evaluation]) -> Evaluation:
    """Return the evaluation of all tasks from those of its batches, at least one."""
    paths = parts[0].rollouts
    return Evaluation({path: [r for part in parts for r in part.rollouts[path]] for path in paths})


def label(removed: frozenset[str]) -> str:
    """Return a name for a set of removed agents."""
    return "+".join(sorted(removed))


def counts(share: Proportion | None) -> dict[str, int]:
    """Return a proportion as JSON values; nothing measured is 0 of 0."""
    if share is None:
        return {"successes": 0, "total": 0}
    return {"successes": share.successes, "total": share.num_units}
