"""Credit by task and agent in the newest groups of a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from baselines.common.credit_file import CreditedGroup, CreditRecord
from baselines.common.types import FloatArray
from baselines.pages.series import spread

MAX_COLUMNS = 6
"""Largest number of agents with a column each; larger teams are shown by role."""
MAX_TASKS = 24
STRONGEST = 0.45
"""Opacity of the background of the largest mean; the text contrast stays above 4.5 to 1."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Credit of one agent or role on one task.

    Args:
        mean: Mean over the rollouts, in units of reward.
        std: Standard deviation over the rollouts.
        opacity: Opacity of the background colour, from 0 to STRONGEST.
    """

    mean: float
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
    """

    columns: tuple[str, ...]
    rows: tuple[TaskRow, ...]
    num_tasks: int
    first_step: int
    last_step: int


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
    means = [[_credit(own, places).mean() for places in columns.values()] for own in shown]
    largest = float(np.abs(means).max()) or 1.0
    steps = [group["step"] for group in record["groups"]]
    rows = tuple(_row(own, columns.values(), largest) for own in shown)
    return CreditMap(tuple(columns), rows, len(by_task), min(steps), max(steps))


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


def _row(groups: Sequence[CreditedGroup], columns: Iterable[list[int]], largest: float) -> TaskRow:
    rewards = _rewards(groups)
    credit = [_credit(groups, places) for places in columns]
    cells = tuple(
        Cell(own.mean(), own.std(), STRONGEST * abs(own.mean()) / largest) for own in credit
    )
    first = groups[0]
    num_right = int((rewards > 0).sum())
    return TaskRow(first["task_id"], first["question"], num_right, len(rewards), cells)


def _rewards(groups: Sequence[CreditedGroup]) -> FloatArray:
    return np.concatenate([group["rewards"] for group in groups])


def _credit(groups: Sequence[CreditedGroup], places: Sequence[int]) -> FloatArray:
    """Return the credit of some agents in all rollouts of some groups, flattened."""
    return np.concatenate([np.array(group["credit"])[:, places].ravel() for group in groups])
