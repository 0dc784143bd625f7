"""An episode goes on from a snapshot, a pickle or a copy exactly as it went on before."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Sequence
from dataclasses import FrozenInstanceError, dataclass
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccpo_env import EpisodeState, Task, Verdict, think_solve_v0
from ccpo_env.env import TeamAnswerEnv
from ccpo_env.wrapper import SnapshotWrapper

TASKS = tuple(Task(f"sum/{n}", f"What is {n}+{n}?", str(2 * n)) for n in range(1, 9))
MAX_CHARS = 60
MAX_TURNS = 4
AnyEnv = SnapshotWrapper | TeamAnswerEnv
FEWER = settings(max_examples=40)  # an example plays ten episodes


def judge(response: str, gold: str) -> Verdict:
    """Return every kind of verdict, and one that tells the response and the task apart."""
    if "?" in response:
        return Verdict("timeout", detail=response)
    return Verdict("correct" if "!" in response else "wrong", f"{response} for {gold}")


def make(num_thinkers: int = 1, **arguments: Any) -> SnapshotWrapper:
    given_ = {"tasks": TASKS, "verifier": judge, "max_chars": MAX_CHARS, **arguments}
    return think_solve_v0(num_thinkers=num_thinkers, **given_)


class Moment(NamedTuple):
    """All that can be seen of an environment before a step."""

    agent: str
    last: tuple[Any, ...]
    agents: list[str]
    tables: tuple[dict[str, Any], ...]
    observations: dict[str, Any]
    state: EpisodeState
    transcript: str | None


def moment(env: AnyEnv) -> Moment:
    tables = (env.rewards, env.terminations, env.truncations, env.infos, env._cumulative_rewards)
    seen = Moment(
        env.agent_selection,
        env.last() if env.agents else (),
        env.agents,
        tables,
        {agent: env.observe(agent) for agent in env.possible_agents},
        env.snapshot(),
        env.render(),
    )
    return copy.deepcopy(seen)


def play(env: AnyEnv, actions: Sequence[str], num_steps: int | None = None) -> list[Moment]:
    """Take steps, by default to the end and into the next two episodes of the stream."""
    seen = []
    for _ in range(2 * len(actions) if num_steps is None else num_steps):
        if not env.agents:
            break
        seen.append(moment(env))
        num_said = len(env.messages)
        is_over = env.terminations[env.agent_selection] or env.truncations[env.agent_selection]
        env.step(None if is_over else actions[num_said])
    seen.append(moment(env))
    if num_steps is None:
        for _ in range(2):
            env.reset(options={"removed": []})
            seen.append(moment(env))
    return seen


def first_difference(seen: Sequence[Moment], expected: Sequence[Moment]) -> str:
    """Return where two episodes part, in one line: a diff of all of it takes seconds."""
    for index, (one, other) in enumerate(zip(seen, expected, strict=True)):
        for name, a, b in zip(Moment._fields, one, other, strict=True):
            if a != b:
                return f"{name} before step {index}: {a!r} != {b!r}"
    return ""


# Lone surrogates (Cs) stand in it often; st.text would hardly ever draw one.
any_text = st.lists(st.characters() | st.characters(categories=["Cs"]), max_size=9).map("".join)
texts = any_text | st.sampled_from(["!", "?", "", "x" * (MAX_CHARS + 9)])
messages = st.lists(texts, min_size=MAX_TURNS, max_size=MAX_TURNS)


@dataclass(frozen=True)
class Plan:
    """An episode and the step before which it is to be taken up again."""

    num_thinkers: int
    seed: int
    options: dict[str, Any]
    actions: list[str]
    num_steps: int

    def start(self) -> SnapshotWrapper:
        env = make(self.num_thinkers, render_mode="ansi")
        env.reset(seed=self.seed)
        env.reset(options=self.options)
        return env


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    num_thinkers = draw(st.integers(1, MAX_TURNS - 1))
    agents = make(num_thinkers).possible_agents
    removed = draw(st.sets(st.sampled_from(agents), max_size=len(agents) - 1))
    num_turns = len(agents) - len(removed)
    prefix = draw(st.lists(texts, max_size=num_turns - 1))
    options: dict[str, Any] = {"removed": removed, "prefix": prefix}
    if draw(st.booleans()):
        options["task"] = draw(st.sampled_from(TASKS) | st.just(Task("new", "x" * 99, "gold")))
    num_steps = draw(st.integers(0, 2 * num_turns - len(prefix)))
    return Plan(num_thinkers, draw(st.integers(0, 9)), options, draw(messages), num_steps)


def in_the_same_env(env: SnapshotWrapper) -> AnyEnv:
    state = env.snapshot()
    env.reset(seed=77, options={"task": 1, "prefix": []})
    while env.agents:
        env.step(None if env.unwrapped.verdict else "other text")
    env.restore(state)
    return env


def in_a_fresh_env(env: SnapshotWrapper) -> AnyEnv:
    fresh = make(len(env.possible_agents) - 1, render_mode="ansi")
    fresh.restore(env.snapshot())
    return fresh


def in_a_fresh_bare_env(env: SnapshotWrapper) -> AnyEnv:
    fresh = make(len(env.possible_agents) - 1, render_mode="ansi").unwrapped
    fresh.restore(env.snapshot())
    return fresh


def in_an_env_with_other_defaults(env: SnapshotWrapper) -> AnyEnv:
    removed = env.possible_agents[-1:]
    fresh = make(len(env.possible_agents) - 1, render_mode="ansi", removed=removed)
    fresh.reset(seed=1)
    fresh.restore(env.snapshot())
    return fresh


def by_pickled_snapshot(env: SnapshotWrapper) -> AnyEnv:
    state = env.snapshot()
    kept = pickle.loads(pickle.dumps(state))
    assert (kept, hash(kept)) == (state, hash(state))
    env.reset()
    env.restore(kept)
    return env


def by_pickle(env: SnapshotWrapper) -> AnyEnv:
    return pickle.loads(pickle.dumps(env))


def by_deepcopy(env: SnapshotWrapper) -> AnyEnv:
    twin = copy.deepcopy(env)
    env.reset(seed=77)
    return twin


def by_deepcopy_of_the_bare_env(env: SnapshotWrapper) -> AnyEnv:
    twin = copy.deepcopy(env.unwrapped)
    env.reset(seed=77)
    return twin


WAYS_BACK = [
    in_the_same_env,
    in_a_fresh_env,
    in_a_fresh_bare_env,
    in_an_env_with_other_defaults,
    by_pickled_snapshot,
    by_pickle,
    by_deepcopy,
    by_deepcopy_of_the_bare_env,
]


@pytest.mark.no_cover
@FEWER
@given(plan=plans())
def test_episode_goes_on_as_it_did(plan: Plan) -> None:
    undisturbed = plan.start()
    play(undisturbed, plan.actions, plan.num_steps)
    expected = play(undisturbed, plan.actions)
    for take_up in WAYS_BACK:
        disturbed = plan.start()
        play(disturbed, plan.actions, plan.num_steps)
        found = play(take_up(disturbed), plan.actions)
        assert first_difference(found, expected) == "", take_up.__name__


@FEWER
@given(plan=plans(), other=messages)
def test_snapshot_is_not_touched_by_what_follows(plan: Plan, other: list[str]) -> None:
    env = plan.start()
    play(env, plan.actions, plan.num_steps)
    state = env.snapshot()
    kept = pickle.dumps(state)
    play(env, other)
    assert pickle.dumps(state) == kept


@FEWER
@given(plan=plans(), other=messages)
def test_copies_do_not_touch_each_other(plan: Plan, other: list[str]) -> None:
    env = plan.start()
    play(env, plan.actions, plan.num_steps)
    before = moment(env)
    for twin in (copy.deepcopy(env), pickle.loads(pickle.dumps(env))):
        play(twin, other)
        assert first_difference([moment(env)], [before]) == ""


def test_branches_of_one_snapshot_differ_only_by_what_is_said() -> None:
    env = make(2)
    env.reset(seed=0)
    env.step("a thought")
    fork = env.snapshot()
    for second in ("one", "two"):
        env.restore(fork)
        env.step(second)
        assert [message.text for message in env.messages] == ["a thought", second]
        env.step(f"{second}!")
        assert env.rewards["thinker_0"] == 1.0


def test_restore_counts_as_progress_within_agent_iter() -> None:
    env = make()
    env.reset(seed=0)
    start = env.snapshot()
    visited = []
    for agent in env.agent_iter():
        visited.append(agent)
        if len(visited) == 2:
            env.restore(start)
        else:
            env.step(None if env.unwrapped.verdict else "text")
    assert visited[:4] == ["thinker_0", "solver_0", "thinker_0", "solver_0"]
    assert visited[4:] == ["thinker_0", "solver_0"]


def test_a_finished_episode_can_be_restored_and_is_still_finished() -> None:
    env = make()
    env.reset(seed=0)
    for action in ("a thought", "!", None, None):
        env.step(action)
    state = env.snapshot()
    env.reset()
    env.restore(state)
    assert env.agents == []
    assert env.unwrapped.verdict == state.verdict
    assert list(env.agent_iter()) == []
    env.reset()
    assert env.agents == ["thinker_0", "solver_0"]


def test_restore_does_not_ask_the_verifier() -> None:
    env = make()
    env.reset(seed=0)
    env.step("a thought")
    env.step("!")
    unaware = make(verifier=lambda *_: pytest.fail("the verdict is known"))
    unaware.restore(env.snapshot())
    assert unaware.rewards == {"thinker_0": 1.0, "solver_0": 1.0}


def test_an_env_that_was_never_reset_can_be_copied_and_pickled() -> None:
    for twin in (copy.deepcopy(make()), pickle.loads(pickle.dumps(make()))):
        with pytest.raises(AttributeError, match="agents cannot be accessed before reset"):
            _ = twin.agents
        twin.reset(seed=0)
        assert twin.agents == ["thinker_0", "solver_0"]


@pytest.mark.parametrize("num_steps", range(5))
def test_snapshot_is_small_however_many_tasks_there_are(num_steps: int) -> None:
    env = think_solve_v0(tasks="arithmetic", verifier="exact")
    env.reset(seed=0)
    for action in ["x" * 300, "y" * 300, None, None][:num_steps]:
        env.step(action)
    pickled = pickle.dumps(env.snapshot())
    assert len(pickled) < 2000
    assert pickled.count(b"Compute from left to right") == 1  # the question of its own task


def test_snapshot_is_frozen() -> None:
    env = make()
    env.reset(seed=0)
    with pytest.raises(FrozenInstanceError):
        env.snapshot().num_left = 3


def test_deepcopy_shares_what_never_changes() -> None:
    env = think_solve_v0(verifier="exact")
    env.reset(seed=0)
    bare, twin = env.unwrapped, copy.deepcopy(env).unwrapped
    assert twin is not bare
    assert twin.tasks is bare.tasks
    assert twin.topology is bare.topology
    assert twin.starter is bare.starter
    assert twin._rules is bare._rules
    assert twin.infos is not bare.infos


def test_deepcopy_of_several_envs_keeps_their_identity() -> None:
    env = make()
    env.reset(seed=0)
    first, again, bare = copy.deepcopy([env, env, env.unwrapped])
    assert first is again
    assert bare is first.unwrapped


def test_copies_have_spaces_of_their_own() -> None:
    env = make()
    env.action_space("thinker_0").seed(3)
    twin = copy.deepcopy(env)
    samples = [env.action_space("thinker_0").sample() for _ in range(5)]
    assert [twin.action_space("thinker_0").sample() for _ in range(5)] == samples
