"""Episodes whose messages are awaited end as those that are played in lockstep."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import Any

import numpy as np
import pytest

from ccpo_env import AgentTurn, BatchedTeamEnv, Task, Verdict, debate_v0, think_solve_v0, vote_v0

TASKS = [Task(f"t/{n}", f"What is {n}+1?", str(n + 1)) for n in range(5)]


def judge(response: str, gold: str) -> Verdict:
    return Verdict("correct" if response == gold else "wrong", response)


def answer(own: AgentTurn) -> str:
    """Return a message that depends on all that the agent reads."""
    return str(sum(map(ord, own.prompt)) % 5)


def batch_of(env: Any, num_envs: int = 6, **settings: Any) -> BatchedTeamEnv:
    batch = BatchedTeamEnv(env, num_envs, **settings)
    batch.reset(seed=0)
    return batch


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("make", [think_solve_v0, vote_v0, debate_v0])
def test_episodes_end_as_in_lockstep_in_whatever_order_calls_return(make, parallel):
    async def policy(own: AgentTurn) -> str:
        for _ in range(own.episode * 7 % 4):  # the later ones overtake the earlier ones
            await asyncio.sleep(0)
        return answer(own)

    awaited = batch_of(make(tasks=TASKS, verifier=judge), parallel_turns=parallel)
    rewards = asyncio.run(awaited.play_async(policy))
    lockstep = batch_of(make(tasks=TASKS, verifier=judge))
    np.testing.assert_array_equal(rewards, lockstep.play(lambda turn: list(map(answer, turn))))
    states = [[batch.snapshot(k) for k in range(6)] for batch in (awaited, lockstep)]
    assert states[0] == states[1]


@pytest.mark.parametrize("limit", [1, 3, 64])
def test_no_more_calls_run_at_a_time_than_allowed(limit):
    running, most = 0, 0

    async def policy(_own: AgentTurn) -> str:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return "1"

    batch = batch_of(vote_v0(tasks=TASKS, verifier=judge), parallel_turns=True)
    asyncio.run(batch.play_async(policy, max_concurrency=limit))
    assert most == min(limit, 18)  # all votes of six episodes


class FailsOnce:
    """Raises in the first call for one agent of one episode.

    Args:
        episode: The episode.
        agent: The agent.
        hangs: Whether calls before that one never return.
    """

    def __init__(self, episode: int, agent: str, *, hangs: bool = False) -> None:
        self.calls: Counter[tuple[int, str]] = Counter()
        self.cancelled = 0
        self._fails_at = (episode, agent)
        self._hangs = hangs

    async def __call__(self, own: AgentTurn) -> str:
        place = own.episode, own.agent
        self.calls[place] += 1
        if place == self._fails_at and self.calls[place] == 1:
            raise ConnectionError("no route")
        if self._hangs and not self.calls[self._fails_at]:
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled += 1
        await asyncio.sleep(0)
        return answer(own)


@pytest.mark.parametrize("make", [think_solve_v0, vote_v0])
def test_an_exception_cancels_the_other_calls_and_play_goes_on_from_there(make):
    env = make(tasks=TASKS, verifier=judge)
    failing = FailsOnce(2, env.possible_agents[0], hangs=True)
    batch = batch_of(env, parallel_turns=True)
    with pytest.raises(ConnectionError, match="no route"):
        asyncio.run(batch.play_async(failing))
    assert failing.cancelled >= 2  # those of the first two episodes
    assert not batch.done
    rewards = asyncio.run(batch.play_async(failing))
    lockstep = batch_of(make(tasks=TASKS, verifier=judge))
    np.testing.assert_array_equal(rewards, lockstep.play(lambda turn: list(map(answer, turn))))


def test_an_exception_may_end_its_episode_only():
    failing = FailsOnce(2, "solver_0")
    batch = batch_of(think_solve_v0(tasks=TASKS, verifier=judge))
    rewards = asyncio.run(batch.play_async(failing, on_error="end"))
    assert np.isnan(rewards).tolist() == [False, False, True, False, False, False]
    verdict = batch.verdicts[2]
    assert verdict is not None
    assert verdict.status == "error"
    assert verdict.detail.endswith("ConnectionError: no route")
    assert [message.agent for message in batch.messages(2)] == ["thinker_0"]


def test_after_a_cancellation_play_goes_on_from_there():
    batch = batch_of(think_solve_v0(tasks=TASKS, verifier=judge))
    waits = True
    num_waiting = 0

    async def policy(own: AgentTurn) -> str:
        nonlocal num_waiting
        if waits and own.agent == "solver_0":
            num_waiting += 1
            await asyncio.Event().wait()
        return answer(own)

    async def cancelled() -> None:
        playing = asyncio.create_task(batch.play_async(policy))
        while num_waiting < 6:
            await asyncio.sleep(0)
        playing.cancel()
        await playing

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
    assert [len(batch.messages(k)) for k in range(6)] == [1] * 6
    waits = False
    asyncio.run(batch.play_async(policy))
    assert batch.done


def test_a_built_in_verifier_compares_equal_answers_once_in_threads(monkeypatch):
    calls: list[tuple[str, int]] = []

    def call(verify, response, gold):
        calls.append((response, threading.get_ident()))
        return verify(response, gold)

    monkeypatch.setattr("ccpo_env.conversation.call_verifier", call)
    batch = BatchedTeamEnv(think_solve_v0(tasks=TASKS, verifier="exact"))
    batch.reset(options=[{"task": k // 4, "removed": ["thinker_0"]} for k in range(8)])

    async def policy(own: AgentTurn) -> str:
        return rf"\boxed{{{own.episode % 2}}}"

    rewards = asyncio.run(batch.play_async(policy))
    assert rewards.tolist() == [-1.0, 1.0] * 2 + [-1.0] * 4
    assert sorted(response for response, _ in calls) == [r"\boxed{0}"] * 2 + [r"\boxed{1}"] * 2
    assert threading.get_ident() not in {thread for _, thread in calls}


def test_a_verifier_of_the_user_runs_in_the_thread_of_the_loop_and_its_exceptions_are_raised():
    threads: set[int] = set()

    def verify(_response: str, _gold: str) -> Verdict:
        threads.add(threading.get_ident())
        raise OSError("no verifier")

    batch = batch_of(think_solve_v0(tasks=TASKS, verifier=verify))
    with pytest.raises(OSError, match="no verifier"):
        asyncio.run(batch.play_async(FailsOnce(-1, ""), on_error="end"))
    assert threads == {threading.get_ident()}
    assert all(len(batch.messages(k)) <= 1 for k in range(6))


def test_a_batch_has_one_player_at_a_time():
    batch = batch_of(think_solve_v0(tasks=TASKS, verifier=judge))

    async def policy(_own: AgentTurn) -> str:
        batch.step(["meanwhile"] * len(batch.turn))
        return "1"

    with pytest.raises(RuntimeError, match="must have one player, got a change of episode"):
        asyncio.run(batch.play_async(policy))


def test_a_batch_that_is_over_calls_nobody():
    batch = batch_of(think_solve_v0(tasks=TASKS, verifier=judge))
    batch.play(lambda turn: ["1"] * len(turn))
    failing = FailsOnce(0, "thinker_0")
    np.testing.assert_array_equal(asyncio.run(batch.play_async(failing)), batch.rewards)
    assert not failing.calls


async def returns_bytes(_own: AgentTurn) -> Any:
    return b"1"


def returns_at_once(_own: AgentTurn) -> Any:
    return "1"


@pytest.mark.parametrize(
    ("policy", "settings", "kind", "message"),
    [
        (returns_bytes, {}, TypeError, "policy must return str, got bytes"),
        (returns_at_once, {}, TypeError, "policy must be a coroutine function, got one that"),
        (returns_bytes, {"max_concurrency": 0}, ValueError, "max_concurrency must be >= 1, got 0"),
        (returns_bytes, {"on_error": "ignore"}, ValueError, "unknown on_error 'ignore'"),
    ],
)
def test_what_is_not_valid_is_refused(policy, settings, kind, message):
    batch = batch_of(think_solve_v0(tasks=TASKS, verifier=judge))
    with pytest.raises(kind, match=message):
        asyncio.run(batch.play_async(policy, **settings))
