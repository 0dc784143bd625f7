"""Write and read transcripts.jsonl: every episode of an evaluation, one JSON object per line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baselines.common.evaluation_file import TaskKey
from baselines.common.files import write_text
from baselines.common.jsonl import read_rows
from baselines.evaluate.episodes import Episode

TRANSCRIPTS_FILE = "transcripts.jsonl"
"""File name, in the folder of an evaluation, or of a run for its evaluation after training."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """An episode as it is read from the file.

    Args:
        benchmark: Name of the benchmark.
        task_id: Id of the task.
        question: Its question, with its options if it has any.
        gold: Its gold answer; may be empty.
        sample: Index among the samples of the task.
        path: Name of the path, such as "joint" or "without thinker_0".
        messages: Agent and text of each message.
        answer: Answer of the team; None if it gave none.
        reward: Team reward, -1 or +1; None if it was not measured.
    """

    benchmark: str
    task_id: str
    question: str
    gold: str
    sample: int
    path: str
    messages: tuple[tuple[str, str], ...]
    answer: str | None
    reward: float | None

    @property
    def key(self) -> TaskKey:
        """Benchmark, and id of the task."""
        return self.benchmark, self.task_id


def write_transcripts(folder: Path, episodes: Sequence[Episode]) -> None:
    """Write the transcripts of all episodes.

    Raises:
        StorageError: If the file cannot be written.
    """
    lines = [json.dumps(e.transcript(), ensure_ascii=False) + "\n" for e in episodes]
    write_text(folder / TRANSCRIPTS_FILE, "".join(lines))


def read_transcripts(folder: Path) -> list[Transcript]:
    """Return the transcripts in a folder, none if there is no file.

    Raises:
        ValueError: If a line is not a transcript of this version.
    """
    try:
        return [_transcript(row) for row in read_rows(folder / TRANSCRIPTS_FILE)]
    except (ValueError, KeyError, TypeError):
        raise ValueError(
            f"{TRANSCRIPTS_FILE} must be that of an evaluation of this version, got another file "
            f"in {folder}; run the evaluation again"
        ) from None


def _transcript(row: dict[str, Any]) -> Transcript:
    return Transcript(
        benchmark=str(row["benchmark"]),
        task_id=str(row["task_id"]),
        question=str(row["question"]),
        gold=str(row["gold"]),
        sample=int(row["sample"]),
        path=str(row["path"]),
        messages=tuple((str(m["agent"]), str(m["text"])) for m in row["messages"]),
        answer=None if row["answer"] is None else str(row["answer"]),
        reward=None if row["reward"] is None else float(row["reward"]),
    )
