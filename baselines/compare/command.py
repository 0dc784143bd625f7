"""``python -m baselines.compare``: paired comparison of evaluations of the same tasks."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from rich.console import Console

from baselines.common.command_line import parse
from baselines.common.errors import exit_on_bad_input
from baselines.common.files import write_json, write_text
from baselines.common.flags import Positional
from baselines.common.stats import (
    Estimate,
    holm,
    mcnemar,
    mean_difference,
    mean_rate,
    sign_flip_p_value,
)
from baselines.common.types import FloatArray
from baselines.evaluate.output import TRANSCRIPTS_FILE
from baselines.evaluate.summary import ALL
from baselines.evaluate.tables import Grid, markdown_page

_STREAM = 2
TaskKey = tuple[str, str]
"""Name of the benchmark, and id of the task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareConfig:
    """Compare evaluations of the same tasks with a reference: differences and p-values."""

    folders: Annotated[tuple[Path, ...], Positional()]
    """Output folders of the evaluations; the first is the reference."""
    path: str = "joint"
    """Path to compare: "joint" for the whole team, or another path in transcripts.jsonl, such as
    "without thinker_0"."""
    seed: int = 0
    """Random seed of the bootstrap and of the sign-flip test."""
    out_dir: Path | None = None
    """Folder for comparison.json and comparison.md. None: print only."""

    def check(self) -> None:
        """Raise ValueError if there is nothing to compare."""
        if len(self.folders) < 2:
            raise ValueError(
                f"folders must be at least 2, got {len(self.folders)}; pass the --out-dir of the "
                f"reference and of one or more other evaluations"
            )


@dataclass(frozen=True, slots=True)
class Outcome:
    """The results of one evaluation on one task.

    Args:
        question: The question of the task.
        rewards: Team reward of each measured sample, -1 or +1; at least one.
    """

    question: str
    rewards: tuple[float, ...]

    @property
    def rate(self) -> float:
        """Fraction of correct samples."""
        return sum(reward > 0 for reward in self.rewards) / len(self.rewards)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Comparison of an evaluation with the reference, on the tasks that both measured.

    Args:
        name: Name of the evaluation.
        benchmark: Name, or ALL for all benchmarks together.
        reference: Accuracy of the reference.
        other: Accuracy of the evaluation.
        difference: Other minus reference, paired by task.
        only_reference: Tasks that only the reference answered correctly; None with several samples.
        only_other: Tasks that only the other evaluation answered correctly.
        test: "McNemar" with one sample per task on both sides, else "sign flip".
        p_value: p-value of the test.
        adjusted: p-value adjusted by Holm's method over all comparisons.
    """

    name: str
    benchmark: str
    reference: Estimate
    other: Estimate
    difference: Estimate
    only_reference: int | None
    only_other: int | None
    test: str
    p_value: float
    adjusted: float

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as JSON values."""
        return {
            "name": self.name,
            "benchmark": self.benchmark,
            "reference": self.reference.to_json(),
            "other": self.other.to_json(),
            "difference": self.difference.to_json(),
            "only_reference": self.only_reference,
            "only_other": self.only_other,
            "test": self.test,
            "p_value": self.p_value,
            "p_value_holm": self.adjusted,
        }


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and compare; CompareConfig declares the flags."""
    console = Console()
    config = parse(CompareConfig, arguments, "ccpo compare")
    with exit_on_bad_input():
        evaluations = {str(f): read_outcomes(f, config.path) for f in config.folders}
        if len(evaluations) < len(config.folders):
            raise ValueError(f"folders must be different, got {config.folders}; pass each one once")
        found = compare(evaluations, seed=config.seed)
    grid = comparison_grid(found, reference=str(config.folders[0]), path=config.path)
    console.print(grid.for_terminal())
    if config.out_dir is not None:
        config.out_dir.mkdir(parents=True, exist_ok=True)
        content = {
            "reference": str(config.folders[0]),
            "path": config.path,
            "comparisons": [comparison.to_json() for comparison in found],
        }
        write_json(config.out_dir / "comparison.json", content)
        page = markdown_page("Evaluations compared", [grid], [])
        write_text(config.out_dir / "comparison.md", page)
    return 0


def read_outcomes(folder: Path, path: str) -> dict[TaskKey, Outcome]:
    """Return the outcome of each task that an evaluation measured.

    Raises:
        FileNotFoundError: If it has no transcripts.
        ValueError: If they are not from an evaluation, or the path was not played.
    """
    file = folder / TRANSCRIPTS_FILE
    if not file.is_file():
        raise FileNotFoundError(
            f"a folder must hold {TRANSCRIPTS_FILE} of a finished evaluation, got none in "
            f"{folder}; run the evaluation to its end"
        )
    rewards: dict[TaskKey, list[float]] = {}
    questions: dict[TaskKey, str] = {}
    known: set[str] = set()
    try:
        for line in file.read_text(encoding="utf-8").split("\n")[:-1]:
            record = json.loads(line)
            known.add(record["path"])
            if record["path"] == path and record["reward"] is not None:
                key = (record["benchmark"], record["task_id"])
                questions[key] = record["question"]
                rewards.setdefault(key, []).append(float(record["reward"]))
    except (ValueError, KeyError, TypeError):
        raise ValueError(
            f"{TRANSCRIPTS_FILE} must be that of an evaluation of this version, got another file "
            f"in {folder}; run the evaluation again"
        ) from None
    if path not in known:
        raise ValueError(
            f"path must be a path of the evaluation, got {path!r} in {folder}; choose from "
            f"{sorted(known)}"
        )
    return {key: Outcome(questions[key], tuple(own)) for key, own in rewards.items()}


def compare(
    evaluations: Mapping[str, Mapping[TaskKey, Outcome]], *, seed: int = 0
) -> list[Comparison]:
    """Return each evaluation compared with the first, per benchmark and over all benchmarks.

    Args:
        evaluations: Maps a name to the outcome of each task; at least two.
        seed: Seed of the bootstrap and of the sign-flip test.

    Raises:
        ValueError: If two evaluations share no task, or the questions of a task differ.

    Note: Holm's method controls the family-wise error rate over all returned rows; rows over all
        benchmarks repeat the others and form a family of their own.
    """
    reference, *others = evaluations
    found: list[Comparison] = []
    for name in others:
        keys = _shared_tasks(reference, name, evaluations)
        benchmarks = list(dict.fromkeys(benchmark for benchmark, _ in keys))
        groups = {b: [key for key in keys if key[0] == b] for b in benchmarks}
        if len(groups) > 1:
            groups[ALL] = keys
        for benchmark, own in groups.items():
            first = [evaluations[reference][key] for key in own]
            second = [evaluations[name][key] for key in own]
            found.append(_comparison(name, benchmark, first, second, seed))
    return _adjusted(found)


def _shared_tasks(
    reference: str, name: str, evaluations: Mapping[str, Mapping[TaskKey, Outcome]]
) -> list[TaskKey]:
    first, second = evaluations[reference], evaluations[name]
    keys = [key for key in first if key in second]
    if not keys:
        raise ValueError(
            f"evaluations must share tasks, got none of {reference} in {name}; evaluate both on "
            f"the same --tasks"
        )
    changed = next((key for key in keys if first[key].question != second[key].question), None)
    if changed is not None:
        raise ValueError(
            f"a task must have one question, got two for {changed[1]!r} in {reference} and {name}; "
            f"evaluate both on the same file"
        )
    return keys


def _comparison(
    name: str, benchmark: str, first: Sequence[Outcome], second: Sequence[Outcome], seed: int
) -> Comparison:
    before: FloatArray = np.array([outcome.rate for outcome in first])
    after: FloatArray = np.array([outcome.rate for outcome in second])
    rng = np.random.default_rng([seed, _STREAM])
    difference = mean_difference(after - before, rng=rng)
    only_reference = only_other = None
    if all(len(outcome.rewards) == 1 for outcome in (*first, *second)):
        test = "McNemar"
        only_reference, only_other = int((before > after).sum()), int((after > before).sum())
        p_value = mcnemar(only_reference, only_other)
    else:
        test = "sign flip"
        p_value = sign_flip_p_value(after - before, rng=rng)
    return Comparison(
        name=name,
        benchmark=benchmark,
        reference=mean_rate(before),
        other=mean_rate(after),
        difference=difference,
        only_reference=only_reference,
        only_other=only_other,
        test=test,
        p_value=p_value,
        adjusted=p_value,
    )


def _adjusted(found: Sequence[Comparison]) -> list[Comparison]:
    """Return the comparisons with p-values adjusted by Holm's method, per family."""
    by_place: dict[int, float] = {}
    for is_all in (False, True):
        places = [i for i, own in enumerate(found) if (own.benchmark == ALL) == is_all]
        by_place.update(zip(places, holm([found[i].p_value for i in places]), strict=True))
    return [replace(own, adjusted=by_place[place]) for place, own in enumerate(found)]


def comparison_grid(found: Sequence[Comparison], *, reference: str, path: str) -> Grid:
    """Return the comparisons as a table with 95 % intervals."""
    columns = ("evaluation", "benchmark", "reference", "other", "difference", "p (Holm)", "test")
    rows = [
        (
            own.name,
            f"{own.benchmark}, {own.difference.num_units} tasks",
            str(own.reference),
            str(own.other),
            own.difference.text("+.3f"),
            f"{own.p_value:.3g} ({own.adjusted:.3g})",
            _test(own),
        )
        for own in found
    ]
    note = "95 % intervals: Wilson's for accuracies, paired bootstrap over tasks for differences"
    return Grid(f"Accuracy ({path}), compared with {reference}", columns, tuple(rows), note)


def _test(own: Comparison) -> str:
    if own.only_other is None:
        return own.test
    return f"{own.test}, {own.only_other} won : {own.only_reference} lost"


if __name__ == "__main__":
    sys.exit(main())
