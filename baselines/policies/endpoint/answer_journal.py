"""A file of finished answers of an endpoint, so that none is requested twice."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baselines.policies.base import Completion
from baselines.policies.endpoint.wire import Answer, Usage

HEADER = '{"journal": "answers of an endpoint", "version": 1}\n'


@dataclass(frozen=True, slots=True)
class SampleKey:
    """One sample of one question.

    Args:
        question: Hash of all parameters of the request that affect the sample.
        index: Index of the sample among those of the question.
    """

    question: str
    index: int


class Journal:
    """An append-only file of answers, one JSON object per line.

    Each line is flushed to disk before `append` returns. A line that was torn by a crash is skipped
    when the file is read, and its answers are requested again.

    Args:
        path: The file; created with its folder if it does not exist.

    Raises:
        ValueError: If it is a different kind of file, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._completions: dict[SampleKey, Completion] = {}
        self._prompt_tokens = self._completion_tokens = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab"):
                pass
            content = path.read_bytes()
        except OSError as error:
            raise ValueError(
                f"journal must be a file that can be written, got {path} ({error.strerror}); "
                f"pass another path"
            ) from None
        if HEADER.encode().startswith(content):  # new, or torn in its first line
            path.write_text(HEADER, encoding="utf-8")
            return
        if not content.startswith(HEADER.encode()):
            raise ValueError(
                f"journal must be a file that an endpoint has written, got {path}; "
                f"pass the path of a new file"
            )
        for line in content.splitlines()[1:]:
            self._read(line)
        if not content.endswith(b"\n"):
            self._write("\n")

    def __len__(self) -> int:
        """Return the number of stored samples."""
        return len(self._completions)

    @property
    def usage(self) -> Usage:
        """Token counts of all answers in the file."""
        return Usage(self._prompt_tokens, self._completion_tokens)

    def find(self, key: SampleKey) -> Completion | None:
        """Return a stored sample, or None."""
        return self._completions.get(key)

    def append(self, first: SampleKey, answer: Answer) -> None:
        """Store the samples of an answer, with indices from first.

        Raises:
            OSError: If they cannot be written.
        """
        record = {
            "question": first.question,
            "first": first.index,
            "prompt_ids": answer.completions[0].prompt_ids,
            "choices": [[c.text, c.token_ids, c.logprobs] for c in answer.completions],
            "usage": [answer.usage.prompt_tokens, answer.usage.completion_tokens],
        }
        self._write(json.dumps(record, allow_nan=False) + "\n")
        self._keep(first, answer.completions, answer.usage)

    def _write(self, text: str) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

    def _read(self, line: bytes) -> None:
        try:
            record: dict[str, Any] = json.loads(line)
            prompt_ids = tuple(map(int, record["prompt_ids"]))
            completions = [
                Completion(str(text), prompt_ids, tuple(map(int, ids)), tuple(map(float, logprobs)))
                for text, ids, logprobs in record["choices"]
            ]
            first = SampleKey(str(record["question"]), int(record["first"]))
            prompt_tokens, completion_tokens = map(int, record["usage"])
        except (ValueError, TypeError, KeyError, RecursionError):
            return  # torn
        self._keep(first, completions, Usage(prompt_tokens, completion_tokens))

    def _keep(self, first: SampleKey, completions: Sequence[Completion], usage: Usage) -> None:
        for place, completion in enumerate(completions):
            key = SampleKey(first.question, first.index + place)
            self._completions.setdefault(key, completion)
        self._prompt_tokens += usage.prompt_tokens
        self._completion_tokens += usage.completion_tokens
