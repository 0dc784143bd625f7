"""Runs on the signal game: tuning of the learning rate, then the reported runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from baselines.experiment.sweep import run_sweep

TUNING_SEEDS = (100, 101)
"""Seeds of the tuning runs, disjoint from those of the reported runs."""


@dataclass(frozen=True, slots=True)
class SignalRunKey:
    """Key of a run: setting, method, learning rate and seed."""

    setting: str
    method: str
    learning_rate: float
    seed: int


@dataclass(frozen=True, slots=True)
class SignalRunResult:
    """The result of a run.

    Args:
        key: Key of the run.
        contribution: Exact contribution of the final thinker to the expected reward.
        ceiling: Largest contribution of any thinker with this solver.
        team: Expected reward of the final team.
        mean_share: Mean over training of contribution / ceiling; higher means faster learning.
        num_answers_drawn: Answers sampled in training, including replays and continuations.
        cpu_s: CPU time in seconds.
    """

    key: SignalRunKey
    contribution: float
    ceiling: float
    team: float
    mean_share: float
    num_answers_drawn: int
    cpu_s: float

    @property
    def share(self) -> float:
        """Contribution of the thinker as a fraction of its ceiling."""
        return self.contribution / self.ceiling

    @property
    def seconds(self) -> float:
        """Time of the run, which has one thread."""
        return self.cpu_s

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> SignalRunResult:
        """Return the result from the values of `to_json`."""
        return cls(**{**values, "key": SignalRunKey(**values["key"])})


RunOnce = Callable[[SignalRunKey], SignalRunResult]


def tuned(
    run_once: RunOnce,
    cells: Sequence[tuple[str, str]],
    num_seeds: int,
    *,
    learning_rates: Sequence[float],
    path: Path,
    num_workers: int,
) -> Iterator[SignalRunResult]:
    """Yield the tuning runs, then the runs of each cell at its best learning rate in tuning.

    Args:
        run_once: Executes one run.
        cells: Pairs of a setting and a method.
        num_seeds: Reported runs of each cell, with seeds 0, 1, and so on.
        learning_rates: Candidate learning rates.
        path: The file of results; see `run_sweep`.
        num_workers: Number of parallel runs.
    """
    tuning = []
    grid = [
        SignalRunKey(*cell, rate, seed)
        for seed in TUNING_SEEDS
        for cell in cells
        for rate in learning_rates
    ]
    for result in run_sweep(run_once, grid, SignalRunResult, path=path, num_workers=num_workers):
        tuning.append(result)
        yield result
    best = best_rates(tuning)
    keys = [SignalRunKey(*cell, best[cell], seed) for seed in range(num_seeds) for cell in cells]
    yield from run_sweep(run_once, keys, SignalRunResult, path=path, num_workers=num_workers)


def mean_shares(results: Sequence[SignalRunResult]) -> dict[tuple[str, str], dict[float, float]]:
    """Return the mean share of the tuning runs by cell and learning rate, in ascending order."""
    shares: dict[tuple[str, str], dict[float, list[float]]] = {}
    for result in sorted(results, key=lambda result: result.key.learning_rate):
        if result.key.seed in TUNING_SEEDS:
            cell = shares.setdefault((result.key.setting, result.key.method), {})
            cell.setdefault(result.key.learning_rate, []).append(result.share)
    return {
        cell: {rate: sum(values) / len(values) for rate, values in rates.items()}
        for cell, rates in shares.items()
    }


def best_rates(results: Sequence[SignalRunResult]) -> dict[tuple[str, str], float]:
    """Return the learning rate with the largest mean share in tuning; the smaller in a tie."""
    return {cell: max(rates, key=rates.__getitem__) for cell, rates in mean_shares(results).items()}
