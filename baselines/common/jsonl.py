"""Append-only JSONL files: one JSON object per line, safe to resume after a crash.

A process that is killed while writing leaves a torn last line, without its line ending. Readers
skip it; a writer calls `truncate_torn_line` or `keep_rows` before it appends.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from baselines.common.files import storing, write_text
from ccpo_env.strict_json import decoded, other_encoding

Row = Mapping[str, object]


def append_line(path: Path, line: str, *, durable: bool = True) -> None:
    """Append one line; a line that cannot be written completely is removed again.

    Args:
        path: The file; it is created if it does not exist.
        line: The text, without the line ending.
        durable: Whether to flush it to the disk at once, which takes milliseconds. If not, call
            `baselines.common.files.sync` before relying on it.

    Raises:
        StorageError: If it cannot be written; the file is unchanged, if the disk allows it.
    """
    with storing("a line", path):
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            size = os.fstat(handle).st_size
            try:
                _write(handle, f"{line}\n".encode(), durable=durable)
            except OSError:
                os.ftruncate(handle, size)
                raise
        finally:
            os.close(handle)


def append_rows(path: Path, rows: Sequence[Row], *, durable: bool = True) -> None:
    """Append one JSON object per row, all in one write; do nothing without rows.

    Args:
        path: The file; it is created if it does not exist.
        rows: JSON values; NaN and infinity are a ValueError.
        durable: See `append_line`.

    Raises:
        StorageError: If they cannot be written; the file is unchanged, if the disk allows it.
    """
    if rows:
        lines = [json.dumps(row, allow_nan=False) for row in rows]
        append_line(path, "\n".join(lines), durable=durable)


def append_row(path: Path, row: Row, *, durable: bool = True) -> None:
    """Append one JSON object; see `append_rows`."""
    append_rows(path, [row], durable=durable)


def read_lines(path: Path) -> tuple[list[bytes], bytes]:
    """Return the complete lines of a file, and the torn last line if there is one.

    Returns:
        The lines without their endings, none if there is no file; and the torn line, empty if
        there is none.
    """
    *lines, torn = path.read_bytes().split(b"\n") if path.exists() else [b""]
    return lines, torn


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file, none if there is no file; a torn last line is left out.

    Raises:
        ValueError: If a complete line is not JSON.
    """
    return list(each_row(path))


def each_row(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of `read_rows` one by one, for a file that is too large to hold."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.endswith(b"\n"):
                yield _parsed(path, number, line[:-1])


def is_torn(path: Path) -> bool:
    """Return whether a file has a torn last line, which readers leave out."""
    if not path.is_file() or not path.stat().st_size:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def truncate_torn_line(path: Path) -> None:
    """Remove a torn last line, so that the next row gets a line of its own.

    Raises:
        StorageError: If the file cannot be written.
    """
    _, torn = read_lines(path)
    if torn:
        with storing("a file", path):
            os.truncate(path, path.stat().st_size - len(torn))


def keep_rows(path: Path, keep: Callable[[dict[str, Any]], bool]) -> None:
    """Keep the rows that satisfy a predicate, as they are; remove the others and a torn last line.

    The file is replaced atomically; it is created if it does not exist.

    Raises:
        StorageError: If the file cannot be written; it is then unchanged.
        ValueError: If a complete line is not JSON.
    """
    lines, _ = read_lines(path)
    kept = [line for n, line in enumerate(lines, start=1) if keep(_parsed(path, n, line))]
    write_text(path, b"".join(line + b"\n" for line in kept).decode())


def _write(handle: int, data: bytes, *, durable: bool) -> None:
    while data:  # a nearly full disk may write only a part
        data = data[os.write(handle, data) :]
    if durable:
        os.fsync(handle)


def _parsed(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        row: dict[str, Any] = json.loads(decoded(line))
        is_object = isinstance(row, dict)
    except (ValueError, RecursionError):
        is_object = False
    if not is_object:
        got = other_encoding(line) or f"{line[:80]!r}"
        raise ValueError(
            f"each line must be a JSON object, got {got} in line {number} of {path}; "
            f"restore the file"
        )
    return row
