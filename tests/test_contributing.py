"""The recipes of CONTRIBUTING.md, followed word by word in a copy of the project."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.first
ROOT = Path(__file__).parent.parent
TITLED = re.compile(r'^```python title="([^"]+)"\n(.*?)^```', re.DOTALL | re.MULTILINE)
PYTEST = (sys.executable, "-m", "pytest", "--no-cov", "-p", "no:cacheprovider")


def steps() -> list[tuple[str, str]]:
    """Return where each block of the recipes belongs, and the block."""
    return TITLED.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))


def follow(project: Path, title: str, block: str) -> None:
    """Write a file, or add an import and a line to a table of one."""
    table, is_table, name = title.partition(" in ")
    if not is_table:
        path = project / title
        assert not path.exists(), f"{title} is there already; take another name for the recipe"
        path.write_text(block, encoding="utf-8")
        return
    path = project / name
    imported, line = block.splitlines()
    text = path.read_text(encoding="utf-8")
    (opening,) = re.findall(rf"^{table}: .*\{{$", text, re.MULTILINE)
    first_import = re.search(r"^from (?!__future__)", text, re.MULTILINE)
    assert first_import is not None
    place = first_import.start()
    text = f"{text[:place]}{imported}\n{text[place:]}".replace(opening, f"{opening}\n{line}")
    path.write_text(text, encoding="utf-8")


def run(project: Path, *command: str) -> str:
    without_coverage = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
    done = subprocess.run(
        command,
        cwd=project,
        env={**without_coverage, "PYTHONPATH": str(project), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Return a copy of the project in which all recipes were followed."""
    copy = tmp_path_factory.mktemp("project")
    for folder in ("ccpo_env", "baselines", "tests"):
        ignored = shutil.ignore_patterns("__pycache__", "vectors")
        shutil.copytree(ROOT / folder, copy / folder, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", copy)
    for title, block in steps():
        follow(copy, title, block)
    return copy


def test_recipes_cost_one_file_one_line_and_one_test_each():
    titles = [title for title, _ in steps()]
    assert len(titles) == 12
    for file, table, test in zip(titles[::3], titles[1::3], titles[2::3], strict=True):
        assert " in " in table
        assert Path(file).stem in Path(test).stem
    lines = [block.splitlines() for title, block in steps() if " in " in title]
    assert all(len(added) == 2 for added in lines)  # an import and the line itself


@pytest.mark.slow
def test_recipes_pass_their_own_tests_and_the_contracts(project):
    tests = [title for title, _ in steps() if title.startswith("tests/")]
    contracts = ("tests/rl/test_credit_contract.py", "tests/rl/test_optimizers_contract.py")
    topologies = "tests/env/test_topologies_contract.py"
    names = "equal_split or group_reinforce or products or review"
    printed = run(project, *PYTEST, *tests, *contracts, topologies, "-k", names)
    (passed,) = re.findall(r"(\d+) passed", printed) or ["0"]
    assert int(passed) > len(tests) + 20
    assert "skipped" not in printed


TRAIN_ALL = """
import shlex, sys
from baselines.report import run_page
from baselines.train.command import main

run_page.plots = lambda *_, **__: {}  # figures take seconds
sys.exit(max(main(shlex.split(line)) for line in sys.argv[1:]))
"""


@pytest.mark.slow
def test_recipes_train(project, tmp_path):
    recipes = {
        "allocator": "--allocator equal_split --allocator-args split_rate 0.5",
        "optimizer": "--allocator shared --optimizer group_reinforce",
        "topology": "--topology review --allocator counterfactual",
        "tasks": "--tasks products",
    }
    more = "--steps 1 --tasks-per-step 2 --num-eval-tasks 4 --group-size 2 --max-tokens 8"
    lines = [f"{own} {more} --out-dir {tmp_path / name}" for name, own in recipes.items()]
    run(project, sys.executable, "-c", TRAIN_ALL, *lines)  # one interpreter: it starts for seconds
    assert all((tmp_path / name / "report.html").exists() for name in recipes)


def test_recipes_keep_the_house_style(project):
    files = [title for title, _ in steps() if " in " not in title]
    run(project, sys.executable, "-m", "ruff", "check", *files)
    run(project, sys.executable, "-m", "ruff", "format", "--check", *files)
