"""Own-answer credit: the reward of the answer in an agent's own message."""

from __future__ import annotations

from typing import Annotated

from baselines.common.hyperparameters import Range, checked
from baselines.common.types import FloatArray
from baselines.credit.outcomes import Outcomes


@checked
def own_answer_credit(
    outcomes: Outcomes, *, team_weight: Annotated[float, Range(0.0, 1.0)] = 0.0
) -> FloatArray:
    """Credit each turn with the reward of its own answer, plus a part of the team reward.

    credit[g, t] = Q[g, t] + team_weight * R[g]

    Args:
        outcomes: One task's group of G rollouts of T turns, or a batch of groups. Reads
            own_rewards Q, shape (..., G, T): the reward that the team would get if the message of
            turn t were its answer; and team_rewards R, shape (..., G).
        team_weight: Weight of the team reward.

    Returns:
        Credit, shape (..., G, T), in [-1 - team_weight, 1 + team_weight].

    Raises:
        ValueError: If no answer of a turn was verified, or team_weight is outside [0, 1].

    Note: A local reward: it is the whole problem of a voter only where better voters make a better
        vote, and does not pay a debater for convincing others. In a vote it is read from the
        ballots and costs nothing; in a debate it is a call of the verifier per message. It ignores
        what a message makes others do, so it is a biased estimate of a message's worth.

    Source: the local reward of AT-GRPO, arXiv:2510.11062, which adds the team reward to it.
    """
    if outcomes.own_rewards is None:
        raise ValueError(
            "own_rewards must hold the reward of the answer in each turn, got none; verify the "
            "message of each turn, or use the allocator 'shared'"
        )
    return outcomes.own_rewards + team_weight * outcomes.team_rewards[..., None]
