"""The credit of the newest groups of a run, kept so that a person can see who earned what."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

from baselines.files import write_text
from baselines.playing.groups import Group
from baselines.types import FloatArray

CREDIT_FILE = "credit.json"
"""In the folder of a run."""
MAX_GROUPS = 96
"""Groups that are kept; the oldest go first."""
MAX_QUESTION_CHARS = 200


class CreditedGroup(TypedDict):
    """One task's group: the rewards of its rollouts (G,), and the credit of each agent (G, A)."""

    step: int
    task_id: str
    question: str
    rewards: list[float]
    credit: list[list[float]]


class CreditRecord(TypedDict):
    """The contents of credit.json; the agents name the columns of every group's credit."""

    agents: list[str]
    groups: list[CreditedGroup]


def record_credit(
    path: Path,
    step: int,
    groups: Sequence[Group],
    credit: Sequence[FloatArray],
    agents: Sequence[str],
) -> None:
    """Add the groups of a step to the file, and drop the oldest ones.

    Args:
        path: The file; it is made if there is none.
        step: Number of the step. What the file holds of it and of later ones is replaced, so
            that a resumed run writes what a run without a break writes.
        groups: The groups that were paid.
        credit: Credit of each group, shape (G, A).
        agents: Names of the A agents.
    """
    before = read_credit(path)
    kept = [group for group in before["groups"] if group["step"] < step] if before else []
    added: list[CreditedGroup] = [
        {
            "step": step,
            "task_id": group.task.id,
            "question": group.task.question[:MAX_QUESTION_CHARS],
            "rewards": group.rewards.tolist(),
            "credit": paid.round(6).tolist(),
        }
        for group, paid in zip(groups, credit, strict=True)
    ]
    record: CreditRecord = {"agents": list(agents), "groups": [*kept, *added][-MAX_GROUPS:]}
    write_text(path, json.dumps(record, allow_nan=False, ensure_ascii=False) + "\n")


def read_credit(path: Path) -> CreditRecord | None:
    """Return what the file holds; None if there is none."""
    if not path.exists():
        return None
    record: CreditRecord = json.loads(path.read_text(encoding="utf-8"))
    return record
