"""Read credit.json: the credit of the newest groups of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict, TypeGuard, cast

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
    """Return the contents of the file; None if there is no file.

    Raises:
        ValueError: If it is not JSON, or holds anything else than a CreditRecord.
    """
    if not path.exists():
        return None
    record = read_json(path)
    if not _is_record(record):
        raise ValueError(
            f"{path.name} must hold the credit of a run, got another value in {path.parent}; "
            f"restore it from a copy, or delete it: the page then shows the credit of later steps"
        )
    return cast(CreditRecord, record)


def _is_record(value: Any) -> bool:
    if not isinstance(value, dict) or not _are(value.get("agents"), str):
        return False
    groups, width = value.get("groups"), len(value["agents"])
    return _are(groups, dict) and all(_is_group(group, width) for group in groups)


def _is_group(group: dict[str, Any], width: int) -> bool:
    rewards, credit = group.get("rewards"), group.get("credit")
    return (
        isinstance(group.get("step"), int)
        and all(isinstance(group.get(name), str) for name in ("task_id", "question"))
        and _are(rewards, int, float)
        and _are(credit, list)
        and len(rewards) == len(credit)
        and all(len(row) == width and _are(row, int, float) for row in credit)
    )


def _are(values: Any, *kinds: type) -> TypeGuard[list[Any]]:
    return isinstance(values, list) and all(type(value) in kinds for value in values)
