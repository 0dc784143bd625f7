"""C3 credit: the value of a message, relative to its siblings in the same context."""

from __future__ import annotations

from baselines.common.types import FloatArray
from baselines.credit.branch import branch_credit
from baselines.credit.outcomes import Outcomes


def c3_credit(outcomes: Outcomes) -> FloatArray:
    """Credit each turn with its value, minus the mean value of its siblings.

    V[g, t]      = row mean of branch_rewards of turn t; R[g] for the last turn
    credit[g, 0] = V[g, 0] - mean over h != g of V[h, 0]
    credit[g, t] = V[g, t] - mean of the branch_rewards of turn t - 1, row g      for later turns

    The siblings of a message are the others that were sampled in its context: those of the other
    rollouts for the first turn, the continuations of the turn before it for a later one.

    Args:
        outcomes: One task's group of G >= 2 rollouts of T turns, or a batch of groups. Reads
            team_rewards R, shape (..., G), and the branch_rewards, shape (..., G, M), of every
            turn but the last.

    Returns:
        Credit, shape (..., G, T), in [-2, 2].

    Raises:
        ValueError: If continuations after a turn are missing, or the group has one rollout.

    Note: This is `branch_credit` with baseline "others": leaving a message out of the mean of M
        siblings multiplies what is centred on all of them by M / (M - 1). In the released code
        the siblings are trained on as well; here only the messages of the rollouts are.

    Source: C3, arXiv:2603.06859; differs from it in that a message in the middle has the mean of
        its continuations as its value, in place of the one return of its rollout, and from its
        released code in that the reward R of a rollout, there one of the siblings, is not in the
        value of the messages before its last.
    """
    if outcomes.team_rewards.shape[-1] < 2:
        raise ValueError(
            "group_size must be >= 2 for c3 credit, whose first messages are siblings, got 1; "
            "pass --allocator branch --allocator-args baseline none"
        )
    return branch_credit(outcomes, baseline="others")
