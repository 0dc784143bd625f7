"""Record the credit of the newest groups of a run in credit.json."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from baselines.common.credit_file import CreditedGroup, CreditRecord, read_credit
from baselines.common.files import write_text
from baselines.common.types import FloatArray
from baselines.credit import GroupOutcomes
from baselines.rollouts.groups import Group
from ccpo_env.prompts import question_with_options
from ccpo_env.types import Task

MAX_GROUPS = 96
"""Number of groups kept; the oldest are dropped first."""
MAX_QUESTION_CHARS = 200


class CreditHistory:
    """The credit of the newest groups, buffered in memory until `write`.

    Args:
        path: The file; it is created if it does not exist.
        agents: Names of the columns of credit: the agents, or their turns.
        last_step: Groups of later steps in the file are dropped, so that a resumed run writes
            the same file as an uninterrupted one.
    """

    def __init__(self, path: Path, agents: Sequence[str], last_step: int) -> None:
        before = read_credit(path)
        kept = [group for group in before["groups"] if group["step"] <= last_step] if before else []
        self._path = path
        self._agents = list(agents)
        self._written = kept
        self._added = deque[_Credited](maxlen=MAX_GROUPS)

    def add(
        self,
        step: int,
        groups: Sequence[Group],
        outcomes: Sequence[GroupOutcomes],
        credit: Sequence[FloatArray],
    ) -> None:
        """Add the groups of a step, and drop the oldest groups beyond MAX_GROUPS.

        Args:
            step: Number of the step.
            groups: The groups that received credit.
            outcomes: Outcomes of each group.
            credit: Credit of each group, shape (G, A) or (G, T).
        """
        self._added.extend(
            _Credited(step, group.task, measured.team_rewards, own)
            for group, measured, own in zip(groups, outcomes, credit, strict=True)
        )

    def write(self) -> None:
        """Write the file atomically.

        Raises:
            StorageError: If it cannot be written; a file that existed is unchanged.
        """
        groups = [*self._written, *(added.as_json() for added in self._added)][-MAX_GROUPS:]
        record: CreditRecord = {"agents": self._agents, "groups": groups}
        write_text(self._path, json.dumps(record, allow_nan=False, ensure_ascii=False) + "\n")


class _Credited(NamedTuple):
    """The part of a group that is written; its rollouts, which may be long, are not kept."""

    step: int
    task: Task
    rewards: FloatArray
    credit: FloatArray

    def as_json(self) -> CreditedGroup:
        return {
            "step": self.step,
            "task_id": self.task.id,
            "question": question_with_options(self.task)[:MAX_QUESTION_CHARS],
            "rewards": self.rewards.tolist(),
            "credit": self.credit.round(6).tolist(),
        }
