"""Read and write evaluations.jsonl: the outcome of each held-out task in each evaluation of a run.

One JSON object per evaluation and benchmark, in the order in which they were measured:

    {"step": 20, "tokens": 51200, "benchmark": "lookup", "tasks": ["a", "b", "c"],
     "outcomes": {"joint": ["110"], "without thinker_0": ["0-0"]}}

step: training steps before the evaluation, 0 before training; tokens: tokens sampled in training
until then, for all purposes. An outcome has one text per sample, with a character per task: "1" for
a correct answer, "0" for a wrong one, "-" where it could not be verified. Paths are named as in
transcripts.jsonl. The same tasks in every evaluation make its differences paired: before and after
training, with and without an agent, one run and another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from baselines.common.jsonl import Row, append_rows, read_rows
from baselines.common.types import FloatArray

EVALUATIONS_FILE = "evaluations.jsonl"
"""File name, in the folder of a run."""
JOINT = "joint"
"""Name of the path of the whole team."""
TaskKey: TypeAlias = tuple[str, str]
"""Name of the benchmark, and id of the task."""

_CHARACTERS = {"1": 1.0, "0": 0.0, "-": float("nan")}


@dataclass(frozen=True, slots=True, eq=False)
class BenchmarkOutcomes:
    """The outcomes of one benchmark in one evaluation.

    Args:
        tasks: Ids of the N tasks.
        outcomes: Maps a path, such as "joint" or "without thinker_0", to shape (k, N) for k samples
            of each task: 1 for a correct answer, 0 for a wrong one, NaN where it was not measured.
    """

    tasks: tuple[str, ...]
    outcomes: Mapping[str, FloatArray]


@dataclass(frozen=True, slots=True, eq=False)
class RecordedEvaluation:
    """A held-out evaluation of a run.

    Args:
        step: Training steps before it.
        tokens: Tokens sampled in training before it, for all purposes.
        benchmarks: Maps the name of a benchmark to its outcomes.
    """

    step: int
    tokens: int
    benchmarks: Mapping[str, BenchmarkOutcomes] = field(default_factory=dict)

    @property
    def paths(self) -> tuple[str, ...]:
        """All paths, the whole team first."""
        found = (path for own in self.benchmarks.values() for path in own.outcomes)
        return tuple(dict.fromkeys(found))

    def rates(self, path: str = JOINT) -> dict[TaskKey, float]:
        """Return the rate of correct samples of each task, without the tasks not measured."""
        rates = {}
        for name, own in self.benchmarks.items():
            if path not in own.outcomes:
                continue
            outcomes = own.outcomes[path]  # (k, N)
            right = np.nansum(outcomes, axis=0).tolist()
            keys, measured = _keys(name, own.tasks), _num_measured(outcomes)
            for key, number, total in zip(keys, right, measured, strict=True):
                if total:
                    rates[key] = number / total
        return rates

    def num_samples(self, path: str = JOINT) -> dict[TaskKey, int]:
        """Return the number of measured samples of each task that has more than one."""
        return {
            (name, task): number
            for name, own in self.benchmarks.items()
            if len(own.outcomes.get(path, ())) > 1
            for task, number in zip(own.tasks, _num_measured(own.outcomes[path]), strict=True)
            if number > 1
        }

    def accuracy(self, path: str = JOINT) -> float | None:
        """Return the mean rate over the measured tasks; None if there is none."""
        rates = self.rates(path)
        return float(np.mean(list(rates.values()))) if rates else None


def paired_rates(
    first: Mapping[TaskKey, float], second: Mapping[TaskKey, float]
) -> tuple[FloatArray, FloatArray]:
    """Return the rates of the tasks that both measured, in the same order.

    Args:
        first: Rates by task, from `RecordedEvaluation.rates`.
        second: Rates by task, of another path, evaluation or run.

    Returns:
        Two arrays of shape (n,); empty if no task is in both.
    """
    common = [task for task in first if task in second]
    return np.array([first[t] for t in common]), np.array([second[t] for t in common])


def read_evaluations(run_dir: Path) -> list[RecordedEvaluation]:
    """Return the evaluations of a run, which may still be going, in the order of their steps.

    Args:
        run_dir: Folder of the run; without the file, or with a torn last line, those before it.

    Raises:
        ValueError: If a line is not an evaluation.
    """
    path = run_dir / EVALUATIONS_FILE
    found: dict[int, RecordedEvaluation] = {}
    tasks: dict[tuple[str, ...], tuple[str, ...]] = {}  # one copy of the same tasks
    for number, row in enumerate(read_rows(path), start=1):
        try:
            step, name, outcomes = int(row["step"]), str(row["benchmark"]), _outcomes(row, tasks)
            known = found.get(step, RecordedEvaluation(step, int(row["tokens"])))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"each line must be an evaluation with step, tokens, benchmark, tasks and "
                f"outcomes, got {str(error)!r} in line {number} of {path}; restore the file"
            ) from None
        benchmarks = {**known.benchmarks, name: outcomes}
        found[step] = RecordedEvaluation(step, known.tokens, benchmarks)
    return [found[step] for step in sorted(found)]


def append_evaluation(path: Path, evaluation: RecordedEvaluation) -> None:
    """Append an evaluation to a file, which `baselines.common.files.sync` flushes to the disk.

    Raises:
        StorageError: If it cannot be written; the file is unchanged.
    """
    append_rows(path, evaluation_rows(evaluation), durable=False)


def evaluation_rows(evaluation: RecordedEvaluation) -> Sequence[Row]:
    """Return an evaluation as the rows of the file, one per benchmark."""
    return [
        {
            "step": evaluation.step,
            "tokens": evaluation.tokens,
            "benchmark": name,
            "tasks": list(own.tasks),
            "outcomes": {path: _texts(values) for path, values in own.outcomes.items()},
        }
        for name, own in evaluation.benchmarks.items()
    ]


@lru_cache(maxsize=64)
def _keys(benchmark: str, tasks: tuple[str, ...]) -> list[TaskKey]:
    return [(benchmark, task) for task in tasks]


def _num_measured(outcomes: FloatArray) -> list[int]:
    """Return the number of measured samples of each task, from outcomes of shape (k, N)."""
    counts: list[int] = (~np.isnan(outcomes)).sum(axis=0).tolist()
    return counts


def _texts(outcomes: FloatArray) -> list[str]:
    """Return one text per sample from outcomes of shape (k, N)."""
    characters = np.where(np.isnan(outcomes), "-", np.where(outcomes > 0.5, "1", "0"))
    return ["".join(sample) for sample in characters.tolist()]


def _outcomes(
    row: Mapping[str, Any], known: dict[tuple[str, ...], tuple[str, ...]]
) -> BenchmarkOutcomes:
    own = tuple(map(str, row["tasks"]))
    tasks = known.setdefault(own, own)
    outcomes = {}
    for path, samples in row["outcomes"].items():
        if not samples or any(len(sample) != len(tasks) for sample in samples):
            raise ValueError(f"{path}: {len(tasks)} tasks need as many characters in each sample")
        outcomes[path] = np.array([[_CHARACTERS[c] for c in sample] for sample in samples])
    return BenchmarkOutcomes(tasks, outcomes)
