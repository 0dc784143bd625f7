"""The start of a command: what it imports, and Ctrl-C before it has begun."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from baselines.__main__ import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
WORKING = """
import sys, time
from baselines.common.workers import map_in_order, worker_pool

def work(seconds):
    print("working", flush=True)
    time.sleep(seconds)

if __name__ == "__main__":
    with worker_pool(2) as pool:
        print("started", flush=True)
        list(map_in_order(pool, work, [60.0] * 5, num_workers=2))
"""
HEAVY = {"torch", "transformers", "matplotlib", "scipy"}


FORKS = """
import json, os, runpy, sys
import ccpo_env, pettingzoo, rich.console, rich.table  # what commands share

for words in json.loads(sys.argv[1]):
    read, write = os.pipe()
    if not os.fork():
        code = 0
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        try:
            sys.argv = [words[0], *words[2:]]
            if words[0] == "-m":
                runpy.run_module(words[1], run_name="__main__", alter_sys=True)
            else:
                exec(words[1])
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        names = sorted({name.partition(".")[0] for name in sys.modules})
        os.write(write, json.dumps([code, names]).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        print(pipe.read())
    os.wait()
"""
"""Runs each program in a fork of an interpreter that has imported the environment only."""
PROGRAMS = {
    ("-m", "baselines", "--help"): 0,
    ("-m", "baselines", "--version"): 0,
    **{("-m", "baselines", command, "--help"): 0 for command in COMMANDS},
    ("-m", "baselines.train.engines", "--help"): 0,
    ("-m", "baselines", "train", "--steps", "many"): 2,
    ("-m", "baselines", "train", "--num-voters", "5"): 2,
    ("-m", "baselines", "evaluate"): 2,
    ("-m", "baselines", "experiment", "--nothing"): 2,
    ("-c", "import baselines.train.config"): 0,
}
"""Exit codes of programs, by the words after the interpreter."""


@pytest.fixture(scope="module")
def imported() -> dict[tuple[str, ...], tuple[int, set[str]]]:
    """Return the exit code of each program and the packages that it has imported."""
    done = subprocess.run(
        [sys.executable, "-c", FORKS, json.dumps(list(PROGRAMS))],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=170,
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return {words: (code, set(names)) for words, (code, names) in zip(PROGRAMS, found, strict=True)}


@pytest.mark.parametrize("words", PROGRAMS, ids=" ".join)
def test_help_and_bad_arguments_load_nothing_heavy(imported, words):
    code, names = imported[words]
    assert code == PROGRAMS[words]
    assert "baselines" in names
    assert not names & HEAVY


INTERRUPTING = """
import os, signal, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["AT"]:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
"""
CONSOLE = (
    "import sys; sys.argv[0] = '/bin/ccpo'; from baselines.__main__ import main; sys.exit(main())"
)


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ("torch", ("-m", "baselines.train")),
        ("torch", ("-m", "baselines", "train")),
        ("torch", ("-c", CONSOLE, "train")),
        ("numpy", ("-m", "baselines.train")),
        ("baselines.__main__", ("-c", CONSOLE, "train")),
        ("baselines.train.command", ("-c", CONSOLE, "train")),
        ("baselines.experiment.command", ("-m", "baselines.experiment")),
    ],
)
def test_ctrl_c_during_imports_ends_without_a_traceback(tmp_path, at, words):
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTING, encoding="utf-8")
    paths = os.pathsep.join(map(str, (tmp_path, ROOT)))
    done = subprocess.run(
        [sys.executable, *words],
        env={**os.environ, "PYTHONPATH": paths, "AT": at},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")
    assert signal.SIGINT == 2


@pytest.mark.parametrize("at", ["started", "working"])
def test_ctrl_c_ends_workers_at_once_and_without_a_traceback(tmp_path, at):
    (tmp_path / "script.py").write_text(WORKING, encoding="utf-8")
    program = subprocess.Popen(
        [sys.executable, tmp_path / "script.py"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert program.stdout is not None
    while program.stdout.readline() != f"{at}\n":
        assert program.poll() is None
    os.killpg(program.pid, signal.SIGINT)  # as a terminal does, to the workers as well
    _, errors = program.communicate(timeout=50)
    assert errors.count("Traceback") == 1  # of the program itself, which is none of ours
    assert "KeyboardInterrupt" in errors
