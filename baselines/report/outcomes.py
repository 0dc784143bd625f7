"""The outcomes of one held-out evaluation, task by task, or as the counts of summary.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, TypedDict

import numpy as np

from baselines.common.evaluation_file import JOINT, RecordedEvaluation, TaskKey
from baselines.common.stats import Estimate, mean_rate, proportion
from baselines.common.stats.paired import (
    PairedDifference,
    holm_adjusted,
    paired_counts,
    paired_difference,
)
from baselines.common.types import FloatArray

Kind = Literal["joint", "without", "adds", "help", "hurt"]
"""The whole team; the team without an agent; the first minus the second; tasks that only the one or
only the other solved."""
WITHOUT = "without "
"""Begins the name of a path on which agents are removed."""
_STREAM = 17
"""Seed of the resamples of rates over several samples: the same files give the same page."""


class Count(TypedDict):
    """Successes among held-out tasks; 0 of 0 if not measured."""

    successes: int
    total: int


class EvaluationJson(TypedDict):
    """Counts of an evaluation in summary.json; those of removals by the names of the agents."""

    num_tasks: int
    joint: Count
    without: dict[str, Count]
    help: dict[str, Count]
    hurt: dict[str, Count]
    unmeasured: int


@dataclass(frozen=True, slots=True, eq=False)
class TaskOutcomes:
    """The outcome of each task, from evaluations.jsonl."""

    evaluation: RecordedEvaluation

    @property
    def step(self) -> int:
        """Training steps before it."""
        return self.evaluation.step

    @property
    def removals(self) -> tuple[str, ...]:
        """The removals: an agent, or several joined by a plus."""
        paths = self.evaluation.paths
        return tuple(path.removeprefix(WITHOUT) for path in paths if path.startswith(WITHOUT))

    @property
    def num_unmeasured(self) -> int:
        """Answers without a verdict."""
        found = (o for own in self.evaluation.benchmarks.values() for o in own.outcomes.values())
        return sum(int(np.isnan(outcomes).sum()) for outcomes in found)

    def values(self, kind: Kind, removed: str = "") -> Mapping[TaskKey, float]:
        """Return a rate of each task, in [0, 1]; for "adds" a difference of rates, in [-1, 1].

        Samples with and without an agent are compared one by one.
        """
        if kind == "joint":
            return self.evaluation.rates(JOINT)
        path = WITHOUT + removed
        if kind == "without":
            return self.evaluation.rates(path)
        values = {}
        for name, own in self.evaluation.benchmarks.items():
            if path in own.outcomes:
                team, left = own.outcomes[JOINT], own.outcomes[path]  # (k, N)
                each = _compared(kind, team, left)
                measured = (~np.isnan(each)).sum(axis=0)
                means = np.nansum(each, axis=0) / np.maximum(measured, 1)
                for task, mean, total in zip(own.tasks, means.tolist(), measured, strict=True):
                    if total:
                        values[name, task] = mean
        return values

    def estimate(self, kind: Kind, removed: str = "") -> Estimate | None:
        """Return a rate with its interval, or what an agent adds; None if not measured."""
        if kind == "adds":
            return self.added(removed)
        values = list(self.values(kind, removed).values())
        return mean_rate(np.array(values)) if values else None

    def added(self, removed: str) -> PairedDifference | None:
        """Return by how much the whole team is right more often than without an agent."""
        left, team = self.values("without", removed), self.values("joint")
        counts = self.num_samples("without", removed), self.num_samples("joint")
        return _paired(left, team, counts)

    def num_samples(self, kind: Kind, removed: str = "") -> Mapping[TaskKey, float]:
        """Return the measured samples of each task with several; of none that compares samples."""
        if kind == "joint":
            return self.evaluation.num_samples(JOINT)
        return self.evaluation.num_samples(WITHOUT + removed) if kind == "without" else {}


@dataclass(frozen=True, slots=True)
class CountedOutcomes:
    """The counts of an evaluation, from summary.json.

    Args:
        step: Training steps before it.
        counts: The counts, over one sample of each task.
    """

    step: int
    counts: EvaluationJson

    @property
    def removals(self) -> tuple[str, ...]:
        """The removals: an agent, or several joined by a plus."""
        return tuple(self.counts["without"])

    @property
    def num_unmeasured(self) -> int:
        """Answers without a verdict."""
        return self.counts["unmeasured"]

    def count(self, kind: Kind, removed: str = "") -> Count | None:
        """Return the count of a rate; None if not measured, and for what an agent adds."""
        if kind == "adds":
            return None
        own: Mapping[str, Count] = self.counts[kind] if kind != "joint" else {}
        count = self.counts["joint"] if kind == "joint" else own.get(removed)
        return count if count and count["total"] else None

    def estimate(self, kind: Kind, removed: str = "") -> Estimate | None:
        """Return a rate with its interval, or what an agent adds; None if not measured."""
        if kind == "adds":
            return self.added(removed)
        count = self.count(kind, removed)
        return proportion(count["successes"], count["total"]) if count else None

    def added(self, removed: str) -> PairedDifference | None:
        """Return the same from the tasks that only the team, or only the rest, solved."""
        help_, hurt = self.count("help", removed), self.count("hurt", removed)
        if help_ is None or hurt is None:
            return None
        helped, hurts = help_["successes"], hurt["successes"]
        return paired_counts(help_["total"] - helped - hurts, hurts, helped, 0)


Outcomes = TaskOutcomes | CountedOutcomes


def change(
    before: Outcomes | None, after: Outcomes | None, kind: Kind, removed: str = ""
) -> PairedDifference | None:
    """Return the difference after minus before, paired by task; None if it is not measured.

    Where only counts are known, the pairs are not: then it is the result of the pairing with the
    fewest tasks that both solved, so the p-value is an upper bound and the interval the widest.
    """
    if isinstance(before, TaskOutcomes) and isinstance(after, TaskOutcomes):
        first, second = (own.values(kind, removed) for own in (before, after))
        if kind == "adds":
            return _paired_gains(first, second)
        return _paired(first, second, [own.num_samples(kind, removed) for own in (before, after)])
    if isinstance(before, CountedOutcomes) and isinstance(after, CountedOutcomes):
        one, two = before.count(kind, removed), after.count(kind, removed)
        if one is None or two is None or one["total"] != two["total"]:
            return None
        return widest_difference(one["successes"], two["successes"], one["total"])
    return None


def each_adds(own: Outcomes | None) -> dict[str, PairedDifference]:
    """Return what the agents of each removal add, with p-values by Holm's method over all."""
    added = {} if own is None else {name: own.added(name) for name in own.removals}
    return holm_adjusted({name: found for name, found in added.items() if found is not None})


def each_change(
    before: Outcomes | None, after: Outcomes | None, kind: Kind
) -> dict[str, PairedDifference]:
    """Return `change` for each removal, with p-values by Holm's method over all."""
    names = after.removals if after is not None else ()
    changes = {name: change(before, after, kind, name) for name in names}
    return holm_adjusted({name: found for name, found in changes.items() if found is not None})


def widest_difference(first: int, second: int, total: int) -> PairedDifference:
    """Return the difference of two counts over the same tasks if as few as possible are in both.

    Of all tables with these counts it has the most tasks that only one side solved, hence the
    largest p-value of McNemar's test.
    """
    both = max(0, first + second - total)
    only_first, only_second = first - both, second - both
    return paired_counts(both, only_first, only_second, total - both - only_first - only_second)


def _compared(kind: Kind, team: FloatArray, left: FloatArray) -> FloatArray:
    if kind == "adds":
        return team - left
    is_known = ~np.isnan(team) & ~np.isnan(left)
    is_so = (team > left) if kind == "help" else (team < left)
    return np.where(is_known, is_so.astype(np.float64), np.nan)


def _paired(
    first: Mapping[TaskKey, float],
    second: Mapping[TaskKey, float],
    num_samples: Sequence[Mapping[TaskKey, float]],
) -> PairedDifference | None:
    """Return the difference of rates by task, given the samples of tasks with several."""
    common = [task for task in first if task in second]
    if not common:
        return None
    rates = (np.array([side[task] for task in common]).tobytes() for side in (first, second))
    counts = (np.array([side.get(task, 1) for task in common]) for side in num_samples)
    return _tested(*rates, *(side.astype(np.int64).tobytes() for side in counts))


@lru_cache(maxsize=1024)  # a page and the last screen test the same differences several times
def _tested(
    first: bytes, second: bytes, first_samples: bytes, second_samples: bytes
) -> PairedDifference:
    rates = (np.frombuffer(side, dtype=np.float64) for side in (first, second))
    counts = (np.frombuffer(side, dtype=np.int64) for side in (first_samples, second_samples))
    one, two = counts
    rng = np.random.default_rng(_STREAM)
    return paired_difference(*rates, rng=rng, num_samples=(one, two))


def _paired_gains(
    first: Mapping[TaskKey, float], second: Mapping[TaskKey, float]
) -> PairedDifference | None:
    """Return the paired difference of values in [-1, 1], by their place in that range."""
    places = [{task: (gain + 1.0) / 2.0 for task, gain in own.items()} for own in (first, second)]
    found = _paired(places[0], places[1], ({}, {}))
    if found is None:
        return None
    return replace(
        found,
        value=2.0 * found.value,
        low=2.0 * found.low,
        high=2.0 * found.high,
        only_first=None,
        only_second=None,
    )
