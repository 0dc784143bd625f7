"""Metrics of a training step, from its groups, outcomes and credit."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from baselines.common.types import FloatArray, IntArray
from baselines.credit import GroupOutcomes, audit_advantages
from baselines.credit.turns import speaker_of, speakers_of
from baselines.optimizers import PolicyOptimizer
from baselines.policies.base import Completion
from baselines.rollouts.costs import CostTracker
from baselines.rollouts.groups import Group
from baselines.train.critic.critic import Critic

Metrics = dict[str, float | None]

LAZY_NATS = 0.1
"""Influence below which a message is lazy: the next one is about as probable without it."""

CONSTANT = 1e-12
"""Standard deviation below which shares and rewards differ by rounding only."""


def rollout_metrics(groups: Sequence[Group], num_usable: int, agents: Sequence[str]) -> Metrics:
    """Return accuracy, no-answer and unmeasured rates, completion lengths and surprise."""
    joint = [rollout for group in groups for rollout in group.rollouts]
    statuses = Counter([rollout.verdict.status for rollout in joint])
    removed = [r.ravel() for group in groups for r in group.removed.values()]
    num_unmeasured = sum(group.num_unmeasured for group in groups)
    said: dict[str, list[Completion]] = {agent: [] for agent in agents}
    for rollout in joint:
        for message, completion in zip(rollout.messages, rollout.sampled, strict=True):
            said[message.agent].append(completion)
    lengths = {
        f"rollout/{agent}/tokens": _mean([len(c.token_ids) for c in own])
        for agent, own in said.items()
    }
    surprise = {f"rollout/{agent}/neg_logprob": _neg_logprob(own) for agent, own in said.items()}
    return {
        "accuracy/joint": statuses["correct"] / len(joint) if joint else None,
        "accuracy/solo": _mean((np.concatenate(removed) + 1.0) / 2.0 if removed else []),
        "rollout/no_answer_rate": statuses["no_answer"] / len(joint) if joint else None,
        "rollout/unmeasured_rate": num_unmeasured / sum(group.num_played for group in groups),
        "rollout/groups": num_usable,
        "rollout/removed_groups": sum(bool(group.removed) for group in groups),
        **lengths,
        **surprise,
    }


def cost_metrics(costs: CostTracker) -> Metrics:
    """Return the cost of a step, by purpose."""
    return {
        "cost/tokens_generated": costs.tokens_generated,
        "cost/tokens_removed": costs.generated["removed"],
        "cost/tokens_branch": costs.generated["branch"],
        "cost/tokens_rating": costs.generated["rating"],
        "cost/tokens_read": costs.read.total(),
        "cost/tokens_read_rating": costs.read["rating"],
        "cost/tokens_read_influence": costs.read["influence"],
        "cost/forward_passes": costs.forward_passes,
        "cost/verifier_calls": costs.verifier_calls,
    }


def credit_metrics(
    outcomes: Sequence[GroupOutcomes],
    credit: Sequence[FloatArray],
    advantages: Sequence[FloatArray],
    agents: Sequence[str],
    optimizer: PolicyOptimizer,
    num_tokens: Sequence[IntArray] | None = None,
) -> Metrics:
    """Return help and hurt rates, and each agent's credit and audit; None if not measured.

    help = team right, and the mean reward without an agent below 0; hurt = the reverse. The mean is
    over the replays of the rollout where they keep its messages, else over those of the task.
    Credit is averaged over all turns of an agent.
    """
    helped, hurt = _help_and_hurt(outcomes)
    metrics: Metrics = {"credit/help_rate": helped, "credit/hurt_rate": hurt}
    audits = (
        audit_advantages(advantages, optimizer, outcomes, num_tokens=num_tokens) if outcomes else {}
    )
    pooled = np.concatenate(credit) if credit else np.empty((0, len(agents)))  # (sum of G, T)
    centred = [own - own.mean(axis=0) for own in advantages]
    within = np.concatenate(centred) if centred else pooled  # (sum of G, T)
    speakers = np.array(speakers_of(outcomes[0]) if outcomes else agents)
    for agent in agents:
        seen, own = audits.get(agent), pooled[:, speakers == agent]
        metrics |= {
            f"credit/{agent}/mean": _finite(own.mean()) if seen else None,
            f"credit/{agent}/std": _finite(own.std()) if seen else None,
            f"credit/{agent}/advantage_variance": (
                float((within[:, speakers == agent] ** 2).sum(axis=1).mean()) if seen else None
            ),
            f"credit/{agent}/slope_vs_shared": _finite(seen.slope) if seen else None,
            f"credit/{agent}/correlation_vs_shared": _finite(seen.correlation) if seen else None,
            f"credit/{agent}/variance_ratio": _finite(seen.variance_ratio) if seen else None,
            f"credit/{agent}/sign_agreement": _finite(seen.sign_agreement) if seen else None,
            f"credit/{agent}/degenerate": float(seen.degenerate) if seen else None,
            f"credit/{agent}/signal_rate": seen.signal_rate if seen else None,
        }
    return metrics


def rating_metrics(outcomes: Sequence[GroupOutcomes], agents: Sequence[str]) -> Metrics:
    """Return the rate of valid ratings, and their correlation with measured differences.

    calibration = correlation of the mean share that valid raters gave an agent with
                  abs(R - b) / 2, b the mean reward without it

    An accurate rater gives a larger share of the credit to an agent without which the team fails,
    and a larger share of the blame to one without which it succeeds.
    """
    metrics: Metrics = {}
    for column, agent in enumerate(agents):
        valid = [g.rating_valid[column] for g in outcomes if g.rating_valid is not None]
        metrics[f"rating/{agent}/valid_rate"] = _mean(np.concatenate(valid) if valid else [])
        pairs = [_shares_and_changes(group, column, agent) for group in outcomes]
        known = [pair for pair in pairs if pair is not None]
        metrics[f"rating/{agent}/calibration"] = (
            _correlation(*(np.concatenate(side) for side in zip(*known, strict=True)))
            if known
            else None
        )
    return metrics


def critic_metrics(critic: Critic | None, turns: Sequence[str], agents: Sequence[str]) -> Metrics:
    """Return what the values of a critic explain, and their weights; None without a critic.

    Args:
        critic: The critic, after the values of the step.
        turns: Names of the turns.
        agents: Names of the agents; what holds for an agent is averaged over its turns.
    """
    speakers = np.array([turn if turn in agents else speaker_of(turn) for turn in turns])
    metrics: Metrics = {
        "critic/explained_variance": _finite(critic.total.value[-1]) if critic else None,
        "critic/explained_variance_low": _finite(critic.total.low[-1]) if critic else None,
    }
    for agent in agents:
        own = speakers == agent
        metrics |= {
            f"critic/{agent}/explained_by_messages": (
                _finite(critic.by_messages.value[own].mean()) if critic else None
            ),
            f"critic/{agent}/weight": float(critic.weights[own].mean()) if critic else None,
        }
    return metrics


def influence_metrics(
    outcomes: Sequence[GroupOutcomes], agents: Sequence[str], is_read: Sequence[bool]
) -> Metrics:
    """Return the mean influence of each agent's messages, and the rate of messages without any.

    None without a measurement, and for an agent that nobody reads.

    Args:
        outcomes: The outcomes of each group.
        agents: All agents, in speaking order.
        is_read: Whether a later turn reads the message, for each turn.
    """
    nats = [group.influence for group in outcomes if group.influence is not None]
    metrics: Metrics = {}
    for agent in agents:
        own: FloatArray = np.empty(0)
        if nats:
            turns = np.array([speaker == agent for speaker in speakers_of(outcomes[0])]) & is_read
            own = np.concatenate(nats)[:, turns].ravel()
        metrics[f"influence/{agent}/nats"] = _mean(own)
        metrics[f"influence/{agent}/lazy_rate"] = _mean(
            (np.abs(own) < LAZY_NATS).astype(np.float64)
        )
    return metrics


def _shares_and_changes(
    group: GroupOutcomes, column: int, agent: str
) -> tuple[FloatArray, FloatArray] | None:
    removed = (group.removed_rewards or {}).get(frozenset({agent}))
    if group.ratings is None or group.rating_valid is None or removed is None:
        return None
    weights = group.rating_valid.astype(np.float64)  # (A raters, G)
    num_valid = weights.sum(axis=0)
    is_rated = num_valid > 0
    shares = (group.ratings[:, column] * weights).sum(axis=0) / np.maximum(num_valid, 1.0)
    baseline = removed.mean(axis=-1)  # one number, or one per rollout
    changes = np.abs(group.team_rewards - baseline) / 2.0
    return shares[is_rated], changes[is_rated]


def _neg_logprob(completions: Sequence[Completion]) -> float | None:
    """Return the mean over all tokens; None without tokens whose log-probability is known."""
    total = sum(sum(completion.logprobs) for completion in completions)
    num_tokens = sum(len(completion.logprobs) for completion in completions)
    return _finite(-total / num_tokens) if num_tokens else None


def _correlation(x: FloatArray, y: FloatArray) -> float | None:
    if len(x) < 2 or min(x.std(), y.std()) < CONSTANT:
        return None
    return float(np.corrcoef(x, y)[0, 1])


def _help_and_hurt(outcomes: Sequence[GroupOutcomes]) -> tuple[float | None, float | None]:
    pairs = [
        (group.team_rewards, removed.sum(axis=-1))  # of a rollout, or of the task; of either sign
        for group in outcomes
        for removed in (group.removed_rewards or {}).values()
    ]
    if not pairs:
        return None, None
    team = np.concatenate([rewards for rewards, _ in pairs])
    without = np.concatenate([np.broadcast_to(sums, rewards.shape) for rewards, sums in pairs])
    helped = (team > 0.0) & (without < 0.0)
    hurt = (team < 0.0) & (without > 0.0)
    return float(helped.mean()), float(hurt.mean())


def _mean(values: Sequence[float] | FloatArray) -> float | None:
    return float(np.mean(values)) if len(values) else None


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
