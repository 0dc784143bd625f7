"""Scores and costs of all allocators in one seed of a game."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from baselines.bench.credit.games.cosac import SAMPLED
from baselines.bench.credit.games.measured import Cost, Measured
from baselines.bench.credit.scores import (
    Scores,
    accuracy_scores,
    centred,
    cosine,
    split_scores,
)
from baselines.common.types import FloatArray
from baselines.credit import ALLOCATORS, GroupOutcomes
from baselines.credit.outcomes import GroupBatch
from baselines.credit.registry import Allocator
from baselines.credit.removals import stages

STEP_GROUPS = 8
"""Groups per step, for allocators with state."""
COSINES = ("cosine", "cosine_shared", "cosine_at_budget")
ZERO = "zero"
"""Row that is no allocator: a zero prediction. Others are those of COSAC's estimator."""


@dataclass(frozen=True, slots=True)
class CostedAdvantages:
    """Advantages that an allocator estimates in the groups of a seed, with their cost.

    Args:
        advantages: Advantages per part of the seed, shape (N, G, A).
        cost: Cost of one group.
    """

    advantages: list[FloatArray]
    cost: Cost


def seed_scores(parts: Sequence[Measured]) -> dict[str, Scores]:
    """Return the scores of all allocators whose measurements are available, by name.

    Args:
        parts: Measurements of one seed: one part per task, or one for all tasks.

    Note: The budget of `cosine_at_budget` is the most expensive group, in tokens, that the
        cheapest allocator can match with the available groups. An allocator whose single group
        costs more has no such score.
    """
    estimates = _estimates(parts)
    truth = np.concatenate([part.truth for part in parts], axis=1)  # (2, N, G, A)
    paired = np.stack([_pairs_first([part.truth[half] for part in parts]) for half in (0, 1)])
    kept = np.concatenate([part.kept for part in parts])
    cheapest = min(estimate.cost.tokens for estimate in estimates.values())
    most = cheapest * min(len(part.tasks) for part in parts)
    budget = max(e.cost.tokens for e in estimates.values() if e.cost.tokens <= most)
    scores = {}
    for name, estimate in estimates.items():
        joined = np.concatenate(estimate.advantages)
        scores[name] = {
            **accuracy_scores(joined, truth),
            **split_scores(_pairs_first(estimate.advantages), paired, kept),
            **_agent_skills(joined, truth, parts[0].batch.agents),
            **_cosines(parts, estimate, estimates["shared"], budget),
            "tokens": estimate.cost.tokens,
            "verifier_calls": estimate.cost.verifier_calls,
            "budget": budget,
        }
    return scores


def reliability(parts: Sequence[Measured]) -> float:
    """Return the split-half reliability of the true advantages: 1 if they are exact.

    2 r / (1 + r)      r: correlation of the first agent's centred advantages, half with half

    Source: Spearman-Brown.
    """
    one, two = centred(np.concatenate([part.truth for part in parts], axis=1))[..., 0]
    if np.array_equal(one, two):
        return 1.0
    correlation = float(np.corrcoef(one.ravel(), two.ravel())[0, 1])
    return 2.0 * correlation / (1.0 + correlation)


def _estimates(parts: Sequence[Measured]) -> dict[str, CostedAdvantages]:
    team = _mean_cost([part.prices.team for part in parts])
    zeros = [np.zeros(part.truth.shape[1:]) for part in parts]
    estimates = {ZERO: CostedAdvantages(zeros, team)}
    for name, allocator in ALLOCATORS.items():
        if _suffices(allocator, parts[0].batch):
            cost = team + _mean_cost([_extra_cost(allocator, part) for part in parts])
            estimates[name] = CostedAdvantages(_advantages(allocator, parts), cost)
    for name in parts[0].cosac:
        simulated = _mean_cost([part.prices.suffixes for part in parts])
        cost = team + simulated if name == SAMPLED else team
        estimates[name] = CostedAdvantages([part.cosac[name] for part in parts], cost)
    return estimates


def _suffices(allocator: Allocator, batch: GroupBatch) -> bool:
    return all(getattr(batch, need) is not None for need in allocator.needs)


def _advantages(allocator: Allocator, parts: Sequence[Measured]) -> list[FloatArray]:
    """Return credit minus its group mean."""
    if allocator.new_state is None:
        reads = [{"reads": part.reads} if "reads" in allocator.inputs else {} for part in parts]
        return [
            centred(allocator.credit(part.batch, **own))
            for part, own in zip(parts, reads, strict=True)
        ]
    return _remembering(allocator, parts)


def _remembering(allocator: Allocator, parts: Sequence[Measured]) -> list[FloatArray]:
    """Process the groups in steps that mix the tasks, as in training."""
    assert allocator.new_state is not None
    state = allocator.new_state()
    order = [
        (part, group)
        for group in range(max(len(part.tasks) for part in parts))
        for part in range(len(parts))
        if group < len(parts[part].tasks)
    ]
    credit = [np.empty(part.truth.shape[1:]) for part in parts]
    for start in range(0, len(order), STEP_GROUPS):
        where = order[start : start + STEP_GROUPS]
        groups = [_outcomes(parts[part].batch, group) for part, group in where]
        for (part, group), made in zip(where, allocator.many(groups, state=state), strict=True):
            credit[part][group] = made
        state = state.updated(groups)
    return [centred(made) for made in credit]


def _outcomes(batch: GroupBatch, group: int) -> GroupOutcomes:
    removed = {key: entry[group] for key, entry in (batch.removed_rewards or {}).items()}
    return GroupOutcomes(batch.agents, batch.team_rewards[group], removed or None)


def _extra_cost(allocator: Allocator, part: Measured) -> Cost:
    """Return the cost of an allocator beyond the rollouts of the group."""
    prices, cost = part.prices, Cost()
    if "removed_rewards" in allocator.needs:
        for removed in _removals(allocator, part.batch):
            cost += prices.removed[removed]
    if "branch_rewards" in allocator.needs:
        for price in prices.branches.values():
            cost += price
    if "ratings" in allocator.needs:
        cost += prices.ratings
    return cost


def _removals(allocator: Allocator, batch: GroupBatch) -> tuple[frozenset[str], ...]:
    """Return the removals that an allocator reads."""
    if allocator.samples_orders and batch.orders is not None:
        return stages(batch.agents, batch.orders)
    return allocator.removals(batch.agents)


def _mean_cost(costs: Sequence[Cost]) -> Cost:
    return Cost(
        float(np.mean([cost.tokens for cost in costs])),
        float(np.mean([cost.verifier_calls for cost in costs])),
    )


def _pairs_first(values: Sequence[FloatArray]) -> FloatArray:
    """Concatenate the arrays of all parts: all first groups, then their twins in the same order."""
    halves = [np.split(value, 2) for value in values]
    return np.concatenate([half[which] for which in (0, 1) for half in halves])


def _agent_skills(estimate: FloatArray, truth: FloatArray, agents: Sequence[str]) -> Scores:
    return {
        f"{quantity}/{agent}": value
        for column, agent in enumerate(agents)
        for quantity, value in accuracy_scores(
            estimate[..., column : column + 1], truth[..., column : column + 1]
        ).items()
    }


def _cosines(
    parts: Sequence[Measured],
    estimate: CostedAdvantages,
    shared: CostedAdvantages,
    budget: float,
) -> Scores:
    """Return cosines to the exact gradient, means over parts; NaN where it is unknown."""
    affordable = int(budget // estimate.cost.tokens)
    alike = int(estimate.cost.tokens // shared.cost.tokens)
    found: dict[str, list[float]] = {name: [] for name in COSINES}
    for part, own, other in zip(parts, estimate.advantages, shared.advantages, strict=True):
        if part.gradients is None or part.exact_gradient is None or part.owners is None:
            continue
        ours, theirs, exact = part.gradients(own), part.gradients(other), part.exact_gradient
        found["cosine"].append(cosine(ours, exact, 1))
        found["cosine_shared"].append(cosine(theirs, exact, alike))
        if affordable:
            found["cosine_at_budget"].append(cosine(ours, exact, affordable))
        for place, agent in enumerate(part.batch.agents):
            its = part.owners == place
            gain = cosine(ours[:, its], exact[its], 1) - cosine(theirs[:, its], exact[its], alike)
            found.setdefault(f"gain/{agent}", []).append(gain)
    scores = {name: _mean(values) for name, values in found.items()}
    return {**scores, "gain": scores["cosine"] - scores["cosine_shared"]}


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan
