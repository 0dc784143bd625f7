"""Run programs in forks of a process that has already done their slow imports.

The startup of a program is not tested this way; use `launching` for that.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import runpy
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path

from tests.rl.launching import ROOT

PRELOADED = "tests.rl.warm_imports"
COVERAGE = "COVERAGE_PROCESS_CONFIG"
"""Environment variable that makes coverage measure interpreters."""
WARM_COVERAGE = "COVERAGE_OF_WARM_PROCESSES"
"""The same for warm processes, where tests/conftest.py hides the other."""


class WarmProcess:
    """A running ``python -m module``, with the interface of subprocess.Popen.

    Args:
        module: Main module.
        arguments: Command-line arguments.
        stdin: Standard input.
        cwd: Working directory.
        variables: Additional environment variables.
    """

    def __init__(
        self,
        module: str,
        *arguments: object,
        stdin: str = "",
        cwd: Path = ROOT,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._streams = tempfile.TemporaryDirectory(prefix="warm_")
        folder = Path(self._streams.name)
        self.args = (module, *map(str, arguments))
        for number, text in enumerate((stdin, "", "")):
            (folder / str(number)).write_text(text, encoding="utf-8")
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **(variables or {})}
        self._process = warm_context().Process(
            target=_run, args=(self.args, folder, cwd, environment)
        )
        self._process.start()

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None and self._process.pid is not None:
            os.kill(self._process.pid, number)

    def wait(self, timeout: float) -> subprocess.CompletedProcess[str]:
        """Return exit code and output; kill the program after the timeout."""
        self._process.join(timeout)
        is_late = self.returncode is None
        if is_late:
            self._process.kill()
            self._process.join()
        with self._streams as folder:
            if is_late:
                raise subprocess.TimeoutExpired(self.args, timeout)
            printed, errors = (Path(folder, n).read_text(encoding="utf-8") for n in "12")
        return subprocess.CompletedProcess(self.args, self.returncode, printed, errors)


def run_warm(
    module: str, *arguments: object, timeout_s: float = 280, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a module like ``python -m``; return its exit code and output."""
    return WarmProcess(module, *arguments, stdin=stdin).wait(timeout_s)


def launch_warm(
    module: str, *arguments: object, num_processes: int, timeout_s: float = 280
) -> list[subprocess.CompletedProcess[str]]:
    """Run a module in a process group; return the results by rank."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {
        **dict.fromkeys(("WORLD_SIZE", "LOCAL_WORLD_SIZE"), str(num_processes)),
        **{"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)},
        **{"ACCELERATE_USE_CPU": "true", "HF_HUB_OFFLINE": "1"},
    }
    ranks = [
        WarmProcess(module, *arguments, variables={**common, "RANK": str(n), "LOCAL_RANK": str(n)})
        for n in range(num_processes)
    ]
    return [rank.wait(timeout_s) for rank in ranks]


def stop() -> None:
    """Stop the fork server and wait for it, so that its CPU time counts with the tests'."""
    forkserver._forkserver._stop()  # type: ignore[attr-defined]


@cache
def warm_context() -> ForkServerContext:
    """Return the fork server context, started without coverage."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([PRELOADED])
    hidden = {name: os.environ.pop(name) for name in (COVERAGE,) if name in os.environ}
    try:
        forkserver.ensure_running()
    finally:
        os.environ.update(hidden)
    return context


def _run(arguments: tuple[str, ...], folder: Path, cwd: Path, environment: dict[str, str]) -> None:
    """Run a program in a forked process."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    for number, mode in enumerate((os.O_RDONLY, os.O_WRONLY, os.O_WRONLY)):
        handle = os.open(folder / str(number), mode)
        os.dup2(handle, number)
        os.close(handle)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - for as long as it runs
    sys.argv = list(arguments)
    if WARM_COVERAGE in environment:
        import coverage

        os.environ[COVERAGE] = environment[WARM_COVERAGE]
        coverage.process_startup()
        del os.environ[COVERAGE]  # the interpreters that it starts are not measured
    try:
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()  # multiprocessing skips it
