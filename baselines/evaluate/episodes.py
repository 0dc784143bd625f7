"""One finished episode of an evaluation, as it stands in a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from baselines.evaluate.paths import TeamPath, path_of
from baselines.rollouts.runner import Rollout
from ccpo_env.types import Message, Task, Verdict


@dataclass(frozen=True, slots=True)
class Episode:
    """What was said on a task, and what the verifier said about it.

    Args:
        benchmark: Where the task is from, as on the command line.
        task: The task.
        sample: Number of the sample, from 0, among those of the task and the path.
        path: Which team played.
        messages: In turn order; those that a control gave come first.
        verdict: Of the team's answer.
    """

    benchmark: str
    task: Task
    sample: int
    path: TeamPath
    messages: tuple[Message, ...]
    verdict: Verdict

    @classmethod
    def of(cls, rollout: Rollout, *, benchmark: str, sample: int, path: TeamPath) -> Episode:
        """Return what is kept of a rollout."""
        task = rollout.request.task
        return cls(benchmark, task, sample, path, rollout.messages, rollout.verdict)

    @property
    def reward(self) -> float | None:
        """Team reward, -1 or +1; None if it was not measured."""
        return self.verdict.reward

    def to_json(self) -> dict[str, Any]:
        """Return what the journal keeps; the task stands in the task file."""
        return {
            "task_id": self.task.id,
            "sample": self.sample,
            "path": self.path.label,
            "messages": [[m.agent, m.text] for m in self.messages],
            "verdict": [self.verdict.status, self.verdict.answer, self.verdict.detail],
        }

    @classmethod
    def from_json(
        cls, record: Mapping[str, Any], *, benchmark: str, tasks: Mapping[str, Task]
    ) -> Episode:
        """Return the episode that `to_json` wrote; tasks are those of its benchmark, by id."""
        return cls(
            benchmark,
            tasks[record["task_id"]],
            int(record["sample"]),
            path_of(record["path"]),
            tuple(Message(agent, text) for agent, text in record["messages"]),
            Verdict(*record["verdict"]),
        )

    def transcript(self) -> dict[str, Any]:
        """Return the line of transcripts.jsonl, which needs no other file to be read."""
        return {
            "benchmark": self.benchmark,
            "task_id": self.task.id,
            "question": self.task.question,
            "gold": self.task.answer,
            "tags": dict(self.task.tags),
            "sample": self.sample,
            "path": self.path.label,
            "removed": sorted(self.path.removed),
            "messages": [{"agent": m.agent, "text": m.text} for m in self.messages],
            "status": self.verdict.status,
            "answer": self.verdict.answer,
            "reward": self.reward,
            "detail": self.verdict.detail,
        }
