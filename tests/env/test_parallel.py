"""A vote with the actions of a cycle in one step: the same episodes as the AEC environment."""

from __future__ import annotations

import pickle
import re
from typing import Any

import pettingzoo
import pettingzoo.test as pz
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pettingzoo.utils.conversions import aec_to_parallel

from ccpo_env import debate_v0, vote_v0
from ccpo_env.cycles import is_simultaneous
from ccpo_env.parallel import ParallelTeamEnv
from ccpo_env.types import Turn, Verdict

TASKS = [("1+1", "2"), ("2+3", "5"), ("4+4", "8")]
RIGHT, WRONG = r"\boxed{2}", r"\boxed{3}"


def made(**arguments: Any) -> ParallelTeamEnv:
    return vote_v0.parallel_env(**{"tasks": TASKS, "verifier": "exact", **arguments})


@pytest.mark.parametrize(
    "arguments", [{}, {"num_voters": 1}, {"max_cycles": 3}, {"max_cycles": 2, "num_voters": 2}]
)
def test_parallel_env_passes_the_tests_of_pettingzoo(arguments: dict[str, Any]) -> None:
    pz.parallel_api_test(made(**arguments), num_cycles=20)
    pz.parallel_seed_test(lambda: made(**arguments), num_cycles=20)


@pytest.mark.filterwarnings("ignore:No agents present but not all possible_agents:UserWarning")
def test_parallel_env_without_a_voter_passes_the_test_of_pettingzoo() -> None:
    pz.parallel_api_test(made(removed=["voter_1"]), num_cycles=20)


def test_vote_passes_the_test_of_cycles() -> None:
    pz.max_cycles_test(vote_v0)


def test_pettingzoo_makes_the_parallel_env_by_its_id() -> None:
    env = pettingzoo.make("parallel", "ccpo_env/vote-v0", tasks=TASKS, num_voters=2)
    assert type(env) is ParallelTeamEnv
    assert list(env.reset(seed=0)[0]) == ["voter_0", "voter_1"]
    assert type(pickle.loads(pickle.dumps(vote_v0.parallel_env))(TASKS)) is ParallelTeamEnv


@given(
    texts=st.lists(st.sampled_from([RIGHT, WRONG, "none"]), min_size=8, max_size=8),
    removed=st.sets(st.sampled_from(["voter_0", "voter_1", "voter_2", "voter_3"]), max_size=3),
)
def test_same_messages_give_the_same_episode_as_in_the_aec_env(
    texts: list[str], removed: set[str]
) -> None:
    settings: dict[str, Any] = {"num_voters": 4, "max_cycles": 2, "removed": removed}
    parallel, aec = made(**settings), vote_v0(TASKS, verifier="exact", **settings)
    aec.reset(seed=3)
    observations, infos = parallel.reset(seed=3)
    number = 0
    while parallel.agents:
        agents, actions = parallel.agents, {}
        for agent in agents:
            assert aec.agent_selection == agent
            assert aec.observe(agent) == observations[agent]
            assert aec.infos[agent]["messages"] == infos[agent]["messages"] != []
            actions[agent] = texts[number]
            aec.step(texts[number])
            number += 1
        order = dict(reversed(actions.items()))  # the order of a dict means nothing
        observations, rewards, terminations, truncations, infos = parallel.step(order)
        assert rewards == aec.rewards
        assert (terminations, truncations) == (aec.terminations, aec.truncations)
        assert parallel.snapshot() == aec.snapshot()
    assert infos == aec.infos
    assert number == 2 * (4 - len(removed))


def test_pettingzoo_converts_the_vote_to_the_same_episode() -> None:
    converted, own = aec_to_parallel(vote_v0(TASKS, verifier="exact")), made()
    assert converted.reset(seed=1)[0] == own.reset(seed=1)[0]
    actions = {"voter_0": WRONG, "voter_1": r"\boxed{5}", "voter_2": r"\boxed{5}"}
    assert dict(converted.step(actions)[1]) == own.step(actions)[1]


def test_snapshot_restores_the_episode_in_either_env() -> None:
    env = made(max_cycles=2)
    with pytest.raises(RuntimeError, match=r"snapshot\(\) must follow reset"):
        env.snapshot()
    env.reset(seed=0)
    env.step(dict.fromkeys(env.agents, RIGHT))
    before, votes = env.snapshot(), dict.fromkeys(env.agents, WRONG)
    after = env.step(votes)
    over = env.snapshot()
    twin = made(max_cycles=2)
    twin.restore(before)
    assert (twin.agents, twin.step(votes)) == (["voter_0", "voter_1", "voter_2"], after)
    twin.restore(over)
    assert (twin.agents, twin.snapshot()) == ([], over)
    assert pickle.loads(pickle.dumps(env)).snapshot() == over
    aec = vote_v0(TASKS, verifier="exact", max_cycles=2)
    aec.restore(before)
    assert aec.agent_selection == "voter_0"
    aec.step(WRONG)
    with pytest.raises(ValueError, match=r"an episode must go on before a cycle of .*got 4 mess"):
        twin.restore(aec.snapshot())
    assert twin.snapshot() == over


def test_prefix_is_of_whole_cycles() -> None:
    env = made(max_cycles=2)
    env.reset(seed=0, options={"prefix": [RIGHT] * 3})
    assert len(env.snapshot().messages) == 3
    state = env.snapshot()
    with pytest.raises(ValueError, match=r"before a cycle .* pass a prefix or a snapshot of whole"):
        env.reset(options={"prefix": [RIGHT] * 2})
    assert env.snapshot() == state


@pytest.mark.parametrize(
    ("actions", "error", "message"),
    [
        ({"voter_0": "a"}, ValueError, "actions must hold a message of every agent, got none of"),
        ({"voter_0": "a", "voter_2": "b"}, ValueError, "unknown agent 'voter_2' of actions"),
        ({"voter_0": "a", "voter_1": 1}, TypeError, "an action of voter_1 must be a str, got int"),
    ],
)
def test_step_refuses_wrong_actions_and_changes_nothing(
    actions: dict[str, Any], error: type[Exception], message: str
) -> None:
    env = made(num_voters=2)
    env.reset(seed=0)
    state = env.snapshot()
    with pytest.raises(error, match=re.escape(message)):
        env.step(actions)
    assert (env.snapshot(), env.agents) == (state, ["voter_0", "voter_1"])


def test_verifier_that_raises_leaves_the_cycle_as_it_was() -> None:
    def fails(*_: str) -> Verdict:
        raise OSError("no verifier")

    env = made(num_voters=2, verifier=fails)
    env.reset(seed=0)
    state = env.snapshot()
    with pytest.raises(OSError, match="no verifier"):
        env.step(dict.fromkeys(env.agents, RIGHT))
    assert env.snapshot() == state


def test_step_after_the_end_takes_no_action() -> None:
    env = made(num_voters=1)
    env.reset(seed=0)
    env.step({"voter_0": RIGHT})
    assert env.step({}) == ({}, {}, {}, {}, {})
    with pytest.raises(ValueError, match="unknown agent 'voter_0' of actions"):
        env.step({"voter_0": RIGHT})


def test_teams_that_read_each_other_are_not_parallel() -> None:
    assert debate_v0(TASKS).metadata["is_parallelizable"] is False
    assert vote_v0(TASKS).metadata["is_parallelizable"] is True
    with pytest.raises(ValueError, match=r"act without reading each other .* topology 'debate'"):
        ParallelTeamEnv(debate_v0.raw_env(TASKS))


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        ("a b", True),
        ("a b<a", False),
        ("a<b b", True),  # b has not spoken yet
        ("a b a<ab b<b", True),  # reads what was said in the cycle before
        ("a b a b<a", False),
        ("a b a", False),
        ("a b b a", False),
        ("a a", True),
    ],
)
def test_cycles_by_hand(turns: str, expected: bool) -> None:
    parts = [turn.partition("<") for turn in turns.split()]
    assert is_simultaneous([Turn(a, "voter", tuple(read)) for a, _, read in parts]) is expected


def test_parallel_env_renders_the_transcript() -> None:
    env = made(num_voters=1, render_mode="ansi")
    assert env.render_mode == "ansi"
    env.reset(options={"task": 0})
    env.step({"voter_0": RIGHT})
    assert str(env.render()).endswith("=> correct, reward +1 (answer 2, gold 2)")
    env.close()


def test_vote_counts_every_vote_of_every_cycle() -> None:
    env = made(num_voters=2, max_cycles=2)
    env.reset(options={"task": 0})
    assert env.step({"voter_0": RIGHT, "voter_1": WRONG})[1] == {"voter_0": 0.0, "voter_1": 0.0}
    # 3 votes of 4 for the wrong answer
    assert set(env.step({"voter_0": WRONG, "voter_1": WRONG})[1].values()) == {-1.0}
    with pytest.raises(ValueError, match="max_cycles must be >= 1, got 0; try max_cycles=1"):
        made(max_cycles=0)
