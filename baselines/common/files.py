"""Files of a run, written whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

from ccpo_env.text import valid_unicode

CONFIG_FILE = "config.json"
"""In the folder of a run."""


class StorageError(OSError):
    """What a run wanted to write could not be written; the message says why and what to do."""


@contextmanager
def storing(what: str, path: Path, *, also: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Say in one sentence what could not be written where.

    Args:
        what: A noun for the message.
        path: Where it belongs.
        also: Errors besides OSError that libraries raise for a failure of the disk.

    Raises:
        StorageError: In place of an OSError of the block, such as that of a full disk.
    """
    failures: tuple[type[Exception], ...] = (OSError, *also)
    try:
        yield
    except StorageError:
        raise
    except failures as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise StorageError(
            f"{what} must be written, got {reason!r} in {path}; make room or give write access, "
            f"then go on with --resume: what was saved before is untouched"
        ) from error


def make_folder(path: Path) -> None:
    """Make a folder for the results, with its parents, unless it is there.

    Raises:
        ValueError: If that cannot be done, or nothing can be written into it.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise ValueError(
            f"out_dir must be a folder that can be written, got {path} ({error.strerror}); "
            f"pass another --out-dir"
        ) from None


def write_text(path: Path, text: str) -> None:
    """Write a file next to its place, then move it there; lone surrogates become U+FFFD.

    Raises:
        StorageError: If that cannot be done; what was there is untouched.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        with storing("a file", path):
            part.write_text(valid_unicode(text), encoding="utf-8")
            sync(part)
            part.replace(path)
    except StorageError:
        part.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: object) -> None:
    """Write a value as JSON; NaN is an error."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def append_line(path: Path, line: str, *, durable: bool = True) -> None:
    """Append one line; a line that does not fit is taken back.

    Args:
        path: The file; it is made if there is none.
        line: Without the end of the line.
        durable: Whether to push it to the disk at once, which takes milliseconds. If not, `sync`
            the file before relying on it.

    Raises:
        StorageError: If that cannot be done; the file is as it was, if the disk allows it.
    """
    data = f"{line}\n".encode()
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        size = os.fstat(handle).st_size
        try:
            with storing("a line", path):
                while data:  # a disk that is nearly full takes a part
                    data = data[os.write(handle, data) :]
                if durable:
                    os.fsync(handle)
        except StorageError:
            os.ftruncate(handle, size)
            raise
    finally:
        os.close(handle)


def sync(path: Path) -> None:
    """Push a file or folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
