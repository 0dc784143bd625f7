"""Atomic file writes, and one error type for files that cannot be written."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from baselines.common.errors import StorageError
from baselines.common.folder_lock import lock_folder
from ccpo_env import strict_json
from ccpo_env.text import valid_unicode, without_controls

CONFIG_FILE, SUMMARY_FILE, COMMAND_FILE = "config.json", "summary.json", "command.txt"
"""File name, in the folder of a run."""


@contextmanager
def storing(what: str, path: Path, *, also: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Turn file-system errors into a StorageError with a one-sentence message.

    Args:
        what: What is written, as a noun for the message.
        path: The file or folder that is written.
        also: Errors besides OSError that libraries raise when the disk fails.

    Raises:
        StorageError: In place of an OSError raised in the block, such as for a full disk.
    """
    failures: tuple[type[Exception], ...] = (OSError, *also)
    try:
        yield
    except StorageError:
        raise
    except failures as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise StorageError(
            f"{what} must be written, got {reason!r} in {path}; free disk space or grant write "
            f"access, then run the command again, training with --resume: files saved earlier are "
            f"intact"
        ) from error


def make_folder(path: Path, *, is_shared: bool = False) -> None:
    """Create a folder for results, and its parents, unless it exists.

    Args:
        path: The folder.
        is_shared: Whether other processes may write there. If not, it is locked until the command
            ends.

    Raises:
        ValueError: If it cannot be created, no file can be written in it, or another process
            writes there.
    """
    new = [folder for folder in (path, *path.parents) if not folder.exists()]
    if valid_unicode(str(path)) != str(path):  # of bytes that are no text in this locale
        raise ValueError(
            f"out_dir must be a name in the encoding of the system, got {str(path)!r}; set "
            f"LC_ALL=C.UTF-8, or pass another --out-dir"
        )
    try:
        path.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=path):
            pass
        if not is_shared:
            lock_folder(path, new=new)
    except OSError as error:
        raise ValueError(
            f"out_dir must be a writable folder, got {path} ({error.strerror}); "
            f"pass another --out-dir"
        ) from None


def expect_folder(path: Path, what: str = "a training run", by: str = "ccpo train") -> None:
    """Raise FileNotFoundError, in the sentence of all commands, unless a folder exists.

    Args:
        path: What was given as RUN.
        what: What the folder must be one of.
        by: The commands that write it.
    """
    if not path.is_dir():
        got = "which is a file" if path.exists() else "which does not exist"
        raise FileNotFoundError(
            f"RUN must be the folder of {what}, got {path}, {got}; pass the --out-dir of {by}"
        )


def expect_run(path: Path) -> None:
    """Raise FileNotFoundError, in the sentence of all commands, unless this is a run's folder."""
    expect_folder(path)
    if not (path / CONFIG_FILE).is_file():
        raise FileNotFoundError(
            f"RUN must be the folder of a training run, got {path} without {CONFIG_FILE}; pass the "
            f"--out-dir of ccpo train"
        )


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically; control characters are escaped, as `without_controls` does.

    Raises:
        StorageError: If it cannot be written; a file that existed is unchanged.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        with storing("a file", path):
            part.write_text(without_controls(text), encoding="utf-8")
            sync(part)
            part.replace(path)
    except StorageError:
        with suppress(OSError):  # a read-only disk keeps what was begun
            part.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: object) -> None:
    """Write a value as JSON, atomically; NaN and infinity are a ValueError."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Return the contents of a JSON file.

    Raises:
        FileNotFoundError: If there is no file.
        ValueError: If it is not JSON, such as half of a file; the message names it.
    """
    try:
        return strict_json.parse(strict_json.decoded(path.read_bytes()))
    except ValueError as error:  # of the encoding, too
        raise ValueError(
            f"{path.name} must be a JSON file, got a damaged one in {path.parent} ({error}); "
            f"restore it from a copy, or write it again"
        ) from None


def read_object(path: Path) -> dict[str, Any]:
    """Return the contents of a JSON file that holds an object.

    Raises:
        FileNotFoundError: If there is no file.
        ValueError: If it is not JSON, or holds another value; the message names it.
    """
    value = read_json(path)
    if not isinstance(value, dict):
        raise ValueError(
            f"{path.name} must hold a JSON object, got {type(value).__name__} in {path.parent}; "
            f"restore it from a copy, or write it again"
        )
    return value


@contextmanager
def as_written(folder: Path) -> Iterator[None]:
    """Report values of another form than those that were written into the files of a folder.

    Raises:
        ValueError: In place of the errors of code that reads a value of another type, or none.
    """
    try:
        yield
    except (KeyError, IndexError, AttributeError, TypeError) as error:
        reason = f"{type(error).__name__} {error}"
        raise ValueError(
            f"files of a run must be as this version wrote them, got others in {folder} ({reason})"
            f"; restore them from a copy, or run the command that wrote them again"
        ) from error


def sync(path: Path) -> None:
    """Flush a file or folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
