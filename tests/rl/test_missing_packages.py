"""A script whose packages are not installed says what to install, however it is started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from baselines.common.errors import (
    exit_on_bad_input,
    is_command,
    missing_package,
    print_message,
    report_and_exit,
)

ROOT = Path(__file__).resolve().parents[2]
WITHOUT = """
import os, sys
from importlib.machinery import PathFinder

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] == os.environ["ABSENT"]:
            return None  # as if it were not installed
        return super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Without
"""
COMMANDS = {
    "train": (),
    "evaluate": ("--policy", "tiny", "--limit", "1"),
    "play": (),
    "experiment": (),
    "bench": ("learning",),
    "train.engines": (),
    "train.engines.server_weights": ("--policy", "tiny", "--out", "weights"),
}
"""Those that need torch, and what they need to begin."""
LIGHT = ("train", "train.engines.server_weights", "train_sb3.comparison")
"""Those that show their help without it: of all others, test_start_of_commands says so."""


def without(package: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python as if a package were not installed."""
    (folder / "sitecustomize.py").write_text(WITHOUT, encoding="utf-8")
    paths = os.pathsep.join(map(str, (folder, ROOT)))
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths, "ABSENT": package},
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )


def sentence(package: str) -> str:
    return (
        f"error: baselines must have the packages of the extra hf installed, got no {package!r}; "
        f"pip install 'ccpo-env[hf]'\n"
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_says_what_to_install(tmp_path, command):
    done = without("torch", tmp_path, "-m", f"baselines.{command}", *COMMANDS[command])
    assert (done.returncode, done.stdout, done.stderr) == (2, "", sentence("torch"))


def test_ccpo_says_what_to_install(tmp_path):
    done = without("torch", tmp_path, "-m", "baselines", "train")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", sentence("torch"))


@pytest.mark.parametrize("command", LIGHT)
def test_a_command_shows_its_help_without_torch(tmp_path, command):
    done = without("torch", tmp_path, "-m", f"baselines.{command}", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: ")


def test_a_program_that_imports_baselines_keeps_its_own_tracebacks(tmp_path):
    code = "import baselines.credit, sys; assert sys.excepthook is sys.__excepthook__; import torch"
    done = without("torch", tmp_path, "-c", code)
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")


def raised(module: str, source: str) -> BaseException:
    """Return what a module of that name raises when it is imported."""
    spec = type(sys.__spec__)(module, None)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it raises is looked at
        exec(compile(source, module, "exec"), {"__name__": "__main__", "__spec__": spec})
    return caught.value


def test_a_missing_package_of_another_package_is_no_matter_of_ours():
    assert missing_package(raised("baselines.x", "import not_there"), "p") is not None
    assert missing_package(raised("numpy.x", "import not_there"), "p") is None
    assert missing_package(raised("baselines.x", "import baselines.not_there"), "p") is None
    assert missing_package(raised("baselines.x", "1 / 0"), "p") is None
    assert missing_package(ModuleNotFoundError("not raised", name="not_there"), "p") is None


def test_other_errors_are_printed_as_python_does(capsys):
    error = raised("baselines.x", "1 / 0")
    report_and_exit(type(error), error, error.__traceback__)
    assert capsys.readouterr().err.endswith("ZeroDivisionError: division by zero\n")


def test_a_package_that_is_found_missing_later_is_said_as_well(capsys):
    with pytest.raises(SystemExit), exit_on_bad_input():
        raise raised("baselines.x", "import not_there")
    assert "got no 'not_there'; pip install 'ccpo-env[hf]'" in capsys.readouterr().err


def test_a_package_that_is_missing_at_the_start_is_said_in_one_line(capsys):
    error = raised("baselines.x", "import not_there")
    with pytest.raises(SystemExit) as stopped:
        report_and_exit(type(error), error, error.__traceback__)
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("error: baselines must have the packages of the extra hf installed")
    assert said.count("\n") == 1


def test_a_terminal_shows_messages_without_cut_words(capsys, monkeypatch):
    words = "out_dir must not hold a run already, got runs/a-long-name; pass --resume to resume it"
    print_message("error", words)
    assert capsys.readouterr().err == f"error: {words}\n"  # one line for other programs
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    print_message("error", words)
    lines = capsys.readouterr().err.splitlines()
    assert max(map(len, lines)) <= 30
    assert " ".join(line.strip() for line in lines) == f"error: {words}"


def test_ctrl_c_at_the_start_is_said_in_one_word(capsys):
    with pytest.raises(SystemExit) as stopped:
        report_and_exit(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert (stopped.value.code, capsys.readouterr().err) == (130, "interrupted\n")


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["-m"], True),
        (["-m", "--help"], True),
        (["/usr/bin/ccpo", "train"], True),
        (["ccpo"], True),
        (["/usr/bin/python"], False),
        (["train.py", "-m"], False),
        (["-c"], False),
        ([""], False),
        ([], False),
    ],
)
def test_a_command_is_known_by_its_words(argv, expected):
    assert is_command(argv) is expected
