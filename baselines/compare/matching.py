"""Which runs of two methods are compared with each other, and by what they are paired."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from baselines.common.evaluation_file import TaskKey
from baselines.common.stats import MIN_RUNS
from baselines.compare.methods import Method, Run

Unit = Literal["tasks", "seeds"]


@dataclass(frozen=True, slots=True, eq=False)
class Pairing:
    """Runs that are compared in pairs.

    Args:
        reference: Name of the first method.
        method: Name of the second.
        unit: "seeds" with several pairs, one per seed; "tasks" with one pair.
        runs: Run of the first and run of the second method in each pair.
    """

    reference: str
    method: str
    unit: Unit
    runs: tuple[tuple[Run, Run], ...]


def pairing_of(reference: Method, other: Method) -> Pairing:
    """Return the runs of two methods that have the same seed, or the only run of each.

    Raises:
        ValueError: If there is no such pair, or a pair has no tasks in common.
    """
    first, second = reference.by_seed, other.by_seed
    seeds = [seed for seed in first if seed in second]
    pairs = [(first[seed], second[seed]) for seed in seeds]
    if not pairs and len(reference.runs) == len(other.runs) == 1:
        pairs = [(reference.runs[0], other.runs[0])]
    if not pairs:
        raise ValueError(
            f"methods with several seeds must have seeds in common, got {_seeds(reference)} and "
            f"{_seeds(other)}; train both with the same seeds, or pass one run of each"
        )
    for one, two in pairs:
        _check_tasks(reference.name, one, other.name, two)
    unit: Unit = "seeds" if len(pairs) >= MIN_RUNS else "tasks"
    return Pairing(reference.name, other.name, unit, tuple(pairs))


def _check_tasks(first_name: str, first: Run, second_name: str, second: Run) -> None:
    tasks, others = first.last.rates, second.last.rates
    if not tasks and not others:
        return  # only the means are known, of methods that were trained on the same tasks
    if not tasks.keys() & others.keys():
        raise ValueError(
            f"what is compared must share held-out tasks, got {_example(tasks)} in {first_name} "
            f"and {_example(others)} in {second_name}; evaluate both on the same --tasks, and "
            f"train both with the same --seed, which draws the held-out tasks"
        )
    for key, question in first.questions.items():
        if second.questions.get(key, question) != question:
            raise ValueError(
                f"a task must have one question, got two for {key[1]!r} in {first_name} and "
                f"{second_name}; evaluate both on the same file"
            )


def _example(rates: Mapping[TaskKey, float]) -> str:
    """Return the first task, with its benchmark."""
    first = next(iter(rates), None)
    return "none" if first is None else f"{first[1]!r} of {first[0]}"


def _seeds(method: Method) -> str:
    seeds = ", ".join(map(str, method.by_seed)) or "none"
    return f"{seeds} in {method.name}"
