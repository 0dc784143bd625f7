"""The work of a step of a real model, in which every completion has a length and an advantage."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias
from unittest import mock

from baselines.bench.other_trainers import TEAM_OF_ONE
from baselines.bench.trl_step import prompts_of
from baselines.policies.base import Prompt
from baselines.policies.registry import load_policy
from baselines.rollouts.team_env import team_env
from baselines.train.config import TrainConfig
from ccpo_env import Verdict, load_tasks
from ccpo_env.verifiers.registry import VERIFIERS

if TYPE_CHECKING:
    from baselines.policies.local.hf import HFPolicy
    from baselines.policies.local.lora import LoraPolicy

RealWeights: TypeAlias = Literal["lora", "separate"]
VERIFIER = "exact"
"""The verifier in whose place one stands that does not read what it is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RealStep:
    """The work of one step: every completion has the same length and an advantage.

    Args:
        policy: Name or folder of the model.
        weights: What is trained: an adapter, or all weights.
        num_tasks: Tasks, the same in every step.
        group_size: Completions of each task.
        num_tokens: Tokens of each completion.
    """

    policy: str
    weights: RealWeights = "lora"
    num_tasks: int = 4
    group_size: int = 8
    num_tokens: int = 32

    def config(self, folder: Path) -> TrainConfig:
        """Return the config of our trainer, with tasks in a file in a folder."""
        tasks = _tasks_file(folder / "tasks.jsonl", self.num_tasks)
        return replace(
            TEAM_OF_ONE,
            policy=self.policy,
            weights=self.weights,
            tasks=str(tasks),
            verifier=VERIFIER,
            tasks_per_step=self.num_tasks,
            group_size=self.group_size,
            max_tokens=self.num_tokens,
        )

    def load(self) -> HFPolicy | LoraPolicy:
        """Return the policy as it is trained."""
        from baselines.policies.local.hf import HFPolicy
        from baselines.policies.local.lora import LoraBase, LoraSettings

        if self.weights == "lora":
            return LoraBase.load(self.policy).add("agent", LoraSettings())
        policy = load_policy(self.policy)
        assert isinstance(policy, HFPolicy)
        return policy

    def prompts(self) -> list[Prompt]:
        """Return the prompt of each task."""
        with tempfile.TemporaryDirectory() as folder:
            config = self.config(Path(folder))
            env = team_env(config, load_tasks(config.tasks, split="train")).unwrapped
            return [Prompt(text, tuple(messages)) for text, messages in prompts_of(env, "voter_0")]


@contextmanager
def every_completion_counts() -> Iterator[None]:
    """Give half of a group's completions a reward, and let ours end at the length limit only."""
    from baselines.policies.local import hf

    with (
        mock.patch.dict(VERIFIERS, {VERIFIER: Alternating()}),
        mock.patch.object(hf, "_end_ids", return_value=frozenset()),
    ):
        yield


class Alternating:
    """A verifier that accepts every second response to each gold answer, whatever it says."""

    def __init__(self) -> None:
        self._num_seen: Counter[str] = Counter()

    def __call__(self, response: str, gold: str) -> Verdict:
        """Return the verdict on a response."""
        self._num_seen[gold] += 1
        is_correct = self._num_seen[gold] % 2 == 0
        return Verdict("correct" if is_correct else "wrong", response)


def _tasks_file(path: Path, num_tasks: int) -> Path:
    """Write tasks with different answers to a file, and one for evaluation, which is not used."""
    of_answer = {task.answer: task for task in load_tasks("arithmetic", split="train")}
    training = islice(of_answer.values(), num_tasks)
    tasks = [*training, *load_tasks("arithmetic", split="test", limit=1)]
    lines = [json.dumps({"question": task.question, "answer": task.answer}) for task in tasks]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path
