"""How far the advantages of a task are from what the shared reward says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from baselines.common.rollout_file import RecordedGroup
from baselines.common.types import FloatArray

TOLERANCE = 1e-3
"""Advantages closer to 0 than this have no sign; they are recorded with four decimals."""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Reward and credit of a step, compared agent by agent.

    Args:
        slopes: Slope of each agent's advantages on the shared ones, (A,).
        distances: Per group and agent, (number of groups, A): root mean square of advantage -
            slope * shared advantage over its messages. 0: credit only rescales the shared reward.
        num_opposed: Number of messages per group and agent whose advantage has the opposite sign
            of the shared one, of the same shape.
    """

    slopes: FloatArray
    distances: FloatArray
    num_opposed: FloatArray


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
    slopes, distances, opposed = [], [], []
    for turns in columns.values():
        pairs = [
            (x[:, turns].ravel(), y[:, turns].ravel()) for x, y in zip(shared, own, strict=True)
        ]
        slope = _slope(*map(np.concatenate, zip(*pairs, strict=True)))
        slopes.append(slope)
        distances.append([float(np.sqrt(np.mean((y - slope * x) ** 2))) for x, y in pairs])
        opposed.append([_num_opposed(x, y) for x, y in pairs])
    return Disagreement(np.array(slopes), np.array(distances).T, np.array(opposed).T)


def _slope(x: FloatArray, y: FloatArray) -> float:
    """Return the least-squares slope through the origin; 0 if x is 0 everywhere."""
    square = float(x @ x)
    return float(x @ y) / square if square > 0.0 else 0.0


def _num_opposed(x: FloatArray, y: FloatArray) -> int:
    has_sign = (np.abs(x) > TOLERANCE) & (np.abs(y) > TOLERANCE)
    return int((has_sign & (x * y < 0.0)).sum())
