"""An episode of an evaluation, and its serialization."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from baselines.evaluate.paths import JOINT, TeamPath, path_of
from baselines.rollouts.failures import failures_of, nothing_measured
from baselines.rollouts.plan import turns_of
from baselines.rollouts.rollout import Rollout
from ccpo_env.prompts import question_with_options
from ccpo_env.types import Message, Task, Topology, Verdict


@dataclass(frozen=True, slots=True)
class Episode:
    """The messages of a team on a task, and the verdict on its answer.

    Args:
        benchmark: Name of the benchmark; see `benchmark_name`.
        task: The task.
        sample: Index of the sample among those of the task and the path.
        path: The path on which it was played.
        messages: Messages in turn order, including those that it starts with.
        verdict: Verdict on the team's answer.
        num_shared: How many of the first messages are those of the joint episode of the same
            sample; with at least one, the two episodes are compared as a pair.
    """

    benchmark: str
    task: Task
    sample: int
    path: TeamPath
    messages: tuple[Message, ...]
    verdict: Verdict
    num_shared: int = 0

    @classmethod
    def of(
        cls, rollout: Rollout, *, benchmark: str, sample: int, path: TeamPath, num_shared: int = 0
    ) -> Episode:
        """Return the episode of a rollout."""
        task, messages = rollout.request.task, rollout.messages
        kept = min(num_shared, len(messages))  # fewer if a policy returned no completion
        return cls(benchmark, task, sample, path, messages, rollout.verdict, kept)

    @classmethod
    def recounted(
        cls, joint: Rollout, topology: Topology, *, benchmark: str, sample: int, path: TeamPath
    ) -> Episode:
        """Return the episode of a vote's rollout without some voters: the same messages, recounted.

        Not measured, like the vote itself, if a policy returned no completion.
        """
        left_out = turns_of(topology, path.removed)
        messages = tuple(m for m in joint.messages if m.agent not in path.removed)
        verdict = joint.verdict if joint.ballot is None else joint.ballot.verdict(left_out)
        task = joint.request.task
        return cls(benchmark, task, sample, path, messages, verdict, len(messages))

    @property
    def reward(self) -> float | None:
        """Team reward, -1 or +1; None if it was not measured."""
        return self.verdict.reward

    def to_json(self) -> dict[str, Any]:
        """Return the record for the journal, with the task given by its id."""
        return {
            "task_id": self.task.id,
            "sample": self.sample,
            "path": self.path.label,
            "messages": [[m.agent, m.text] for m in self.messages],
            "verdict": [getattr(self.verdict, field.name) for field in fields(Verdict)],
            "num_shared": self.num_shared,
        }

    @classmethod
    def from_json(
        cls, record: Mapping[str, Any], *, benchmark: str, tasks: Mapping[str, Task]
    ) -> Episode:
        """Return the episode from `to_json`; tasks maps ids to the tasks of the benchmark."""
        return cls(
            benchmark,
            tasks[record["task_id"]],
            int(record["sample"]),
            path_of(record["path"]),
            tuple(Message(agent, text) for agent, text in record["messages"]),
            Verdict(*record["verdict"]),
            int(record["num_shared"]),
        )

    def transcript(self) -> dict[str, Any]:
        """Return the row of transcripts.jsonl, which is self-contained."""
        return {
            "benchmark": self.benchmark,
            "task_id": self.task.id,
            "question": question_with_options(self.task),
            "context": list(self.task.context),
            "gold": self.task.answer,
            "answers": list(self.task.answers),
            "tags": dict(self.task.tags),
            "sample": self.sample,
            "path": self.path.label,
            "removed": sorted(self.path.removed),
            "messages": [{"agent": m.agent, "text": m.text} for m in self.messages],
            "num_shared": self.num_shared,
            "status": self.verdict.status,
            "answer": self.verdict.answer,
            "reward": self.reward,
            "score": self.verdict.score,
            "detail": self.verdict.detail,
        }


def expect_measured(episodes: Sequence[Episode], where: str) -> None:
    """Raise RolloutError if no episode was measured.

    Args:
        episodes: At least one; the reason is that of most of those of the whole team, because
            the others may fail for want of one of its messages.
        where: What they are, as "the evaluation".
    """
    if not any(episode.reward is not None for episode in episodes):
        failures = failures_of(episode.verdict for episode in episodes if episode.path == JOINT)
        raise nothing_measured(where, failures, failures.total())


def benchmark_name(tasks: str) -> str:
    """Return the name of a task source: a registered name, or a file name without its folder."""
    return Path(tasks).name if Path(tasks).suffix else tasks
