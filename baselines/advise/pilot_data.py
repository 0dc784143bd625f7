"""What a pilot measured, as plain arrays: rewards, tokens and sketches of score functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from baselines.common.types import FloatArray, IntArray
from baselines.credit import GroupOutcomes
from baselines.credit.batching import group_by_shape
from baselines.credit.outcomes import PER_TURN, GroupBatch, Measurement
from baselines.credit.reading import Reads

Sketches: TypeAlias = npt.NDArray[np.floating[Any]]
"""Random projections of gradients, in single or double precision."""
SKETCH_SIZE = 2039
"""Numbers of a sketch of a gradient: a prime, so that no layer's width divides it."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PilotData:
    """N tasks with G rollouts each, and everything that was measured on them, once.

    Args:
        outcomes: Rewards of each task, all with G rollouts of T turns.
        num_tokens: Completion tokens of each turn, shape (N, G, T).
        max_tokens: Length limit of each turn, in tokens.
        sketches: Gradient of the log-probability of each completion in the trained weights, in a
            random projection of P numbers, shape (N, G, T, P). None: no gradients.
        weights_of: Index of the weights that speak in each turn, (T,).
        weights_names: Name of each set of weights, W of them: the roles, or one for the team.
        removed_tokens: Tokens of one replay without each set of agents, shape (N,); 0 for
            recounts.
        branch_tokens: Tokens of one continuation after each turn, shape (N,).
        rating_tokens: Tokens that the ratings of one rollout took, shape (N,).
        roles: Role of each turn, (T,).
        reads: Which earlier turns each turn reads.
    """

    outcomes: Sequence[GroupOutcomes]
    num_tokens: IntArray
    max_tokens: Sequence[int]
    sketches: Sketches | None
    weights_of: tuple[int, ...]
    weights_names: tuple[str, ...]
    removed_tokens: Mapping[frozenset[str], FloatArray]
    branch_tokens: Mapping[str, FloatArray]
    rating_tokens: FloatArray
    roles: tuple[str, ...]
    reads: Reads = "chain"

    @property
    def group_size(self) -> int:
        """Rollouts per task, G."""
        return int(self.num_tokens.shape[1])

    @property
    def num_samples(self) -> int:
        """Most replays or continuations of one kind, M; 0 without any."""
        return max((_num_samples(own) for own in self.outcomes), default=0)


def batches(outcomes: Sequence[GroupOutcomes]) -> list[tuple[list[int], GroupBatch]]:
    """Return the groups in batches of one shape, with the indices of those in each."""
    return list(group_by_shape(outcomes, frozenset(get_args(Measurement))))


def subsampled(batch: GroupBatch, rollouts: slice, num_samples: int) -> GroupBatch:
    """Return some rollouts of each group, with the first replays and continuations of each kind.

    Args:
        batch: The groups.
        rollouts: The rollouts that are kept.
        num_samples: Replays and continuations of each kind that are kept.
    """
    removed = {
        key: entry[:, :num_samples] if entry.ndim == 2 else entry[:, rollouts, :num_samples]
        for key, entry in (batch.removed_rewards or {}).items()
    }
    branches = {
        turn: entry[:, rollouts, :num_samples]
        for turn, entry in (batch.branch_rewards or {}).items()
    }
    ratings, valid = batch.ratings, batch.rating_valid
    per_turn: dict[str, Any] = {
        name: own if (own := getattr(batch, name)) is None else own[:, rollouts]
        for name in PER_TURN
    }
    return replace(
        batch,
        team_rewards=batch.team_rewards[:, rollouts],
        removed_rewards=removed or None,
        branch_rewards=branches or None,
        ratings=None if ratings is None else ratings[..., rollouts],
        rating_valid=None if valid is None else valid[..., rollouts],
        **per_turn,
    )


def scaled_to_noise(data: PilotData, unbiased: FloatArray) -> PilotData:
    """Return the pilot with the gradient of each set of weights divided by its noise.

    AdamW and the clipping of gradients make the step of each set of weights independent of the
    scale of its gradient, so that no set should outweigh another in signal and noise of the team.

    Args:
        data: The pilot, with sketches.
        unbiased: Gradient estimate of each task and set of weights, shape (N, W, P).
    """
    assert data.sketches is not None
    spread = unbiased - unbiased.mean(axis=0)
    noise = np.sqrt((spread**2).sum(axis=(0, 2)) / len(spread))  # (W,)
    factor = np.divide(1.0, noise, out=np.zeros_like(noise), where=noise > 0.0)
    scaled = data.sketches * factor[list(data.weights_of)][:, None].astype(data.sketches.dtype)
    return replace(data, sketches=scaled)


def compacted(data: PilotData) -> PilotData:
    """Return the pilot with shorter sketches that have the same inner products.

    C sketches span at most C dimensions: their coordinates in these replace them where there are
    fewer completions of one set of weights than numbers of a sketch.
    """
    assert data.sketches is not None
    *shape, num_numbers = data.sketches.shape
    places = np.array(data.weights_of)
    width = min(num_numbers, shape[0] * shape[1] * int(np.bincount(places).max()))
    if width == num_numbers:
        return data
    found = np.zeros((*shape, width))
    for own in np.unique(places):
        turns = np.flatnonzero(places == own)
        rows = data.sketches[:, :, turns].reshape(-1, num_numbers).astype(np.float64)
        # rows = this times an orthonormal basis
        rows = np.asarray(np.linalg.qr(rows.T, mode="r")).T
        found[:, :, turns, : rows.shape[1]] = rows.reshape(*shape[:2], len(turns), -1)
    return replace(data, sketches=found)


def task_gradients(
    sketches: Sketches, advantages: FloatArray, weights_of: Sequence[int]
) -> Sketches:
    """Return the policy gradient of each task, mean over its rollouts, (N, W, P).

    Args:
        sketches: Gradients of log-probabilities, shape (N, G, T, P).
        advantages: Advantage of each completion, shape (N, G, T).
        weights_of: Index of the weights of each turn.
    """
    num_tasks, group_size = advantages.shape[:2]
    places = np.array(weights_of)
    parts = []
    for own in range(int(places.max()) + 1):
        turns = np.flatnonzero(places == own)
        spoken = sketches if len(turns) == len(places) else sketches[:, :, turns]
        score = spoken.reshape(num_tasks, -1, sketches.shape[-1])
        weight = advantages[:, :, turns].reshape(num_tasks, 1, -1).astype(sketches.dtype)
        parts.append((weight @ score)[:, 0])
    stacked: Sketches = np.stack(parts, axis=1) / group_size
    return stacked


def orthogonal_sketches(shape: tuple[int, int, int], seed: int) -> FloatArray:
    """Return sketches for a policy without gradients: a direction for each completion of a task.

    The noise of a task is then the sum of its squared advantages, and the tasks have no signal in
    common, since their signs are random.

    Args:
        shape: N tasks, G rollouts and T turns.
        seed: Draws the signs.

    Returns:
        Shape (N, G, T, G * T).
    """
    num_tasks, group_size, num_turns = shape
    width = group_size * num_turns
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=(num_tasks, width))
    found: FloatArray = (signs[:, :, None] * np.eye(width)).reshape(*shape, width)
    return found


def _num_samples(outcomes: GroupOutcomes) -> int:
    entries = [
        *(outcomes.removed_rewards or {}).values(),
        *(outcomes.branch_rewards or {}).values(),
    ]
    return max((entry.shape[-1] for entry in entries), default=0)
