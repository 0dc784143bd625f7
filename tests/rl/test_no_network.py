"""Nothing is asked of the network at import, at --help, or in a default run.

Every Python process of these tests, and those that it starts, ends at once when it looks a name
up, connects or sends over the internet protocols; pipes and sockets between processes stay.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rl import offline
from tests.rl.offline import BLOCKED
from tests.rl.warm import WarmProcess

ROOT = Path(__file__).resolve().parents[2]
IMPORT_ALL = """
import importlib, pkgutil, ccpo_env, baselines
names = [m.name for package in (ccpo_env, baselines)
         for m in pkgutil.walk_packages(package.__path__, package.__name__ + ".")
         if not m.name.endswith("__main__")]
for name in names:
    try:
        importlib.import_module(name)
    except ImportError as error:  # an optional package that is not installed
        assert "install" in str(error), f"{name}: {error}"
print(len(names))
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> dict[str, str]:
    """Variables of a process that may not touch the network."""
    folder = tmp_path_factory.mktemp("blocker")
    shutil.copy(offline.__file__, folder / "sitecustomize.py")
    paths = [str(folder), str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def run(environment, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )


@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.create_connection(('127.0.0.1', 9))",
        "import socket; socket.socket().connect(('127.0.0.1', 9))",
        "import socket; socket.getaddrinfo('localhost', 80)",
        "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))",
        "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9')",
    ],
)
def test_the_blocker_ends_a_process_that_touches_the_network(environment, code):
    done = run(environment, "-c", code)
    assert done.returncode == BLOCKED
    assert done.stderr.startswith("network: socket.")


def test_the_blocker_reaches_processes_that_are_started(environment):
    child = "import socket; socket.create_connection(('127.0.0.1', 9))"
    code = f"import subprocess, sys; print(subprocess.call([sys.executable, '-c', {child!r}]))"
    assert run(environment, "-c", code).stdout == f"{BLOCKED}\n"


def test_import_of_every_module_touches_no_network(environment):
    done = run(environment, "-c", IMPORT_ALL)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 50


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["evaluate", "--help"]])
def test_help_touches_no_network(environment, arguments):
    done = run(environment, "-m", "baselines.__main__", *arguments)
    assert done.returncode == 0, done.stderr
    assert "usage" in done.stdout.lower()


def test_default_run_and_its_evaluation_touch_no_network(environment, tmp_path):
    few = ("--steps", 1, "--tasks-per-step", 2, "--num-eval-tasks", 2)
    train = ("baselines.train", *few, "--out-dir", tmp_path / "run")
    evaluate = ("baselines.evaluate", "--policy", tmp_path / "run", "--limit", 2)
    for command in (train, evaluate):
        done = WarmProcess("tests.rl.offline", *command, variables=environment).wait(280)
        assert done.returncode == 0, done.stderr


def test_a_warm_process_is_ended_as_well(environment):
    command = ("tests.rl.offline", "http.server", "--bind", "localhost", "0")
    done = WarmProcess(*command, variables=environment).wait(280)
    assert done.returncode == BLOCKED, done.stderr
