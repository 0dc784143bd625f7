"""Stand-ins for two trainers that were not installed: what our adapters use, as it was recorded.

Written from their sources, of which nothing is copied:

- rLLM, rllm-org/rllm: advantage.py of rllm/trainer/algorithms at
  18c8622371845166d24a2b3246ee03bc8190ab89,
  rllm/trainer/algorithms/transform.py at 106b3440e2aed4ece25fabf4d3e7b1b717cf40ca,
  rllm/workflows/workflow.py at 0ff6a3be295b1bb5e0709c39a0bef100ca69d4fb,
  rllm/engine/rollout/rollout_engine.py at 17dcfbf24e5b89f835478f9ae5f6dfc7f042d232.
- prime-rl, PrimeIntellect-ai/prime-rl: src/prime_rl/orchestrator/algo/ and
  src/prime_rl/orchestrator/types.py at 1ada1077b08dd9c72d440b7cdcf9dca55287c59c. Its newer versions
  hand over the episodes of verifiers themselves, which have the same fields.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np

ESTIMATORS: dict[str, Any] = {}


def register_rllm_adv_estimator(name):
    def register(function):
        ESTIMATORS[name] = function
        return function

    return register


@register_rllm_adv_estimator("grpo")
def group_relative(rewards, **_):
    centred = [own - own.mean() for own in rewards]
    return centred, centred


@dataclass
class ModelOutput:
    text: str | None
    completion_ids: list[int] | None
    prompt_ids: list[int] | None = None
    logprobs: list[float] | None = None
    content: str | None = None
    finish_reason: str | None = None


@dataclass
class Step:
    prompt_ids: list[int]
    response_ids: list[int]
    logprobs: list[float]
    chat_completions: list[dict[str, Any]]
    advantage: list[float] | float | None = None

    @classmethod
    def from_model_output(cls, model_output, messages=None, **_):
        said = {"role": "assistant", "content": model_output.content}
        return cls(
            model_output.prompt_ids or [],
            model_output.completion_ids or [],
            model_output.logprobs or [],
            [*(messages or []), said],
        )


@dataclass(kw_only=True)
class Trajectory:
    name: str
    task: Any
    steps: list[Step]
    reward: float | None
    metadata: dict[str, Any] | None = None


@dataclass(kw_only=True)
class Episode:
    id: str
    task: Any
    trajectories: list[Trajectory]
    is_correct: bool = False
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass
class TrajectoryGroup:
    trajectories: list[Trajectory]
    group_id: str


class Workflow:
    def __init__(self, rollout_engine, executor, **_):
        self.rollout_engine = rollout_engine
        self.executor = executor

    def reset(self, task=None, uid=None):
        self.task, self.uid = task, uid


def credited_steps(episodes, estimators, *, is_precomputed=False):
    """The advantage of each step, by role, as rLLM collects them."""
    groups = defaultdict(list)
    for episode in episodes:
        for trajectory in episode.trajectories:
            groups[f"{episode.id.split(':')[0]}:{trajectory.name}"].append(trajectory)
    by_role = defaultdict(list)
    for name, trajectories in groups.items():
        by_role[name.rsplit(":", 1)[1]].append(TrajectoryGroup(trajectories, name))
    found = {}
    for role, own in by_role.items():
        if not is_precomputed:
            rewards = [np.array([t.reward for t in group.trajectories]) for group in own]
            credit, _ = ESTIMATORS[estimators[role]](
                rewards=rewards, algorithm_config=None, traj_groups=own
            )
            for group, values in zip(own, credit, strict=True):
                for trajectory, value in zip(group.trajectories, values, strict=True):
                    for step in trajectory.steps:
                        step.advantage = float(value)
        found[role] = [s.advantage for group in own for t in group.trajectories for s in t.steps]
    return found


@dataclass
class Node:
    """A message of a trace of verifiers."""

    mask: list[bool]
    advantages: list[float] | None = None


@dataclass
class Agent:
    trainable: bool = True


@dataclass
class Trace:
    nodes: list[Node]
    info: dict[str, Any]
    agent: Agent = field(default_factory=Agent)


@dataclass
class TeamEpisode:
    """An episode of verifiers."""

    traces: list[Trace]


class Algorithm:
    action_loss_type = "rl"

    def __init__(self, config, policy_pool):
        self.config, self.policy_pool = config, policy_pool


def modules(package):
    """The modules that an adapter imports, by name."""
    contents = {
        "rllm": {
            "rllm.trainer.algorithms.advantage": (register_rllm_adv_estimator,),
            "rllm.types": (Episode, Step, Trajectory),
            "rllm.workflows.workflow": (Workflow,),
        },
        "prime_rl": {"prime_rl.orchestrator.algo.base": (Algorithm,)},
    }[package]
    found = {}
    for name, things in contents.items():
        parts = name.split(".")
        for end in range(1, len(parts) + 1):
            found.setdefault(".".join(parts[:end]), ModuleType(".".join(parts[:end])))
        vars(found[name]).update({thing.__name__: thing for thing in things})
    return found
