"""Type checkers on a user's script: nothing to say about right code, and typos are found."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = """
import asyncio
from pathlib import Path

import ccpo_env
from ccpo_env import AgentTurn, BatchTurn, EpisodeState, Verdict

env = ccpo_env.think_solve_v0(tasks=[("1+1", "2")], num_thinkers=2, verifier="exact")
ccpo_env.think_solve_v0(tasks=Path("tasks.jsonl"))
ccpo_env.vote_v0(num_voter=3)  # error
env.reset(seed=0, options={"task": 0, "removed": ["thinker_0"]})
env.reset(sede=0)  # error
observation, reward, terminated, truncated, info = env.last()
prompt: str = observation["prompt"]
observation["promt"]  # error
env.observe("solver_0")["promt"]  # error
env.last()[0]["promt"]  # error
env.step("a thought")
env.step(None)
env.step(3)  # error
state: EpisodeState = env.snapshot()
env.restore(state)
env.restore("state")  # error
state.mesages  # error
env.unwrapped.messages[0].txt  # error
first: str = env.unwrapped.messages[0].text

signal = ccpo_env.signal_v0()
signal.step("a text")  # error
symbols: list[float] = signal.last()[0].tolist()
signal.restore(state)  # error
env.restore(signal.snapshot())  # error


def policy(turn: BatchTurn) -> list[str]:
    return [f"{agent} read {len(text)}" for agent, text in zip(turn.agents, turn.prompts)]


async def awaited(turn: AgentTurn) -> str:
    await asyncio.sleep(0)
    return turn.messages[0]["content"] + turn.prompt


async def forgets(turn: AgentTurn) -> int:
    return len(turn.promt)  # error


team = ccpo_env.BatchedTeamEnv(env, num_envs=4)
turn = team.reset(seed=[1, 2], options=[{"task": 0}, {"task": 1}])
turn = team.step(policy(turn))
team.step("a text", episodes=0)  # error
total: float = team.play(policy).sum()
team.play(awaited)  # error
asyncio.run(team.play_async(awaited, max_concurrency=8))
asyncio.run(team.play_async(forgets))  # error
verdicts: list[Verdict | None] = team.verdicts
team.verdicts[0].status  # error
team.restore(1, team.snapshot(0))
verdict = ccpo_env.verify("2", "2", verifier="number")
verdict.stauts  # error
"""
"""Lines that end in "# error" are wrong."""
WRONG = {n for n, line in enumerate(SCRIPT.splitlines(), 1) if line.endswith("# error")}


SLOW = pytest.mark.skipif("CCPO_SLOW" not in os.environ, reason="minutes; set CCPO_SLOW to run it")


def source_in(folder: Path) -> Path:
    """Copy what a distribution is built from."""
    shutil.copytree(ROOT / "ccpo_env", folder / "source" / "ccpo_env")
    (folder / "source" / "baselines").mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "source")
    return folder / "source"


def interpreter_in(folder: Path, *paths: str) -> Path:
    """Make an interpreter that has some folders, beside the packages of this one."""
    venv.create(folder / "venv", symlinks=True)
    (site,) = (folder / "venv").glob("lib/python*/site-packages")
    (site / "user.pth").write_text("\n".join([*paths, sysconfig.get_path("purelib")]))
    return folder / "venv" / "bin" / "python"


def run_pip(*arguments: str) -> None:
    """Run pip with the build tools of this interpreter, or skip the test where it cannot."""
    command = (sys.executable, "-m", "pip", *arguments, "--no-deps", "--no-build-isolation")
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"it cannot be built here: {done.stderr[-200:]}")


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """An interpreter that has the wheel, in the folder of the user's script."""
    folder = tmp_path_factory.mktemp("user")
    run_pip("wheel", "--wheel-dir", str(folder), str(source_in(folder)))
    (wheel,) = folder.glob("ccpo_env*.whl")
    ZipFile(wheel).extractall(folder / "wheel")
    (folder / "user.py").write_text(SCRIPT)
    return interpreter_in(folder, str(folder / "wheel"))


CHECKERS = {
    "mypy": ([sys.executable, "-m", "mypy", "--strict", "--python-executable"], r"user.py:(\d+)"),
    "pyright": (["pyright", "--pythonpath"], r"user.py:(\d+):\d+ - error"),
}


@SLOW
@pytest.mark.parametrize("checker", CHECKERS)
def test_a_type_checker_finds_the_typos_of_a_user_and_nothing_else(checker, python):
    command, line = CHECKERS[checker]
    if checker == "pyright" and shutil.which("pyright") is None:
        pytest.skip("pyright is not installed: pip install 'pyright[nodejs]'")
    folder = python.parents[2]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    checked = subprocess.run(
        [*command, str(python), "user.py"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    found = {int(number) for number in re.findall(line, checked.stdout)}
    assert found == WRONG, checked.stdout + checked.stderr


@SLOW
def test_an_editable_install_is_a_path_that_type_checkers_follow(tmp_path):
    source, python = source_in(tmp_path), interpreter_in(tmp_path)
    run_pip("--python", str(python), "install", "--editable", str(source))
    (site,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    assert not list(site.glob("*finder*"))
    (path,) = site.glob("__editable__*.pth")
    assert path.read_text().strip() == str(source)
