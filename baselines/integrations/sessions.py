"""The group of one task as a session of another trainer, which samples it asynchronously."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from baselines.integrations.credited import CreditedGroup, CreditedRollouts
from baselines.policies.base import Completion, Prompt, Sampling
from baselines.rollouts.team_env import taskless_env
from baselines.train.config import TrainConfig
from ccpo_env.types import Role, Task

Complete = Callable[[Role, Prompt, Sampling], Awaitable[Completion]]
"""Samples one completion of a role; it may set a failure instead."""


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
    config: TrainConfig,
    task: Task,
    complete: Complete,
    *,
    max_tokens: int,
    session: Sequence[object] = (),
) -> CreditedGroup:
    """Play the group of a task and return it with advantages.

    Args:
        config: See `session_settings.team_settings`.
        task: The task.
        complete: Samples; called in this event loop.
        max_tokens: Length limit of completions, unless the config sets one.
        session: What tells apart the sessions of a task, such as the number of the step. It seeds
            what is not sampled, such as the orders in which agents are removed.

    Raises:
        ValueError: If config and task do not fit.
    """
    loop = asyncio.get_running_loop()
    roles = taskless_env(config).unwrapped.topology.roles
    policies = {role: _SessionPolicy(role, complete, loop) for role in roles}
    rollouts = CreditedRollouts(config, policies, [task], max_tokens=max_tokens)
    seed = zlib.crc32(repr((task.id, task.question, *session)).encode())
    rng = np.random.default_rng(seed)
    # A thread of its own: those of the default pool are few, and each would wait for servers.
    thread = ThreadPoolExecutor(max_workers=1)
    try:
        (group,) = await loop.run_in_executor(thread, lambda: rollouts.play([task], rng=rng))
    finally:
        thread.shutdown(wait=False)
    return group
