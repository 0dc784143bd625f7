"""Who may import whom, read from the syntax tree, and what works without torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("ccpo_env", "baselines")

# The longest row that names a module holds for it: what it may import of ours. None of these may
# import anything heavy before a function is called. Modules without a row are free.
MAY_IMPORT = {
    "ccpo_env": {"ccpo_env"},
    "baselines.shapes": set(),
    "baselines.types": {"baselines.shapes"},
    "baselines.advantages": {"baselines.shapes", "baselines.types"},
    "baselines.losses": {"baselines.losses", "baselines.shapes", "baselines.types"},
    "baselines.optimizers": {
        "baselines.advantages",
        "baselines.losses",
        "baselines.optimizers",
        "baselines.types",
        "ccpo_env.errors",
    },
    "baselines.credit": {
        "baselines.credit",
        "baselines.shapes",
        "baselines.types",
        "ccpo_env.errors",
    },
    "baselines.games": {"baselines.credit", "baselines.games", "baselines.types"},
    "baselines.games.continuations": {
        "baselines.credit",
        "baselines.games",
        "baselines.policies",
        "baselines.rollout",
        "baselines.types",
        "ccpo_env",
    },
    "baselines.credit.audit": {
        "baselines.credit",
        "baselines.optimizers",
        "baselines.types",
        "ccpo_env.errors",
    },
    "baselines.policies.endpoint_spec": {"ccpo_env.errors"},
    "baselines.policies.endpoint_wire": {
        "baselines.policies.base",
        "baselines.policies.endpoint_spec",
    },
    "baselines.policies.endpoint_ledger": {"baselines.policies.endpoint_wire"},
    "baselines.policies.endpoint_journal": {
        "baselines.policies.base",
        "baselines.policies.endpoint_wire",
    },
}
HEAVY = {"torch", "transformers"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(source: str, module: str, *, is_package: bool = False) -> Iterator[tuple[str, bool]]:
    """Yield each imported name, and whether it is imported when the module is."""
    package = module if is_package else module.rpartition(".")[0]
    waiting: list[tuple[ast.AST, bool]] = [(ast.parse(source), True)]
    while waiting:
        node, at_import = waiting.pop()
        if isinstance(node, ast.Import):
            yield from ((alias.name, at_import) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: 1 - node.level or None] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            yield from ((f"{base}.{alias.name}", at_import) for alias in node.names)
        elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            waiting += [(child, False) for child in node.body]
            waiting += [(child, at_import) for child in node.orelse]
        else:
            is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            waiting += [
                (child, at_import and not is_function) for child in ast.iter_child_nodes(node)
            ]


def is_within(name: str, modules: set[str]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def violations(source: str, module: str, *, is_package: bool = False) -> list[str]:
    rows = [row for row in MAY_IMPORT if is_within(module, {row})]
    allowed = MAY_IMPORT[max(rows, key=len)] if rows else set(PACKAGES)
    return [
        f"{module} imports {name}"
        for name, at_import in imports(source, module, is_package=is_package)
        if (is_within(name, set(PACKAGES)) and not is_within(name, allowed))
        or (at_import and is_within(name, HEAVY) and rows)
    ]


FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_module_imports_only_what_the_table_allows(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert violations(source, module_name(path), is_package=path.name == "__init__.py") == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("ccpo_env.env", "import baselines.credit"),
        ("ccpo_env.env", "def play():\n    from baselines import credit"),
        ("ccpo_env.env", "import torch"),
        ("ccpo_env.env", "class Env:\n    from torch import nn"),
        ("baselines.credit.shapley", "from ccpo_env.env import TeamEnv"),
        ("baselines.credit.shapley", "from ..losses import clipped_policy_loss"),
        ("baselines.credit.shapley", "from baselines import losses"),
        ("baselines.losses.reinforce", "try:\n    import torch.nn\nexcept ImportError: pass"),
    ],
)
def test_violations_sees_a_forbidden_import(module: str, source: str) -> None:
    assert len(violations(source, module)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("ccpo_env.env", "from .types import Task"),
        ("baselines.credit.shapley", "from .outcomes import GroupOutcomes"),
        ("baselines.credit.shapley", "from ccpo_env.errors import unknown_name\nimport numpy"),
        ("baselines.losses.reinforce", "if TYPE_CHECKING:\n    from torch import Tensor"),
        ("baselines.losses.reinforce", "def loss():\n    import torch"),
        ("baselines.trainer", "import torch\nfrom ccpo_env import env\nimport baselines.credit"),
    ],
)
def test_violations_lets_an_allowed_import_pass(module: str, source: str) -> None:
    assert violations(source, module) == []


WITHOUT_TORCH = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "transformers"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
"""
USE_CREDIT = """
from baselines.credit import GroupOutcomes, audit
from baselines.optimizers import OPTIMIZERS
group = GroupOutcomes(("thinker_0", "solver_0"), [1, -1], {"thinker_0": [1]})
assert audit("counterfactual", optimizer="grpo", batches=[group])["thinker_0"].degenerate
"""


@pytest.mark.parametrize(
    "code", ["import ccpo_env, baselines.credit", USE_CREDIT], ids=["import", "audit"]
)
def test_environment_and_credit_work_without_torch_and_transformers(code: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH + code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
