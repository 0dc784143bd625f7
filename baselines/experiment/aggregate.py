"""Aggregate runs over seeds: results of each method, and its difference to shared credit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from baselines.common.stats import (
    Difference,
    Estimate,
    differences_to_reference,
    interquartile_mean,
    mean_over_seeds,
)
from baselines.common.types import FloatArray
from baselines.experiment.runs import RunResult

REFERENCE = "shared"
"""The allocator that all others are compared with, for the same optimizer and seeds."""
QUANTITIES = ("joint", "contribution", "area")
BOUNDS = {"joint": (0.0, 1.0), "contribution": (-1.0, 1.0), "area": (0.0, 1.0)}
"""Range of each quantity, to which its interval is clipped."""

Cell = tuple[str, str]
"""Optimizer and allocator."""


@dataclass(frozen=True, slots=True)
class Row:
    """The results of one allocator and optimizer over its seeds.

    Args:
        allocator: Name of the allocator.
        optimizer: Name of the optimizer.
        num_runs: Number of seeds.
        tokens: Mean number of tokens sampled in training.
        steps: Mean number of training steps.
        means: Mean over seeds of each of QUANTITIES.
        quartile_means: Interquartile mean over seeds of each of QUANTITIES.
        gains: Difference to shared credit, paired by seed, of each of QUANTITIES, with p-values by
            Holm's method over all rows of a quantity; empty for shared credit itself.
    """

    allocator: str
    optimizer: str
    num_runs: int
    tokens: float
    steps: float
    means: dict[str, Estimate]
    quartile_means: dict[str, Estimate]
    gains: dict[str, Difference]


def aggregate(results: Sequence[RunResult]) -> list[Row]:
    """Return one row per optimizer and allocator, in the order in which they first appear."""
    cells: dict[Cell, dict[int, RunResult]] = {}
    for result in results:
        cell = (result.key.optimizer, result.key.allocator)
        cells.setdefault(cell, {})[result.key.seed] = result
    gains = {
        quantity: differences_to_reference(
            {
                cell: {seed: getattr(run, quantity) for seed, run in runs.items()}
                for cell, runs in cells.items()
            },
            lambda cell: (cell[0], REFERENCE),
        )
        for quantity in QUANTITIES
    }
    return [
        _row(cell, list(runs.values()), {q: own[cell] for q, own in gains.items() if cell in own})
        for cell, runs in cells.items()
    ]


def _row(cell: Cell, runs: Sequence[RunResult], gains: dict[str, Difference]) -> Row:
    optimizer, allocator = cell
    values = {quantity: _values(runs, quantity) for quantity in QUANTITIES}
    return Row(
        allocator=allocator,
        optimizer=optimizer,
        num_runs=len(runs),
        tokens=float(np.mean([run.tokens for run in runs])),
        steps=float(np.mean([run.steps for run in runs])),
        means={q: mean_over_seeds(own, bounds=BOUNDS[q]) for q, own in values.items()},
        quartile_means={q: interquartile_mean(own, bounds=BOUNDS[q]) for q, own in values.items()},
        gains=gains,
    )


def _values(runs: Sequence[RunResult], quantity: str) -> FloatArray:
    return np.array([getattr(run, quantity) for run in runs], dtype=np.float64)
