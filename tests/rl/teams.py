"""Scripted teams and handmade rollouts for tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np

from baselines.common.types import FloatArray
from baselines.policies.base import Completion, Policy, Prompt, Sampling
from baselines.policies.scripted import ScriptedPolicy
from baselines.rollouts.rollout import Rollout, RolloutRequest
from baselines.rollouts.runner import RolloutRunner
from ccpo_env import load_tasks, think_solve_v0
from ccpo_env.types import Message, Role, Status, Task, TaskInput, Verdict

TASK = Task("t/0", "1+1", "2")
PAIR = ("thinker_0", "solver_0")
NO_THINKER = frozenset({"thinker_0"})


class RecordingPolicy:
    """Returns scripted completions, one token per character, and records all calls."""

    def __init__(self, replies: Callable[[str], str] | Sequence[str]) -> None:
        self.calls: list[list[Prompt]] = []
        self._script = ScriptedPolicy(replies)

    def sample(
        self, prompts: Sequence[Prompt], *, sampling: Sampling, rng: np.random.Generator
    ) -> list[Completion]:
        self.calls.append(list(prompts))
        said = self._script.sample(prompts, sampling=sampling, rng=rng)
        return [Completion(c.text, (), tuple(range(len(c.text)))) for c in said]

    def hidden_states(self, prompts: Sequence[tuple[int, ...]]) -> FloatArray:
        return np.zeros((len(prompts), 3))


def judge(response: str, gold: str) -> Verdict:
    """A verifier: the gold answer is correct, "?" is not measured, "" is no answer."""
    if response == "?":
        return Verdict("timeout", detail="it took too long")
    if response == "":
        return Verdict("no_answer")
    return Verdict("correct" if response == gold else "wrong", response)


def runner_of(
    thinker: Policy, solver: Policy, *, num_thinkers: int = 1, tasks: TaskInput = (TASK,)
) -> RolloutRunner:
    """A runner of a scripted team with `judge` as verifier."""
    env = think_solve_v0(tasks=tasks, num_thinkers=num_thinkers, verifier=judge)
    policies: dict[Role, Policy] = {"thinker": thinker, "solver": solver}
    return RolloutRunner(env, policies, dict.fromkeys(policies, Sampling()))


def rollout(
    status: Status,
    *,
    removed: frozenset[str] = frozenset(),
    texts: Sequence[str] = ("a thought", "2"),
    agents: Sequence[str] = PAIR,
    task: Task = TASK,
) -> Rollout:
    """A handmade rollout with the given texts, one token per character."""
    said = [(a, text) for a, text in zip(agents, texts, strict=True) if a not in removed]
    completions = tuple(Completion(text, (), tuple(range(len(text)))) for _, text in said)
    messages = tuple(Message(agent, text) for agent, text in said)
    verdict = Verdict(status, said[-1][1] if status in ("correct", "wrong") else None)
    return Rollout(RolloutRequest(task, removed), messages, completions, verdict)


def write_tasks(path: Path, *, num_train: int = 40, num_test: int = 12) -> Path:
    """Write a file of arithmetic tasks, which loads faster than their source."""
    splits = {"train": num_train, "test": num_test}
    tasks = [
        t for s, count in splits.items() for t in load_tasks("arithmetic", split=s, limit=count)
    ]
    return write_rows(path, [(task.question, task.answer) for task in tasks])


def write_rows(path: Path, rows: Sequence[tuple[str, str]]) -> Path:
    """Write a .jsonl file of questions and answers."""
    import json

    lines = [json.dumps({"question": q, "answer": a}) + "\n" for q, a in rows]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def quietly(main: Callable[[list[str]], int], *arguments: object) -> tuple[int, str]:
    """Return the exit code of a script and what it printed; a SystemExit is its code."""
    printed = StringIO()
    with redirect_stdout(printed):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as error:
            code = int(error.code or 0)
    return code, printed.getvalue()
