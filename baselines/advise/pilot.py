"""Play a pilot: groups of rollouts with everything that credit may need, measured once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np

from baselines.advise.measurable import MIN_TASKS
from baselines.advise.pilot_data import PilotData, Sketches
from baselines.advise.replay_tokens import branch_tokens, removed_tokens
from baselines.advise.settings import AdviseConfig
from baselines.common.types import FloatArray
from baselines.common.wording import plural
from baselines.credit import ALLOCATORS
from baselines.credit.outcomes import Measurement, Orders
from baselines.policies.base import Completion, Policy, Sampling, TrainablePolicy
from baselines.rollouts.categories import find_categorize
from baselines.rollouts.costs import CostTracker
from baselines.rollouts.groups import Group, expect_measured, play_groups
from baselines.rollouts.own_answers import answers_in_every_turn
from baselines.rollouts.plan import (
    Plan,
    branching_turns,
    has_readers,
    reads_of,
    removals_are_recounts,
    turn_names,
)
from baselines.rollouts.runner import RolloutRunner
from baselines.rollouts.team_env import taskless_env, with_verifier
from baselines.train.influence import PromptScorer
from baselines.train.measurements import with_measurements
from baselines.train.seeding import Stream, Streams
from ccpo_env import load_tasks
from ccpo_env.types import Role, Task

CHARS_PER_TOKEN = 4
"""Characters counted as a token of a completion whose tokens an endpoint does not report."""
MAX_TOKENS_UNKNOWN = 512
"""Length limit of a policy that states none."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Played:
    """A pilot and where it was taken.

    Args:
        data: Its measurements.
        source: Where the rollouts come from, as a phrase.
        policy: The model or the run that spoke.
        tasks: Name of the tasks.
        num_left_out: Groups that were not measured completely.
        tokens: Tokens sampled for the pilot, for all purposes.
        play_s: Seconds of playing.
        gradient_s: Seconds of gradients.
        has_gradients: Whether gradients were measured.
        estimated_tokens: Whether tokens were estimated from characters.
        num_policies: Policies that spoke: one for each recorded step; 1 for new rollouts.
    """

    data: PilotData
    source: str
    policy: str
    tasks: str
    num_left_out: int
    tokens: int
    play_s: float
    gradient_s: float
    has_gradients: bool
    estimated_tokens: bool
    num_policies: int = 1


def play_pilot(config: AdviseConfig, on_progress: Callable[[str], None]) -> Played:
    """Play new groups and measure everything on them.

    Args:
        config: Settings, with the team filled in.
        on_progress: Called with what is done next.

    Raises:
        ValueError: If the tasks or the policy cannot be loaded, or too few groups were measured.
        RolloutError: If no rollout was measured.
    """
    tasks_name = config.tasks or "arithmetic"
    loaded = load_tasks(tasks_name, split="train", shuffle_choices=config.shuffle_choices)
    runner = make_runner(config, loaded)
    config.check_memory(runner.topology)
    streams = Streams(config.seed)
    if len(loaded) < MIN_TASKS:
        raise ValueError(
            f"--tasks must have >= {MIN_TASKS} tasks for a pilot, got {plural(len(loaded), 'task')}"
            f" in {tasks_name}; add tasks to it, or pass other --tasks"
        )
    tasks = streams.choose(loaded, config.groups, Stream.TASKS, 1)
    rng, costs, started = streams.own(Stream.ROLLOUTS, 1), CostTracker(), time.perf_counter()
    on_progress(f"playing {len(tasks)} groups of {config.group_size}")
    groups = play_groups(runner, tasks, _plan(config, runner, rng), rng=rng, costs=costs)
    expect_measured(groups, "the pilot")
    rated = [own for own in groups if own.is_complete and len(own.rollouts) == config.group_size]
    usable = all_measured(config, rated, runner, rng=rng, costs=costs)
    rating_tokens = costs.generated["rating"] / max(1, sum(len(own.rollouts) for own in rated))
    return measured(
        config,
        usable,
        runner,
        rating_tokens=np.full(len(usable), rating_tokens),
        play_s=time.perf_counter() - started,
        tokens=costs.tokens_generated,
        source="new rollouts",
        num_left_out=len(groups) - len(usable),
        on_progress=on_progress,
    )


def measured(
    config: AdviseConfig,
    groups: Sequence[Group],
    runner: RolloutRunner,
    *,
    rating_tokens: FloatArray,
    play_s: float,
    tokens: int,
    source: str,
    num_left_out: int,
    on_progress: Callable[[str], None],
    num_policies: int = 1,
) -> Played:
    """Return the pilot of some groups, with the sketches of all completions.

    Raises:
        ValueError: If there are too few groups.
    """
    if len(groups) < MIN_TASKS:
        raise ValueError(
            f"a pilot must have >= {MIN_TASKS} groups that were measured completely, got "
            f"{len(groups)}, with {num_left_out} left out; raise --groups, or check the verifier"
        )
    started = time.perf_counter()
    roles = list(runner.role_of.values())
    by_turn = [
        [[rollout.sampled[turn] for rollout in own.rollouts] for own in groups]
        for turn in range(len(roles))
    ]
    counts = np.array(
        [[[_num_tokens(one) for one in group] for group in own] for own in by_turn]
    )  # (T, N, G)
    policies = [runner.policies[role] for role in roles]
    names = ["team"] * len(roles) if config.weights == "shared" else roles
    places = {name: place for place, name in enumerate(dict.fromkeys(names))}
    has_gradients = all(map(is_trainable, policies))
    on_progress("computing gradients" if has_gradients else "no gradients from an endpoint")
    data = PilotData(
        outcomes=[group.outcomes(runner.agents) for group in groups],
        num_tokens=np.moveaxis(counts, 0, -1),
        max_tokens=[_max_tokens(config, policy) for policy in policies],
        sketches=_sketches(by_turn, policies, config.micro_batch_tokens),
        weights_of=tuple(places[name] for name in names),
        weights_names=tuple(places),
        removed_tokens=removed_tokens(groups),
        branch_tokens=branch_tokens(groups, turn_names(runner.topology)),
        rating_tokens=rating_tokens,
        roles=tuple(roles),
        reads=reads_of(runner.topology),
    )
    return Played(
        data=data,
        source=source,
        policy=config.policy or "tiny",
        tasks=config.tasks or "arithmetic",
        num_left_out=num_left_out,
        tokens=tokens,
        play_s=play_s,
        gradient_s=time.perf_counter() - started,
        has_gradients=has_gradients,
        estimated_tokens=any(not one.token_ids and one.text for own in by_turn[0] for one in own),
        num_policies=num_policies,
    )


def make_runner(config: AdviseConfig, tasks: Iterable[Task]) -> RolloutRunner:
    """Load the policies and return a runner for tasks; roles of equal weights share one copy."""
    from baselines.policies.local.lora import LoraSettings  # loads torch
    from baselines.policies.local.remote_code import remote_code
    from baselines.policies.team import load_samplers, load_team

    env = taskless_env(with_verifier(config.team, tasks))
    roles = env.unwrapped.topology.roles
    sampling = Sampling(temperature=config.temperature, max_tokens=config.max_tokens)
    spec = config.policy or "tiny"
    policies: Mapping[Role, Policy]
    with remote_code(trusted=config.trust_remote_code):
        if config.weights == "lora":
            lora = LoraSettings(rank=config.lora_rank, seed=config.seed)
            policies = load_team(spec, roles, own_copies=False, lora=lora)
        else:
            policies = load_samplers(spec, roles)
    return RolloutRunner(env, policies, dict.fromkeys(roles, sampling))


def is_trainable(policy: Policy) -> TypeGuard[TrainablePolicy]:
    """Return whether a policy has weights in this process."""
    return hasattr(policy, "module")


def _plan(config: AdviseConfig, runner: RolloutRunner, rng: np.random.Generator) -> Plan:
    """Return the plan that measures everything for all compared allocators."""
    removals, orders = wanted_removals(config, runner, rng)
    has_branches = any("branch_rewards" in ALLOCATORS[name].needs for name in config.compared)
    return Plan(
        group_size=config.group_size,
        removals=removals,
        orders=orders,
        num_removed=config.samples,
        branches=branching_turns(runner.topology) if has_branches else (),
        num_branches=config.samples,
    )


def all_measured(
    config: AdviseConfig,
    groups: Sequence[Group],
    runner: RolloutRunner,
    *,
    rng: np.random.Generator,
    costs: CostTracker,
) -> list[Group]:
    """Return the complete groups with all that the compared allocators read, where it exists.

    Only ratings sample anything.
    """
    needs = {need for name in config.compared for need in ALLOCATORS[name].needs}
    is_scored = all(isinstance(own, PromptScorer) for own in runner.policies.values())
    missing: set[Measurement] = set() if config.ratings else {"ratings"}
    if not answers_in_every_turn(runner.topology):
        missing.add("own_rewards")
    if not (is_scored and any(has_readers(runner.topology))):
        missing.add("influence")
    found = with_measurements(
        groups,
        runner,
        needs - missing,
        categorize=find_categorize(config.message_categories) if "features" in needs else None,
        micro_batch_tokens=config.micro_batch_tokens,
        rng=rng,
        costs=costs,
    )
    return [own for own in found if own.is_complete]


def wanted_removals(
    config: AdviseConfig, runner: RolloutRunner, rng: np.random.Generator
) -> tuple[tuple[frozenset[str], ...], Orders | None]:
    """Return the sets of agents that the compared allocators remove, and orders of joining."""
    are_recounts = removals_are_recounts(runner.topology)
    plans = [
        own.plan_removals(runner.agents, rng, are_recounts=are_recounts)
        for name in config.compared
        if "removed_rewards" in (own := ALLOCATORS[name]).needs
    ]
    orders = [own.orders for own in plans if own.orders is not None]
    removals = dict.fromkeys(removed for own in plans for removed in own.removals)
    return tuple(removals), orders[0] if orders else None


def _sketches(
    by_turn: Sequence[Sequence[Sequence[Completion]]],
    policies: Sequence[Policy],
    micro_batch_tokens: int,
) -> Sketches | None:
    """Return the sketches of all completions, (N, G, T, P); None without gradients."""
    from baselines.advise.sketch import sketches  # loads torch

    parts = []
    for own, policy in zip(by_turn, policies, strict=True):
        if not is_trainable(policy):
            return None
        flat = [one for group in own for one in group]
        found = sketches(policy, flat, micro_batch_tokens=micro_batch_tokens)
        parts.append(found.reshape(len(own), -1, found.shape[1]))
    return np.stack(parts, axis=2)


def _num_tokens(completion: Completion) -> int:
    return len(completion.token_ids) or -(-len(completion.text) // CHARS_PER_TOKEN)


def _max_tokens(config: AdviseConfig, policy: Policy) -> int:
    if config.max_tokens is not None:
        return config.max_tokens
    return policy.max_tokens if is_trainable(policy) else MAX_TOKENS_UNKNOWN
