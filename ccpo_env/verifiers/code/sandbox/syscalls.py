"""System calls that a program may not make: a seccomp filter, by number and machine."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterable, Mapping, Sequence

X86_64 = 0xC000003E
AARCH64 = 0xC00000B7
ARCHITECTURES: Mapping[str, tuple[int, int]] = {"x86_64": (X86_64, 0), "aarch64": (AARCH64, 1)}
"""Audit architecture of each machine and its column in DENIED."""
MAX_KNOWN_CALL = 451
"""Later system calls than those of Linux 6.5 do not exist for a program."""
DENIED: Mapping[str, tuple[int | None, int | None]] = {
    # Processes and threads: with one process, limits of a process are limits of the program.
    "fork": (57, None),
    "vfork": (58, None),
    "clone": (56, 220),
    "clone3": (435, 435),
    "execve": (59, 221),
    "execveat": (322, 281),
    # Other processes, which matter where there is no PID namespace.
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "pidfd_getfd": (438, 438),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "prlimit64": (302, 261),
    "setrlimit": (160, 164),
    "prctl": (157, 167),  # with which a process could outlive the one that started it
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "sched_setaffinity": (203, 122),
    "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118),
    "sched_setattr": (314, 274),
    # Network, also where no namespace covers it (AF_VSOCK, AF_ALG).
    "socket": (41, 198),
    # Memory beyond the limit of the address space, and what outlives a process.
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    # Wide parts of the kernel that no program needs here.
    "unshare": (272, 97),
    "setns": (308, 268),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "splice": (275, 76),
    "vmsplice": (278, 75),
    "tee": (276, 77),
    "modify_ldt": (154, None),
    "inotify_init": (253, None),
    "inotify_init1": (294, 26),
    "fanotify_init": (300, 262),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
}
"""Number of each denied call on x86-64 and on 64-bit ARM; None where it does not exist."""
IDLE: Mapping[str, tuple[int, int]] = {"sched_yield": (24, 124)}
"""Calls that do nothing: who gives up its core would pass its time without using it."""
DENIED_ARGUMENTS: Mapping[str, tuple[tuple[int, int], int, tuple[int, ...]]] = {
    # F_SETOWN, F_SETSIG, F_SETOWN_EX; leases and notes of folders send signals too.
    "fcntl": ((72, 25), 1, (8, 10, 15, 1024, 1026)),
    "ioctl": ((16, 29), 1, (0x8901, 0x8902, 0x5412)),  # FIOSETOWN, SIOCSPGRP, TIOCSTI
}
"""Numbers of calls, the position of an argument, and its values with which they are denied."""
ALLOWED_ARGUMENTS: Mapping[str, tuple[tuple[int, int], int, tuple[int, ...]]] = {
    "socketpair": ((53, 199), 0, (1,)),  # AF_UNIX, which asyncio needs
}
"""Likewise, with its only values with which they are allowed."""

_LOAD, _EQUAL, _GREATER, _RETURN = 0x20, 0x15, 0x25, 0x06  # codes of BPF instructions
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_AT_NUMBER, _AT_ARCHITECTURE, _AT_ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def filter_of(machine: str) -> bytes:
    """Return the filter of a machine as BPF instructions: denied calls fail with EPERM.

    Raises:
        OSError: If the numbers of its system calls are not known.
    """
    if machine not in ARCHITECTURES:
        raise OSError(f"machine must be one of {sorted(ARCHITECTURES)}, got {machine!r}")
    architecture, column = ARCHITECTURES[machine]
    return b"".join(_instructions(architecture, column))


def _one(code: int, jump_if: int, jump_else: int, value: int) -> bytes:
    return struct.pack("HBBI", code, jump_if, jump_else, value)


def _instructions(architecture: int, column: int) -> Iterable[bytes]:
    yield _one(_LOAD, 0, 0, _AT_ARCHITECTURE)
    yield _one(_EQUAL, 1, 0, architecture)
    yield _one(_RETURN, 0, 0, _KILL)  # a call of another architecture, such as a 32-bit one
    yield _one(_LOAD, 0, 0, _AT_NUMBER)
    yield _one(_GREATER, 0, 1, MAX_KNOWN_CALL)  # the calls of x32 are above it as well
    yield _one(_RETURN, 0, 0, _ERROR | errno.ENOSYS)
    for error, calls in ((errno.EPERM, DENIED), (0, IDLE)):
        for number in sorted(call[column] or -1 for call in calls.values()):
            if number >= 0:
                yield _one(_EQUAL, 0, 1, number)
                yield _one(_RETURN, 0, 0, _ERROR | error)
    for numbers, position, values in DENIED_ARGUMENTS.values():
        yield from _by_argument(numbers[column], position, values, _ERROR | errno.EPERM, _ALLOW)
    for numbers, position, values in ALLOWED_ARGUMENTS.values():
        yield from _by_argument(numbers[column], position, values, _ALLOW, _ERROR | errno.EPERM)
    yield _one(_RETURN, 0, 0, _ALLOW)


def _by_argument(
    number: int, position: int, values: Sequence[int], if_one: int, otherwise: int
) -> Iterable[bytes]:
    """Yield the end of a call by the lower half of an argument, all of it that the kernel reads."""
    yield _one(_EQUAL, 0, len(values) + 3, number)
    yield _one(_LOAD, 0, 0, _AT_ARGUMENTS + 8 * position)
    for index, value in enumerate(values):
        yield _one(_EQUAL, len(values) - index, 0, value)
    yield _one(_RETURN, 0, 0, otherwise)
    yield _one(_RETURN, 0, 0, if_one)


def deny(libc: ctypes.CDLL) -> None:
    """Deny the calls to this process for good.

    Raises:
        OSError: If the kernel or the machine does not support it.
    """
    instructions = filter_of(os.uname().machine)
    program = _Program(len(instructions) // 8, instructions)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        _PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0
    ):
        code = ctypes.get_errno()
        raise OSError(code, "seccomp must accept a filter")
