"""The reward of the answer in each message of a rollout, as if it alone were the team's."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from baselines.common.types import FloatArray
from baselines.rollouts.costs import CostTracker
from baselines.rollouts.groups import Group
from ccpo_env.types import Topology, Verifier
from ccpo_env.verifiers.calling import call_verifier, verifier_of


def answers_in_every_turn(topology: Topology) -> bool:
    """Return whether every message may state an answer, not the last one only.

    True in a vote and in a debate; not where an answer that is stated early is a leak, as in a
    chain of thinkers and a solver.
    """
    return not topology.has_secret_answer


def with_own_rewards(
    groups: Sequence[Group], topology: Topology, verifier: Verifier, *, costs: CostTracker
) -> list[Group]:
    """Return the groups with the reward of the answer in each message.

    In a vote it is the recount without everybody else, which calls no verifier. Elsewhere the
    verifier compares each different message but the last with the gold answer.

    Args:
        groups: Groups of rollouts.
        topology: Who speaks when, and whose answer counts.
        verifier: Compares a message with an answer.
        costs: Accumulates the calls of the verifier, and their time.

    Note: A message that the verifier could not decide counts as the mean of the same turn's in the
        other rollouts, so that it is no signal; a group in which a turn has none is not complete.
    """
    started = time.perf_counter()
    counted = [
        _with_rewards(group, topology, verifier, costs) if group.rollouts else group
        for group in groups
    ]
    costs.verify_s += time.perf_counter() - started
    return counted


def _with_rewards(
    group: Group, topology: Topology, verifier: Verifier, costs: CostTracker
) -> Group:
    if topology.decision == "majority":
        rewards = _recounted(group, len(topology.turns))
    else:
        rewards = _verified(group, verifier, costs)  # NaN where not measured
    is_known = np.isfinite(rewards)
    num_known = is_known.sum(axis=0)
    means = np.where(is_known, rewards, 0.0).sum(axis=0) / np.maximum(num_known, 1)
    return replace(
        group,
        own_rewards=np.where(is_known, rewards, means),
        is_complete=group.is_complete and bool(num_known.all()),
    )


def _recounted(group: Group, num_turns: int) -> FloatArray:
    """Return the rewards of each ballot with one vote counted, shape (G, T)."""
    ballots = [rollout.ballot for rollout in group.rollouts if rollout.ballot is not None]
    return np.stack([ballot.rewards(np.eye(num_turns, dtype=bool)) for ballot in ballots])


def _verified(group: Group, verifier: Verifier, costs: CostTracker) -> FloatArray:
    """Return the rewards of the messages, shape (G, T); NaN for one that was not measured."""
    known: dict[str, float] = {}
    verify = verifier_of(verifier, group.task)
    for rollout in group.rollouts:
        for message in rollout.messages[:-1]:
            if message.text not in known:
                reward = call_verifier(verify, message.text, group.task.answer).reward
                known[message.text] = np.nan if reward is None else reward
    costs.count("own_answer", verifier_calls=len(known))
    own = [
        [*(known[message.text] for message in rollout.messages[:-1]), rollout.reward]
        for rollout in group.rollouts
    ]
    return np.array(own, dtype=np.float64)
