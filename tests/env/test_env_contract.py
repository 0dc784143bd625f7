"""Every environment, with any agents removed, against PettingZoo's own tests."""

from __future__ import annotations

import functools
import itertools
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
from ccpo_env.env import TeamAnswerEnv, TeamEnv
from ccpo_env.factory import EnvFactory

TASKS = [("1+1", "2"), ("2+3", "5"), ("4+4", "8")]
FACTORIES = {
    name: value for name, value in vars(environments).items() if isinstance(value, EnvFactory)
}
LARGER_TEAMS: list[tuple[str, dict[str, Any]]] = [("think_solve_v0", {"num_thinkers": 2})]

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

    factory: EnvFactory[...]
    arguments: dict[str, Any]

    def wrapped(self, **arguments: Any) -> TeamEnv:
        return self.factory(**self.arguments, **arguments)

    def raw(self, **arguments: Any) -> TeamAnswerEnv:
        return self.factory.raw_env(**self.arguments, **arguments)

    def strict(self, **arguments: Any) -> TeamEnv:
        return TeamEnv(AssertOutOfBoundsWrapper(self.raw(**arguments)))


def cases() -> Iterator[Any]:
    for name, team in [*((name, {}) for name in FACTORIES), *LARGER_TEAMS]:
        agents = FACTORIES[name](tasks=TASKS, verifier="exact", **team).possible_agents
        for num_removed in range(len(agents)):
            for removed in itertools.combinations(agents, num_removed):
                arguments = {"tasks": TASKS, "verifier": "exact", "removed": removed, **team}
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
    pz.api_test(FACTORIES[name](verifier="math"), num_cycles=20)


@pytest.mark.parametrize("name", FACTORIES)
def test_env_passes_the_parallel_tests_when_it_is_turned_parallel(name: str) -> None:
    make = functools.partial(FACTORIES[name], tasks=TASKS, verifier="exact")
    pz.parallel_api_test(turn_based_aec_to_parallel(make()), num_cycles=20)
    pz.parallel_seed_test(lambda: turn_based_aec_to_parallel(make()), num_cycles=20)


@every_case
def test_api_test_warns_of_text_and_of_nothing_else(case: Case) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pz.api_test(case.wrapped(), num_cycles=20)
    assert {str(warning.message) for warning in caught} == set(TEXT_WARNINGS)
    assert {Path(warning.filename).name for warning in caught} == {"api_test.py"}
