"""The group of rollouts of a task, with all measurements that credit assignment needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice

import numpy as np

from baselines.common.types import BoolArray, FloatArray, IntArray
from baselines.credit import GroupOutcomes
from baselines.credit.outcomes import Orders
from baselines.rollouts.costs import CostTracker
from baselines.rollouts.drafts import Draft, Request, continuations, differ
from baselines.rollouts.failures import failures_of, nothing_measured
from baselines.rollouts.plan import (
    Plan,
    per_task_removals,
    removals_are_recounts,
    repeated_turn_names,
)
from baselines.rollouts.removed_cache import RemovedCache
from baselines.rollouts.rollout import Replays, Rollout, RolloutRequest
from baselines.rollouts.runner import RolloutRunner
from ccpo_env.types import Task, Topology


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """The rollouts and measurements of one task.

    Args:
        task: The task.
        rollouts: The measured rollouts of the whole team, G of them.
        removed: Maps a set of removed agents to the rewards without them: shape (M,) measured
            once for the task, or (G, M) measured per rollout. A set that could not be
            measured has no entry.
        branches: Maps the name of a turn to the rewards of continuations resampled after it,
            (G, M).
        turns: Names of the turns; None if everybody speaks once.
        orders: Orders of joining the team whose stages were removed; None if not sampled.
        ratings: Shares given by the raters, shape (A raters, A agents, G); None: no ratings.
        rating_valid: Whether they could be parsed, shape (A raters, G).
        features: Category of each message, shape (G, T turns); None: not categorised.
        probabilities: Probabilities of the categories, shape (G, T turns, C categories); NaN in a
            turn where they are not known; None: in no turn.
        own_rewards: Reward of the answer in each message, shape (G, T turns); None: not verified.
        influence: Log-probability ratio of the next message, shape (G, T turns), nats; None: not
            scored.
        states: Features of the conversation before each turn, for a critic, shape (G, T, D); None:
            not computed.
        replays: Episodes without some agents, and continuations, of the rollouts.
        num_played: Number of episodes played.
        failures: Why some of these were not measured, each reason with its number of episodes.
        is_complete: Whether everything in the plan was measured, or omitted because it could not
            change the update.
        version: Number of training steps whose updates the weights had that sampled it. None: not
            recorded, because they were those before its update.

    Attributes:
        rewards: Team reward of each rollout, shape (G,).
    """

    task: Task
    rollouts: tuple[Rollout, ...]
    removed: Mapping[frozenset[str], FloatArray]
    branches: Mapping[str, FloatArray]
    turns: tuple[str, ...] | None = None
    orders: Orders | None = None
    ratings: FloatArray | None = None
    rating_valid: BoolArray | None = None
    features: IntArray | None = None
    probabilities: FloatArray | None = None
    own_rewards: FloatArray | None = None
    influence: FloatArray | None = None
    states: FloatArray | None = None
    replays: tuple[Replays, ...] = ()
    num_played: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    is_complete: bool = True
    version: int | None = None
    rewards: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        """Compute the rewards once."""
        object.__setattr__(self, "rewards", np.array(rewards(self.rollouts)))

    @property
    def num_unmeasured(self) -> int:
        """Number of episodes that were not measured."""
        return self.failures.total()

    def outcomes(self, agents: tuple[str, ...], values: FloatArray | None = None) -> GroupOutcomes:
        """Return the input of an allocator, for a group with at least one rollout.

        Args:
            agents: All agents, in speaking order.
            values: Value before each turn, shape (G, T); None: there is no critic.
        """
        return GroupOutcomes(
            agents,
            self.rewards,
            removed_rewards=dict(self.removed) or None,
            branch_rewards=dict(self.branches) or None,
            ratings=self.ratings,
            rating_valid=self.rating_valid,
            features=self.features,
            probabilities=self.probabilities,
            turns=self.turns,
            orders=self.orders,
            own_rewards=self.own_rewards,
            influence=self.influence,
            values=values,
        )


def rewards(rollouts: Sequence[Rollout]) -> list[float]:
    """Return the rewards of measured rollouts."""
    return [reward for rollout in rollouts if (reward := rollout.reward) is not None]


def expect_measured(groups: Sequence[Group], where: str) -> None:
    """Raise RolloutError if episodes failed and no rollout of the whole team is left.

    Args:
        groups: All groups of a step, or of a pilot.
        where: What they are, as "step 3".
    """
    failures = sum((group.failures for group in groups), Counter[str]())
    if failures and not any(group.rollouts for group in groups):
        raise nothing_measured(where, failures, sum(group.num_played for group in groups))


def play_groups(
    runner: RolloutRunner,
    tasks: Sequence[Task],
    plan: Plan,
    *,
    rng: np.random.Generator,
    costs: CostTracker,
    cache: RemovedCache | None = None,
) -> list[Group]:
    """Play every task with the whole team, and the removals and continuations of the plan.

    Rollouts of the team, their continuations and the rollouts without an agent are batched
    together; with plan.skip_uniform_groups, per-task removals follow in a second batch, for the
    tasks where they can change the update.

    Args:
        runner: Plays the episodes.
        tasks: Tasks to play, one group each.
        plan: What is played on each task.
        rng: The only source of randomness.
        costs: Accumulates the cost.
        cache: Removals measured in earlier steps; None: no cache.

    Returns:
        One group per task, in order, without ratings.
    """
    once = per_task_removals(runner.topology, plan.removals)
    drafts = [Draft(task, plan, runner.topology) for task in tasks]
    each = continuations(plan, runner.topology)

    def play(requests: Sequence[Request]) -> None:
        _play(runner, drafts, requests, rng, costs)

    num_each = plan.group_size * (1 + len(each) * plan.num_branches)  # episodes
    team = [
        request
        for place, draft in enumerate(drafts)
        for request in draft.team(place, each, first=place * num_each)
    ]
    if not plan.skip_uniform_groups:
        play(team + _without(drafts, once, plan.num_removed, cache))
    else:
        play(team)
        play(_without([d if d.is_mixed else None for d in drafts], once, plan.num_removed, cache))
    return [_group(draft, once, cache) for draft in drafts]


def _group(draft: Draft, once: Sequence[frozenset[str]], cache: RemovedCache | None) -> Group:
    """Return the group, without rollouts that are unmeasured or have such continuations."""
    plan, topology = draft.plan, draft.topology
    on_each = [*draft.branches.values(), *draft.replayed.values()]
    team_rewards = [rollout.reward for rollout in draft.joint]
    kept = [
        k
        for k, reward in enumerate(team_rewards)
        if reward is not None and all(rewards(rows[k]) for rows in on_each)
    ]
    joint = tuple([draft.joint[k] for k in kept])
    played = [*draft.joint, *(r for rows in on_each for own in rows.values() for r in own)]
    played += [r for own in draft.once.values() for r in own]
    is_skipped = plan.skip_uniform_groups and bool(once) and not differ(team_rewards)
    removed: dict[frozenset[str], FloatArray] = {}
    if not is_skipped:
        removed |= {key: _measured_once(draft, key, cache) for key in once}
    removed |= {key: _rows(rows, kept) for key, rows in draft.replayed.items()}
    if removals_are_recounts(topology) and joint:
        removed |= _recounted(topology, plan.removals, joint)
    return Group(
        task=draft.task,
        rollouts=joint,
        removed={key: values for key, values in removed.items() if values.size},
        branches={turn: _rows(rows, kept) for turn, rows in draft.branches.items()},
        turns=repeated_turn_names(topology),
        orders=plan.orders,
        replays=_replays(draft, kept),
        num_played=len(played),
        failures=failures_of(rollout.verdict for rollout in played),
        is_complete=bool(joint)
        and all(removed[key].size for key in plan.removals if key in removed),
    )


def _replays(draft: Draft, kept: Sequence[int]) -> tuple[Replays, ...]:
    """Return what was played besides the rollouts of the team, for the kept ones."""
    keep = draft.plan.keep_completions
    replays = [
        Replays.of(rows, None, keep_completions=keep) for rows in draft.once.values() if rows
    ]
    for rows_of in (*draft.replayed.values(), *draft.branches.values()):
        replays += [
            Replays.of(rows_of[k], place, keep_completions=keep) for place, k in enumerate(kept)
        ]
    return tuple(replays)


def _measured_once(draft: Draft, removed: frozenset[str], cache: RemovedCache | None) -> FloatArray:
    fresh = rewards(draft.once.get(removed, []))
    if cache is None:
        return np.array(fresh)
    estimate = cache.add(draft.task, removed, fresh)
    return np.array([estimate.reward] if estimate.weight else [])


def _recounted(
    topology: Topology, removals: Sequence[frozenset[str]], joint: Sequence[Rollout]
) -> dict[frozenset[str], FloatArray]:
    """Return the rewards of each rollout's vote without each set of voters, (G, 1) per set."""
    counted = _counted(topology, tuple(removals))
    ballots = [rollout.ballot for rollout in joint if rollout.ballot is not None]
    recounts = np.stack([ballot.rewards(counted) for ballot in ballots], axis=-1)  # (S, G)
    return dict(zip(removals, recounts[..., None], strict=True))


@lru_cache(maxsize=8)
def _counted(topology: Topology, removals: tuple[frozenset[str], ...]) -> BoolArray:
    """Return whether each voter's vote counts without each set of voters, (S, voters)."""
    speakers = [turn.speaker for turn in topology.turns]
    counted = [[speaker not in removed for speaker in speakers] for removed in removals]
    return np.array(counted, dtype=bool).reshape(-1, len(speakers))  # also without removals


def _rows(rollouts: Mapping[int, Sequence[Rollout]], kept: Sequence[int]) -> FloatArray:
    """Return the rewards of the continuations of the kept rollouts, shape (G, M).

    One that was not measured counts as the mean of the others of its rollout, which leaves their
    mean unchanged.
    """
    rows = [rewards(rollouts[k]) for k in kept]
    return np.array(
        [
            row + [sum(row) / len(row)] * (len(rollouts[k]) - len(row))
            for k, row in zip(kept, rows, strict=True)
        ]
    )


def _without(
    drafts: Sequence[Draft | None],
    once: Sequence[frozenset[str]],
    num_removed: int,
    cache: RemovedCache | None,
) -> list[Request]:
    """Return the requests without agents that are still needed, for the remaining drafts."""
    requests = []
    for place, draft in enumerate(drafts):
        if draft is None:
            continue
        for removed in once:
            known = int(cache.estimate(draft.task, removed).weight) if cache else 0
            num_missing = max(0, num_removed - known)
            request = RolloutRequest(draft.task, removed, num_episodes=num_missing)
            requests.append(Request(place, None, request))
    return requests


def _play(
    runner: RolloutRunner,
    drafts: Sequence[Draft],
    requests: Sequence[Request],
    rng: np.random.Generator,
    costs: CostTracker,
) -> None:
    """Play the requests of several groups in one batch and add the rollouts to the groups."""
    played = iter(runner.play([own.request for own in requests], rng=rng, costs=costs))
    for own in requests:
        drafts[own.group].add(own, islice(played, own.request.num_episodes))
