"""The metrics of one step, from its groups, its outcomes and its credit."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from baselines.config import TrainConfig
from baselines.credit import GroupOutcomes, audit_advantages
from baselines.groups import Group
from baselines.rollout import Rollout
from baselines.types import FloatArray

Metrics = dict[str, float | None]


def rollout_metrics(groups: Sequence[Group], agents: Sequence[str]) -> Metrics:
    """Return accuracy, no-answer and unmeasured rates, and the length of completions."""
    joint = [rollout for group in groups for rollout in group.rollouts]
    removed = [r for group in groups for rollouts in group.removed.values() for r in rollouts]
    num_unmeasured = sum(group.num_unmeasured for group in groups)
    num_played = len(joint) + len(removed) + num_unmeasured
    lengths = {
        f"rollout/{agent}/tokens": _mean(
            [len(c.token_ids) for r in joint for c in r.completions[agent]]
        )
        for agent in agents
    }
    return {
        "accuracy/joint": _accuracy(joint),
        "accuracy/solo": _accuracy(removed),
        "rollout/no_answer_rate": _mean([r.verdict.status == "no_answer" for r in joint]),
        "rollout/unmeasured_rate": num_unmeasured / num_played,
        "rollout/groups": sum(group.is_usable for group in groups),
        **lengths,
    }


def credit_metrics(
    outcomes: Sequence[GroupOutcomes],
    credit: Sequence[FloatArray],
    advantages: Sequence[FloatArray],
    agents: Sequence[str],
    optimizer: str,
) -> Metrics:
    """Return help and hurt rates, and each agent's credit and audit; None is not measured.

    help = team right, and the mean reward without an agent below 0; hurt = the reverse
    """
    helped, hurt = _help_and_hurt(outcomes)
    metrics: Metrics = {"credit/help_rate": helped, "credit/hurt_rate": hurt}
    audits = audit_advantages(advantages, optimizer, outcomes) if outcomes else {}
    pooled = np.concatenate(credit) if credit else np.empty((0, len(agents)))  # (sum of G, A)
    for column, agent in enumerate(agents):
        seen = audits.get(agent)
        metrics |= {
            f"credit/{agent}/mean": _finite(pooled[:, column].mean()) if seen else None,
            f"credit/{agent}/std": _finite(pooled[:, column].std()) if seen else None,
            f"credit/{agent}/slope_vs_shared": _finite(seen.slope) if seen else None,
            f"credit/{agent}/correlation_vs_shared": _finite(seen.correlation) if seen else None,
            f"credit/{agent}/degenerate": float(seen.degenerate) if seen else None,
            f"credit/{agent}/signal_rate": seen.signal_rate if seen else None,
        }
    return metrics


def degeneracy_warning(metrics: Metrics, agents: Sequence[str], config: TrainConfig) -> list[str]:
    """Return what to tell the user if credit is only a rescaled shared reward, else nothing."""
    if config.allocator == "shared":
        return []
    credited = [agent for agent in agents[:-1] if metrics[f"credit/{agent}/signal_rate"]]
    if not credited or not all(metrics[f"credit/{agent}/degenerate"] for agent in credited):
        return []
    slopes = ", ".join(
        f"{agent} {metrics[f'credit/{agent}/slope_vs_shared'] or 0.0:.3f}" for agent in credited
    )
    return [
        f"{config.allocator} credit is cancelled by the group-centred advantage of "
        f"{config.optimizer}: within a task it ranks rollouts as the shared reward does (slope "
        f"{slopes}), because the answer without an agent does not depend on what that agent said; "
        f"see docs/credit.md"
    ]


def _help_and_hurt(outcomes: Sequence[GroupOutcomes]) -> tuple[float | None, float | None]:
    helped: list[bool] = []
    hurt: list[bool] = []
    for group in outcomes:
        for removed in (group.removed_rewards or {}).values():
            baseline = removed.mean()
            helped += list((group.team_rewards > 0) & (baseline < 0))
            hurt += list((group.team_rewards < 0) & (baseline > 0))
    return _mean(helped), _mean(hurt)


def _accuracy(rollouts: Sequence[Rollout]) -> float | None:
    return _mean([rollout.verdict.status == "correct" for rollout in rollouts])


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
