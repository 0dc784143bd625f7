"""Locks on the folders of results, so that two processes never write in one of them."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

LOCK_FILE = ".lock"
"""File name, in a folder of results, while a command writes there: process id and host."""
NAMESPACE_MARK = "?pidns-"
"""Follows the name of a host in a lock file if its process ids are those of a container."""
STALE_AFTER_S = 0.5
"""Time to recognize and replace the lock of a process that has ended, in seconds."""

Held = dict[Path, None]
_LOCKS: ContextVar[tuple[ExitStack, Held] | None] = ContextVar("_LOCKS", default=None)


@contextmanager
def locks_until_end() -> Iterator[None]:
    """Release at the end of the block the folders that are locked in it.

    Folders that the block has created and left empty are removed.
    """
    with ExitStack() as stack:
        token = _LOCKS.set((stack, {}))
        try:
            yield
        finally:
            _LOCKS.reset(token)


def lock_folder(folder: Path, *, new: Sequence[Path] = ()) -> None:
    """Lock a folder until the command ends; do nothing outside `locks_until_end`.

    The lock of a process that no longer runs on this host is replaced, also if its process id
    has been given to another process.

    Args:
        folder: An existing folder.
        new: Which of it and its parents this process has created, from the innermost on.

    Raises:
        ValueError: If another process, or another command of this one, has locked it.
        ImportError: If the package filelock is missing.
    """
    scope = _LOCKS.get()
    place = folder.resolve()
    if scope is None or place in scope[1]:
        return
    from filelock import SoftFileLock, Timeout  # of the extras, which not every command needs

    stack, held = scope
    for created in reversed(new):
        stack.callback(_remove_if_empty, created)
    path = folder / LOCK_FILE
    lock = SoftFileLock(path, timeout=STALE_AFTER_S, poll_interval=STALE_AFTER_S / 10)
    try:
        lock.acquire()
    except Timeout:
        raise ValueError(_refusal(folder)) from None
    stack.callback(lock.release)
    held[place] = None


def _refusal(folder: Path) -> str:
    path = folder / LOCK_FILE
    pid, host = _owner(path)
    if pid is None:
        owner, remedy = "an unknown process", f"if none writes there, delete {path}"
    else:
        owner, remedy = f"process {pid} on {host.partition(NAMESPACE_MARK)[0]}", ""
        if host.partition(NAMESPACE_MARK)[0] != socket.gethostname() or not _is_visible(pid):
            remedy = f"if that process no longer runs there, delete {path}"
    return (
        f"out_dir must be a folder that no other process writes to, got {folder}, which is locked "
        f"by {owner}; pass another --out-dir or wait for it to end{remedy and f', or {remedy}'}"
    )


def _owner(path: Path) -> tuple[int | None, str]:
    """Return process id and host in a lock file; no process id if it holds none."""
    try:
        pid, host, *_ = path.read_text(encoding="utf-8").splitlines()
        return int(pid), host
    except (OSError, ValueError):
        return None, ""


def _is_visible(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
