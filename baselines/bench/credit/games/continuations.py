"""A frozen language model as a game; true advantages are estimated from held-out continuations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

import numpy as np

from baselines.bench.credit.games.measured import Cost, Measured, Plan, Prices
from baselines.common.types import FloatArray, IntArray
from baselines.credit.outcomes import GroupBatch
from baselines.rollouts.rollout import Rollout, RolloutRequest
from baselines.rollouts.runner import RolloutRunner
from ccpo_env import think_solve_v0
from ccpo_env.types import Role, Task

NUM_HELD_OUT = 32
"""Number of held-out continuations per message for its true value, in two halves."""


@dataclass(frozen=True, slots=True)
class _Branches:
    """Rewards of continuations after agent a of rollout g in group n, shape (N, G, A - 1, M)."""

    seen: FloatArray
    held_out: FloatArray
    tokens: FloatArray  # of those that are not held out, summed per agent, shape (A - 1,)


def measure_model(
    runner: RolloutRunner,
    tasks: Sequence[Task],
    plan: Plan,
    rng: np.random.Generator,
    *,
    num_held_out: int = NUM_HELD_OUT,
) -> Measured:
    """Play pairs of groups on each task, one pair per task, and estimate the true advantages.

    V_a = mean reward of continuations after agent a, R after the last
    truth: V_0 for the first agent, V_a - V_{a-1} for the others

    once from each half of the held-out continuations, which no allocator sees. The value of the
    task is omitted, because it is constant in a group.

    Args:
        runner: Runner of the frozen team of thinkers and a solver.
        tasks: N / 2 tasks, with one pair of groups each; num_pairs of the plan is not used.
        plan: Numbers of samples. There are no ratings.
        rng: Random generator.
        num_held_out: Number of held-out continuations per message, even.

    Raises:
        RuntimeError: If a rollout could not be verified.
    """
    alone = [[RolloutRequest(task, num_episodes=plan.group_size)] for task in tasks]
    first = _play_groups(runner, alone, rng)
    groups = first + _twins(runner, first, rng)
    rewards = np.array([[_reward(rollout) for rollout in group] for group in groups])
    branches = _branch(runner, groups, plan.num_samples, num_held_out, rng)
    removed, removed_prices = _removed(runner, groups, plan, rng)
    halves = np.stack(np.split(branches.held_out, 2, axis=-1)).mean(axis=-1)  # (2, N, G, A - 1)
    last = np.broadcast_to(rewards[..., None], (*halves.shape[:-1], 1))
    after = np.concatenate([halves, last], axis=-1)  # (2, N, G, A)
    num_groups, num_branches = len(groups), plan.group_size * plan.num_samples
    return Measured(
        batch=GroupBatch(
            agents=runner.agents,
            team_rewards=rewards,
            removed_rewards=removed,
            branch_rewards={
                agent: branches.seen[:, :, turn] for turn, agent in enumerate(runner.agents[:-1])
            },
            features=np.array([_categories(group) for group in groups]),
        ),
        truth=np.diff(after, axis=-1, prepend=0.0),
        prices=Prices(
            # Without twins, part of which was not sampled again.
            team=Cost(_tokens(r for group in first for r in group) / len(first), plan.group_size),
            removed=removed_prices,
            branches={
                agent: Cost(float(tokens) / num_groups, num_branches)
                for agent, tokens in zip(runner.agents, branches.tokens, strict=False)
            },
        ),
        tasks=np.tile(np.arange(len(tasks)), 2),
    )


@lru_cache(maxsize=1)
def tiny_player() -> tuple[RolloutRunner, tuple[Task, ...]]:
    """Return a runner of the embedded model, and its held-out tasks without duplicates."""
    from baselines.policies.base import Sampling
    from baselines.policies.registry import load_policy
    from ccpo_env import load_tasks

    policy = load_policy("tiny")
    policies = dict.fromkeys(_ROLES, policy)
    # Answers are one boxed digit, which needs no worker process to verify.
    env = think_solve_v0(tasks="arithmetic", verifier="exact")
    tasks = tuple(load_tasks("arithmetic", split="test"))
    return RolloutRunner(env, policies, dict.fromkeys(_ROLES, Sampling())), tasks


_ROLES: tuple[Role, ...] = ("thinker", "solver")


def _play_groups(
    runner: RolloutRunner, requests: Sequence[Sequence[RolloutRequest]], rng: np.random.Generator
) -> list[list[Rollout]]:
    """Play groups of requests of any size, all in lockstep."""
    played = iter(runner.play([request for group in requests for request in group], rng=rng))
    sizes = [sum(request.num_episodes for request in group) for group in requests]
    return [list(islice(played, size)) for size in sizes]


def _twins(
    runner: RolloutRunner, groups: Sequence[list[Rollout]], rng: np.random.Generator
) -> list[list[Rollout]]:
    """Play each group again; its first rollout keeps everything up to the turn of agent i mod A."""
    num_agents = len(runner.agents)
    requests, kept = [], []
    for index, group in enumerate(groups):
        fresh = RolloutRequest(group[0].request.task, num_episodes=len(group) - 1)
        spoken = index % num_agents + 1
        is_whole = spoken == num_agents
        kept.append([group[0]] if is_whole else [])
        requests.append([] if is_whole else [_after(group[0], spoken)])
        requests[-1].append(fresh)
    played = _play_groups(runner, requests, rng)
    return [first + again for first, again in zip(kept, played, strict=True)]


def _branch(
    runner: RolloutRunner,
    groups: Sequence[list[Rollout]],
    num_seen: int,
    num_held_out: int,
    rng: np.random.Generator,
) -> _Branches:
    count = num_seen + num_held_out
    turns = range(1, len(runner.agents))
    requests = [
        [_after(rollout, spoken, num_episodes=count)]
        for group in groups
        for rollout in group
        for spoken in turns
    ]
    played = _play_groups(runner, requests, rng)
    shape = (len(groups), len(groups[0]), len(turns), count)
    rewards = np.array([[_reward(r) for r in row] for row in played]).reshape(shape)
    tokens = np.array([_tokens(row[:num_seen]) for row in played]).reshape(-1, len(turns))
    return _Branches(rewards[..., :num_seen], rewards[..., num_seen:], tokens.sum(axis=0))


def _removed(
    runner: RolloutRunner, groups: Sequence[list[Rollout]], plan: Plan, rng: np.random.Generator
) -> tuple[dict[frozenset[str], FloatArray], dict[frozenset[str], Cost]]:
    rewards, prices = {}, {}
    for removed in plan.removals(runner.agents, rng, are_recounts=False).removals:
        requests = [
            [RolloutRequest(group[0].request.task, removed, num_episodes=plan.num_samples)]
            for group in groups
        ]
        played = _play_groups(runner, requests, rng)
        rewards[removed] = np.array([[_reward(rollout) for rollout in row] for row in played])
        num_tokens = _tokens(rollout for row in played for rollout in row)
        prices[removed] = Cost(num_tokens / len(groups), plan.num_samples)
    return rewards, prices


def _after(rollout: Rollout, spoken: int, num_episodes: int = 1) -> RolloutRequest:
    prefix = tuple(message.text for message in rollout.messages[:spoken])
    return RolloutRequest(rollout.request.task, prefix=prefix, num_episodes=num_episodes)


def _categories(group: Sequence[Rollout]) -> IntArray:
    """Return the index of each message among the distinct texts of its agent, shape (G, A)."""
    texts = [[message.text for message in rollout.messages] for rollout in group]
    columns = [np.unique(column, return_inverse=True)[1] for column in zip(*texts, strict=True)]
    return np.stack(columns, axis=-1).astype(np.int64)


def _reward(rollout: Rollout) -> float:
    if rollout.reward is None:
        raise RuntimeError(
            f"rollouts of the bench must be measured, got {rollout.verdict.status!r}; "
            f"use a verifier that needs no time"
        )
    return rollout.reward


def _tokens(rollouts: Iterable[Rollout]) -> int:
    return sum(rollout.num_tokens for rollout in rollouts)
