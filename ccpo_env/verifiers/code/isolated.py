"""Start the processes of one verdict and read their result."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ccpo_env.verifiers.worker.waiting import check_may_wait

START = Path(__file__).parent / "sandbox" / "start.py"
COMMAND = (sys.executable, "-s", "-P", "-S", "-W", "ignore", str(START))
"""Without site packages and folders of the user, and without the variables of this process."""
WALL_RATIO = 10
"""Limit of wall-clock time, as a multiple of the time limit,"""
WALL_START_S = 130.0
"""plus this many seconds for the start on a busy machine."""


def run_isolated(
    job: Mapping[str, Any], *, timeout_s: float, memory_mb: int, namespaces: bool
) -> dict[str, Any]:
    """Run the tests of a job against its program; see `sandbox.checker_side`.

    Args:
        job: Fields of `sandbox.checker_side.Job`.
        timeout_s: Seconds that the program and its tests may take together, waiting for a core
            aside.
        memory_mb: Address space of each of the two processes, in MiB.
        namespaces: Whether they leave the files, processes and network of this machine; without,
            root alone may run them, as they become another user.

    Returns:
        The result of `sandbox.checker_side.check`, or an outcome "timeout" or "error".
    """
    check_may_wait()
    if sys.platform != "linux":
        return {"outcome": "error", "reason": f"programs must run on Linux, got {sys.platform!r}"}
    if not namespaces and os.geteuid() != 0:
        reason = (
            "without namespaces, programs must run as another user than the caller, which takes "
            "root, else they could read and change the memory, variables and files of this process"
        )
        return {"outcome": "error", "reason": reason}
    if namespaces:
        return _run(job, timeout_s, memory_mb, str(START.parent), "")
    folder = tempfile.mkdtemp(prefix="ccpo_code_")
    os.chmod(folder, 0o777)  # the program runs as another user than root
    try:
        return _run(job, timeout_s, memory_mb, None, folder)
    finally:
        _remove(folder)


def _remove(folder: str) -> None:
    """Remove a folder, also where a program took its rights away; follows no links."""
    os.chmod(folder, 0o700)
    for path, names, _ in os.walk(folder):
        for inner in (os.path.join(path, name) for name in names):
            if not os.path.islink(inner):
                os.chmod(inner, 0o700)
    shutil.rmtree(folder, ignore_errors=True)


def _run(
    job: Mapping[str, Any],
    timeout_s: float,
    memory_mb: int,
    mount_point: str | None,
    work_folder: str,
) -> dict[str, Any]:
    settings = {
        "timeout_s": timeout_s,
        "memory_mb": memory_mb,
        "mount_point": mount_point,
        "work_folder": work_folder,
    }
    try:
        process = subprocess.Popen(
            (*COMMAND, json.dumps(settings)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PYTHONHASHSEED": "0"},  # the order of sets must not vary
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        return {"outcome": "error", "reason": f"no process can be started: {error}"}
    try:
        limit_s = WALL_START_S + WALL_RATIO * timeout_s
        reply, _ = process.communicate(json.dumps(job).encode(), timeout=limit_s)
    except subprocess.TimeoutExpired:
        return {"outcome": "error", "reason": f"no result came within {limit_s} s"}
    finally:
        with suppress(ProcessLookupError, PermissionError):  # it has ended, as it should
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.communicate()
    try:
        result = json.loads(reply)
    except ValueError:
        result = None
    if not isinstance(result, dict):
        return {"outcome": "error", "reason": f"the processes ended early: {reply[:80]!r}"}
    return result
