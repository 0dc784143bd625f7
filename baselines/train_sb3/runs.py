"""Many short runs: in parallel, each written down when it is done, and none made twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from baselines.common.files import CONFIG_FILE, append_line, write_json, write_text

RUNS_FILE = "runs.jsonl"
TUNING_SEEDS = (100, 101)
"""Seeds that only choose learning rates; no reported run has one of them."""


@dataclass(frozen=True, slots=True)
class RunKey:
    """What tells runs apart: game and rules, method, and two numbers."""

    setting: str
    method: str
    learning_rate: float
    seed: int


@dataclass(frozen=True, slots=True)
class RunResult:
    """What came out of a run.

    Args:
        key: Which run.
        contribution: What the final thinker adds to the expected reward, exact.
        ceiling: The most that any thinker would add to this solver.
        team: Expected reward of the final team.
        mean_share: Mean over training of the contribution over its ceiling: faster is more.
        num_answers_drawn: Answers in training, replays and continuations included.
        cpu_s: Processor seconds.
    """

    key: RunKey
    contribution: float
    ceiling: float
    team: float
    mean_share: float
    num_answers_drawn: int
    cpu_s: float

    @property
    def share(self) -> float:
        """What the thinker adds, as a share of the most it could."""
        return self.contribution / self.ceiling

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> RunResult:
        """Return the result that was written as these values."""
        return cls(**{**values, "key": RunKey(**values["key"])})


RunOnce = Callable[[RunKey], RunResult]


def keep_settings(out_dir: Path, settings: Mapping[str, object]) -> None:
    """Write what all runs of a folder have in common, or check that it is what was written.

    Raises:
        ValueError: If the folder holds runs with other settings.
    """
    path = out_dir / CONFIG_FILE
    common = json.loads(json.dumps(settings))
    has_runs = (out_dir / RUNS_FILE).exists()
    if has_runs and path.exists() and json.loads(path.read_text(encoding="utf-8")) != common:
        raise ValueError(
            f"out_dir must hold runs with these settings, got others in {path}; pass another "
            f"--out-dir"
        )
    write_json(path, common)


def tuned(
    run_once: RunOnce,
    cells: Sequence[tuple[str, str]],
    num_seeds: int,
    *,
    learning_rates: Sequence[float],
    path: Path,
    num_workers: int,
) -> Iterator[RunResult]:
    """Yield tuning runs, then those of each cell at the learning rate that did best in them.

    Args:
        run_once: Makes one run.
        cells: Setting and method of each.
        num_seeds: Reported runs of each cell, with seeds 0, 1, and so on.
        learning_rates: To choose from.
        path: Of the file of results.
        num_workers: Runs at a time.
    """
    tuning = []
    grid = [
        RunKey(*cell, rate, seed)
        for seed in TUNING_SEEDS
        for cell in cells
        for rate in learning_rates
    ]
    for result in run_all(run_once, grid, path=path, num_workers=num_workers):
        tuning.append(result)
        yield result
    best = best_rates(tuning)
    keys = [RunKey(*cell, best[cell], seed) for seed in range(num_seeds) for cell in cells]
    yield from run_all(run_once, keys, path=path, num_workers=num_workers)


def mean_shares(results: Sequence[RunResult]) -> dict[tuple[str, str], dict[float, float]]:
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


def best_rates(results: Sequence[RunResult]) -> dict[tuple[str, str], float]:
    """Return the learning rate with the largest mean share in tuning, the smaller of equals."""
    return {cell: max(rates, key=rates.__getitem__) for cell, rates in mean_shares(results).items()}


def run_all(
    run_once: RunOnce, keys: Sequence[RunKey], *, path: Path, num_workers: int
) -> Iterator[RunResult]:
    """Yield the results of these runs, those in the file first; new ones are appended to it.

    Args:
        run_once: Makes one run; with more than one worker it must be picklable.
        keys: The runs.
        path: Of the file: one JSON object a line.
        num_workers: Runs at a time, each in a process of its own; 1 is this process.
    """
    known = {result.key: result for result in read_results(path)}
    yield from (known[key] for key in keys if key in known)
    missing = [key for key in keys if key not in known]
    if num_workers == 1:
        for key in missing:
            yield _written(path, run_once(key))
    elif missing:
        context = get_context("spawn")  # a forked torch may wait for a thread that is not there
        pool = ProcessPoolExecutor(num_workers, mp_context=context)
        try:
            for done in as_completed([pool.submit(run_once, key) for key in missing]):
                yield _written(path, done.result())
        finally:
            pool.shutdown(cancel_futures=True)  # an interrupted call waits for no further run


def read_results(path: Path) -> list[RunResult]:
    """Return the results in a file, without a last line that was cut off."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        write_text(path, whole)
    return [RunResult.from_json(json.loads(line)) for line in whole.splitlines()]


def _written(path: Path, result: RunResult) -> RunResult:
    append_line(path, json.dumps(asdict(result)))
    return result
