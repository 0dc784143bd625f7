"""Read credit.json: the credit of the newest groups of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

from baselines.common.files import read_json

CREDIT_FILE = "credit.json"
"""File name, in the folder of a run."""


class CreditedGroup(TypedDict):
    """One task's group: the rewards of its rollouts (G,), and the credit of each turn (G, T)."""

    step: int
    task_id: str
    question: str
    rewards: list[float]
    credit: list[list[float]]


class CreditRecord(TypedDict):
    """The contents of credit.json; agents are the columns of every group's credit.

    Names of turns, such as debater_0#1, where an agent speaks more than once.
    """

    agents: list[str]
    groups: list[CreditedGroup]


def read_credit(path: Path) -> CreditRecord | None:
    """Return the contents of the file; None if there is no file."""
    if not path.exists():
        return None
    record: CreditRecord = read_json(path)
    return record
