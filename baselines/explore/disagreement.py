"""How far the advantages of a task are from what the shared reward says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from baselines.common.rollout_file import RecordedGroup
from baselines.common.types import FloatArray

NOISE_SHARE = 0.05
"""Advantages closer to 0 than this share of their root mean square in a step have no sign."""
ROUNDING = 1e-3
"""Nor have those closer to 0 than this; they are recorded with four decimals."""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Reward and credit of a step, compared agent by agent.

    Args:
        slopes: Slope of each agent's advantages on the shared ones, (A,).
        distances: Per group and agent, (number of groups, A): root mean square of advantage -
            slope * shared advantage over its messages. 0: credit only rescales the shared reward.
        num_opposed: Number of messages per group and agent whose advantage has the opposite sign
            of the shared one, of the same shape.
        least: Smallest magnitude at which an advantage has a sign, (2, A): of each agent's own,
            and of the shared ones.
    """

    slopes: FloatArray
    distances: FloatArray
    num_opposed: FloatArray
    least: FloatArray


def disagreement(
    groups: Sequence[RecordedGroup], columns: Mapping[str, Sequence[int]]
) -> Disagreement:
    """Compare the advantages of the groups of a step with those of shared credit.

    Args:
        groups: The groups, at least one.
        columns: The turns of each agent.
    """
    own = [np.array(group["advantage"]) for group in groups]  # (G, T) each
    shared = [np.array(group["shared_advantage"]) for group in groups]
    slopes, distances, opposed, least = [], [], [], []
    for turns in columns.values():
        pairs = [
            (x[:, turns].ravel(), y[:, turns].ravel()) for x, y in zip(shared, own, strict=True)
        ]
        all_shared, all_own = map(np.concatenate, zip(*pairs, strict=True))
        slope, smallest = _slope(all_shared, all_own), (_least(all_own), _least(all_shared))
        least.append(smallest)
        slopes.append(slope)
        distances.append([float(np.sqrt(np.mean((y - slope * x) ** 2))) for x, y in pairs])
        opposed.append([_num_opposed(y, x, *smallest) for x, y in pairs])
    return Disagreement(
        np.array(slopes), np.array(distances).T, np.array(opposed).T, np.array(least).T
    )


def _slope(x: FloatArray, y: FloatArray) -> float:
    """Return the least-squares slope through the origin; 0 if x is 0 everywhere."""
    square = float(x @ x)
    return float(x @ y) / square if square > 0.0 else 0.0


def _least(advantages: FloatArray) -> float:
    return max(ROUNDING, NOISE_SHARE * float(np.sqrt(np.mean(advantages * advantages))))


def _num_opposed(own: FloatArray, shared: FloatArray, least: float, least_shared: float) -> int:
    has_sign = (np.abs(own) > least) & (np.abs(shared) > least_shared)
    return int((has_sign & (own * shared < 0.0)).sum())
