"""Leave everything behind: files, processes, network, privileges; Linux only."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import resource
from collections.abc import Sequence

from ccpo_env.verifiers.code.sandbox import syscalls

USER = 65_523
"""User and group of a program, which nothing else uses: RLIMIT_NPROC does not bind root."""
WORK_FOLDER = "/tmp"  # of the new root, not of this machine
SYSTEM_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")
"""Folders of the system, of which only those inside are shown that hold loaded libraries."""
PACKAGES = ("site-packages", "dist-packages")
"""Folders of installed packages beside a standard library, which are hidden."""
WORK_FOLDER_MB = 32
"""Size of the temporary folder of a program, in memory."""
MAX_FILES = 1024
"""Files and folders in it."""
MAX_OPEN_FILES = 64
MAX_SIGNALS = 64
"""Signals and timers that wait for a program."""
MAX_FILE_BYTES = 16 << 20

_NEW_NAMESPACES = 0x00020000 | 0x20000000 | 0x40000000 | 0x08000000 | 0x04000000
"""Of mounts, processes, network, inter-process communication and host name."""
_NEW_USERS = 0x10000000
_READ_ONLY, _NO_SUID, _NO_DEVICES, _NO_EXEC = 1, 2, 4, 8
_REMOUNT, _BIND, _RECURSIVE, _PRIVATE = 32, 4096, 16384, 1 << 18
_DETACH = 2
_MOUNT_SETATTR, _AT_RECURSIVE = 442, 0x8000
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
_CAPABILITY_VERSION_3 = 0x20080522
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_SIGKILL = 9

LIBC = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


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
    _check(LIBC.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")


def hide_memory() -> None:
    """Keep processes of the same user from reading the memory of this one."""
    _check(LIBC.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0), "prctl(PR_SET_DUMPABLE)")


def new_namespaces() -> None:
    """Move the children of this process to new namespaces.

    Raises:
        OSError: If the kernel does not allow it.
    """
    if os.geteuid() == 0:
        try:
            _unshare(_NEW_NAMESPACES, "namespaces")
        except PermissionError:  # root without rights, as in many containers
            pass
        else:
            return
    _new_users(os.open("/proc", os.O_RDONLY | os.O_DIRECTORY))
    _unshare(_NEW_NAMESPACES, "namespaces")


def _new_users(proc: int) -> None:
    """Enter a new user namespace in which this user is `USER`; closes the folder /proc."""
    user, group = os.geteuid(), os.getegid()
    _check(LIBC.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0), "prctl(PR_SET_DUMPABLE)")
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


def _mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    arguments = (source.encode(), target.encode(), kind.encode(), flags, options.encode() or None)
    _check(LIBC.mount(*arguments), f"mount {kind or 'bind'} {target}")


def _bind_read_only(folder: str, root: str) -> None:
    """Show a folder, with all that is mounted in it, at the same place below the new root."""
    place = root + folder
    os.makedirs(place, exist_ok=True)
    _mount(folder, place, "", _BIND | _RECURSIVE)
    call = _MOUNT_SETATTR
    attributes = (ctypes.c_uint64 * 4)(_READ_ONLY | _NO_SUID | _NO_DEVICES)
    size = ctypes.sizeof(attributes)
    if LIBC.syscall(call, -1, place.encode(), _AT_RECURSIVE, ctypes.byref(attributes), size) == 0:
        return
    for inner in _mounts_in(place):  # Linux before 5.12
        _mount("none", inner, "", _REMOUNT | _BIND | _READ_ONLY | _NO_SUID | _NO_DEVICES)


def _mounts_in(place: str) -> list[str]:
    """Return a mount point and those below it."""
    with open("/proc/self/mountinfo", "rb") as file:
        fields = [line.split()[4] for line in file]
    points = [os.fsdecode(re.sub(rb"\\(\d{3})", _octal, field)) for field in fields]
    return [point for point in points if point == place or point.startswith(f"{place}/")]


def _octal(number: re.Match[bytes]) -> bytes:
    return bytes([int(number[1], 8)])


def _folders() -> list[str]:
    """Return the folders that an interpreter reads, without those inside another one.

    They are its standard library with the folder around it, and those of the libraries that it has
    loaded, where extension modules find theirs.
    """
    standard_library = os.path.dirname(os.__file__)
    around = os.path.dirname(standard_library)
    wanted = {standard_library, *({around} - set(SYSTEM_LIBRARIES))}
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        loaded = {line.split(maxsplit=5)[-1].rstrip("\n") for line in maps if ".so" in line}
    wanted |= {os.path.dirname(path) for path in loaded if path.startswith("/")}
    folders: list[str] = []
    for folder in sorted(filter(os.path.isdir, wanted)):
        if not any(folder.startswith(f"{kept}/") for kept in folders):
            folders.append(folder)
    return folders


def _package_folders(folders: Sequence[str]) -> list[str]:
    """Return the folders of installed packages, which may hold tests, within some folders."""
    pythons = [
        f"{folder}/{name}"
        for folder in folders
        for name in ["", *os.listdir(folder)]
        if not name or name.startswith("python")
    ]
    packages = [f"{python}/{name}" for python in pythons for name in PACKAGES]
    return [folder for folder in packages if os.path.isdir(folder)]


def new_root(mount_point: str) -> None:
    """Make a root that holds the interpreter's libraries, read-only, and an empty folder.

    There is no /proc, /sys or /dev, no program, no package and no file of a user in it.

    Args:
        mount_point: Any folder; it is covered in the namespace of this process alone.

    Raises:
        OSError: If a mount is not allowed.
    """
    _mount("none", "/", "", _RECURSIVE | _PRIVATE)
    os.umask(0o022)
    _mount("tmpfs", mount_point, "tmpfs", _NO_SUID | _NO_DEVICES, "size=1m,mode=755")
    folders = _folders()
    for folder in folders:
        _bind_read_only(folder, mount_point)
    for folder in _package_folders(folders):
        _mount("tmpfs", mount_point + folder, "tmpfs", _READ_ONLY, "size=4k,mode=755")
    for link in filter(os.path.islink, SYSTEM_LIBRARIES):
        os.symlink(os.readlink(link), mount_point + link)
    work = mount_point + WORK_FOLDER
    os.makedirs(work)
    options = f"size={WORK_FOLDER_MB}m,nr_inodes={MAX_FILES},mode=777"
    _mount("tmpfs", work, "tmpfs", _NO_SUID | _NO_DEVICES | _NO_EXEC, options)
    os.chdir(mount_point)
    call = _PIVOT_ROOT.get(os.uname().machine)
    if call is None:
        raise OSError(f"machine must be one of {sorted(_PIVOT_ROOT)}, got {os.uname().machine!r}")
    _check(LIBC.syscall(call, b".", b"."), "pivot_root")
    _check(LIBC.umount2(b".", _DETACH), "umount of the old root")
    os.chdir("/")
    _mount("none", "/", "", _REMOUNT | _READ_ONLY | _NO_SUID | _NO_DEVICES)
    LIBC.sethostname(b"sandbox", 7)


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
    _check(LIBC.capset(header, (ctypes.c_uint32 * 6)()), "capset")
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
