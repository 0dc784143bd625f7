"""System calls that a program may not make: a seccomp filter, by number and machine."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterable, Mapping

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
    # Network, also where no namespace covers it (AF_VSOCK, AF_ALG). Socket pairs are harmless.
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
}
"""Number of each denied call on x86-64 and on 64-bit ARM; None where it does not exist."""

_LOAD, _EQUAL, _GREATER, _RETURN = 0x20, 0x15, 0x25, 0x06  # codes of BPF instructions
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_AT_NUMBER, _AT_ARCHITECTURE = 0, 4  # offsets in struct seccomp_data
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
    numbers = [number for row in DENIED.values() if (number := row[column]) is not None]
    return b"".join(_instructions(architecture, sorted(numbers)))


def _instructions(architecture: int, numbers: Iterable[int]) -> Iterable[bytes]:
    def one(code: int, jump_if: int, jump_else: int, value: int) -> bytes:
        return struct.pack("HBBI", code, jump_if, jump_else, value)

    yield one(_LOAD, 0, 0, _AT_ARCHITECTURE)
    yield one(_EQUAL, 1, 0, architecture)
    yield one(_RETURN, 0, 0, _KILL)  # a call of another architecture, such as a 32-bit one
    yield one(_LOAD, 0, 0, _AT_NUMBER)
    yield one(_GREATER, 0, 1, MAX_KNOWN_CALL)  # the calls of x32 are above it as well
    yield one(_RETURN, 0, 0, _ERROR | errno.ENOSYS)
    for number in numbers:
        yield one(_EQUAL, 0, 1, number)
        yield one(_RETURN, 0, 0, _ERROR | errno.EPERM)
    yield one(_RETURN, 0, 0, _ALLOW)


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
