"""Aggregate runs over seeds: results of each method, and its difference to shared credit."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from baselines.common.stats import (
    MIN_RUNS,
    MIN_TESTED,
    Difference,
    Estimate,
    differences_to_reference,
    interquartile_mean,
    mean_over_seeds,
)
from baselines.experiment.curves import MIN_EVALUATIONS, evaluations_until
from baselines.experiment.runs import RunKey, RunResult

REFERENCE = "shared"
"""The allocator that all others are compared with, for the same optimizer and seeds."""
QUANTITIES = ("joint", "contribution", "area")
"""See `RunResult.quantities`."""
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
        means: Mean over seeds of each of QUANTITIES, after an equal number of tokens; without
            "area" where a run has too few evaluations for it.
        quartile_means: Interquartile mean over seeds of the same.
        gains: Difference to shared credit, paired by seed, of the quantities that both have, with
            p-values by Holm's method over all rows and quantities; empty for shared credit itself.
    """

    allocator: str
    optimizer: str
    num_runs: int
    tokens: float
    steps: float
    means: dict[str, Estimate]
    quartile_means: dict[str, Estimate]
    gains: dict[str, Difference]

    def to_json(self) -> dict[str, Any]:
        """Return the row as JSON values, with the seeds that each difference needs."""
        needed = {quantity: gain.seeds_needed for quantity, gain in self.gains.items()}
        return {**asdict(self), "seeds_needed": needed}


@dataclass(frozen=True, slots=True)
class Aggregate:
    """The results of an experiment.

    Args:
        tokens: Number of sampled tokens up to which all runs were evaluated, and at which they are
            compared.
        rows: One row per optimizer and allocator, in the order in which they first appear.
        notes: What is left out, and why.
    """

    tokens: int
    rows: tuple[Row, ...]
    notes: tuple[str, ...]

    def name_of(self, row: Row) -> str:
        """Return the name of a method: its allocator, and its optimizer if there are several."""
        optimizers = {other.optimizer for other in self.rows}
        return f"{row.allocator}, {row.optimizer}" if len(optimizers) > 1 else row.allocator


def aggregate(results: Sequence[RunResult], expected: Collection[RunKey] = ()) -> Aggregate:
    """Return the results of each optimizer and allocator over its seeds, at equal tokens.

    Args:
        results: Results of finished runs, at least one.
        expected: Keys of all runs; those without a result are left out and named.

    Note: The tests of all rows and quantities form one family, so that the probability of any wrong
        conclusion of an experiment is 0.05.
    """
    tokens = min(result.curve[-1][0] for result in results)
    cells: dict[Cell, dict[int, RunResult]] = {}
    for result in results:
        cell = (result.key.optimizer, result.key.allocator)
        cells.setdefault(cell, {})[result.key.seed] = result
    kept = {cell: runs for cell, runs in cells.items() if len(runs) >= MIN_RUNS}
    values = {cell: _values(runs, tokens) for cell, runs in kept.items()}
    gains = differences_to_reference(
        {
            (*cell, quantity): own
            for cell, found in values.items()
            for quantity, own in found.items()
        },
        lambda key: (key[0], REFERENCE, key[2]),
    )
    rows = [
        _row(
            cell,
            list(runs.values()),
            values[cell],
            {name: gains[*cell, name] for name in values[cell] if (*cell, name) in gains},
        )
        for cell, runs in kept.items()
    ]
    notes = [
        *_missing_notes(cells, expected),
        *_few_notes(kept, values, tokens),
        *_seed_notes(rows),
    ]
    return Aggregate(tokens, tuple(rows), tuple(notes))


def _values(runs: Mapping[int, RunResult], tokens: int) -> dict[str, dict[int, float]]:
    """Return each quantity that all runs of a cell have, by seed."""
    found = {seed: run.quantities(tokens) for seed, run in runs.items()}
    return {
        name: {seed: own[name] for seed, own in found.items()}
        for name in QUANTITIES
        if all(name in own for own in found.values())
    }


def _row(
    cell: Cell,
    runs: Sequence[RunResult],
    values: Mapping[str, Mapping[int, float]],
    gains: dict[str, Difference],
) -> Row:
    optimizer, allocator = cell
    arrays = {name: np.array(list(own.values())) for name, own in values.items()}
    return Row(
        allocator=allocator,
        optimizer=optimizer,
        num_runs=len(runs),
        tokens=float(np.mean([run.tokens for run in runs])),
        steps=float(np.mean([run.steps for run in runs])),
        means={q: mean_over_seeds(own, bounds=BOUNDS[q]) for q, own in arrays.items()},
        quartile_means={q: interquartile_mean(own, bounds=BOUNDS[q]) for q, own in arrays.items()},
        gains=gains,
    )


def _missing_notes(
    cells: Mapping[Cell, Mapping[int, RunResult]], expected: Collection[RunKey]
) -> list[str]:
    wanted: dict[Cell, set[int]] = {cell: set(runs) for cell, runs in cells.items()}
    for key in expected:
        wanted.setdefault((key.optimizer, key.allocator), set()).add(key.seed)
    notes = []
    for (optimizer, allocator), seeds in wanted.items():
        found = cells.get((optimizer, allocator), {})
        if len(found) == len(seeds) and len(found) >= MIN_RUNS:
            continue
        outcome = "left out" if len(found) < MIN_RUNS else "compared on these"
        notes.append(
            f"{allocator} with {optimizer}: {len(found)} of {len(seeds)} runs finished; {outcome}"
        )
    return notes


def _few_notes(
    cells: Mapping[Cell, Mapping[int, RunResult]],
    values: Mapping[Cell, Mapping[str, object]],
    tokens: int,
) -> list[str]:
    """Say which cells have no mean over training, and why."""
    few = [
        f"{allocator} with {optimizer} ({_fewest(runs, tokens)})"
        for (optimizer, allocator), runs in cells.items()
        if "area" not in values[optimizer, allocator]
    ]
    if not few:
        return []
    return [
        f"no mean accuracy over training for {', '.join(few)}: it needs at least {MIN_EVALUATIONS} "
        f"evaluations within {tokens:,} tokens; pass a larger --num-evaluations, and a larger "
        f"--token-budget or fewer --train.tasks-per-step if steps are too large"
    ]


def _fewest(runs: Mapping[int, RunResult], tokens: int) -> int:
    return min(evaluations_until(run.evaluated_at, tokens) for run in runs.values())


def _seed_notes(rows: Sequence[Row]) -> list[str]:
    compared = [gain.num_units for row in rows for gain in row.gains.values()]
    if not compared or min(compared) >= MIN_TESTED:
        return []
    return [f"a test over seeds needs at least {MIN_TESTED} of them, got {min(compared)}"]
