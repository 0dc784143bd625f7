"""Who speaks, who reads what, who is paid when, and what wrong use is told."""

from __future__ import annotations

import copy
import itertools
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccpo_env import Message, Task, Verdict, episode, think_solve_v0
from ccpo_env.env import TeamAnswerEnv
from ccpo_env.episode import CHUNK_SIZE, draw_task_index
from ccpo_env.prompts import THINK_SOLVE
from ccpo_env.verifiers.registry import VERIFIER_NAMES
from ccpo_env.wrapper import SnapshotWrapper

TASKS = tuple(Task(f"sum/{n}", f"What is {n}+{n}?", str(2 * n)) for n in range(1, 9))
RIGHT, WRONG = r"\boxed{2}", r"\boxed{3}"  # for TASKS[0]
AGENTS = ("thinker_0", "thinker_1", "solver_0")
VERIFIERS_IN_ORDER = ", ".join(sorted(VERIFIER_NAMES))
# Lone surrogates (Cs) stand in it often; st.text would hardly ever draw one.
any_text = st.lists(st.characters() | st.characters(categories=["Cs"]), max_size=80).map("".join)
SUBSETS = [subset for size in range(len(AGENTS)) for subset in itertools.combinations(AGENTS, size)]


def make(num_thinkers: int = 1, **arguments: Any) -> SnapshotWrapper:
    return think_solve_v0(
        **{"tasks": TASKS, "verifier": "exact", **arguments}, num_thinkers=num_thinkers
    )


def started(
    num_thinkers: int = 1, *, options: dict[str, Any] | None = None, **made: Any
) -> SnapshotWrapper:
    env = make(num_thinkers, **made)
    env.reset(seed=0, options={"task": 0, **(options or {})})
    return env


def say(env: SnapshotWrapper, *texts: str | None) -> SnapshotWrapper:
    for text in texts:
        env.step(text)
    return env


def drawn_tasks(env: SnapshotWrapper, num_resets: int) -> list[str]:
    ids = []
    for _ in range(num_resets):
        env.reset()
        ids.append(env.task.id)
    return ids


@pytest.mark.parametrize(("answer", "reward"), [(RIGHT, 1.0), (WRONG, -1.0), ("no box", -1.0)])
@pytest.mark.parametrize("removed", SUBSETS)
def test_every_live_agent_is_paid_the_team_reward_once(
    answer: str, reward: float, removed: tuple[str, ...]
) -> None:
    env = started(2, options={"removed": removed})
    paid: dict[str, list[float]] = {agent: [] for agent in env.agents}
    for agent in env.agent_iter():
        _, amount, terminated, truncated, _ = env.last()
        assert not truncated
        paid[agent].append(amount)
        env.step(None if terminated else answer)
    assert paid == {agent: [0.0, reward] for agent in AGENTS if agent not in removed}


def test_rewards_are_zero_until_the_last_turn() -> None:
    env = started(2)
    for text in ("first", "second"):
        say(env, text)
        assert set(env.rewards.values()) == {0.0}
        assert not any(env.terminations.values())
    say(env, RIGHT)
    assert env.rewards == dict.fromkeys(AGENTS, 1.0)


def test_agents_of_the_prefix_are_paid_too() -> None:
    env = say(started(options={"prefix": ["a thought"]}), RIGHT)
    assert env.rewards == {"thinker_0": 1.0, "solver_0": 1.0}


@pytest.mark.parametrize("status", ["timeout", "error"])
def test_episode_is_truncated_without_reward_when_nothing_was_measured(status: str) -> None:
    verdict = Verdict(status, None, "the verifier could not tell")
    env = say(started(verifier=lambda *_: verdict), "a", "b")
    for agent in ("thinker_0", "solver_0"):
        _, reward, terminated, truncated, info = env.last()
        assert (env.agent_selection, reward, terminated, truncated) == (agent, 0.0, False, True)
        assert (info["verdict"], info["answer"]) == (verdict, None)
        say(env, None)


@pytest.mark.parametrize("removed", SUBSETS)
def test_verifier_is_asked_once_about_what_the_last_agent_said(removed: tuple[str, ...]) -> None:
    asked = []

    def record(response: str, gold: str) -> Verdict:
        asked.append((response, gold))
        return Verdict("wrong")

    env = started(2, options={"removed": removed}, verifier=record)
    for agent in env.agent_iter():
        env.step(None if env.terminations[agent] else f"from {agent}")
    last = [agent for agent in AGENTS if agent not in removed][-1]
    assert asked == [(f"from {last}", TASKS[0].answer)]


def test_episode_is_as_before_when_the_verifier_raises() -> None:
    attempts = []

    def fail_once(response: str, _gold: str) -> Verdict:
        attempts.append(response)
        if len(attempts) == 1:
            raise OSError("no worker")
        return Verdict("correct", response)

    env = say(started(verifier=fail_once), "a thought")
    before = env.snapshot()
    with pytest.raises(OSError, match="no worker"):
        env.step(RIGHT)
    assert env.snapshot() == before
    assert say(env, RIGHT).rewards == {"thinker_0": 1.0, "solver_0": 1.0}


@pytest.mark.parametrize("returned", [True, 1.0, None, "correct"])
def test_step_names_the_fault_of_a_verifier_that_returns_no_verdict(returned: object) -> None:
    env = say(started(verifier=lambda *_: returned), "a thought")
    with pytest.raises(TypeError, match=f"a verifier must return a Verdict, got {returned!r}"):
        env.step(RIGHT)


def test_infos_name_role_task_and_who_is_removed() -> None:
    env = started(2, options={"removed": ["thinker_0"]})
    roles = {agent: info["role"] for agent, info in env.infos.items()}
    assert roles == {"thinker_1": "thinker", "solver_0": "solver"}
    assert {info["task_id"] for info in env.infos.values()} == {"sum/1"}
    assert [info["removed"] for info in env.infos.values()] == [["thinker_0"]] * 2


def test_infos_carry_messages_for_the_acting_agent_only() -> None:
    env = started(2)
    for speaker in AGENTS:
        acting = [agent for agent, info in env.infos.items() if info["messages"]]
        assert acting == [speaker] == [env.agent_selection]
        say(env, RIGHT)
    assert all(info["messages"] == [] for info in env.infos.values())


def test_infos_carry_chat_messages_of_the_same_text_as_the_prompt() -> None:
    env = say(started(), "a thought")
    observation, _, _, _, info = env.last()
    assert [message["role"] for message in info["messages"]] == ["system", "user"]
    system, user = (message["content"] for message in info["messages"])
    assert observation["prompt"].startswith(f"{system}\n\n{user}")


def test_infos_carry_the_verdict_at_the_end_only() -> None:
    env = started()
    for text in ("a thought", RIGHT):
        assert not any({"verdict", "answer"} & set(info) for info in env.infos.values())
        say(env, text)
    verdict = Verdict("correct", "2")
    assert [info["verdict"] for info in env.infos.values()] == [verdict] * 2
    assert [info["answer"] for info in env.infos.values()] == ["2", "2"]


def test_an_info_that_was_handed_out_stays_as_it_was() -> None:
    env = started(max_chars=50)
    info = env.last()[4]
    kept = copy.deepcopy(info)
    say(env, "x" * 100, "y" * 100)
    assert info == kept
    assert info["messages"]


def test_gold_answer_is_in_nothing_that_an_agent_reads() -> None:
    env = started(2, tasks=[("a question", "GOLD")])
    for _ in AGENTS:
        seen = [env.observe(agent) for agent in AGENTS]
        assert "GOLD" not in repr((seen, env.infos))
        say(env, "a message")


@pytest.mark.parametrize("removed", SUBSETS)
@pytest.mark.parametrize("where", ["reset", "constructor"])
def test_removed_agents_do_not_exist_in_the_episode(removed: tuple[str, ...], where: str) -> None:
    env = make(2, removed=removed if where == "constructor" else ())
    env.reset(options={"removed": removed} if where == "reset" else None)
    left = [agent for agent in AGENTS if agent not in removed]
    assert env.agents == left
    assert env.possible_agents == list(AGENTS)
    tables = (env.rewards, env.terminations, env.truncations, env.infos)
    assert [list(table) for table in tables] == [left] * 4
    assert [agent for agent in env.agent_iter(len(left)) if say(env, "text")] == left


@pytest.mark.parametrize("removed", SUBSETS)
def test_each_agent_reads_those_before_it_and_nobody_removed(removed: tuple[str, ...]) -> None:
    env = started(2, options={"removed": removed})
    said: list[str] = []
    while env.unwrapped.verdict is None:
        agent = env.agent_selection
        text = str((env.observe(agent), env.infos[agent]["messages"]))
        assert re.findall(r"token of \w+", text) == 2 * said  # in the prompt and in the messages
        assert not [name for name in removed if name in text]
        said.append(f"token of {agent}")
        say(env, said[-1])


@pytest.mark.parametrize("removed", SUBSETS[1:])
def test_nobody_reads_what_was_said_in_an_abandoned_episode(removed: tuple[str, ...]) -> None:
    env = say(started(2), "TOKEN", "TOKEN")
    env.reset(options={"task": 0, "removed": removed})
    while env.unwrapped.verdict is None:
        assert "TOKEN" not in str((env.observe(env.agent_selection), env.infos))
        say(env, "other text")


@pytest.mark.parametrize("removed", SUBSETS)
def test_only_the_last_agent_left_is_told_to_answer(removed: tuple[str, ...]) -> None:
    env = started(2, options={"removed": removed})
    told = {}
    while env.unwrapped.verdict is None:
        agent = env.agent_selection
        told[agent] = r"\boxed{}" in env.observe(agent)["prompt"]
        say(env, "text")
    assert list(told.values()) == [False] * (len(told) - 1) + [True]


@pytest.mark.parametrize("removed", [("thinker_0",), ("thinker_1",), ("thinker_0", "thinker_1")])
def test_prompt_with_an_agent_removed_lacks_its_block_and_nothing_else(
    removed: tuple[str, ...],
) -> None:
    hints = {"thinker_0": "Halve it.\n\nTwice.", "thinker_1": "Add 1."}
    joint = say(started(2), *hints.values())
    solo = started(2, options={"removed": removed})
    say(solo, *[hint for agent, hint in hints.items() if agent not in removed])
    prompt, chat = joint.observe("solver_0")["prompt"], joint.infos["solver_0"]["messages"]
    for agent in removed:
        block = f"\n\nMessage of {agent}:\n{hints[agent]}"
        assert prompt.count(block) == 1
        prompt = prompt.replace(block, "")
        chat = [{**part, "content": part["content"].replace(block, "")} for part in chat]
    assert solo.observe("solver_0")["prompt"] == prompt
    assert solo.infos["solver_0"]["messages"] == chat


@pytest.mark.parametrize("kind", [list, tuple, set, frozenset, np.array, iter])
def test_removed_may_be_any_collection_of_names(kind: Callable[..., Any]) -> None:
    env = started(options={"removed": kind(["thinker_0"])})
    assert env.agents == ["solver_0"]


@pytest.mark.parametrize(
    ("option", "agents"),
    [
        (None, ["solver_0"]),
        ({}, ["solver_0"]),
        ({"removed": None}, ["solver_0"]),
        ({"removed": []}, ["thinker_0", "solver_0"]),
        ({"removed": ["solver_0"]}, ["thinker_0"]),
    ],
)
def test_removed_of_a_reset_replaces_that_of_the_constructor(
    option: dict[str, Any] | None, agents: list[str]
) -> None:
    env = make(removed=(name for name in ["thinker_0"]))
    for _ in range(2):
        env.reset(options=option)
        assert env.agents == agents


def test_a_removed_agent_reads_an_empty_prompt_within_its_space() -> None:
    env = started(options={"removed": ["thinker_0"]})
    assert env.observe("thinker_0") == {"prompt": ""}
    assert env.observation_space("thinker_0").contains(env.observe("thinker_0"))


@pytest.mark.parametrize("task", [3, np.int64(3), np.array(3), "sum/4", TASKS[3]], ids=repr)
@pytest.mark.parametrize("removed", SUBSETS)
def test_options_combine_freely(task: object, removed: tuple[str, ...]) -> None:
    env = make(2)
    left = [agent for agent in AGENTS if agent not in removed]
    for size in range(len(left)):
        prefix = [f"said by {agent}" for agent in left[:size]]
        env.reset(options={"task": task, "removed": removed, "prefix": prefix})
        assert (env.task, env.agents) == (TASKS[3], left)
        assert env.agent_selection == left[size]
        spoken = zip(left, prefix, strict=False)
        assert env.messages == tuple(Message(agent, text) for agent, text in spoken)
        assert all(text in env.observe(left[size])["prompt"] for text in prefix)


def test_a_prefix_continues_as_if_it_had_been_played() -> None:
    played = say(started(2), "first", "second")
    given_ = started(2, options={"prefix": ["first", "second"]})
    assert given_.observe("solver_0") == played.observe("solver_0")
    assert given_.infos == played.infos
    assert given_.snapshot() == played.snapshot()


@pytest.mark.parametrize("options", [None, {}, {"prefix": None}, {"prefix": []}, {"prefix": ()}])
def test_an_empty_prefix_starts_at_the_first_turn(options: dict[str, Any] | None) -> None:
    env = make()
    env.reset(options=options)
    assert (env.agent_selection, env.messages) == ("thinker_0", ())


def test_an_empty_message_in_the_prefix_takes_a_turn() -> None:
    env = started(options={"prefix": [""]})
    assert env.messages == (Message("thinker_0", ""),)
    assert "Message of thinker_0" in env.observe("solver_0")["prompt"]


def test_a_task_of_elsewhere_may_be_given() -> None:
    other = Task("elsewhere", "What is 5+5?", "10", source="other")
    env = say(started(options={"task": other}), "a thought", r"\boxed{10}")
    assert (env.task, env.rewards["solver_0"]) == (other, 1.0)


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("tasks", "task"),
        ("Task", "task"),
        ("TASK", "task"),
        ("task_id", "task"),
        ("task_index", "task"),
        ("remove", "removed"),
        ("removed_agents", "removed"),
        ("prefixes", "prefix"),
        ("prefix_messages", "prefix"),
    ],
)
def test_reset_refuses_a_misspelt_option(misspelt: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f"got '{misspelt}'; did you mean '{meant}'"):
        make().reset(options={misspelt: ["thinker_0"]})


@pytest.mark.parametrize("foreign", ["options", "seed", "render", "difficulty", 7, ("a", 1)])
def test_reset_ignores_an_option_of_another_environment(foreign: object) -> None:
    env = make()
    env.reset(options={foreign: 1})
    assert env.agents == ["thinker_0", "solver_0"]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"removed": ["thinker_1"]},
            ValueError,
            "removed must name agents of ['thinker_0', 'solver_0'], got 'thinker_1'; "
            "did you mean 'thinker_0'?",
        ),
        ({"removed": ["nobody"]}, ValueError, "got 'nobody'; remove one of these"),
        ({"removed": [0]}, ValueError, "got '0'; remove one of these"),
        (
            {"removed": ["solver_0", "thinker_0"]},
            ValueError,
            "removed must leave at least one agent to answer, "
            "got all of ['thinker_0', 'solver_0']; keep one of them",
        ),
        (
            {"removed": "thinker_0"},
            TypeError,
            "removed must be a list of agents, got the text 'thinker_0'; pass ['thinker_0']",
        ),
        ({"removed": 1}, TypeError, "removed must be a list of agents, got 1; pass e.g."),
        ({"removed": {"thinker_0": False}}, TypeError, "got {'thinker_0': False}; pass e.g."),
        (
            {"prefix": ["a", "b"]},
            ValueError,
            "prefix must leave at least one of the 2 turns to play, got 2 messages; "
            "drop the last ones",
        ),
        (
            {"prefix": ["a"], "removed": ["thinker_0"]},
            ValueError,
            "prefix must leave at least one of the 1 turns to play, got 1 messages",
        ),
        (
            {"prefix": "a thought"},
            TypeError,
            "prefix must be a list of texts, one per turn, got 'a thought'; pass ['a thought']",
        ),
        ({"prefix": ""}, TypeError, "prefix must be a list of texts, one per turn, got ''"),
        ({"prefix": 0}, TypeError, "prefix must be a list of texts, one per turn, got 0"),
        ({"prefix": [None]}, TypeError, "got [None]"),
        ({"prefix": [b"a"]}, TypeError, "got [b'a']"),
        ({"prefix": {"thinker_0": "a"}}, TypeError, "got {'thinker_0': 'a'}"),
        ({"prefix": {"a"}}, TypeError, "got {'a'}"),
        (
            {"task": 8},
            ValueError,
            "task must be in 0..7, got 8; load more tasks or pass an id",
        ),
        ({"task": -1}, ValueError, "task must be in 0..7, got -1"),
        (
            {"task": "sum/12"},
            ValueError,
            "task must be the id of a loaded task, got 'sum/12'; did you mean 'sum/",
        ),
        ({"task": "?"}, ValueError, "got '?'; such as 'sum/1'"),
        (
            {"task": 1.0},
            TypeError,
            "task must be an index, an id or a Task, got 1.0; pass e.g. options={'task': 0}",
        ),
        ({"task": True}, TypeError, "task must be an index, an id or a Task, got True"),
        ({"task": ("1+1", "2")}, TypeError, "got ('1+1', '2')"),
    ],
)
def test_reset_explains_a_wrong_option_and_leaves_the_episode_alone(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    env = say(started(), "a thought")
    before = env.snapshot()
    with pytest.raises(error, match=re.escape(message)):
        env.reset(seed=5, options=options)
    assert env.snapshot() == before


@pytest.mark.parametrize(
    ("seed", "error", "message"),
    [
        (-1, ValueError, "seed must be >= 0, got -1"),
        (1.5, TypeError, "seed must be an int >= 0, got 1.5"),
        ("7", TypeError, "seed must be an int >= 0, got '7'"),
    ],
)
def test_reset_refuses_a_seed_that_is_none(seed: Any, error: type[Exception], message: str) -> None:
    env = say(started(), "a thought")
    before = env.snapshot()
    for options in (None, {"task": 0}):
        with pytest.raises(error, match=message):
            env.reset(seed=seed, options=options)
        assert env.snapshot() == before


def test_the_tasks_of_a_seed_stay_the_same() -> None:
    places = [0, 1, CHUNK_SIZE - 1, CHUNK_SIZE, 2 * CHUNK_SIZE]
    assert places[-1] == 2048
    drawn = [draw_task_index(7, place, 1000) for place in places]
    assert drawn == [944, 625, 770, 870, 281]


@given(seed=st.integers(0, 2**64), num_resets=st.integers(1, 20))
def test_resets_after_a_seed_are_reproducible(seed: int, num_resets: int) -> None:
    first, second = make(), make()
    second.reset(seed=seed + 1)  # what came before a seed makes no difference
    for env in (first, second):
        env.reset(seed=seed)
    assert first.task == second.task
    assert drawn_tasks(first, num_resets) == drawn_tasks(second, num_resets)


def test_a_numpy_seed_is_the_same_as_an_int() -> None:
    env = make()
    env.reset(seed=7)
    with_int = env.snapshot()
    env.reset(seed=np.int64(7))
    assert env.snapshot() == with_int
    assert type(env.snapshot().stream_seed) is int


def test_a_reset_without_a_seed_goes_on_with_the_stream() -> None:
    env = make()
    env.reset(seed=3)
    once = [env.task.id, *drawn_tasks(env, 30)]
    assert len(set(once)) == len(TASKS)
    env.reset(seed=3)
    assert [env.task.id, *drawn_tasks(env, 30)] == once


def test_environments_that_were_never_seeded_draw_different_tasks() -> None:
    assert drawn_tasks(make(), 40) != drawn_tasks(make(), 40)  # equal once in 8 ** 40 runs


@given(pinned=st.lists(st.booleans(), max_size=12))
def test_a_reset_with_a_task_draws_nothing_from_the_stream(pinned: Sequence[bool]) -> None:
    env, plain = make(), make()
    for each in (env, plain):
        each.reset(seed=11)
    ids = []
    for is_pinned in pinned:
        env.reset(options={"task": 0, "removed": ["thinker_0"]} if is_pinned else None)
        if not is_pinned:
            ids.append(env.task.id)
    assert ids == drawn_tasks(plain, len(ids))


def test_a_seeded_reset_with_a_task_starts_the_stream_anew() -> None:
    env, plain = make(), make()
    env.reset(seed=4, options={"task": 0})
    plain.reset(seed=4)
    assert [*drawn_tasks(env, 20)] == [plain.task.id, *drawn_tasks(plain, 19)]


def test_any_place_of_a_stream_can_be_drawn_by_itself() -> None:
    places = [0, 1, CHUNK_SIZE - 1, CHUNK_SIZE, 5 * CHUNK_SIZE + 3]
    forwards = [draw_task_index(9, place, 1000) for place in places]
    episode._chunk.cache_clear()
    backwards = [draw_task_index(9, place, 1000) for place in reversed(places)]
    assert forwards == backwards[::-1]


def test_stream_draws_every_task_about_equally_often() -> None:
    num_draws = 2 * CHUNK_SIZE + 952  # 3000, across the borders of two chunks
    drawn = [draw_task_index(0, place, 3) for place in range(num_draws)]
    counts = np.bincount(drawn, minlength=3)
    # Mean 1000, standard deviation sqrt(3000 * 1/3 * 2/3) = 26; the seed is fixed.
    assert abs(counts - 1000).max() < 100
    repeated = sum(a == b for a, b in itertools.pairwise(drawn))
    assert abs(repeated - 1000) < 100


def test_streams_of_neighbouring_seeds_are_unlike() -> None:
    places = [*range(100), *range(CHUNK_SIZE, CHUNK_SIZE + 100)]
    drawn = [draw_task_index(seed, place, 10**6) for seed in range(20) for place in places]
    assert len(set(drawn)) > 0.99 * len(drawn)  # no stretch of one is a stretch of another


def test_environment_neither_reads_nor_moves_the_global_random_state() -> None:
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002  the global state is what this test is about
    before = random.getstate(), repr(np.random.get_state())  # noqa: NPY002
    env = make()
    env.reset()
    env.reset(seed=2)
    say(env, env.action_space("thinker_0").sample(), RIGHT)
    ids = drawn_tasks(env, 5)
    assert (random.getstate(), repr(np.random.get_state())) == before  # noqa: NPY002
    np.random.seed(2)  # noqa: NPY002
    env.reset(seed=2)
    assert drawn_tasks(env, 5) == ids


def kept_chars(text: str) -> int:
    return len(re.sub(r"\n\[… \d+ characters cut …\]\n", "", text))


@pytest.mark.parametrize("spoken", ["by an agent", "in a prefix"])
def test_a_long_message_is_cut_and_reported_to_everyone(spoken: str) -> None:
    long = "x" * 1_000_000
    if spoken == "by an agent":
        env = say(started(max_chars=1000), long)
    else:
        env = started(max_chars=1000, options={"prefix": [long]})
    text = env.messages[0].text
    assert len(text) <= 1000
    num_cut = 1_000_000 - kept_chars(text)
    assert [info["clipped_chars"] for info in env.infos.values()] == [{"thinker_0": num_cut}] * 2
    assert text in env.observe("solver_0")["prompt"]
    assert env.observation_space("solver_0").contains(env.observe("solver_0"))


def test_an_answer_at_the_end_of_a_long_message_counts() -> None:
    env = say(started(max_chars=1000), "a thought", "x" * 1_000_000 + RIGHT)
    assert env.rewards["solver_0"] == 1.0
    assert list(env.infos["solver_0"]["clipped_chars"]) == ["solver_0"]


def test_a_long_question_is_cut_and_reported() -> None:
    env = started(max_chars=1000, tasks=[("?" * 5000, "2"), ("short", "2")])
    prompt = env.observe("thinker_0")["prompt"]
    assert env.infos["thinker_0"]["clipped_chars"] == {"question": 5000 - prompt.count("?")}
    env.reset(options={"task": 1})
    assert env.infos["thinker_0"]["clipped_chars"] == {}


@pytest.mark.parametrize("max_chars", [1, 100])
def test_the_longest_prompt_is_within_the_observation_space(max_chars: int) -> None:
    prompts = replace(THINK_SOLVE, hand_over="h" * 6000, give_answer="g" * 9000)
    long = "x" * (max_chars + 1)
    env = started(100, tasks=[(long, "2")], max_chars=max_chars, prompts=prompts)
    for agent in env.agent_iter():
        assert env.observation_space(agent).contains(env.observe(agent))
        env.step(None if env.terminations[agent] else long)


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\ud83d\ude00"])
def test_surrogates_in_a_message_are_repaired(text: str) -> None:
    env = say(started(), text)
    prompt = env.observe("solver_0")["prompt"]
    assert env.messages[0].text in prompt
    prompt.encode()
    assert env.observation_space("solver_0").contains({"prompt": prompt})


def test_surrogates_in_a_question_are_repaired_for_agents_and_for_the_screen(
    capsys: pytest.CaptureFixture[str],
) -> None:
    env = started(tasks=[("\ud800?", "\udfff")], render_mode="human")
    assert "\ufffd?" in env.observe("thinker_0")["prompt"]
    say(env, "a", r"\boxed{b}").render()
    assert "\ufffd?" in capsys.readouterr().out


@given(texts=st.lists(any_text, min_size=3, max_size=3))
def test_any_text_may_be_asked_and_said(texts: list[str]) -> None:
    env = started(tasks=[(texts[0], "2")], max_chars=50)
    for text in texts[1:]:
        assert env.observation_space(env.agent_selection).contains(env.last()[0])
        say(env, text)
    assert set(env.rewards.values()) <= {-1.0, 1.0}


@pytest.mark.parametrize("action", [None, 3, b"text", ["text"], np.array("text")])
def test_step_refuses_an_action_that_is_no_text(action: object) -> None:
    env = started()
    before = env.snapshot()
    message = f"an action of thinker_0 must be a str, got {type(action).__name__}; pass the"
    with pytest.raises(TypeError, match=message):
        env.step(action)
    assert env.snapshot() == before


def test_step_refuses_text_from_an_agent_that_has_to_leave() -> None:
    env = say(started(), "a thought", RIGHT)
    with pytest.raises(ValueError, match="the only valid action is None"):
        env.step("more text")


@pytest.mark.parametrize("removed", SUBSETS)
@pytest.mark.parametrize("num_steps", range(7))
def test_an_abandoned_episode_leaves_no_trace_in_the_next(
    num_steps: int, removed: tuple[str, ...]
) -> None:
    fresh, used = make(2), started(2)
    say(used, *["text", "text", RIGHT, None, None, None][:num_steps])
    for env in (used, fresh):
        env.reset(seed=0, options={"task": 0, "removed": removed})
    for agent, same_agent in zip(used.agent_iter(), fresh.agent_iter(), strict=True):
        assert (agent, used.last(), used.agents) == (same_agent, fresh.last(), fresh.agents)
        for env in (used, fresh):
            env.step(None if env.terminations[agent] else WRONG)
    assert used.agent_selection == fresh.agent_selection


def test_agent_iter_visits_each_agent_to_speak_and_to_leave() -> None:
    env = started(2)
    visited = []
    for agent in env.agent_iter():
        visited.append(agent)
        _, _, terminated, truncated, _ = env.last()
        env.step(None if terminated or truncated else WRONG)
    assert visited == [*AGENTS, *AGENTS]
    assert env.agents == []


def test_agent_iter_refuses_to_go_on_without_a_step() -> None:
    visits = started().agent_iter()
    next(iterator := iter(visits))
    with pytest.raises(AssertionError, match="need to call step"):
        next(iterator)


@pytest.mark.parametrize("unwrapped", [False, True])
def test_snapshot_before_the_first_reset_is_refused(unwrapped: bool) -> None:
    env: SnapshotWrapper | TeamAnswerEnv = make().unwrapped if unwrapped else make()
    with pytest.raises(RuntimeError, match=re.escape("snapshot() must follow reset(), got no")):
        env.snapshot()


def test_what_comes_before_the_first_reset_is_refused() -> None:
    with pytest.raises(AttributeError, match="agent_selection cannot be accessed before reset"):
        make().last()


def test_snapshot_is_refused_after_a_first_reset_that_failed() -> None:
    env = make()
    with pytest.raises(ValueError, match="task must be in"):
        env.reset(options={"task": 99})
    with pytest.raises(RuntimeError, match="must follow reset"):
        env.snapshot()


def test_restore_refuses_a_snapshot_of_another_topology() -> None:
    small, large = started(1), say(started(2), "a thought")
    before = large.snapshot()
    message = (
        "a snapshot must be of think_solve with ['thinker_0', 'thinker_1', 'solver_0'], got "
        "think_solve with ['thinker_0', 'solver_0']; restore it in such an environment"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        large.restore(small.snapshot())
    assert large.snapshot() == before


@pytest.mark.parametrize("num_steps", range(5))
def test_observe_answers_for_every_agent_at_any_time(num_steps: int) -> None:
    env = say(started(), *["a thought", RIGHT, None, None][:num_steps])
    for agent in env.possible_agents:
        assert env.observation_space(agent).contains(env.observe(agent))
    with pytest.raises(ValueError, match="unknown agent 'thinker_1'; available: solver_0, thin"):
        env.observe("thinker_1")


def test_an_agent_leaves_with_what_it_read_before_it_spoke() -> None:
    env = started()
    first = env.observe("thinker_0")
    say(env, "a thought")
    second = env.observe("solver_0")
    say(env, RIGHT)
    assert (env.observe("thinker_0"), env.observe("solver_0")) == (first, second)


def test_ansi_renders_question_messages_and_verdict() -> None:
    env = started(render_mode="ansi", options={"removed": ["thinker_0"]})
    assert env.render() == "Task sum/1\nWhat is 1+1?\n\n(thinker_0 is removed)"
    assert (
        say(env, RIGHT)
        .render()
        .endswith("solver_0:\n  \\boxed{2}\n=> correct, reward +1 (answer 2, gold 2)")
    )


def test_ansi_renders_that_nothing_was_measured() -> None:
    env = started(render_mode="ansi", verifier=lambda *_: Verdict("timeout"))
    assert "=> timeout, not measured" in say(env, "a", "b").render()


def test_human_prints_what_ansi_returns(capsys: pytest.CaptureFixture[str]) -> None:
    human, ansi = started(render_mode="human"), started(render_mode="ansi")
    assert human.render() is None
    assert capsys.readouterr().out == f"{ansi.render()}\n"


def test_render_does_nothing_without_a_mode(capsys: pytest.CaptureFixture[str]) -> None:
    assert started().render() is None
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"num_thinkers": 0}, ValueError, "num_thinkers must be >= 1, got 0; for a solver alone"),
        ({"num_thinkers": -2}, ValueError, "num_thinkers must be >= 1, got -2"),
        (
            {"render_mode": "depth_array"},
            ValueError,
            "render_mode must be one of ['ansi', 'human', 'rgb_array'] or None, got 'depth_array'; "
            "pass render_mode='ansi'",
        ),
        (
            {"verifier": "maths"},
            ValueError,
            f"unknown verifier 'maths'; available: {VERIFIERS_IN_ORDER}; did you mean 'math'?",
        ),
        ({"verifier": None}, ValueError, f"unknown verifier None; available: {VERIFIERS_IN_ORDER}"),
        ({"removed": ["solver_1"]}, ValueError, "got 'solver_1'; did you mean 'solver_0'?"),
        ({"removed": "solver_0"}, TypeError, "removed must be a list of agents"),
        ({"removed": None}, TypeError, "removed must be a list of agents, got None"),
        ({"max_chars": 0}, ValueError, "max_chars must be >= 1, got 0"),
        ({"max_chars": -(10**6)}, ValueError, "max_chars must be >= 1, got -1000000"),
        (
            {"prompts": replace(THINK_SOLVE, roles={"solver": "You solve."})},
            ValueError,
            "roles must instruct every role of the team, got ['solver']; add an entry for",
        ),
    ],
)
def test_constructor_explains_a_wrong_argument(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        think_solve_v0(**{"tasks": TASKS, "verifier": "exact", **arguments})


def test_advice_for_a_solver_alone_works() -> None:
    env = make(num_thinkers=1, removed=("thinker_0",))
    env.reset()
    assert env.agents == ["solver_0"]


def test_close_may_be_followed_by_a_reset() -> None:
    env = started()
    env.close()
    env.close()
    env.reset()
    assert env.agents == ["thinker_0", "solver_0"]
