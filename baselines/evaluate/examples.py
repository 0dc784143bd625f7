"""A few episodes that a person can read: the same task with and without an agent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from baselines.common.types import FloatArray
from baselines.credit import GroupOutcomes
from baselines.evaluate.team_evaluation import WHOLE_TEAM, Evaluation, label
from baselines.rollouts.runner import Rollout

NUM_EXAMPLES = 3

_KINDS: Mapping[tuple[float | None, ...], str] = {
    (1.0, -1.0): "{removed} helped",
    (-1.0, 1.0): "{removed} hurt",
    (1.0, 1.0): "right with and without {removed}",
    (-1.0, -1.0): "wrong with and without {removed}",
}
"""What a pair of rewards, of the whole team and without an agent, tells; most telling first."""
_KINDS_OF_ONE: Mapping[tuple[float | None, ...], str] = {(1.0,): "right", (-1.0,): "wrong"}
"""The same where nobody can be removed: a team of one."""


def example_episodes(
    evaluation: Evaluation,
    agents: tuple[str, ...],
    credit_of: Callable[[GroupOutcomes], FloatArray | None] | None = None,
) -> list[dict[str, Any]]:
    """Return up to three examples of different kinds, as JSON values.

    Args:
        evaluation: Where the episodes are from; the first removal is shown, if there is one.
        agents: All agents, in speaking order.
        credit_of: Allocates the credit of the whole team's rollout, or returns None if one
            rollout without the first agent is not all it reads; None: credit is not shown.
    """
    removed = evaluation.removals[:1]
    kinds = _KINDS if removed else _KINDS_OF_ONE
    played = [evaluation.rollouts[path] for path in (WHOLE_TEAM, *removed)]
    ways = list(zip(*played, strict=True))  # of each task, with all agents first
    first_of = {kind: next((w for w in ways if _rewards(w) == kind), None) for kind in kinds}
    name = "".join(map(label, removed))
    return [
        _example(way, kinds[kind].format(removed=name), agents, credit_of)
        for kind, way in first_of.items()
        if way is not None
    ][:NUM_EXAMPLES]


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


def _rewards(way: tuple[Rollout, ...]) -> tuple[float | None, ...]:
    return tuple(rollout.reward for rollout in way)


def _example(
    way: tuple[Rollout, ...],
    title: str,
    agents: tuple[str, ...],
    credit_of: Callable[[GroupOutcomes], FloatArray | None] | None,
) -> dict[str, Any]:
    joint, *others = way
    assert joint.reward is not None
    credit = None
    if credit_of is not None:
        removed = {o.request.removed: [o.reward] for o in others if o.reward is not None}
        allocated = credit_of(GroupOutcomes(agents, [joint.reward], removed or None))
        if allocated is not None:
            credit = dict(zip(agents, allocated[0].tolist(), strict=True))
    return {
        "title": title,
        "task_id": joint.request.task.id,
        "question": joint.request.task.question,
        "gold": joint.request.task.answer,
        "episodes": [episode_json(joint, credit), *map(episode_json, others)],
    }
