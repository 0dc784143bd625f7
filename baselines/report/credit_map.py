"""Credit by task and agent in the newest groups of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from baselines.common.credit_file import CreditedGroup, CreditRecord
from baselines.common.types import FloatArray
from baselines.pages.series import spread

MAX_COLUMNS = 6
"""Largest number of agents with a column each; larger teams are shown by role."""
MAX_TASKS = 24
STRONGEST = 0.45
"""Opacity of the background of the largest mean; the text contrast stays above 4.5 to 1."""
SAME = 1e-5
"""Differences of credit up to this size are rounding: the file has six decimals."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Credit of one agent or role on one task.

    Args:
        mean: Mean over the rollouts, in units of reward; None in a column where it is the same for
            every task, so that only the spread tells anything.
        std: Standard deviation over the rollouts.
        opacity: Opacity of the background colour, from 0 to STRONGEST.
    """

    mean: float | None
    std: float
    opacity: float


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One task: the number of correct rollouts, and the credit of each column."""

    task_id: str
    question: str
    num_right: int
    num_rollouts: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class CreditMap:
    """Table of credit by task and by agent or role, hardest task first.

    Args:
        columns: Agents, or roles of a larger team.
        rows: At most MAX_TASKS tasks, evenly spread from the hardest to the easiest.
        num_tasks: Number of tasks they were chosen from.
        first_step: Step of the oldest group.
        last_step: Step of the newest one.
        notes: What it means that a column has no means, one sentence per column.
    """

    columns: tuple[str, ...]
    rows: tuple[TaskRow, ...]
    num_tasks: int
    first_step: int
    last_step: int
    notes: tuple[str, ...]


def credit_map(record: CreditRecord | None) -> CreditMap | None:
    """Return the credit of each agent or role on each task; None if none was recorded."""
    if record is None or not record["groups"]:
        return None
    by_task: dict[str, list[CreditedGroup]] = {}
    for group in record["groups"]:
        by_task.setdefault(group["task_id"], []).append(group)
    hardest_first = sorted(by_task.values(), key=lambda own: np.mean(_rewards(own)))
    shown = [hardest_first[place] for place in spread(len(hardest_first), MAX_TASKS)]
    columns = columns_of(record["agents"])
    constants = {
        name: _constant(name, [_credit(own, places) for own in hardest_first])
        for name, places in columns.items()
    }
    cells = [
        _cells([_credit(own, places) for own in shown], is_constant=constants[name] is not None)
        for name, places in columns.items()
    ]
    steps = [group["step"] for group in record["groups"]]
    return CreditMap(
        columns=tuple(columns),
        rows=tuple(_row(own, row) for own, row in zip(shown, _coloured(cells), strict=True)),
        num_tasks=len(by_task),
        first_step=min(steps),
        last_step=max(steps),
        notes=tuple(note for note in constants.values() if note is not None),
    )


def credit_by_name(record: CreditRecord | None) -> dict[str, FloatArray]:
    """Return the credit of all recorded rollouts, by agent, or by role in a larger team."""
    if record is None or not record["groups"]:
        return {}
    columns = columns_of(record["agents"])
    return {name: _credit(record["groups"], places) for name, places in columns.items()}


def columns_of(agents: Sequence[str]) -> dict[str, list[int]]:
    """Return the columns of credit of each agent, or of each role in a larger team."""
    names = agents if len(agents) <= MAX_COLUMNS else [role_of(agent) for agent in agents]
    columns: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        columns.setdefault(name, []).append(place)
    return columns


def role_of(agent: str) -> str:
    """Return the role of an agent, which is named ``<role>_<number>``."""
    return agent.rpartition("_")[0] or agent


def _constant(name: str, by_task: Sequence[FloatArray]) -> str | None:
    """Return what is said of a column whose mean is the same for every task; None for others."""
    means = np.array([own.mean() for own in by_task])
    if len(means) < 2 or np.ptp(means) > SAME:
        return None
    mean = f"{round(float(means.mean()), 2) + 0.0:+.2f}"
    if max(float(own.std()) for own in by_task) <= SAME:
        return f"{name} has credit {mean} in every rollout: no rollout is preferred to another."
    return (
        f"The credit of {name} is relative to its task: its mean is {mean} for every task, so only "
        f"the spread over the rollouts is shown."
    )


def _cells(by_task: Sequence[FloatArray], *, is_constant: bool) -> list[Cell]:
    """Return the cells of a column, not yet coloured."""
    means = [None if is_constant else float(own.mean()) for own in by_task]
    return [Cell(mean, float(own.std()), 0.0) for mean, own in zip(means, by_task, strict=True)]


def _coloured(columns: Sequence[Sequence[Cell]]) -> list[tuple[Cell, ...]]:
    """Return the rows of the table, coloured by the size of the mean or, without, of the spread."""
    means = [abs(c.mean) for own in columns for c in own if c.mean is not None]
    coloured = []
    for own in columns:
        sizes = [c.std if c.mean is None else abs(c.mean) for c in own]
        largest = max(sizes if own[0].mean is None else means) or 1.0
        coloured.append(
            [replace(c, opacity=STRONGEST * s / largest) for c, s in zip(own, sizes, strict=True)]
        )
    return list(zip(*coloured, strict=True))


def _row(groups: Sequence[CreditedGroup], cells: tuple[Cell, ...]) -> TaskRow:
    rewards = _rewards(groups)
    first = groups[0]
    num_right = int((rewards > 0).sum())
    return TaskRow(first["task_id"], first["question"], num_right, len(rewards), cells)


def _rewards(groups: Sequence[CreditedGroup]) -> FloatArray:
    return np.concatenate([group["rewards"] for group in groups])


def _credit(groups: Sequence[CreditedGroup], places: Sequence[int]) -> FloatArray:
    """Return the credit of some agents in all rollouts of some groups, flattened."""
    return np.concatenate([np.array(group["credit"])[:, places].ravel() for group in groups])
