"""Shapley credit: marginal contributions, averaged over all orders of joining the team."""

from __future__ import annotations

import numpy as np

from baselines.common.types import FloatArray
from baselines.credit.outcomes import Outcomes
from baselines.credit.semivalues import SizeChances, semivalue_samples, semivalues
from baselines.credit.turns import on_turns


def shapley_credit(outcomes: Outcomes) -> FloatArray:
    """Credit each agent with its marginal contribution, averaged over all orders of joining.

    v(T)         = reward of team T: R[g] for all agents, -1 for none, else a mean of replays
    credit[g, a] = sum over T without a of |T|! (A - |T| - 1)! / A! * (v(T and a) - v(T))

    Args:
        outcomes: One task's group of G rollouts by A agents, or a batch of groups. Reads
            team_rewards R, shape (..., G), and the removed_rewards, shape (..., M) or
            (..., G, M), of the sets that `removals.every_subset` lists; or, with orders, those
            that `removals.stages` lists.

    Returns:
        Credit, shape (..., G, A), or (..., G, T) with turns, in [-2, 2]. Over agents, a row sums to
        R + 1, the gain over the empty team.

    Raises:
        ValueError: If a set of agents that is needed was not removed, or there are more than 12
            agents and no orders.

    Note: Without orders it is exact in v. With orders, it is the mean over these, an unbiased
        estimate if they are drawn anew for each group or step, such as by
        `removals.balanced_orders`; it still sums to R + 1, and `shapley_with_error` returns its
        standard error. Removals measured for the task are constant in a group: a group-centred
        advantage cancels them, and leaves R / A for every agent.

    Source: Shapley, "A value for n-person games", 1953. Sampling: Castro, Gomez and Tejada,
        "Polynomial calculation of the Shapley value", 2009, with each order also reversed and the
        positions balanced.
    """
    return on_turns(semivalues(outcomes, _chances(outcomes)), outcomes)


def shapley_with_error(outcomes: Outcomes) -> tuple[FloatArray, FloatArray]:
    """Return `shapley_credit` and its standard error from the sampling of orders.

    standard error = standard deviation over pairs of orders / sqrt(number of pairs)

    Returns:
        Credit and standard error, both of shape (..., G, A), or (..., G, T) with turns. The error
        is 0 without orders. It does not include the noise of the rewards, and as it ignores that
        the orders are balanced, it is rather too large than too small.

    Raises:
        ValueError: If a set of agents that is needed was not removed.
    """
    samples = semivalue_samples(outcomes, _chances(outcomes))  # (P, ..., G, A)
    credit = shapley_credit(outcomes)
    if len(samples) == 1:
        return credit, np.zeros_like(credit)
    error = samples.std(axis=0, ddof=1) / np.sqrt(len(samples))
    return credit, on_turns(error, outcomes)


def _chances(outcomes: Outcomes) -> SizeChances:
    """Return that every size of the team which an agent joins is equally probable."""
    num_agents = len(outcomes.agents)
    return (1.0 / num_agents,) * num_agents
