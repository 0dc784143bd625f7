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

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from baselines.common.jsonl import Row, append_rows, each_row
from baselines.common.types import FloatArray

EVALUATIONS_FILE = "evaluations.jsonl"
"""File name, in the folder of a run."""
JOINT = "joint"
"""Name of the path of the whole team."""
TaskKey: TypeAlias = tuple[str, str]
"""Name of the benchmark, and id of the task."""

_CHARACTERS = {"1": 1.0, "0": 0.0, "-": float("nan")}
_OTHER = float("inf")
_VALUES = np.array([_CHARACTERS.get(chr(code), _OTHER) for code in range(256)])
"""Outcome of each character, by its code; _OTHER if it is none."""


class TaskValues(Mapping[TaskKey, float]):
    """A number for each measured task, as a mapping that an array backs.

    A run has an evaluation every few steps on the same tasks: their keys are held once for all of
    them, and 8 bytes per task for each.

    Args:
        places: Place of each task in the array; several evaluations may share it.
        values: The numbers, shape (N,); NaN where the task was not measured, so is not a key.
    """

    __slots__ = ("_places", "_values")

    def __init__(
        self, places: Mapping[TaskKey, int] | None = None, values: FloatArray | None = None
    ) -> None:
        self._places = {} if places is None else places
        self._values = np.empty(0) if values is None else values

    @classmethod
    def of(cls, numbers: Mapping[TaskKey, float]) -> TaskValues:
        """Return the numbers of any mapping."""
        values = np.array(list(numbers.values()), dtype=np.float64)
        return cls({task: place for place, task in enumerate(numbers)}, values)

    def __getitem__(self, task: TaskKey) -> float:
        value = float(self._values[self._places[task]])
        if value != value:  # NaN
            raise KeyError(task)
        return value

    def __iter__(self) -> Iterator[TaskKey]:
        measured = (~np.isnan(self._values)).tolist()
        return (task for task, is_in in zip(self._places, measured, strict=True) if is_in)

    def __len__(self) -> int:
        return int((~np.isnan(self._values)).sum())

    def array(self, tasks: Iterable[TaskKey] | None = None) -> FloatArray:
        """Return the numbers of some measured tasks, shape (n,); None: of all of them."""
        if tasks is None:
            return self._values[~np.isnan(self._values)]
        return self._values[[self._places[task] for task in tasks]]


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

    def rates(self, path: str = JOINT) -> TaskValues:
        """Return the rate of correct samples of each task, without the tasks not measured."""
        counts = self._num_measured(path)
        right = [
            np.nansum(own.outcomes[path], axis=0)
            if path in own.outcomes
            else np.zeros(len(own.tasks))
            for own in self.benchmarks.values()
        ]
        rates = np.full(len(counts), np.nan)
        np.divide(_joined(right), counts, out=rates, where=counts > 0)
        return TaskValues(self._places(), rates)

    def num_samples(self, path: str = JOINT) -> TaskValues:
        """Return the number of measured samples of each task that has more than one."""
        counts = self._num_measured(path)
        if not (counts > 1).any():
            return TaskValues()
        return TaskValues(self._places(), np.where(counts > 1, counts, np.nan))

    def accuracy(self, path: str = JOINT) -> float | None:
        """Return the mean rate over the measured tasks; None if there is none."""
        rates = self.rates(path).array()
        return float(rates.mean()) if len(rates) else None

    def _places(self) -> Mapping[TaskKey, int]:
        return _places(tuple((name, own.tasks) for name, own in self.benchmarks.items()))

    def _num_measured(self, path: str) -> FloatArray:
        """Return the number of measured samples of each task of all benchmarks, shape (N,)."""
        return _joined(
            [
                (~np.isnan(own.outcomes[path])).sum(axis=0)
                if path in own.outcomes
                else np.zeros(len(own.tasks))
                for own in self.benchmarks.values()
            ]
        )


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
    for number, row in enumerate(each_row(path), start=1):
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
def _places(benchmarks: tuple[tuple[str, tuple[str, ...]], ...]) -> Mapping[TaskKey, int]:
    """Return the place of each task among those of all benchmarks; one copy of the same tasks."""
    keys = ((name, task) for name, tasks in benchmarks for task in tasks)
    return {key: place for place, key in enumerate(keys)}


def _joined(parts: Sequence[npt.NDArray[Any]]) -> FloatArray:
    return np.concatenate([*parts, np.empty(0)]).astype(np.float64)


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
        codes = np.frombuffer("".join(samples).encode("latin-1", "replace"), dtype=np.uint8)
        values = _VALUES[codes].reshape(len(samples), len(tasks))
        if np.isinf(values).any():
            raise ValueError(f"{path}: an outcome must be one of {' '.join(_CHARACTERS)}")
        outcomes[path] = values
    return BenchmarkOutcomes(tasks, outcomes)
