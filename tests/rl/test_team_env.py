from __future__ import annotations

from dataclasses import asdict, fields

import pytest

from baselines.rollouts.team_env import (
    TEAM_SIZES,
    TEAMS,
    TeamOverrides,
    TeamSettings,
    taskless_env,
    team_env,
    unread_size,
    with_verifier,
)
from ccpo_env import Task
from ccpo_env.topologies.registry import TOPOLOGIES
from tests.rl.teams import TASK


@pytest.mark.parametrize(
    ("settings", "speakers"),
    [
        ({}, ["thinker_0", "solver_0"]),
        ({"num_thinkers": 2}, ["thinker_0", "thinker_1", "solver_0"]),
        ({"topology": "vote", "num_voters": 2}, ["voter_0", "voter_1"]),
        (
            {"topology": "debate", "num_debaters": 1, "num_rounds": 3},
            ["debater_0", "debater_0", "debater_0"],
        ),
        (
            {"topology": "debate", "num_debaters": 3, "num_rounds": 1},
            ["debater_0", "debater_1", "debater_2"],
        ),
    ],
)
def test_team_env_has_the_sizes_of_its_settings(settings, speakers):
    env = team_env(TeamSettings(**settings), [TASK])
    assert [turn.speaker for turn in env.unwrapped.topology.turns] == speakers
    assert env.unwrapped.tasks == (TASK,)


@pytest.mark.parametrize("topology", TEAMS)
def test_team_env_has_the_default_sizes_of_every_topology(topology):
    env = team_env(TeamSettings(topology=topology), [TASK]).unwrapped
    assert env.topology.name == topology
    of_default_size = {
        **{
            "vote": 3,
            "debate": 4,
            "think_solve": 2,
            "specialists": 4,
            "mixed_vote": 10,
            "plan_code_review": 3,
            "reader_answerer": 2,
        },
    }
    assert len(env.topology.turns) == of_default_size[topology]


def test_every_topology_that_is_registered_trains():
    assert set(TEAMS) == set(TOPOLOGIES)


@pytest.mark.parametrize("topology", TEAMS)
@pytest.mark.parametrize(("verifier", "reward"), [("number", 1.0), ("math", -1.0)])
def test_team_env_asks_the_verifier_of_its_settings(topology, verifier, reward):
    env = team_env(TeamSettings(topology=topology, verifier=verifier), [TASK]).unwrapped
    conversation = env.conversation(TASK)
    while conversation.verdict is None:
        conversation = conversation.add_message("so 2")  # in no box
    assert conversation.verdict.reward == reward


def test_team_env_refuses_what_does_not_exist():
    with pytest.raises(ValueError, match=r"^unknown topology 'debat'; .*did you mean 'debate'\?$"):
        team_env(TeamSettings(topology="debat"), [TASK])
    with pytest.raises(ValueError, match="num_thinkers must be >= 1, got 0"):
        team_env(TeamSettings(num_thinkers=0), [TASK])


def test_a_size_of_another_topology_is_not_read():
    for name, topology in TEAM_SIZES.items():
        assert unread_size(TeamSettings(topology=topology), name) is None
        others = set(TEAMS) - {topology}
        assert {unread_size(TeamSettings(topology=other), name) for other in others} == {
            f"--topology {topology}"
        }
    assert unread_size(TeamSettings(topology="vote"), "verifier") is None


def test_overrides_are_those_of_the_run_where_nothing_else_is_given():
    saved = {"topology": "debate", "num_debaters": 4, "num_rounds": 3, "seed": 7}
    whole = TeamOverrides(num_rounds=1, verifier="number").of_run(saved)
    assert asdict(whole) == {
        "topology": "debate",
        "num_thinkers": 1,
        "num_voters": 3,
        "num_debaters": 4,
        "num_rounds": 1,
        "verifier": "number",
        "unsafe_no_namespaces": False,
    }
    assert whole.team == TeamSettings(
        topology="debate", num_debaters=4, num_rounds=1, verifier="number"
    )
    assert TeamOverrides().of_run({}).team == TeamSettings()


@pytest.mark.parametrize(
    ("of_run", "given", "expected"),
    [
        ("math", None, "auto"),
        ("choice", None, "auto"),
        ("number", None, "number"),
        ("math", "math", "math"),
        ("code", None, "code"),
    ],
)
def test_a_verifier_that_was_chosen_by_the_tasks_of_a_run_is_chosen_again_for_others(
    of_run, given, expected
):
    config, saved = TeamOverrides(verifier=given), {"verifier": of_run}
    assert config.of_run(saved, has_other_tasks=True).verifier == expected
    assert config.of_run(saved).verifier == (given or of_run)


def test_overrides_have_the_fields_of_a_team():
    assert [f.name for f in fields(TeamOverrides)] == [f.name for f in fields(TeamSettings)]


@pytest.mark.parametrize(
    ("given", "saved", "message"),
    [
        ({"topology": "vot"}, {}, "did you mean 'vote'"),
        ({"verifier": "maht"}, {}, "did you mean 'math'"),
        ({"num_voters": 5}, {}, r"num_voters .*got 5.*--topology vote"),
        ({"num_thinkers": 2}, {"topology": "debate"}, r"num_thinkers .*--topology think_solve"),
        ({"topology": "vote", "num_rounds": 2}, {"topology": "debate"}, "--topology debate"),
    ],
)
def test_overrides_refuse_what_the_team_does_not_read(given, saved, message):
    with pytest.raises(ValueError, match=message):
        TeamOverrides(**given).of_run(saved)


def test_overrides_of_sizes_are_read_by_the_topology_of_the_run():
    assert TeamOverrides(num_voters=5).of_run({"topology": "vote"}).num_voters == 5
    # Sizes of other topologies that the run holds are no mistake.
    assert TeamOverrides(topology="vote").of_run({"num_thinkers": 3}).team.topology == "vote"


@pytest.mark.parametrize("name", TEAM_SIZES)
def test_overrides_check_their_numbers(name):
    TeamOverrides().check()
    TeamOverrides(**{name: 1}).check()
    with pytest.raises(ValueError, match=f"{name} must be >= 1, got 0"):
        TeamOverrides(**{name: 0}).check()


def test_settings_take_the_verifier_that_the_tasks_need_in_place_of_auto():
    choice = Task("a", "Which?", "B", choices=("x", "y"))
    for settings in (TeamSettings(), TeamOverrides(verifier="auto")):
        assert with_verifier(settings, [choice]).verifier == "choice"
        assert settings.verifier == "auto"
    assert with_verifier(TeamSettings(verifier="exact"), [choice]).verifier == "exact"


def test_settings_refuse_a_verifier_that_cannot_judge_the_tasks_and_need_none_without_tasks():
    for name, lacks in (("code", "tests"), ("choice", "options")):
        settings = TeamSettings(verifier=name)
        with pytest.raises(ValueError, match=f"{name!r} must have {lacks}, got task 'a' without"):
            with_verifier(settings, [Task("a", "1 + 1?", "2")])
        assert taskless_env(settings).unwrapped.topology.name == "think_solve"


@pytest.mark.parametrize("verifier", ["auto", "exact"])
def test_settings_refuse_a_team_that_writes_programs_for_tasks_without_tests(verifier):
    settings = TeamSettings(topology="plan_code_review", verifier=verifier)
    with pytest.raises(ValueError, match=r"'plan_code_review' must have tests, .*verifier='code'"):
        with_verifier(settings, [Task("a", "1 + 1?", "2")])
    program = Task("a", "Add.", "", tests="assert add(1, 1) == 2")
    named = TeamSettings(topology="plan_code_review", verifier="code")
    assert with_verifier(named, [program]) == named
