"""Influence credit: the team reward, and how far a message made the next speaker say it."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import numpy as np

from baselines.common.hyperparameters import Range, checked
from baselines.common.types import FloatArray
from baselines.credit.outcomes import Outcomes

Mode: TypeAlias = Literal["difference", "bonus"]
MAX_RATIO = 2.0
"""Largest ratio of probabilities: an influence is then in [-1, 1]."""


@checked
def influence_credit(
    outcomes: Outcomes,
    *,
    weight: Annotated[float, Range(0.0)] = 0.2,
    mode: Mode = "difference",
) -> FloatArray:
    """Credit each turn with the team reward, plus a bonus for its influence on the next speaker.

    credit[g, t] = R[g] + weight * R[g] * (1 - ratio[g, t])      mode "difference"
                   R[g] + weight * (1 - ratio[g, t])             mode "bonus"
    ratio[g, t]  = min(exp(-influence[g, t]), 2) = min(p(y | without the message) / p(y | with), 2)

    y is the next message that reads that of turn t.

    Args:
        outcomes: One task's group of G rollouts of T turns, or a batch of groups. Reads
            team_rewards R, shape (..., G), and influence, shape (..., G, T), nats.
        weight: Size of the bonus in units of reward. 0 means shared credit.
        mode: Whether influence counts for the reward that it led to ("difference") or in itself
            ("bonus"), which pays every message that changes something.

    Returns:
        Credit, shape (..., G, T), in [-1 - weight, 1 + weight]. R for a turn that nobody reads,
        and for a message without influence.

    Raises:
        ValueError: If no influence was measured, weight is negative or mode is unknown.

    Note: Two forward passes per message and no sampling. For y sampled with the message, without
        the upper bound of the ratio, the mean of R * (1 - ratio) is E[R | with] - E[R | without]:
        the difference reward of removing the message from the next speaker's prompt, by
        importance sampling. The bound keeps its variance finite and shrinks it.

    Source: the causal influence of Dr. MAMR, arXiv:2511.02303, mode "bonus"; differs from it in
        the bound, and in not averaging over similar turns, for which it groups messages by
        meaning. Mode "difference" is ours.
    """
    if outcomes.influence is None:
        raise ValueError(
            "influence must hold the log-probability ratio of each turn, got none; score the next "
            "message with and without it, or use the allocator 'shared'"
        )
    team = outcomes.team_rewards[..., None]  # (..., G, 1)
    # Bounded before exp, which would overflow where the message ruled out what was said.
    ratio = np.exp(np.minimum(-outcomes.influence, np.log(MAX_RATIO)))
    bonus: FloatArray = 1.0 - ratio
    return team + weight * (team * bonus if mode == "difference" else bonus)
