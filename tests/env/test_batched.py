"""A batch plays each episode exactly as the environment plays it alone."""

from __future__ import annotations

import itertools
import pickle
import re
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

from ccpo_env import (
    BatchedTeamEnv,
    Task,
    Verdict,
    debate_v0,
    signal_v0,
    think_solve_v0,
    verify,
    vote_v0,
)
from ccpo_env.env import TeamAnswerEnv
from ccpo_env.types import PromptTemplate, Topology, Turn
from ccpo_env.verifiers.worker.pool import POOL
from ccpo_env.verifiers.worker.waiting import WouldWait, without_waiting

TASKS = [Task(f"t/{n}", rf"What is {n}+1? Put it in \boxed{{}}.", str(n + 1)) for n in range(5)]
SUM = r"\sum_{k=1}^{3} k"
"""An answer that is compared in a worker."""
PROGRAM = Task("p", "Write f.", "", tests="assert f() == 1")
ROLES = ("planner", "critic", "writer")
REVISION = Topology(
    "revision",
    (
        Turn("author", "planner", ()),
        Turn("reader", "critic", ("author",)),
        Turn("other", "critic", ("author",)),
        Turn("author", "writer", ("author", "reader", "other")),
    ),
    PromptTemplate(dict.fromkeys(ROLES, "You write."), "Hand it over.", "Answer."),
)
"""The author speaks twice; between, two critics who do not read each other."""
SAID = ("so the answer is 2", "2", "\ud800 3", "", "?" * 70, "2", "!", "5")
"""Messages by turn: a leak, equal answers, no Unicode, no answer, not measured, too long."""


def judge(response: str, gold: str) -> Verdict:
    """Return every kind of verdict."""
    if "?" in response:
        return Verdict("timeout", detail="it took too long")
    if not response:
        return Verdict("no_answer")
    return Verdict("correct" if response == gold else "wrong", response)


def revision(**settings: Any) -> TeamAnswerEnv:
    return TeamAnswerEnv(REVISION, strip_leaks=True, **settings)


TEAMS: dict[str, Callable[..., Any]] = {
    "think_solve": lambda **settings: think_solve_v0(num_thinkers=2, **settings),
    "vote": vote_v0,
    "debate": debate_v0,
    "revision": revision,
}


def make(team: str) -> Any:
    return TEAMS[team](tasks=TASKS, verifier=judge, max_chars=60)


def every_start(env: Any) -> list[dict[str, Any]]:
    """Return options with every set of agents that can be removed, and every prefix."""
    bare = env.unwrapped
    agents = bare.possible_agents
    subsets = [
        set(subset)
        for size in range(len(agents))
        for subset in itertools.combinations(agents, size)
    ]
    return [
        {"task": number % len(TASKS), "removed": removed, "prefix": list(SAID[:length])}
        for number, removed in enumerate(subsets)
        for length in range(len([t for t in bare.topology.turns if t.speaker not in removed]))
    ]


def said_next(env: Any) -> str:
    """Return the message of the next turn, which depends on the place and on the task."""
    bare = env.unwrapped
    number = len(bare.messages) + 3 * len(bare.removed) + int(bare.task.answer)
    return SAID[number // 2 % len(SAID)] if number % 2 else bare.task.answer


def outcome(env: Any) -> tuple[Any, ...]:
    bare = env.unwrapped
    is_truncated = any(bare.truncations.values())
    reward = np.nan if is_truncated else next(iter(bare.rewards.values()))
    return bare.verdict, bare.messages, bare.snapshot(), reward


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("team", TEAMS)
def test_every_removal_and_prefix_is_played_as_in_the_environment(team, parallel):
    starts = every_start(make(team))
    envs = [make(team) for _ in starts]
    for k, (env, options) in enumerate(zip(envs, starts, strict=True)):
        env.reset(seed=3 + k, options=options)
    batch = BatchedTeamEnv(make(team), parallel_turns=parallel)
    turn = batch.reset(seed=3, options=starts)
    num_turns = 0
    while turn:
        num_turns += len(turn)
        texts = []
        for own in turn:
            env = envs[own.episode]
            observation, _, _, _, info = env.last()
            assert (own.agent, own.role) == (env.agent_selection, info["role"])
            assert {"prompt": own.prompt} == observation
            assert own.messages == info["messages"]
            texts.append(said_next(env))
            env.step(texts[-1])
        assert [own.prompt for own in turn] == turn.prompts
        assert [own.messages for own in turn] == turn.messages
        turn = batch.step(texts)
    assert num_turns == sum(len(own.unwrapped.messages) for own in envs) - sum(
        len(own["prefix"]) for own in starts
    )
    verdicts, messages, states, rewards = zip(*map(outcome, envs), strict=True)
    assert batch.verdicts == list(verdicts)
    assert [batch.messages(k) for k in range(batch.num_envs)] == list(messages)
    assert [batch.snapshot(k) for k in range(batch.num_envs)] == list(states)
    np.testing.assert_array_equal(batch.rewards, rewards)
    np.testing.assert_array_equal(batch.truncations, np.isnan(rewards))
    np.testing.assert_array_equal(batch.terminations, ~np.isnan(rewards))
    assert batch.done
    assert "correct" in {verdict.status for verdict in verdicts} != {"correct"}


def test_a_turn_holds_all_episodes_each_with_its_own_speaker():
    batch = BatchedTeamEnv(think_solve_v0(tasks=TASKS, verifier=judge))
    turn = batch.reset(seed=7, options=[{"task": 0}, {"task": 1, "removed": ["thinker_0"]}])
    assert (turn.episodes, turn.agents) == ([0, 1], ["thinker_0", "solver_0"])
    assert turn.roles == ["thinker", "solver"]
    assert (batch.num_envs, batch.tasks) == (2, TASKS[:2])
    assert not batch.done
    turn = batch.step(["a thought", "2"])
    assert (turn.episodes, turn.agents) == ([0], ["solver_0"])
    assert "a thought" in turn.prompts[0]
    np.testing.assert_array_equal(batch.rewards, [np.nan, 1.0])
    assert batch.verdicts == [None, Verdict("correct", "2")]
    assert not batch.truncations.any()  # one is over, one is running
    assert not batch.step(["9"])
    np.testing.assert_array_equal(batch.rewards, [-1.0, 1.0])


@pytest.mark.parametrize(
    ("team", "agents"),
    [
        ("vote", [["voter_0", "voter_1", "voter_2"]]),
        ("revision", [["author"], ["reader", "other"], ["author"]]),
        ("debate", [["debater_0"], ["debater_1"], ["debater_0"], ["debater_1"]]),
    ],
)
def test_parallel_turns_are_those_that_do_not_read_each_other(team, agents):
    batch = BatchedTeamEnv(make(team), num_envs=2, parallel_turns=True)
    turn = batch.reset(seed=0)
    seen = []
    while turn:
        seen.append([own.agent for own in turn if own.episode == 1])
        turn = batch.step(["2"] * len(turn))
    assert seen == agents


@pytest.mark.parametrize("seed", [7, [7, 8, 9]])
def test_streams_of_tasks_are_those_of_the_environment(seed):
    batch, env = BatchedTeamEnv(make("vote"), num_envs=3), make("vote")
    batch.reset(seed)
    rows = [batch.tasks]
    for _ in range(3):
        batch.reset()
        rows.append(batch.tasks)
    for k in range(3):
        env.reset(seed=7 + k)
        column = [env.unwrapped.task]
        for _ in range(3):
            env.reset()
            column.append(env.unwrapped.task)
        assert [row[k] for row in rows] == column


def test_without_a_seed_batches_differ_and_episodes_have_streams_of_their_own():
    tasks = [Task(f"{n}", "1+1", "2") for n in range(10**3)]
    first, second = (BatchedTeamEnv(think_solve_v0(tasks=tasks), 8) for _ in range(2))
    first.reset()
    second.reset()
    assert len({task.id for task in (*first.tasks, *second.tasks)}) > 8
    drawn = first.tasks
    first.reset()
    assert first.tasks != drawn


def test_a_reset_of_some_episodes_leaves_the_others():
    batch = BatchedTeamEnv(make("think_solve"))
    batch.reset(seed=0, options=[{"task": k} for k in range(4)])
    batch.step(["a thought"] * 4)
    before = batch.conversations()
    turn = batch.reset(seed=[5], options=[{"removed": ["thinker_0"]}], episodes=[2])
    assert turn.episodes == [0, 1, 2, 3]
    assert batch.conversations([3, 0, 1]) == [before[3], before[0], before[1]]
    assert [batch.conversation(k) for k in (0, 1, 3)] == [before[k] for k in (0, 1, 3)]
    assert batch.messages(2) == ()
    env = make("think_solve")
    env.reset(seed=5, options={"removed": ["thinker_0"]})
    assert batch.snapshot(2) == env.snapshot()


def test_one_dict_of_options_is_for_all_episodes_and_lists_change_their_number():
    batch = BatchedTeamEnv(make("think_solve"), num_envs=3)
    assert batch.reset(options={"removed": ["thinker_0"]}).agents == ["thinker_1"] * 3
    assert batch.reset(seed=[1, 2]).episodes == [0, 1]
    assert batch.num_envs == 2
    assert batch.reset(options=[None] * 5).episodes == [0, 1, 2, 3, 4]


def test_some_episodes_may_speak_while_the_others_wait():
    batch = BatchedTeamEnv(make("think_solve"))
    turn = batch.reset(seed=0, options=[{"removed": ["thinker_0"]}, {}, {}])
    own = turn.of_role("thinker").take([0, 2])
    assert own.episodes == [0, 2]
    turn = batch.step(["late", "early"], own.episodes)
    assert turn.agents == ["solver_0", "thinker_0", "thinker_1"]
    assert [len(batch.messages(k)) for k in range(3)] == [1, 0, 1]
    assert turn[1:].episodes == [1, 2]


def test_a_snapshot_goes_into_any_episode_of_a_batch_and_into_an_environment():
    batch = BatchedTeamEnv(make("debate"))
    batch.reset(seed=0, options=[{"task": k} for k in range(3)])
    batch.step(["one", "two", "three"])
    state = pickle.loads(pickle.dumps(batch.snapshot(1)))
    turn = batch.restore(0, state)
    assert batch.snapshot(0) == batch.snapshot(1) == state
    assert turn.prompts[0] == turn.prompts[1] != turn.prompts[2]
    env = make("debate")
    env.restore(state)
    assert env.last()[0] == {"prompt": turn.prompts[0]}
    for text in ("2", "3", "2"):
        env.step(text)
    batch.restore(2, env.snapshot())  # which is over
    assert batch.verdicts[2] == Verdict("correct", "2")
    assert batch.turn.episodes == [0, 1]


def test_a_snapshot_of_another_team_is_refused():
    batch, other = BatchedTeamEnv(make("vote")), make("debate")
    batch.reset(seed=0)
    other.reset(seed=0)
    with pytest.raises(ValueError, match="snapshot must be of vote"):
        batch.restore(0, other.snapshot())
    with pytest.raises(TypeError, match="must be an EpisodeState, got 3"):
        batch.restore(0, 3)


def test_the_environment_keeps_its_own_episode():
    env = make("think_solve")
    env.reset(seed=1)
    state = env.snapshot()
    batch = BatchedTeamEnv(env, num_envs=2)
    batch.reset(seed=4)
    batch.play(lambda turn: ["2"] * len(turn))
    assert env.snapshot() == state


def test_play_goes_on_where_an_exception_left_it():
    batch = BatchedTeamEnv(make("think_solve"), num_envs=2)
    batch.reset(seed=0)
    calls: list[Sequence[str]] = []

    def policy(turn):
        calls.append(turn.agents)
        if len(calls) == 2:
            raise ConnectionError("gone")
        return ["2"] * len(turn)

    with pytest.raises(ConnectionError):
        batch.play(policy)
    assert [len(batch.messages(k)) for k in range(2)] == [1, 1]
    rewards = batch.play(policy)
    assert calls == [["thinker_0"] * 2, ["thinker_1"] * 2, ["thinker_1"] * 2, ["solver_0"] * 2]
    np.testing.assert_array_equal(rewards, batch.rewards)
    assert batch.done


def test_a_failed_turn_ends_its_episode_without_a_reward():
    batch = BatchedTeamEnv(make("vote"), num_envs=2)
    batch.reset(seed=0)
    batch.step(["2", "2"])
    batch.fail(0, "the server is down")
    assert batch.turn.episodes == [1]
    assert batch.verdicts[0].status == "error"
    assert batch.verdicts[0].detail.endswith("the server is down")
    assert np.isnan(batch.rewards[0])
    assert batch.truncations.tolist() == [True, False]
    env = make("vote")
    env.restore(batch.snapshot(0))
    assert all(env.truncations.values())


def counting(calls: list[str]) -> Callable[[str, str], Verdict]:
    def verify(response: str, gold: str) -> Verdict:
        calls.append(response)
        return judge(response, gold)

    return verify


def test_a_verifier_of_the_user_is_called_for_every_answer():
    calls: list[str] = []
    batch = BatchedTeamEnv(vote_v0(tasks=TASKS, num_voters=1, verifier=counting(calls)), 3)
    batch.reset(options={"task": 0})
    batch.step(["2", "2", "7"])
    assert calls == ["2", "2", "7"]


@pytest.mark.parametrize("team", [think_solve_v0, vote_v0])
def test_a_built_in_verifier_compares_equal_answers_to_a_task_once(team, monkeypatch):
    calls: list[str] = []

    def call(verify, response, gold):
        calls.append(response)
        return verify(response, gold)

    for module in ("conversation", "voting"):
        monkeypatch.setattr(f"ccpo_env.{module}.call_verifier", call)
    env = team(tasks=TASKS, verifier="exact")
    batch = BatchedTeamEnv(env)
    removed = env.possible_agents[1:] if team is vote_v0 else ["thinker_0"]
    batch.reset(options=[{"task": k, "removed": removed} for k in (0, 0, 1, 1)])
    batch.step([rf"\boxed{{{n}}}" for n in (1, 1, 1, 2)])
    assert calls == [r"\boxed{1}", r"\boxed{1}", r"\boxed{2}"]
    assert batch.rewards.tolist() == [1.0, 1.0, -1.0, 1.0]


def test_answers_that_need_a_worker_are_compared_beside_each_other(monkeypatch):
    both = threading.Barrier(2, timeout=30)

    def request(request: dict[str, str], _limit_s: float, **_: bool) -> dict[str, str]:
        both.wait()  # until the other comparison runs as well
        return {"status": "correct" if request["gold"] == "6" else "wrong", "detail": ""}

    monkeypatch.setattr(POOL, "_request", request)
    monkeypatch.setattr(POOL, "_slots", nullcontext())
    answers = [("6", SUM), ("2", "2"), ("5", SUM), ("2", "3")]
    tasks = [Task(f"{k}", "q", gold) for k, (gold, _) in enumerate(answers)]
    batch = BatchedTeamEnv(think_solve_v0(tasks=tasks, verifier="math"))
    batch.reset(options=[{"task": k, "removed": ["thinker_0"]} for k in range(4)])
    batch.step([rf"\boxed{{{answer}}}" for _, answer in answers])
    assert batch.rewards.tolist() == [1.0, 1.0, -1.0, -1.0]
    assert batch.verify_s > 0


def test_a_verifier_that_raises_changes_no_episode():
    def broken(_response: str, _gold: str) -> Verdict:
        raise OSError("no verifier")

    batch = BatchedTeamEnv(think_solve_v0(tasks=TASKS, verifier=broken))
    batch.reset(seed=0, options=[{"removed": ["thinker_0"]}, {}])
    before = [batch.snapshot(k) for k in range(2)]
    with pytest.raises(OSError, match="no verifier"):
        batch.step(["2", "a thought"])
    assert [batch.snapshot(k) for k in range(2)] == before


def started() -> BatchedTeamEnv:
    batch = BatchedTeamEnv(make("vote"), num_envs=2)
    batch.reset(seed=0)
    return batch


REFUSED: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "signal": (lambda: BatchedTeamEnv(signal_v0()), TypeError, "env must be a team that speaks"),
    "no env": (lambda: BatchedTeamEnv("vote"), TypeError, "got 'vote'"),
    "size": (lambda: BatchedTeamEnv(make("vote"), 0), ValueError, "num_envs must be >= 1, got 0"),
    "no reset": (lambda: BatchedTeamEnv(make("vote")).turn, RuntimeError, r"call reset\(\)"),
    "unstarted": (lambda: BatchedTeamEnv(make("vote")).snapshot(0), RuntimeError, "episode 0"),
    "too few": (lambda: started().step(["2"]), ValueError, "as many as turns, got 1 texts for 2"),
    "a text": (lambda: started().step("22"), ValueError, "got one text for 2"),
    "bytes": (lambda: started().step(["2", b"2"]), TypeError, "got bytes for episode 1"),
    "index": (lambda: started().step(["2"], [2]), ValueError, r"episodes must be in 0..1, got 2"),
    "negative": (lambda: started().messages(-1), ValueError, r"must be in 0..1, got -1"),
    "twice": (lambda: started().step(["2"] * 2, [0, 0]), ValueError, "got 2 for episode 0 with 1"),
    "seeds": (lambda: started().reset([1, 2, 3], [{}, {}]), ValueError, "got 3 for 2"),
    "seed": (lambda: started().reset(-1), ValueError, "seed must be >= 0, got -1"),
    "float": (lambda: started().reset(1.5), TypeError, "seed must be an int >= 0, got 1.5"),
    "text": (lambda: started().reset(options="task"), TypeError, "options must be a dict, or"),
    "options": (lambda: started().reset(options=[{}], episodes=[0, 1]), ValueError, "got 1 for 2"),
    "prefix": (lambda: started().reset(options={"prefix": "a"}), TypeError, "prefix must be"),
    "misspelt": (lambda: started().reset(options={"tasks": 0}), ValueError, "did you mean 'task'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_valid_is_refused(name):
    call, kind, message = REFUSED[name]
    with pytest.raises(kind, match=message):
        call()


def test_an_error_in_options_names_the_episode_and_changes_none():
    batch = started()
    before = [batch.snapshot(k) for k in range(2)]
    with pytest.raises(ValueError, match="removed must name agents") as error:
        batch.reset(options=[{}, {"removed": ["voter_9"]}])
    assert "episode 1" in error.value.__notes__[0]
    assert [batch.snapshot(k) for k in range(2)] == before


def test_an_episode_that_is_over_does_not_speak():
    batch = started()
    batch.fail(0, "gone")
    with pytest.raises(ValueError, match="must be running, got 0, which is over"):
        batch.step(["2"], [0])


PAGE = Path(__file__).parents[2] / "docs" / "howto" / "batched_play.md"


class StandInForVLLM:
    """`vllm.LLM` as far as the page needs it: a reply to each conversation, in order."""

    num_prompts: ClassVar[list[int]] = []

    def __init__(self, model: str) -> None:
        self.model = model

    def chat(self, messages: list[list[dict[str, str]]], sampling: Any) -> list[SimpleNamespace]:
        assert sampling.max_tokens > 0
        self.num_prompts.append(len(messages))
        roles = {tuple(message["role"] for message in own) for own in messages}
        assert roles == {("system", "user")}
        texts = [r"\boxed{1}" if "speak last" in own[0]["content"] else "think" for own in messages]
        return [SimpleNamespace(outputs=[SimpleNamespace(text=text)]) for text in texts]


def test_the_page_plays_512_episodes_with_one_call_a_turn(monkeypatch, capsys):
    (code,) = re.findall(r"^```py\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    vllm: Any = ModuleType("vllm")
    vllm.LLM, vllm.SamplingParams = StandInForVLLM, SimpleNamespace
    monkeypatch.setitem(sys.modules, "vllm", vllm)
    monkeypatch.setattr(StandInForVLLM, "num_prompts", [])
    exec(compile(code, str(PAGE), "exec"), {})  # our own page
    # All 512 speak in the first turn, the solvers of the others in the second.
    assert StandInForVLLM.num_prompts == [512, 256]
    assert capsys.readouterr().out == "the thinker is worth +0.00\n"
    assert len(code.strip().splitlines()) <= 22


def test_without_waiting_only_what_needs_no_other_process_is_verified():
    with without_waiting():
        assert verify(r"\boxed{0.5}", r"\frac{1}{2}").status == "correct"
        with pytest.raises(WouldWait):
            verify(rf"\boxed{{{SUM}}}", "6")
        with pytest.raises(WouldWait):
            verify("```python\ndef f(): return 1\n```", "", verifier="code", task=PROGRAM)


async def _coroutine(_: object) -> list[str]:
    return ["2"]


@pytest.mark.parametrize(
    ("policy", "error", "message"),
    [
        (lambda _: None, TypeError, "policy must return a list of texts, got NoneType"),
        (lambda _: "22", TypeError, "policy must return a list of texts, got str"),
        (lambda _: ["2"], ValueError, "policy must return as many texts as turns, got 1 for 2"),
        (lambda _: ["2", 2], TypeError, "policy must return a list of str, got one of int"),
        (_coroutine, TypeError, "plain function, got a coroutine function; use play_async"),
        (None, TypeError, "policy must be a function, got None"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_faults_of_a_policy_are_named_and_leave_the_episodes(
    policy: Any, error: type[Exception], message: str
) -> None:
    batch = BatchedTeamEnv(think_solve_v0(tasks=TASKS), num_envs=2)
    batch.reset(seed=0)
    with pytest.raises(error, match=message):
        batch.play(policy)
    assert batch.turn.agents == ["thinker_0"] * 2
    batch.play(lambda turn: np.array(["2"] * len(turn)))  # type: ignore[arg-type,return-value]
    assert batch.done
