"""completions.jsonl: a sample of completions with their reward, credit and advantage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from baselines.common.types import FloatArray
    from baselines.rollouts.groups import Group

COMPLETIONS_FILE = "completions.jsonl"
"""File name, in the folder of a run; one JSON object per message."""


class CompletionRow(TypedDict):
    """A message of a rollout; rollouts of a task are numbered from 0."""

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
    """Return one row per message of a group, in the order of the episode.

    Args:
        step: Number of the step.
        group: The G rollouts of one task.
        credit: Credit of each agent in each rollout, shape (G, A).
        advantages: Advantages, of the same shape.
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
