"""What CI and the hooks run is what the project declares: versions, targets and generated files."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
JOBS = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]


def commands() -> str:
    return "\n".join(step.get("run", "") for job in JOBS.values() for step in job["steps"])


def test_every_python_that_is_declared_is_tested():
    declared = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert declared == JOBS["core"]["strategy"]["matrix"]["python"]
    assert PROJECT["requires-python"] == f">={declared[0]}"


def test_ci_runs_targets_that_exist_and_redraws_what_is_generated():
    targets = re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    run = re.findall(r"^make (.+)$", commands(), re.M)
    assert {target for line in run for target in line.split()} <= set(targets)
    assert "scripts/write_docs.py\ngit diff --exit-code" in commands()
    assert "mkdocs build --strict" in commands()


def test_hooks_use_the_linter_that_the_tests_use():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    revisions = {repo["repo"].rpartition("/")[2]: repo["rev"] for repo in hooks["repos"]}
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    (ruff,) = re.findall(r"^ruff==(.+)$", constraints, re.M)
    assert revisions["ruff-pre-commit"] == f"v{ruff}"
