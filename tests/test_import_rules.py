"""Who may import whom, read from the syntax tree, and what works without torch."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Collection, Mapping
from graphlib import CycleError, TopologicalSorter

import pytest

from scripts.draw_architecture import FILES, PACKAGES, ROOT, imports

ROOMS = (
    ("common",),
    ("pages", "optimizers", "policies"),
    ("credit",),
    ("rollouts",),
    ("evaluate", "explore", "report"),
    ("train",),
    ("advise", "audit", "compare"),
    ("experiment",),
    ("bench", "train_sb3", "integrations"),
    ("__main__", "play"),
)
"""The rooms of `baselines` from the ground up: a room imports itself and those of lower floors.

`ccpo_env` lies below all of them. `bench/credit` is imported by `bench` alone.
"""
WITHOUT_TORCH = (
    "ccpo_env",
    "baselines.common",
    "baselines.credit",
    "baselines.optimizers",
    "baselines.policies.base",
    "baselines.policies.endpoint",
)
"""What can be imported where neither torch nor transformers is installed."""
HEAVY = {"torch", "transformers"}
FLOOR = {room: floor for floor, rooms in enumerate(ROOMS) for room in rooms}


def is_within(name: str, modules: tuple[str, ...]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def room_of(name: str) -> str:
    return [*name.split("."), ""][1]


def is_upward(module: str, name: str) -> bool:
    """Whether a module may not import a name of ours, when and for what it may be."""
    if is_within(name, ("ccpo_env",)):
        return False
    if not is_within(name, ("baselines",)):
        return not is_within(name, PACKAGES) and is_within(name, ("tests", "scripts", "notebooks"))
    if module == "baselines":
        return room_of(name) != "common"  # the door, which every import of a room passes
    own, other = room_of(module), room_of(name)
    if is_within(module, ("ccpo_env",)) or other not in FLOOR:
        return True
    if is_within(name, ("baselines.bench.credit",)):
        return not is_within(module, ("baselines.bench",))
    return other != own and FLOOR[other] >= FLOOR[own]


def violations(source: str, module: str, *, is_package: bool = False) -> list[str]:
    return [
        f"{module} imports {name}"
        for name, when in imports(source, module, is_package=is_package)
        if is_upward(module, name)
        or (when == "import" and is_within(name, tuple(HEAVY)) and is_within(module, WITHOUT_TORCH))
    ]


@pytest.mark.parametrize("module", sorted(FILES))
def test_module_imports_only_lower_rooms(module: str) -> None:
    path = FILES[module]
    source = path.read_text(encoding="utf-8")
    assert violations(source, module, is_package=path.name == "__init__.py") == []


def test_every_room_of_the_tree_has_a_floor() -> None:
    tree = {path.stem for path in (ROOT / "baselines").glob("*.py")} - {"__init__"}
    tree |= {path.parent.name for path in (ROOT / "baselines").glob("*/__init__.py")}
    assert tree == set(FLOOR)


def known_module(name: str, modules: Collection[str]) -> str:
    """Return the module that an imported name is, or is defined in; "" for none of ours."""
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name


def circle(graph: Mapping[str, set[str]]) -> list[str] | None:
    """Return modules that import each other, directly or not; None: there are none."""
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        return list(error.args[1])
    return None


def test_no_modules_import_each_other() -> None:
    graph = {
        module: {
            known_module(name, FILES)
            for name, _ in imports(
                path.read_text(encoding="utf-8"), module, is_package=path.name == "__init__.py"
            )
        }
        - {"", module}
        for module, path in FILES.items()
    }
    assert circle(graph) is None


def test_circle_sees_one() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": set()}) is None
    assert set(circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) or []) == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("ccpo_env.env", "import baselines.credit"),
        ("ccpo_env.env", "def play():\n    from baselines import credit"),
        ("ccpo_env.env", "import torch"),
        ("ccpo_env.env", "class Env:\n    from torch import nn"),
        ("baselines.credit.shapley", "from ..rollouts import groups"),
        ("baselines.credit.shapley", "from baselines import rollouts"),
        ("baselines.optimizers.grpo", "def f():\n    from baselines.policies.base import Policy"),
        ("baselines.pages.svg", "from baselines.evaluate.paths import JOINT"),
        ("baselines.evaluate.paths", "if TYPE_CHECKING:\n    from baselines.train import config"),
        ("baselines.train.config", "from baselines.bench.credit import scores"),
        ("baselines.integrations.trl", "from baselines.bench.credit import scores"),
        ("baselines.common.files", "from scripts.tiny import make"),
        ("baselines.pages.svg", 'PAGE = "baselines.train.command"'),
        ("baselines.optimizers.losses.reinforce", "try:\n    import torch\nexcept Bad: pass"),
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
        ("baselines.credit.audit", "from baselines.optimizers import OPTIMIZERS"),
        ("baselines.optimizers.losses.masked", "if TYPE_CHECKING:\n    from torch import Tensor"),
        ("baselines.optimizers.losses.masked", "def loss():\n    import torch"),
        (
            "baselines.train.trainer",
            "import torch\nfrom ccpo_env import env\nimport baselines.credit",
        ),
        ("baselines.bench.registry", "from baselines.bench.credit.command import main"),
    ],
)
def test_violations_lets_an_allowed_import_pass(module: str, source: str) -> None:
    assert violations(source, module) == []


HIDE_TORCH = """
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
        [sys.executable, "-c", HIDE_TORCH + code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
