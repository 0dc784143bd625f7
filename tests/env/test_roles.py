"""An agent that speaks in several roles: the turn decides which one it has."""

from __future__ import annotations

import pytest

from ccpo_env import PromptTemplate
from ccpo_env.env import TeamAnswerEnv
from ccpo_env.types import Topology, Turn
from ccpo_env.views import AgentView

PROMPTS = PromptTemplate(
    {"planner": "You plan.", "critic": "You object.", "solver": "You solve."},
    hand_over="Hand over.",
    give_answer="Answer.",
)
EVERYBODY = ("member_0", "member_1")
PLAN = Topology(
    "plan",
    (
        Turn("member_0", "planner", ()),
        Turn("member_1", "critic", EVERYBODY),
        Turn("member_0", "solver", EVERYBODY),
    ),
    PROMPTS,
)


def make(**options: object) -> TeamAnswerEnv:
    env = TeamAnswerEnv(PLAN, tasks=[("q", "a")], verifier="exact")
    env.reset(seed=0, options=options)
    return env


def roles(env: TeamAnswerEnv) -> tuple[str | None, ...]:
    return tuple(env.infos.get(agent, {}).get("role") for agent in EVERYBODY)


def test_the_role_of_an_info_is_that_of_the_next_turn_else_of_the_last() -> None:
    env = make()
    seen = [roles(env)]
    for text in ("a plan", "an objection", r"\boxed{a}"):
        assert PROMPTS.roles[env.infos[env.agent_selection]["role"]] in env.last()[0]["prompt"]
        env.step(text)
        seen.append(roles(env))
    assert seen == [
        ("planner", "critic"),
        ("solver", "critic"),
        ("solver", "critic"),
        ("solver", "critic"),
    ]


@pytest.mark.parametrize("num_messages", range(3))
def test_the_role_after_a_prefix_and_after_a_restore_is_that_of_the_turn(num_messages: int) -> None:
    env = make(prefix=["a plan", "an objection"][:num_messages])
    expected = ("planner" if num_messages == 0 else "solver", "critic")
    assert roles(env) == expected
    state = env.snapshot()
    env.reset()
    env.restore(state)
    assert roles(env) == roles(env.fork()) == expected


def test_the_role_without_the_others_is_that_of_the_turn_as_well() -> None:
    env = make(removed=["member_1"])
    assert roles(env) == ("planner", None)
    env.step("a plan")
    assert roles(env) == ("solver", None)


def test_the_observation_is_in_the_role_of_the_info_for_every_agent_at_any_time() -> None:
    env = make()
    for text in ("a plan", "an objection", r"\boxed{a}", None):
        for agent in EVERYBODY:
            instruction = PROMPTS.roles[env.infos[agent]["role"]]
            assert env.observe(agent)["prompt"].startswith(instruction)
        if text is not None:
            env.step(text)


def test_the_view_of_one_agent_reports_the_role_of_its_turn() -> None:
    view = AgentView(
        TeamAnswerEnv(PLAN, tasks=[("q", "a")], verifier="exact"),
        role="member_0",
        partners={"member_1": lambda _: "an objection"},
    )
    assert view.reset(seed=0)[1]["role"] == "planner"
    assert view.step("a plan")[-1]["role"] == "solver"


def test_infos_list_the_agents_in_the_order_in_which_they_first_speak() -> None:
    env = make(prefix=["a plan"])
    assert tuple(env.infos) == PLAN.agents == EVERYBODY


def test_a_team_has_every_role_of_its_agents() -> None:
    assert PLAN.roles == ("planner", "critic", "solver")
