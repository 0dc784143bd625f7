"""The credit of the newest groups of a run, kept so that a person can see who earned what."""

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
from ccpo_env.types import Task

MAX_GROUPS = 96
"""Groups that are kept; the oldest go first."""
MAX_QUESTION_CHARS = 200


class CreditHistory:
    """The credit of the newest groups, held in memory until it is written.

    Args:
        path: The file; it is made if there is none.
        agents: Names of the A agents.
        last_step: What the file holds of later steps is left out, so that a resumed run writes
            what a run without a break writes.
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
        """Add the groups of a step, and drop the oldest ones.

        Args:
            step: Number of the step.
            groups: The groups that were paid.
            outcomes: Their outcomes.
            credit: Credit of each group, shape (G, A).
        """
        self._added.extend(
            _Credited(step, group.task, measured.team_rewards, paid)
            for group, measured, paid in zip(groups, outcomes, credit, strict=True)
        )

    def write(self) -> None:
        """Write the file.

        Raises:
            StorageError: If that cannot be done; what was there is untouched.
        """
        groups = [*self._written, *(added.as_json() for added in self._added)][-MAX_GROUPS:]
        record: CreditRecord = {"agents": self._agents, "groups": groups}
        write_text(self._path, json.dumps(record, allow_nan=False, ensure_ascii=False) + "\n")


class _Credited(NamedTuple):
    """What is kept of a group until it is written: not its rollouts, which may be long."""

    step: int
    task: Task
    rewards: FloatArray
    credit: FloatArray

    def as_json(self) -> CreditedGroup:
        return {
            "step": self.step,
            "task_id": self.task.id,
            "question": self.task.question[:MAX_QUESTION_CHARS],
            "rewards": self.rewards.tolist(),
            "credit": self.credit.round(6).tolist(),
        }
