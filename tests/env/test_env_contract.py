"""Every environment, with any agents removed, against PettingZoo's own tests."""

from __future__ import annotations

import copy
import functools
import itertools
import pickle
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pettingzoo.test as pz  # names that start with test_ must not be imported from it
import pytest
from pettingzoo.utils.conversions import turn_based_aec_to_parallel
from pettingzoo.utils.wrappers import AssertOutOfBoundsWrapper

from ccpo_env import environments
from ccpo_env.factory import EnvFactory
from ccpo_env.shared_reward import SharedRewardEnv
from ccpo_env.wrapper import SnapshotWrapper

pytestmark = pytest.mark.no_cover  # thousands of steps, through what the other files test
TASKS = [("1+1", "2"), ("2+3", "5"), ("4+4", "8")]
FACTORIES = {
    name: value for name, value in vars(environments).items() if isinstance(value, EnvFactory)
}
TEXT = {"tasks": TASKS, "verifier": "exact"}
LARGER_TEAMS: list[tuple[str, dict[str, Any]]] = [
    ("think_solve_v0", {"num_thinkers": 2}),
    ("debate_v0", {"num_debaters": 3, "num_rounds": 1}),
    ("signal_v0", {"num_answers": 9, "num_symbols": 1, "alphabet_size": 10}),
]


def smallest(name: str) -> dict[str, Any]:
    """Return the arguments of an environment that needs neither files nor workers."""
    return {} if name == "signal_v0" else dict(TEXT)


# PettingZoo knows arrays only, and gives no way to tell it that text is meant.
TEXT_WARNINGS = (
    "Observation is not a NumPy array",
    "Observation space for each agent probably should be "
    "gymnasium.spaces.box or gymnasium.spaces.discrete",
    "Action space for each agent probably should be "
    "gymnasium.spaces.box or gymnasium.spaces.discrete",
)


class Case(NamedTuple):
    """An environment and the agents that its episodes lack."""

    factory: EnvFactory[..., Any]
    arguments: dict[str, Any]

    def wrapped(self, **arguments: Any) -> SnapshotWrapper[Any]:
        return self.factory(**self.arguments, **arguments)

    def raw(self, **arguments: Any) -> SharedRewardEnv[Any, Any, Any]:
        return self.factory.raw_env(**self.arguments, **arguments)

    def strict(self, **arguments: Any) -> SnapshotWrapper[Any]:
        return SnapshotWrapper(AssertOutOfBoundsWrapper(self.raw(**arguments)))


def cases() -> Iterator[Any]:
    for name, team in [*((name, {}) for name in FACTORIES), *LARGER_TEAMS]:
        agents = FACTORIES[name](**smallest(name), **team).possible_agents
        for num_removed in range(len(agents)):
            for removed in itertools.combinations(agents, num_removed):
                arguments = {**smallest(name), "removed": removed, **team}
                lacks = f"without {' '.join(removed)}" if removed else "all"
                yield pytest.param(
                    Case(FACTORIES[name], arguments), id=f"{name} of {len(agents)} {lacks}"
                )


every_case = pytest.mark.parametrize("case", list(cases()))
every_form = pytest.mark.parametrize("form", ["wrapped", "raw", "strict"])


def expect_text_warnings(test: Any) -> Any:
    for message in TEXT_WARNINGS:
        pattern = f"ignore:{re.escape(message)}$:UserWarning:pettingzoo.test.api_test"
        test = pytest.mark.filterwarnings(pattern)(test)
    return test


@every_case
@every_form
@expect_text_warnings
def test_env_passes_the_api_test(case: Case, form: str) -> None:
    pz.api_test(getattr(case, form)(), num_cycles=20)


@every_case
@every_form
def test_env_passes_the_seed_test(case: Case, form: str) -> None:
    pz.seed_test(getattr(case, form), num_cycles=20)


@every_case
@every_form
def test_env_passes_the_render_test(case: Case, form: str) -> None:
    pz.render_test(getattr(case, form))


@pytest.mark.parametrize("name", FACTORIES)
@expect_text_warnings
def test_env_passes_the_api_test_when_the_verifier_is_math(name: str) -> None:
    verifier = {} if name == "signal_v0" else {"verifier": "math"}
    pz.api_test(FACTORIES[name](**verifier), num_cycles=20)


@pytest.mark.parametrize("name", FACTORIES)
def test_env_passes_the_parallel_tests_when_it_is_turned_parallel(name: str) -> None:
    make = functools.partial(FACTORIES[name], **smallest(name))
    pz.parallel_api_test(turn_based_aec_to_parallel(make()), num_cycles=20)
    pz.parallel_seed_test(lambda: turn_based_aec_to_parallel(make()), num_cycles=20)


@every_case
def test_api_test_warns_of_text_and_of_nothing_else(case: Case) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pz.api_test(case.wrapped(), num_cycles=20)
    is_text = case.factory.__name__ != "signal_v0"
    # A MultiDiscrete space draws the last of them, if the agent that has it takes part.
    is_odd = not is_text and "thinker_0" not in case.arguments["removed"]
    allowed = TEXT_WARNINGS if is_text else TEXT_WARNINGS[2:] if is_odd else ()
    assert {str(warning.message) for warning in caught} == set(allowed)
    assert {Path(warning.filename).name for warning in caught} <= {"api_test.py"}


@every_case
@pytest.mark.parametrize("num_steps", range(6))
def test_copies_and_pickles_go_on_as_the_env_does(case: Case, num_steps: int) -> None:
    env = case.wrapped()
    env.reset(seed=0)
    actions = {agent: draws(env.action_space(agent)) for agent in env.possible_agents}
    play(env, actions, num_steps)
    twins = [copy.deepcopy(env), pickle.loads(pickle.dumps(env)), copy.deepcopy(env.unwrapped)]
    fresh = case.wrapped()
    fresh.restore(pickle.loads(pickle.dumps(env.snapshot())))
    expected = play(env, actions, 25)  # into the third episode of the longest ones
    assert [play(twin, actions, 25) for twin in [*twins, fresh]] == [expected] * 4


def draws(space: Any) -> list[Any]:
    space.seed(0)
    return [space.sample() for _ in range(9)]


def play(env: Any, actions: dict[str, list[Any]], num_steps: int) -> list[tuple[Any, ...]]:
    """Take steps into the next episodes; what was seen, in a form that can be compared."""
    seen = []
    for step in range(num_steps):
        if not env.agents:
            env.reset()
        agent = env.agent_selection
        tables = copy.deepcopy((env.rewards, env.infos))
        seen.append((agent, repr(env.observe(agent)), tables, env.snapshot()))
        is_over = env.terminations[agent] or env.truncations[agent]
        env.step(None if is_over else actions[agent][step % 9])
    return seen
