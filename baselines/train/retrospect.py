"""Retrospective updates: one more pass over the last batch, signed by what it has changed."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from statistics import NormalDist
from typing import Any

import numpy as np

from baselines.common.types import FloatArray
from baselines.policies.base import Completion
from baselines.rollouts.costs import CostTracker
from baselines.rollouts.groups import Group
from baselines.rollouts.rollout import RolloutRequest
from baselines.rollouts.runner import RolloutRunner
from baselines.train.config import TrainConfig
from baselines.train.logging.step_metrics import Metrics
from baselines.train.seeding import Stream, Streams
from baselines.train.team_policies import TeamPolicies
from baselines.train.update.batching import TrainingSample
from ccpo_env.types import Role, Task

RETROSPECT = "retrospect"
"""Name of its state among those of the updaters; no role has it, because no policy updates it."""
EPSILON = 1e-8
"""Added to the standard deviation of the earlier means."""


def improvement(mean: float, earlier: Sequence[float]) -> float | None:
    """Return by how many standard deviations a mean reward exceeds earlier ones.

    xi = (mean - mean of earlier) / (standard deviation of earlier + 1e-8)

    Args:
        mean: Mean reward now, mu_t.
        earlier: Mean rewards of the K steps before; the standard deviation divides by K - 1.

    Returns:
        xi; None if the earlier means are all equal, which leaves no scale.

    Source: PIPO, arXiv:2604.00860; its released code differs: it counts mu_t among the earlier
        means, and each of them twice.
    """
    deviation = float(np.std(earlier, ddof=1))
    if np.ptp(earlier) == 0.0:
        return None
    return (mean - float(np.mean(earlier))) / (deviation + EPSILON)


def damped(xi: float, damping: float) -> float:
    """Return xi if it is positive, else damping * xi."""
    return xi if xi >= 0.0 else damping * xi


def scaled_by_group(advantages: FloatArray) -> FloatArray:
    """Scale the advantages of each turn so that their magnitudes have mean 1 in their group.

    a[g, t] = G * A[g, t] / sum over h of |A[h, t]|, and 0 where all are 0

    Args:
        advantages: Advantages A of one group, (G, T).

    Source: the released code of PIPO, arXiv:2604.00860.
    """
    total = np.abs(advantages).sum(axis=0)
    scaled: FloatArray = len(advantages) * advantages / np.where(total > 0.0, total, 1.0)
    return scaled


def sign_probability(now: FloatArray, earlier: FloatArray) -> float | None:
    """Return the probability that the expected reward has changed in the direction of its mean.

    d[p] = now[p] - mean over k of earlier[k, p]
    probability = Phi(|mean of d| / (standard deviation of d / sqrt(P)))

    The posterior probability under a flat prior, with d approximately normal. If nothing has
    changed, it is uniform between .5 and 1, with mean .75: a single value near 1 is no evidence of
    change, and the mean over a run is to be compared with .75. Tasks are paired, so that their
    different difficulties cancel.

    Args:
        now: Reward of each of P tasks, (P,); NaN where it was not measured.
        earlier: The same in K earlier steps, (K, P).

    Returns:
        In [.5, 1]; None if fewer than two tasks were measured in all steps.
    """
    differences = now - earlier.mean(axis=0)
    differences = differences[~np.isnan(differences)]
    if len(differences) < 2:
        return None
    mean, error = differences.mean(), differences.std(ddof=1) / math.sqrt(len(differences))
    if error == 0.0:
        return 0.5 if mean == 0.0 else 1.0
    return NormalDist().cdf(abs(mean) / error)


class Retrospect:
    """Judges the last update on a fixed probe set, and repeats or partly reverts it.

    Before the rollouts of each step, the team plays the probe tasks with the same random numbers
    each time. mu_t is its mean reward. From step K + 1 on, the policies that the step before has
    updated take one more pass over its rollouts, with the loss of the optimizer and

    advantage = a * phi(xi)      a: `scaled_by_group`, xi: `improvement`, phi: `damped`

    in place of their advantages, and probability ratios to the policies that sampled them.

    Args:
        window: Number K of earlier means that mu_t is compared with, at least 2.
        damping: Factor lambda on a negative xi, in [0, 1].
        tasks: The probe set, from the training tasks.
        runner: Plays them.
        streams: Random streams of the run.

    Note: It judges the whole team. If several roles are updated in each step, which of them caused
        a change remains unknown; with alternating roles, it is the one that was updated last. It
        rescales the advantages of all rollouts of a step by one number, so it ranks none of them.

    Source: PIPO, arXiv:2604.00860; differs from it in measuring mu_t on fixed tasks instead of the
        batch, whose tasks change, and in making this pass before the new rollouts are sampled
        instead of after it, so that these are on-policy. Completions that were not sampled in the
        rollouts of the team are not used.
    """

    def __init__(
        self,
        window: int,
        *,
        damping: float,
        tasks: Sequence[Task],
        runner: RolloutRunner,
        streams: Streams,
    ) -> None:
        self._window = window
        self._damping = damping
        self._tasks = tasks
        self._runner = runner
        self._streams = streams
        self._earlier: list[list[float]] = []  # rewards of the probe tasks, NaN if not measured
        self._samples: dict[Role, list[tuple[Completion, float]]] = {}

    def step(self, policies: TeamPolicies, costs: CostTracker) -> Metrics:
        """Play the probe tasks, judge the last update, and repeat or revert it.

        Args:
            policies: The policies to update.
            costs: Accumulates the cost of the probe.

        Returns:
            cost/tokens_probe, and the metrics of docs/metrics.md that start with retrospect/.
        """
        own = CostTracker()
        now = self._probe(own)
        costs.add_probe(own)
        mean = float(np.nanmean(now)) if not np.isnan(now).all() else None
        xi = phi = probability = None
        if len(self._earlier) == self._window and mean is not None:
            earlier = np.array(self._earlier)
            xi = improvement(mean, np.nanmean(earlier, axis=1).tolist())
            phi = None if xi is None else damped(xi, self._damping)
            probability = sign_probability(now, earlier)
        if mean is not None:
            self._earlier = [*self._earlier, now.tolist()][-self._window :]
        update = policies.update_again(self._signed(phi)) if phi else {}
        return {
            "retrospect/reward": mean,
            "retrospect/xi": xi,
            "retrospect/phi": phi,
            "retrospect/sign_probability": probability,
            "cost/tokens_probe": own.tokens_generated,
            **{f"retrospect/{name}": value for name, value in update.items()},
        }

    def remember(
        self,
        groups: Sequence[Group],
        advantages: Sequence[FloatArray],
        active: Collection[Role],
        roles: Sequence[Role],
    ) -> None:
        """Keep the rollouts of a step for the next one.

        Args:
            groups: The groups that were trained on.
            advantages: Their advantages, (G, T) per group.
            active: Roles that were updated.
            roles: Role of each turn.
        """
        self._samples = {role: [] for role in active}
        for group, own in zip(groups, advantages, strict=True):
            scaled = scaled_by_group(own).tolist()
            for rollout, values in zip(group.rollouts, scaled, strict=True):
                for role, completion, value in zip(roles, rollout.sampled, values, strict=True):
                    if role in self._samples:
                        self._samples[role].append((completion, value))

    def state_dict(self) -> dict[str, Any]:
        """Return the state needed to resume, of lists, numbers and strings."""
        names = [field.name for field in fields(Completion)]
        samples = {
            role: [({n: getattr(said, n) for n in names}, value) for said, value in own]
            for role, own in self._samples.items()
        }
        return {"earlier": self._earlier, "samples": samples}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state from `state_dict`."""
        self._earlier = state["earlier"]
        self._samples = {
            role: [(Completion(**completion), value) for completion, value in own]
            for role, own in state["samples"].items()
        }

    def _probe(self, costs: CostTracker) -> FloatArray:
        """Return the reward on each probe task, NaN where it was not measured, (P,)."""
        played = self._runner.play(
            [RolloutRequest(task) for task in self._tasks],
            rng=self._streams.own(Stream.PROBE, 1),  # the same numbers in each step
            costs=costs,
        )
        return np.array(
            [np.nan if rollout.reward is None else rollout.reward for rollout in played]
        )

    def _signed(self, phi: float) -> dict[Role, list[TrainingSample]]:
        return {
            role: [
                TrainingSample(completion, phi * value, old_logprobs=completion.logprobs)
                for completion, value in own
            ]
            for role, own in self._samples.items()
        }


def retrospect_of(
    config: TrainConfig, tasks: Sequence[Task], runner: RolloutRunner, streams: Streams
) -> Retrospect | None:
    """Return the retrospective updates of a run, probed on some of its tasks; None without."""
    if not config.retrospect:
        return None
    return Retrospect(
        config.retrospect,
        damping=config.retrospect_damping,
        tasks=streams.choose(tasks, config.probe_tasks, Stream.PROBE, 0),
        runner=runner,
        streams=streams,
    )
