"""Cache finished batches of episodes on disk, so that a resumed evaluation skips them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from baselines.common.jsonl import append_line, read_lines, truncate_torn_line

JOURNAL = "episodes of an evaluation"
VERSION = 2
EPISODES_FILE = "episodes.jsonl"
"""File name, in the output folder, of the finished episodes."""

Record = dict[str, Any]


class EpisodeJournal:
    """An append-only JSONL file: the settings, then one line per finished batch of episodes.

    A batch is one line, flushed to the disk before `append` returns, so it is stored completely or
    not at all. Reading removes a torn last line and ignores corrupt lines.

    Args:
        path: The file; it is created if it does not exist.
        settings: All settings that the episodes depend on, as JSON values.

    Raises:
        ValueError: If the file is not a journal, or was written with other settings.
        StorageError: If it cannot be written.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self._path = path
        self._batches: dict[str, list[Record]] = {}
        header = json.dumps({"journal": JOURNAL, "version": VERSION, "settings": settings})
        lines, torn = read_lines(path)
        if not lines and not header.encode().startswith(torn[: len(header)]):
            self._refuse_file()
        truncate_torn_line(path)
        if not lines:
            append_line(path, header)
            return
        self._check_header(lines[0], json.loads(header))
        for line in lines[1:]:
            self._read(line)

    def __len__(self) -> int:
        """Return the number of finished batches."""
        return len(self._batches)

    def find(self, batch: str) -> list[Record] | None:
        """Return the episodes of a batch; None if it is not finished."""
        return self._batches.get(batch)

    def append(self, batch: str, episodes: Sequence[Record]) -> None:
        """Append a finished batch.

        Raises:
            StorageError: If it cannot be written; the file is unchanged, if the disk allows it.
        """
        append_line(self._path, json.dumps({"batch": batch, "episodes": list(episodes)}))
        self._batches[batch] = list(episodes)

    def _read(self, line: bytes) -> None:
        try:
            record = json.loads(line)
            self._batches[record["batch"]] = list(record["episodes"])
        except (ValueError, TypeError, KeyError, RecursionError):
            return  # corrupt: the batch is played again

    def _check_header(self, line: bytes, expected: Mapping[str, Any]) -> None:
        try:
            header = json.loads(line)
            is_ours = (header["journal"], header["version"]) == (JOURNAL, VERSION)
            before: dict[str, Any] = dict(header["settings"])
        except (ValueError, TypeError, KeyError):
            is_ours, before = False, {}
        if not is_ours:
            self._refuse_file()
        for name, value in expected["settings"].items():
            if before.get(name) != value:
                raise ValueError(
                    f"{name} must be that of the evaluation that out_dir holds, "
                    f"{before.get(name)!r}, got {value!r} in {self._path}; resume with the same "
                    f"settings or pass another --out-dir"
                )

    def _refuse_file(self) -> None:
        raise ValueError(
            f"{EPISODES_FILE} must be a file that an evaluation of this version has written, got "
            f"another file in {self._path}; pass another --out-dir"
        )
