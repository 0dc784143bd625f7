"""Finished batches of episodes on disk, so that none is played again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from baselines.common.files import append_line, storing

JOURNAL = "episodes of an evaluation"
VERSION = 1
EPISODES_FILE = "episodes.jsonl"
"""In the output folder: what has been played."""

Record = dict[str, Any]


class EpisodeJournal:
    """An append-only file: the settings, then one line per finished batch of episodes.

    A batch is one line, pushed to the disk before `append` returns: it is there as a whole or not
    at all. A line that a crash has torn is cut off when the file is read.

    Args:
        path: The file; made unless it is there.
        settings: All that decides what is played, as JSON values.

    Raises:
        ValueError: If the file is something else, or was written with other settings.
        StorageError: If it cannot be written.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self._path = path
        self._batches: dict[str, list[Record]] = {}
        header = json.dumps({"journal": JOURNAL, "version": VERSION, "settings": settings})
        content = path.read_bytes() if path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        if not whole and not header.encode().startswith(content[: len(header)]):
            self._refuse_file()
        if len(whole) < len(content):
            with storing("a journal", path), path.open("r+b") as file:
                file.truncate(len(whole))
        if not whole:
            append_line(path, header)
            return
        first, *lines = whole.splitlines()
        self._check_header(first, json.loads(header))
        for line in lines:
            self._read(line)

    def __len__(self) -> int:
        """Return how many batches are finished."""
        return len(self._batches)

    def find(self, batch: str) -> list[Record] | None:
        """Return the episodes of a finished batch; None if it is not finished."""
        return self._batches.get(batch)

    def append(self, batch: str, episodes: Sequence[Record]) -> None:
        """Keep a finished batch.

        Raises:
            StorageError: If the disk does not take it.
        """
        append_line(self._path, json.dumps({"batch": batch, "episodes": list(episodes)}))
        self._batches[batch] = list(episodes)

    def _read(self, line: bytes) -> None:
        try:
            record = json.loads(line)
            self._batches[record["batch"]] = list(record["episodes"])
        except (ValueError, TypeError, KeyError, RecursionError):
            return  # damaged: it is played again

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
                    f"{before.get(name)!r}, got {value!r} in {self._path}; go on with the same "
                    f"settings or pass another --out-dir"
                )

    def _refuse_file(self) -> None:
        raise ValueError(
            f"{EPISODES_FILE} must be a file that an evaluation of this version has written, got "
            f"{self._path}; pass another --out-dir"
        )
