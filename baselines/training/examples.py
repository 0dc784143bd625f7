"""A few episodes that a person can read: the same task with and without an agent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from baselines.credit import GroupOutcomes
from baselines.rollout import Rollout
from baselines.training.evaluation import WHOLE_TEAM, Evaluation, label
from baselines.types import FloatArray

NUM_EXAMPLES = 3

_KINDS = {
    (1.0, -1.0): "{removed} helped",
    (-1.0, 1.0): "{removed} hurt",
    (1.0, 1.0): "right with and without {removed}",
    (-1.0, -1.0): "wrong with and without {removed}",
}
"""What a pair of rewards, of the whole team and without an agent, tells; most telling first."""


def example_episodes(
    evaluation: Evaluation,
    agents: tuple[str, ...],
    credit_of: Callable[[GroupOutcomes], FloatArray | None] | None = None,
) -> list[dict[str, Any]]:
    """Return up to three examples of different kinds, as JSON values.

    Args:
        evaluation: Where the episodes are from; the first removal is shown.
        agents: All agents, in speaking order.
        credit_of: Allocates the credit of the whole team's rollout, or returns None if one
            rollout without the first agent is not all it reads; None: credit is not shown.
    """
    removed = evaluation.removals[0]
    pairs = list(zip(evaluation.rollouts[WHOLE_TEAM], evaluation.rollouts[removed], strict=True))
    first_of = {kind: next((p for p in pairs if _rewards(p) == kind), None) for kind in _KINDS}
    chosen = [(kind, pair) for kind, pair in first_of.items() if pair is not None]
    return [
        _example(pair, _KINDS[kind].format(removed=label(removed)), agents, credit_of)
        for kind, pair in chosen[:NUM_EXAMPLES]
    ]


def episode_json(rollout: Rollout, credit: dict[str, float] | None = None) -> dict[str, Any]:
    """Return one episode as JSON values."""
    return {
        "removed": sorted(rollout.request.removed),
        "messages": [{"agent": m.agent, "text": m.text} for m in rollout.messages],
        "status": rollout.verdict.status,
        "answer": rollout.verdict.answer,
        "reward": rollout.reward,
        "credit": credit,
    }


def _rewards(pair: tuple[Rollout, Rollout]) -> tuple[float | None, float | None]:
    return pair[0].reward, pair[1].reward


def _example(
    pair: tuple[Rollout, Rollout],
    title: str,
    agents: tuple[str, ...],
    credit_of: Callable[[GroupOutcomes], FloatArray | None] | None,
) -> dict[str, Any]:
    joint, without = pair
    assert joint.reward is not None
    assert without.reward is not None
    credit = None
    if credit_of is not None:
        removed = {without.request.removed: [without.reward]}
        allocated = credit_of(GroupOutcomes(agents, [joint.reward], removed))
        if allocated is not None:
            credit = dict(zip(agents, allocated[0].tolist(), strict=True))
    return {
        "title": title,
        "task_id": joint.request.task.id,
        "question": joint.request.task.question,
        "gold": joint.request.task.answer,
        "episodes": [episode_json(joint, credit), episode_json(without)],
    }
