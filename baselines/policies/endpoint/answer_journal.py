"""Cache the answers of an endpoint on disk, so that no request is sent twice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baselines.common.jsonl import append_line, append_row, read_lines, truncate_torn_line
from baselines.policies.base import Completion
from baselines.policies.endpoint.wire import Answer, Usage

HEADER = '{"journal": "answers of an endpoint", "version": 1}\n'
"""The first line, with its ending."""


@dataclass(frozen=True, slots=True)
class SampleKey:
    """One sample of one question.

    Args:
        question: Hash of everything that the samples depend on.
        index: Index of the sample among those of the question.
    """

    question: str
    index: int


class Journal:
    """An append-only JSONL file of answers.

    Each line is flushed to the disk before `append` returns. A corrupt or torn line is ignored
    when the file is read, and its answers are requested again.

    Args:
        path: The file; it is created with its folder if it does not exist.

    Raises:
        ValueError: If the file is not a journal, or cannot be opened for writing.
        StorageError: If its first line cannot be written, or a torn line not be ended.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._completions: dict[SampleKey, Completion] = {}
        self._prompt_tokens = self._completion_tokens = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab"):
                pass
            lines, torn = read_lines(path)
        except OSError as error:
            raise ValueError(
                f"journal must be a file that can be written, got {path} ({error.strerror}); "
                f"pass another path"
            ) from None
        header = HEADER.removesuffix("\n")
        if not lines and header.encode().startswith(torn):  # new, or torn in its first line
            truncate_torn_line(path)
            append_line(path, header)
            return
        if not lines or lines[0] != header.encode():
            raise ValueError(
                f"journal must be a file that an endpoint has written, got {path}; "
                f"pass the path of a new file"
            )
        for line in [*lines[1:], torn]:  # that may lack no more than its ending
            self._read(line)
        if torn:
            append_line(path, "")

    def __len__(self) -> int:
        """Return the number of samples in the journal."""
        return len(self._completions)

    @property
    def usage(self) -> Usage:
        """Token counts of all answers in the file."""
        return Usage(self._prompt_tokens, self._completion_tokens)

    def find(self, key: SampleKey) -> Completion | None:
        """Return a finished sample; None if there is none yet."""
        return self._completions.get(key)

    def append(self, first: SampleKey, answer: Answer) -> None:
        """Append the samples of an answer, with indices that start at that of `first`.

        Raises:
            StorageError: If they cannot be written; the file is unchanged, if the disk allows it.
        """
        record = {
            "question": first.question,
            "first": first.index,
            "prompt_ids": answer.completions[0].prompt_ids,
            "choices": [[c.text, c.token_ids, c.logprobs] for c in answer.completions],
            "usage": [answer.usage.prompt_tokens, answer.usage.completion_tokens],
        }
        append_row(self._path, record)
        self._keep(first, answer.completions, answer.usage)

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
            return  # corrupt or torn
        self._keep(first, completions, Usage(prompt_tokens, completion_tokens))

    def _keep(self, first: SampleKey, completions: Sequence[Completion], usage: Usage) -> None:
        for place, completion in enumerate(completions):
            key = SampleKey(first.question, first.index + place)
            self._completions.setdefault(key, completion)
        self._prompt_tokens += usage.prompt_tokens
        self._completion_tokens += usage.completion_tokens
