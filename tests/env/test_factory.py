"""Environments by name: called plainly, with PettingZoo's attributes, and from its registry."""

from __future__ import annotations

import copy
import inspect
import pickle
import subprocess
import sys
from typing import Any

import pettingzoo
import pytest

import ccpo_env
from ccpo_env import environments, think_solve_v0
from ccpo_env.env import TeamAnswerEnv
from ccpo_env.factory import EnvFactory
from ccpo_env.signal import SignalEnv
from ccpo_env.topologies.registry import TOPOLOGIES
from ccpo_env.wrapper import SnapshotWrapper

FACTORIES = {
    name: value for name, value in vars(environments).items() if isinstance(value, EnvFactory)
}
every_factory = pytest.mark.parametrize("name", FACTORIES)
TASKS = [("1+1", "2")]
ON_TASKS = {name: {} if name == "signal_v0" else {"tasks": TASKS} for name in FACTORIES}


@every_factory
def test_factory_makes_wrapped_and_bare_environments(name: str) -> None:
    factory = FACTORIES[name]
    bare = SignalEnv if name == "signal_v0" else TeamAnswerEnv
    assert type(factory(**ON_TASKS[name])) is type(factory.env(**ON_TASKS[name])) is SnapshotWrapper
    assert type(factory.raw_env(**ON_TASKS[name])) is bare
    assert type(factory(**ON_TASKS[name]).unwrapped) is bare


@pytest.mark.parametrize("name", [name for name in TOPOLOGIES if f"{name}_v0" in FACTORIES])
def test_sizes_of_a_team_are_by_default_those_of_its_topology(name: str) -> None:
    own = inspect.signature(FACTORIES[f"{name}_v0"].raw_env).parameters
    sizes = inspect.signature(TOPOLOGIES[name]).parameters
    assert {size: own[size].default for size in sizes} == {
        size: parameter.default for size, parameter in sizes.items()
    }
    assert FACTORIES[f"{name}_v0"](TASKS).unwrapped.topology == TOPOLOGIES[name]()


@every_factory
def test_factory_is_a_public_name_of_the_package(name: str) -> None:
    assert getattr(ccpo_env, name) is FACTORIES[name]
    assert name in ccpo_env.__all__


@every_factory
def test_factory_shows_signature_and_docstring_of_the_constructor(name: str) -> None:
    factory = FACTORIES[name]
    signature = inspect.signature(factory)
    assert signature == inspect.signature(factory.env) == inspect.signature(factory.raw_env)
    assert {"render_mode", "removed"} <= set(signature.parameters)
    if name != "signal_v0":
        assert next(iter(signature.parameters)) == "tasks"
        assert "verifier" in signature.parameters
    assert inspect.getdoc(factory) == inspect.getdoc(factory.raw_env)
    assert repr(factory) == f"ccpo_env.environments.{name}"


@every_factory
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_factory_is_pickled_by_reference(name: str, protocol: int) -> None:
    factory = FACTORIES[name]
    for constructor in (factory, factory.env, factory.raw_env):
        assert pickle.loads(pickle.dumps(constructor, protocol)) is constructor
        assert copy.deepcopy(constructor) is constructor
    assert len(pickle.dumps(factory)) < 100


@every_factory
def test_env_carries_the_name_and_version_of_its_factory(name: str) -> None:
    env = FACTORIES[name](**ON_TASKS[name])
    assert env.metadata["name"] == env.unwrapped.metadata["name"] == name
    assert str(env.unwrapped) == name
    assert env.metadata["render_modes"] == ["ansi", "human", "rgb_array"]
    assert env.metadata["is_parallelizable"] is (name == "vote_v0")


def test_factory_takes_the_arguments_of_the_contract() -> None:
    env = think_solve_v0("arithmetic", 2, "exact", "ansi", removed=["thinker_1"])
    env.reset()
    assert env.possible_agents == ["thinker_0", "thinker_1", "solver_0"]
    assert env.agents == ["thinker_0", "solver_0"]
    assert isinstance(env.render(), str)


@pytest.mark.parametrize("wrong", [{"num_thinker": 2}, {"task": 0}, {"seed": 1}])
def test_factory_refuses_an_unknown_argument(wrong: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        think_solve_v0(**wrong)


@pytest.mark.parametrize(
    "env_id", ["ccpo_env/think_solve-v0", "ccpo_env/think_solve_v0", "ccpo_env/think_solve"]
)
def test_pettingzoo_makes_the_environment_by_its_id(env_id: str) -> None:
    env = pettingzoo.make("aec", env_id, tasks=TASKS, num_thinkers=2, verifier="exact")
    assert type(env) is SnapshotWrapper
    env.reset(seed=1)
    assert env.agents == ["thinker_0", "thinker_1", "solver_0"]
    assert type(pickle.loads(pickle.dumps(env))) is SnapshotWrapper


@every_factory
def test_every_environment_is_registered_with_pettingzoo(name: str) -> None:
    env_id = f"ccpo_env/{name.replace('_v', '-v')}"
    assert str(pettingzoo.make("aec", env_id, **ON_TASKS[name]).unwrapped) == name


def test_import_registers_without_a_warning() -> None:
    code = (
        "import pettingzoo, ccpo_env\n"
        "env = pettingzoo.make('aec', 'ccpo_env/think_solve-v0', verifier='exact')\n"
        "env.reset(seed=0)\n"
        "print(env.agents)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("['thinker_0', 'solver_0']\n", "")
