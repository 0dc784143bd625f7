"""Reject settings that have no effect with the other settings of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from baselines.common.checks import unread
from baselines.credit import ALLOCATORS
from baselines.credit.removals import each_but_the_last
from baselines.rollouts.plan import (
    branching_turns,
    nobody_reads,
    per_rollout_removals,
    per_task_removals,
    removals_are_recounts,
)
from baselines.rollouts.team_env import taskless_env, unread_size
from baselines.train.config import TrainConfig
from ccpo_env.types import Topology


def expect_read(config: TrainConfig, names: Iterable[str]) -> dict[str, str]:
    """Check that settings have an effect in a run.

    Args:
        config: Validated settings of the run.
        names: Names of the settings that were given.

    Returns:
        Names without effect whose values are the defaults, as in the command line of a report,
        which lists all settings; and for each what would give it an effect.

    Raises:
        ValueError: If a setting with another value has no effect.
    """
    harmless = {}
    for name in names:
        needed, value = what_reads(config, name), getattr(config, name)
        if needed is None:
            continue
        if value != getattr(TrainConfig(), name):
            raise ValueError(unread(name, value, needed))
        harmless[name] = needed
    return harmless


def unused_settings(config: TrainConfig) -> list[str]:
    """Return the names of the settings that have no effect in a run."""
    return [name for name in config.to_json() if what_reads(config, name) is not None]


def what_reads(config: TrainConfig, name: str) -> str | None:
    """Return what would give a setting an effect; None if it has one."""
    if name in NEEDED:
        is_read, needed = NEEDED[name]
        return None if is_read(config) else needed
    return unread_size(config, name)


def _topology(config: TrainConfig) -> Topology:
    return taskless_env(config).unwrapped.topology


def _removals(config: TrainConfig, topology: Topology) -> list[frozenset[str]]:
    allocator = ALLOCATORS[config.allocator]
    is_read = "removed_rewards" in allocator.needs
    are_recounts, rng = removals_are_recounts(topology), np.random.default_rng(0)
    wanted = (
        allocator.plan_removals(topology.agents, rng, are_recounts=are_recounts).removals
        if is_read
        else ()
    )
    extra = each_but_the_last(topology.agents) if config.measure_removed else ()
    return [*wanted, *extra]


def _removes_per_task(config: TrainConfig) -> bool:
    topology = _topology(config)
    return bool(per_task_removals(topology, _removals(config, topology)))


def _continues_rollouts(config: TrainConfig) -> bool:
    topology = _topology(config)
    has_branches = "branch_rewards" in ALLOCATORS[config.allocator].needs
    branches = branching_turns(topology) if has_branches else ()
    return bool(branches or per_rollout_removals(topology, _removals(config, topology)))


def _has_readers(config: TrainConfig) -> bool:
    return not nobody_reads(_topology(config))


def _has_replays(config: TrainConfig) -> bool:
    return _removes_per_task(config) or _continues_rollouts(config)


def _compares_messages(config: TrainConfig) -> bool:
    return "features" in ALLOCATORS[config.allocator].needs


REMOVALS = "e.g. --allocator counterfactual"
NEEDED: Mapping[str, tuple[Callable[[TrainConfig], bool], str]] = {
    "eval_every": (lambda config: config.eval_every_tokens == 0, "--eval-every-tokens 0"),
    "lora_rank": (lambda config: config.weights == "lora", "--weights lora"),
    "train_on": (_has_replays, "an allocator that samples more, e.g. --allocator branch"),
    "role_order": (lambda config: config.alternate_period > 0, "--alternate-period 1"),
    "start_role": (lambda config: config.alternate_period > 0, "--alternate-period 1"),
    "tis_cap": (lambda config: config.old_logprobs == "recompute", "--old-logprobs recompute"),
    "retrospect_damping": (lambda config: config.retrospect > 0, "--retrospect 8"),
    "probe_tasks": (lambda config: config.retrospect > 0, "--retrospect 8"),
    "removed_samples": (_removes_per_task, REMOVALS),
    "removed_cache_decay": (_removes_per_task, REMOVALS),
    "message_categories": (_compares_messages, "--allocator regression"),
    "measure_influence": (_has_readers, "a topology whose agents read each other"),
    "branch_samples": (_continues_rollouts, "e.g. --allocator branch"),
}
"""Conditions under which settings have an effect, with flags that meet them."""
