"""A root folder of the interpreter's libraries alone, read-only, in a namespace of mounts."""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Sequence

WORK_FOLDER = "/tmp"  # of the new root, not of this machine
SYSTEM_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")
"""Folders of the system, of which only those inside are shown that hold loaded libraries."""
PACKAGES = ("site-packages", "dist-packages")
"""Folders of installed packages beside a standard library, which are hidden."""
WORK_FOLDER_MB = 32
"""Size of the temporary folder of a program, in memory."""
MAX_FILES = 1024
"""Files and folders in it."""

_READ_ONLY, _NO_SUID, _NO_DEVICES, _NO_EXEC = 1, 2, 4, 8
_REMOUNT, _BIND, _RECURSIVE, _PRIVATE = 32, 4096, 16384, 1 << 18
_DETACH = 2
_MOUNT_SETATTR, _AT_RECURSIVE = 442, 0x8000
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}

LIBC = ctypes.CDLL(None, use_errno=True)


def check(result: int, what: str) -> None:
    """Raise the error of a system call that failed."""
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def _mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    arguments = (source.encode(), target.encode(), kind.encode(), flags, options.encode() or None)
    check(LIBC.mount(*arguments), f"mount {kind or 'bind'} {target}")


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
    check(LIBC.syscall(call, b".", b"."), "pivot_root")
    check(LIBC.umount2(b".", _DETACH), "umount of the old root")
    os.chdir("/")
    _mount("none", "/", "", _REMOUNT | _READ_ONLY | _NO_SUID | _NO_DEVICES)
    LIBC.sethostname(b"sandbox", 7)
