"""A table of what the agents said in a step and what they were paid, to be read during a run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from baselines.common.files import append_line

if TYPE_CHECKING:
    from baselines.common.types import FloatArray
    from baselines.rollouts.groups import Group

COMPLETIONS_FILE = "completions.jsonl"
"""In the folder of a run."""


class CompletionRow(TypedDict):
    """One message of one rollout; rollouts of a task are numbered from 0."""

    step: int
    task_id: str
    question: str
    gold: str
    rollout: int
    agent: str
    text: str
    tokens: int
    answer: str | None
    reward: float | None
    credit: float
    advantage: float


COLUMNS = tuple(CompletionRow.__annotations__)


def completion_rows(
    step: int, group: Group, credit: FloatArray, advantages: FloatArray, agents: Sequence[str]
) -> list[CompletionRow]:
    """Return a row for each message of a group, in the order in which they were said.

    Args:
        step: Number of the step.
        group: One task's rollouts, G of them.
        credit: Of each agent in each rollout, shape (G, A).
        advantages: Of the same shape.
        agents: Names of the A agents.
    """
    rows: list[CompletionRow] = []
    for g, rollout in enumerate(group.rollouts):
        num_turns: Counter[str] = Counter()
        for message in rollout.messages:
            agent = message.agent
            completion = rollout.completions[agent][num_turns[agent]]
            num_turns[agent] += 1
            rows.append(
                {
                    "step": step,
                    "task_id": group.task.id,
                    "question": group.task.question,
                    "gold": group.task.answer,
                    "rollout": g,
                    "agent": agent,
                    "text": message.text,
                    "tokens": len(completion.token_ids),
                    "answer": rollout.verdict.answer,
                    "reward": rollout.reward,
                    "credit": round(float(credit[g, agents.index(agent)]), 6),
                    "advantage": round(float(advantages[g, agents.index(agent)]), 6),
                }
            )
    return rows


def append_completions(path: Path, rows: Sequence[CompletionRow]) -> None:
    """Append one JSON object per row, all of them in one write.

    Raises:
        StorageError: If the disk does not take them; the file is then as it was.
    """
    if rows:
        append_line(path, "\n".join(json.dumps(row, allow_nan=False) for row in rows))
