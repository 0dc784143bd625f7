"""completions.jsonl: a sample of completions with their reward, credit and advantage."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from ccpo_env.prompts import question_with_options

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
    step: int, group: Group, credit: FloatArray, advantages: FloatArray
) -> list[CompletionRow]:
    """Return one row per message of a group, in the order of the episode.

    Args:
        step: Number of the step.
        group: The G rollouts of one task.
        credit: Credit of each turn in each rollout, shape (G, T).
        advantages: Advantages, of the same shape.
    """
    return [
        {
            "step": step,
            "task_id": group.task.id,
            "question": question_with_options(group.task),
            "gold": group.task.answer,
            "rollout": g,
            "agent": message.agent,
            "text": message.text,
            "tokens": len(completion.token_ids),
            "answer": rollout.verdict.answer,
            "reward": rollout.reward,
            "credit": round(float(credit[g, turn]), 6),
            "advantage": round(float(advantages[g, turn]), 6),
        }
        for g, rollout in enumerate(group.rollouts)
        for turn, (message, completion) in enumerate(
            zip(rollout.messages, rollout.sampled, strict=True)
        )
    ]
