"""The group of one task as a session of another trainer, which samples it asynchronously."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from baselines.credit import ALLOCATORS
from baselines.integrations.credited import CreditedGroup, CreditedRollouts
from baselines.optimizers import OPTIMIZERS
from baselines.policies.base import Completion, Prompt, Sampling
from baselines.rollouts.team_env import taskless_env
from baselines.train.config import TrainConfig
from baselines.train.config_file import with_settings
from ccpo_env import load_tasks
from ccpo_env.types import Role, Task

Complete = Callable[[Role, Prompt, Sampling], Awaitable[Completion]]
"""Samples one completion of a role; it may set a failure instead."""
TASK_FIELDS = ("question", "answer", "choices", "context", "answers", "tests")


def team_settings(settings: Mapping[str, Any]) -> TrainConfig:
    """Return the settings of a team whose groups are credited one by one.

    Args:
        settings: Settings of `TrainConfig` by name, as in a config file; weights are shared.

    Raises:
        ValueError: If a setting is invalid, or the credit needs groups of other sessions.
    """
    given = {str(name): value for name, value in settings.items()}
    unknown = set(given) - set(TrainConfig.__dataclass_fields__)
    if unknown:
        raise ValueError(
            f"ccpo must hold settings of ccpo train, got {', '.join(sorted(unknown))}; see "
            f"ccpo train --help"
        )
    config = with_settings(TrainConfig(weights="shared"), given)
    config.check()
    if OPTIMIZERS[config.optimizer].whitens or ALLOCATORS[config.allocator].new_state:
        raise ValueError(
            f"credit must need one group alone in a trainer whose sessions do not meet, got "
            f"{config.allocator!r} with {config.optimizer!r}; choose an optimizer that does not "
            f"whiten and an allocator that remembers nothing"
        )
    return config


def task_of(row: Mapping[str, Any]) -> Task:
    """Return the task of a row of another trainer's data; see docs/tasks.md for its columns.

    Raises:
        TaskFileError: If the row is not a task.
    """
    (task,) = load_tasks([{"id": row.get("index"), **row}])
    return task


def row_of(task: Task) -> dict[str, Any]:
    """Return the columns from which `task_of` makes a task, for another trainer's data."""
    columns = {name: getattr(task, name) for name in TASK_FIELDS}
    plain = {name: list(x) if isinstance(x, tuple) else x for name, x in columns.items() if x}
    return {"index": task.id, **plain}


@dataclass(frozen=True, slots=True)
class _SessionPolicy:
    """Samples a role in the event loop, from another thread."""

    role: Role
    complete: Complete
    loop: asyncio.AbstractEventLoop

    def sample(
        self, prompts: Sequence[Prompt], *, sampling: Sampling, rng: np.random.Generator
    ) -> list[Completion]:
        """Return one completion per prompt, in order."""

        async def all_of_them() -> list[Completion]:
            waiting = (self.complete(self.role, prompt, sampling) for prompt in prompts)
            return list(await asyncio.gather(*waiting))

        return asyncio.run_coroutine_threadsafe(all_of_them(), self.loop).result()


async def play_group(
    config: TrainConfig, task: Task, complete: Complete, *, max_tokens: int
) -> CreditedGroup:
    """Play the group of a task and return it with advantages.

    Args:
        config: See `team_settings`.
        task: The task.
        complete: Samples; called in this event loop.
        max_tokens: Length limit of completions, unless the config sets one.

    Raises:
        ValueError: If config and task do not fit.
    """
    loop = asyncio.get_running_loop()
    roles = taskless_env(config).unwrapped.topology.roles
    policies = {role: _SessionPolicy(role, complete, loop) for role in roles}
    rollouts = CreditedRollouts(config, policies, [task], max_tokens=max_tokens)
    rng = np.random.default_rng()  # of what is not sampled by the other trainer
    (group,) = await loop.run_in_executor(None, lambda: rollouts.play([task], rng=rng))
    return group
