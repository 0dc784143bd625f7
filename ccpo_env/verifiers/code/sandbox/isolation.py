"""Leave everything behind: files, processes, network, privileges; Linux only."""

from __future__ import annotations

import ctypes
import errno
import os
import resource
from collections.abc import Sequence
from contextlib import suppress

from ccpo_env.verifiers.code.sandbox import syscalls
from ccpo_env.verifiers.code.sandbox.new_root import LIBC, check, new_root

USER = 65_523
"""User and group of a program, which nothing else uses: RLIMIT_NPROC does not bind root."""
MAX_OPEN_FILES = 64
MAX_SIGNALS = 64
"""Signals and timers that wait for a program."""
MAX_FILE_BYTES = 16 << 20

_NEW_NAMESPACES = 0x00020000 | 0x20000000 | 0x40000000 | 0x08000000 | 0x04000000
"""Of mounts, processes, network, inter-process communication and host name."""
_NEW_USERS = 0x10000000
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
_CAPABILITY_VERSION_3 = 0x20080522
_SIGKILL = 9


def _unshare(flags: int, what: str) -> None:
    """Enter new namespaces.

    Raises:
        OSError: If the kernel does not allow it.
    """
    if LIBC.unshare(flags) == 0:
        return
    code = ctypes.get_errno()
    reason = os.strerror(code)
    if code == errno.ENOSPC:  # which has nothing to do with a disk
        reason = f"{what} are disabled, or all in use: see the limits in /proc/sys/user"
    raise OSError(code, f"unshare of {what}: {reason}")


def check_proc() -> None:
    """Check that /proc shows this process, whose numbers are needed.

    Raises:
        OSError: If it shows those of other namespaces.
    """
    shown = os.readlink("/proc/self")
    if shown != str(os.getpid()):
        raise OSError(
            f"/proc must show the processes of this PID namespace, got process {shown} for "
            f"{os.getpid()}; mount it there"
        )


def die_with_parent() -> None:
    """Have the kernel kill this process when the one that started it ends."""
    check(LIBC.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")


def hide_memory() -> None:
    """Keep processes of the same user from reading the memory of this one."""
    check(LIBC.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0), "prctl(PR_SET_DUMPABLE)")


def new_namespaces() -> None:
    """Move the children of this process to new namespaces.

    Raises:
        OSError: If the kernel does not allow it.
    """
    if os.geteuid() == 0 and _is_mapped():
        with suppress(PermissionError):  # root without rights, as in many containers
            _unshare(_NEW_NAMESPACES, "namespaces")
            return
    _new_users(os.open("/proc", os.O_RDONLY | os.O_DIRECTORY))
    _unshare(_NEW_NAMESPACES, "namespaces")


def _is_mapped() -> bool:
    """Return whether this user namespace has the user of programs, which root may become."""
    with open("/proc/self/uid_map", encoding="ascii") as file:
        ranges = [tuple(map(int, line.split())) for line in file]
    with open("/proc/self/setgroups", encoding="ascii") as file:
        is_allowed = file.read().strip() == "allow"
    return is_allowed and any(first <= USER < first + count for first, _, count in ranges)


def _new_users(proc: int) -> None:
    """Enter a new user namespace in which this user is `USER`; closes the folder /proc."""
    user, group = os.geteuid(), os.getegid()
    check(LIBC.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0), "prctl(PR_SET_DUMPABLE)")
    _unshare(_NEW_USERS, "user namespaces")
    texts = (
        ("setgroups", "deny"),
        ("uid_map", f"{USER} {user} 1"),
        ("gid_map", f"{USER} {group} 1"),
    )
    for name, text in texts:
        file = os.open(f"self/{name}", os.O_WRONLY, dir_fd=proc)
        os.write(file, text.encode())
        os.close(file)
    os.close(proc)


def leave(mount_point: str | None) -> None:
    """Give up files, network, other processes and all privileges.

    Args:
        mount_point: A folder to cover with the new root, in new namespaces; None: stay in those of
            the parent, where nothing but the rights of the user protects files.
    """
    proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
    if mount_point is not None:
        new_root(mount_point)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(USER, USER, USER)
        os.setresuid(USER, USER, USER)
        if mount_point is not None:
            _new_users(proc)  # RLIMIT_NPROC counts the processes of this namespace alone
            proc = -1
    if proc >= 0:
        os.close(proc)
    if not os.access(os.__file__, os.R_OK):
        raise OSError(f"{os.__file__} must be readable for other users than root")
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    check(LIBC.capset(header, (ctypes.c_uint32 * 6)()), "capset")
    hide_memory()  # which could be read until the new user namespace was described
    die_with_parent()


def limit(*, cpu_s: int, memory_mb: int) -> list[str]:
    """Limit this process: it may neither start others nor raise its limits again.

    Returns:
        What keeps it from starting processes: each is tried before the next is set.
    """
    limits = {
        resource.RLIMIT_CPU: cpu_s,
        resource.RLIMIT_AS: memory_mb << 20,
        resource.RLIMIT_NPROC: 1,
        resource.RLIMIT_FSIZE: MAX_FILE_BYTES,
        resource.RLIMIT_NOFILE: MAX_OPEN_FILES,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_SIGPENDING: MAX_SIGNALS,
    }
    for kind, value in limits.items():
        resource.setrlimit(kind, (value, value))
    in_force = ["RLIMIT_NPROC"] if _is_alone() else []
    syscalls.deny(LIBC)
    return [*in_force, "seccomp"]


def _is_alone() -> bool:
    """Return whether this process cannot start another one."""
    try:
        child = os.fork()
    except OSError:
        return True
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return False


def keep_only(files: Sequence[int]) -> None:
    """Close every file but these, and read from and write to nothing as standard streams."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nothing, stream)
    first = 3
    for file in sorted(files):
        os.closerange(first, file)
        first = file + 1
    os.closerange(first, 1 << 20)
