"""The runs on the signal game: tuning of the learning rate, then the reported runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from baselines.experiment.sweep import run_sweep

TUNING_SEEDS = (100, 101)
"""Seeds used only to choose learning rates; no reported run has one of them."""


@dataclass(frozen=True, slots=True)
class SignalRunKey:
    """What distinguishes the runs: the game and its rules, the method, and two numbers."""

    setting: str
    method: str
    learning_rate: float
    seed: int


@dataclass(frozen=True, slots=True)
class SignalRunResult:
    """The result of a run.

    Args:
        key: The run.
        contribution: What the final thinker adds to the expected reward, exact.
        ceiling: The largest contribution that any thinker has with this solver.
        team: Expected reward of the final team.
        mean_share: Mean over training of contribution / ceiling: higher is faster.
        num_answers_drawn: Answers sampled in training, replays and continuations included.
        cpu_s: CPU seconds.
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
        """The contribution of the thinker as a fraction of its ceiling."""
        return self.contribution / self.ceiling

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> SignalRunResult:
        """Return the result that `to_json` converted."""
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
        run_once: Makes one run.
        cells: Pairs of a setting and a method.
        num_seeds: Reported runs of each cell, with seeds 0, 1, and so on.
        learning_rates: The learning rates to choose from.
        path: The file of results; see `run_sweep`.
        num_workers: Runs at a time.
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
    """Return the learning rate with the largest mean share in tuning, the smaller of equal ones."""
    return {cell: max(rates, key=rates.__getitem__) for cell, rates in mean_shares(results).items()}
