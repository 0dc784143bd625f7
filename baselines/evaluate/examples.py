"""Example transcripts for the report: a task with and without an agent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from baselines.common.types import FloatArray
from baselines.credit import GroupOutcomes
from baselines.evaluate.episodes import Episode
from baselines.evaluate.evaluation import Evaluation
from baselines.evaluate.paths import JOINT
from ccpo_env.prompts import question_with_options

NUM_EXAMPLES = 3

_KINDS: Mapping[tuple[float | None, ...], str] = {
    (1.0, -1.0): "{removed} helped",
    (-1.0, 1.0): "{removed} hurt",
    (1.0, 1.0): "right with and without {removed}",
    (-1.0, -1.0): "wrong with and without {removed}",
}
"""Title for each pair of rewards with and without an agent, most informative first."""
_KINDS_OF_ONE: Mapping[tuple[float | None, ...], str] = {(1.0,): "right", (-1.0,): "wrong"}
"""Titles for an evaluation without removals."""


def example_episodes(
    evaluation: Evaluation,
    agents: tuple[str, ...],
    credit_of: Callable[[GroupOutcomes], FloatArray | None] | None = None,
) -> list[dict[str, Any]]:
    """Return up to three examples of different kinds, as JSON values.

    Args:
        evaluation: The evaluation; its first removal is shown, if it has one.
        agents: All agents, in speaking order.
        credit_of: Returns the credit of the joint episode, or None if one episode of each removal
            is not enough for it. None: credit is not shown.
    """
    paths = (JOINT, *evaluation.removals)
    num_shown = len(paths[:2])
    kinds = _KINDS if num_shown > 1 else _KINDS_OF_ONE
    played = [[e for e in evaluation.episodes if e.path == path] for path in paths]
    matched = list(zip(*played, strict=True))  # same task and sample, joint episode first
    first_of = {
        kind: next((m for m in matched if _rewards(m[:num_shown]) == kind), None) for kind in kinds
    }
    name = "+".join(paths[num_shown - 1].agents)
    return [
        _example(episodes, num_shown, kinds[kind].format(removed=name), agents, credit_of)
        for kind, episodes in first_of.items()
        if episodes is not None
    ][:NUM_EXAMPLES]


def episode_json(episode: Episode, credit: dict[str, float] | None = None) -> dict[str, Any]:
    """Return one episode as JSON values."""
    return {
        "removed": sorted(episode.path.removed),
        "messages": [{"agent": m.agent, "text": m.text} for m in episode.messages],
        "status": episode.verdict.status,
        "answer": episode.verdict.answer,
        "reward": episode.reward,
        "credit": credit,
    }


def _rewards(episodes: tuple[Episode, ...]) -> tuple[float | None, ...]:
    return tuple(episode.reward for episode in episodes)


def _example(
    episodes: tuple[Episode, ...],
    num_shown: int,
    title: str,
    agents: tuple[str, ...],
    credit_of: Callable[[GroupOutcomes], FloatArray | None] | None,
) -> dict[str, Any]:
    joint, *others = episodes
    assert joint.reward is not None
    credit = None
    if credit_of is not None:
        removed = {o.path.removed: _rewards_without(o) for o in others if o.reward is not None}
        allocated = credit_of(GroupOutcomes(agents, [joint.reward], removed or None))
        if allocated is not None:
            credit = dict(zip(agents, allocated[0].tolist(), strict=True))
    return {
        "title": title,
        "task_id": joint.task.id,
        "question": question_with_options(joint.task),
        "gold": joint.task.answer,
        "episodes": [
            episode_json(joint, credit),
            *map(episode_json, others[: num_shown - 1]),
        ],
    }


def _rewards_without(episode: Episode) -> FloatArray:
    """Return the reward of an episode as measured on its rollout, (1, 1), or for its task, (1,)."""
    return np.full((1, 1) if episode.num_shared else 1, episode.reward)
