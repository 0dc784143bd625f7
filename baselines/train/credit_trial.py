"""Try an allocator on made-up outcomes before the first rollouts of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from baselines.credit import ALLOCATORS, GroupOutcomes
from baselines.rollouts.own_answers import answers_in_every_turn
from baselines.rollouts.plan import (
    Plan,
    kept_turns,
    nobody_reads,
    removals_are_recounts,
    repeated_turn_names,
    turn_names,
)
from ccpo_env.types import Topology

NUM_TRIALS = 32
"""Groups of one rollout that are tried; rewards of -1 and +1 are then all equal with 2^-31."""
ROUNDING = 1e-9
LEARNED = ("state", "weights")
"""Keywords that change during a run; credit may start as the team reward and leave it later."""
WITHOUT_GROUP = {"branch": "baseline none", "self_evaluation": "center none"}
"""Hyperparameters with which an allocator does not compare the rollouts of a group."""


def try_credit(
    allocator: str, *, topology: Topology, plan: Plan, arguments: Mapping[str, Any]
) -> None:
    """Check that an allocator can credit the team with its hyperparameters.

    Args:
        allocator: Name of the allocator.
        topology: Turns of the team.
        plan: What is measured on each task.
        arguments: Keywords of the allocator.

    Raises:
        ValueError: If the allocator rejects its hyperparameters or the team, or a group of one
            rollout gives an agent no credit, or all agents the team reward alone, whatever was
            measured.
    """
    needs = ALLOCATORS[allocator].needs
    problem = None
    if needs & {"branch_rewards", "influence"} and nobody_reads(topology):
        problem = "no agent speaks after reading another; pass e.g. --allocator leave_one_out"
    if "own_rewards" in needs and not answers_in_every_turn(topology):
        problem = "only the last speaker states an answer; pass e.g. --allocator branch"
    if problem is not None:
        raise ValueError(
            f"allocator must fit the topology, got {allocator!r} for {topology.name!r}, in which "
            f"{problem}"
        )
    rng = np.random.default_rng(0)
    size = min(plan.group_size, 2)
    trials = [_outcomes(topology, plan, size, rng) for _ in range(1 if size > 1 else NUM_TRIALS)]
    if size == 1:  # as it will be once it has learned, not as it starts
        arguments = {name: own for name, own in arguments.items() if name not in LEARNED}
    credit = ALLOCATORS[allocator].many(trials, **arguments)
    if size > 1 or not needs:
        return
    values = np.concatenate(credit)  # (trials, T)
    team = np.concatenate([trial.team_rewards for trial in trials])
    constant = np.flatnonzero(np.ptp(values, axis=0) < ROUNDING)
    if len(constant) or np.abs(values - team[:, None]).max() < ROUNDING:
        found = (
            f"gives {turn_names(topology)[constant[0]]} no credit"
            if len(constant)
            else "is the team reward"
        )
        hint = WITHOUT_GROUP.get(allocator)
        remedy = f"--allocator-args {hint}" if hint else "--allocator shared"
        raise ValueError(
            f"group_size must be >= 2 for {allocator} credit with {_named(arguments)}, which "
            f"compares the rollouts of a group and for one {found}, got 1; pass {remedy}, or "
            f"--group-size 2"
        )


def _outcomes(topology: Topology, plan: Plan, size: int, rng: np.random.Generator) -> GroupOutcomes:
    """Return random outcomes of a group in which all of the plan was measured."""
    agents, names = topology.agents, turn_names(topology)
    recounted = removals_are_recounts(topology)

    def rewards(*shape: int) -> list[Any]:
        drawn: list[Any] = rng.choice([-1.0, 1.0], size=shape).tolist()
        return drawn

    def without(removed: frozenset[str]) -> list[Any]:
        is_per_rollout = recounted or bool(kept_turns(topology, removed))
        return rewards(size, 1) if is_per_rollout else rewards(1)

    return GroupOutcomes(
        agents,
        rewards(size),
        removed_rewards={removed: without(removed) for removed in plan.removals} or None,
        branch_rewards={turn: rewards(size, 1) for turn in plan.branches} or None,
        ratings=rng.uniform(0.1, 0.9, (len(agents), len(agents), size)) if plan.rate else None,
        features=np.zeros((size, len(names)), dtype=np.int64),
        own_rewards=rewards(size, len(names)),
        influence=rng.normal(size=(size, len(names))),
        values=rng.uniform(-1.0, 1.0, (size, len(names))),
        turns=repeated_turn_names(topology),
        orders=plan.orders,
    )


def _named(arguments: Mapping[str, Any]) -> str:
    shown = [f"{k} {v}" for k, v in arguments.items() if isinstance(v, str | int | float)]
    return ", ".join(shown) or "its defaults"
