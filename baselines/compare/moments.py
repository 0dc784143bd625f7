"""The evaluations of training runs at an equal number of sampled tokens.

Runs are evaluated after different numbers of tokens. Where a run has no evaluation at the tokens at
which it is compared, its accuracy there lies between those of the evaluations before and after.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from baselines.common.evaluation_file import TaskKey
from baselines.common.types import FloatArray, IntArray
from baselines.compare.methods import HeldOut, Run

TOLERANCE = 0.02
"""Numbers of tokens are equal if they differ by no more than this fraction of the larger."""


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """The evaluations of a run around a number of sampled tokens.

    Args:
        before: The last evaluation that is not after it.
        after: The first evaluation that is not before it; the same one if the run was evaluated at
            this number.
    """

    before: HeldOut
    after: HeldOut

    @property
    def is_measured(self) -> bool:
        """Whether the run was evaluated at this number of tokens."""
        return self.before is self.after

    def tasks(self) -> set[TaskKey]:
        """Return the tasks that both evaluations measured."""
        return {*self.before.rates} & {*self.after.rates}


def rates_of(point: HeldOut, tasks: Collection[TaskKey]) -> FloatArray:
    """Return the rate of each task in an evaluation, shape (n,)."""
    return point.rates.array(tasks)


def num_samples_of(point: HeldOut, tasks: Collection[TaskKey]) -> IntArray:
    """Return the number of measured samples of each task in an evaluation, shape (n,)."""
    return np.array([point.num_samples.get(task, 1) for task in tasks], dtype=np.int64)


def at_end(run: Run) -> Moment:
    """Return the newest evaluation of a run."""
    return Moment(run.last, run.last)


def at_tokens(run: Run, tokens: float) -> Moment | None:
    """Return the evaluations of a training run around a number of tokens; None if it lies outside.

    Args:
        run: A training run.
        tokens: Tokens sampled in training.
    """
    at = [(_tokens(point), point) for point in run.points]
    near = [(abs(own - tokens), point) for own, point in at if same_tokens(own, tokens)]
    if near:
        nearest = min(near, key=lambda found: found[0])[1]
        return Moment(nearest, nearest)
    before = [point for own, point in at if own < tokens]
    after = [point for own, point in at if own > tokens]
    return Moment(before[-1], after[0]) if before and after else None


def common_tokens(runs: Sequence[Run]) -> float:
    """Return the largest number of sampled tokens up to which all training runs were evaluated."""
    return min(_tokens(run.last) for run in runs)


def same_tokens(first: float, second: float) -> bool:
    """Return whether two numbers of tokens are equal up to TOLERANCE."""
    return abs(first - second) <= TOLERANCE * max(first, second)


def _tokens(point: HeldOut) -> float:
    assert point.tokens is not None  # of a training run
    return point.tokens
