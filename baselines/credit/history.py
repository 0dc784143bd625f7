"""History credit: the effect of a removal, standardised by running statistics of past steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from baselines.common.hyperparameters import Range, check_fields, checked
from baselines.common.types import FloatArray
from baselines.credit.batching import group_by_shape
from baselines.credit.measured_rewards import mean_rewards_without
from baselines.credit.outcomes import GroupOutcomes, Outcomes
from baselines.credit.removals import each_but_the_last
from baselines.credit.turns import on_turns

WarmUp: TypeAlias = Literal["neutral", "raw"]
Pairing: TypeAlias = Literal["rollout", "task"]

MIN_VARIANCE = 1e-6  # below it a quantity has not varied: the reference then divides by 1
EPSILON = 1e-6  # added to every standard deviation, as in the reference
MAX_LOGIT = 20.0  # a sigmoid is 1 to 2e-9 there


@dataclass(frozen=True, slots=True)
class Moments:
    """Running mean and variance of one quantity; the default standardises to the identity."""

    mean: float = 0.0
    variance: float = 1.0

    def standardise(self, values: FloatArray) -> FloatArray:
        """Return the values minus the mean, in standard deviations."""
        scaled: FloatArray = (values - self.mean) / (self.deviation + EPSILON)
        return scaled

    @property
    def deviation(self) -> float:
        """The standard deviation, 1 for a quantity that has not varied."""
        return float(self.variance**0.5) if self.variance > MIN_VARIANCE else 1.0

    def mixed(self, mean: float, variance: float, *, decay: float, drift: bool) -> Moments:
        """Return the moments of a mixture of the past, with weight decay, and new values."""
        between = decay * (1.0 - decay) * (mean - self.mean) ** 2 if drift else 0.0
        return Moments(
            mean=decay * self.mean + (1.0 - decay) * mean,
            variance=decay * self.variance + (1.0 - decay) * variance + between,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryState:
    """Running statistics of `history_credit`, of scores 0 (wrong) and 1 (right). Immutable.

    mean     <- decay * mean + (1 - decay) * m
    variance <- decay * variance + (1 - decay) * s2 + decay * (1 - decay) * (m - mean)^2

    m and s2 are mean and variance of a step's values; the first step sets them. The last term is
    the variance between steps, by the law of total variance for a mixture of the past, with
    weight decay, and the step. The reference omits it, and so underestimates the variance of a
    mean that drifts.

    Args:
        decay: Weight of the past in each update.
        drift: Whether to add the last term.
        pairing: S of a rollout if a removal was measured for the task, with M rewards. "rollout",
            as in the reference: the k-th rollout has the k-th of them, and rollouts beyond M
            their mean. "task": all rollouts have their mean.
        num_seen: Number of rollouts so far.
        gain: Moments of J - S, over rollouts and removed agents.
        joint: Moments of J, the score of the rollout.
        solo: Moments of the mean of S over the removed agents.
    """

    decay: Annotated[float, Range(0.0, 1.0, open_high=True)] = 0.99
    drift: bool = True
    pairing: Pairing = "rollout"
    num_seen: Annotated[int, Range(0)] = 0
    gain: Moments = Moments()
    joint: Moments = Moments()
    solo: Moments = Moments()

    def __post_init__(self) -> None:
        check_fields(self)

    def updated(self, groups: Sequence[GroupOutcomes]) -> Self:
        """Return the state after a step, whose credit is computed with the state before it.

        Args:
            groups: All groups of the step, each with every agent but the last removed.

        Raises:
            ValueError: If a removal was not measured.
        """
        batches = group_by_shape(groups, frozenset({"removed_rewards"}))
        scores = [_scores(batch, self.pairing) for _, batch in batches]
        if not scores:
            return self
        joint, without, solo = ([part[i] for part in scores] for i in range(3))
        gain = [j - s for j, s in zip(joint, without, strict=True)]
        decay = self.decay if self.num_seen else 0.0  # the first step has no past

        def mixed(past: Moments, parts: list[FloatArray]) -> Moments:
            values = np.concatenate([part.ravel() for part in parts])
            mean, variance = float(values.mean()), float(values.var())
            return past.mixed(mean, variance, decay=decay, drift=self.drift)

        return type(self)(
            decay=self.decay,
            drift=self.drift,
            pairing=self.pairing,
            num_seen=self.num_seen + sum(part.size for part in joint),
            gain=mixed(self.gain, gain),
            joint=mixed(self.joint, joint),
            solo=mixed(self.solo, solo),
        )

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Self:
        """Return the state from the values of `to_json`."""
        moments = {name: Moments(**saved[name]) for name in ("gain", "joint", "solo")}
        return cls(**{**saved, **moments})


@checked
def history_credit(
    outcomes: Outcomes,
    *,
    state: HistoryState | None = None,
    steepness: Annotated[float, Range(0.0)] = 1.0,
    gate_steepness: Annotated[float, Range(0.0)] = 1.0,
    min_samples: Annotated[int, Range(0)] = 10,
    warm_up: WarmUp = "neutral",
) -> FloatArray:
    """Credit agents with standardised gains, the last speaker with standardised scores.

    J[g] = 1 if right, 0 if wrong; S[a, g]: the same without agent a; S[g]: its mean over a
    z(X) = (X - mean of X) / (standard deviation of X + 1e-6), both from the state
    credit[g, a]    = tanh(steepness * z(J[g] - S[a, g]))
    credit[g, last] = gate * z(J[g]) + (1 - gate) * z(S[g])
    gate = sigmoid(gate_steepness * mean / (standard deviation + 1e-6) of J - S)

    Args:
        outcomes: One task's group of G rollouts by A agents, or a batch of groups. Reads
            team_rewards, shape (..., G), and the removed_rewards of each agent but the last,
            alone: of an entry of shape (..., G, M) the mean of each row; for one of shape
            (..., M) see the pairing of the state.
        state: Statistics of earlier steps; None: a new state.
        steepness: Slope of the tanh that turns a standardised gain into credit.
        gate_steepness: Slope of the gate, which weights J against S in the credit of the last
            speaker. 0 weights both equally.
        min_samples: Rollouts after which the state is used. 0: always used.
        warm_up: Credit while the state is not used. "neutral": the formula with mean 0 and standard
            deviation 1 for every quantity, so that credit has the same scale from the first step
            on; "raw", as in the reference: J - S, and J for the last speaker.

    Returns:
        Credit, shape (..., G, A), or (..., G, T) with turns: in standard deviations, not in units
        of reward. In [-1, 1] except for the last speaker.

    Raises:
        ValueError: If there is one agent only, a removal is missing or a hyperparameter is
            out of range.

    Note: All removed agents share one history, so that their credit is comparable. Pairing a
        rollout with an unrelated replay makes the credit of rollouts of equal reward differ by
        chance: in expectation the credit of a group is affine in R, and with pairing "task" it
        is exactly so, which a group-centred advantage reduces to a weight per task; see
        docs/degeneracy.md.

    Source: version 1 of CCPO, arXiv:2603.21563, for two agents; differs from it in the variance
        between steps, in the warm-up and in teams of more than two.
    """
    state = state or HistoryState()
    joint, without, solo = _scores(outcomes, state.pairing)
    gain = joint - without  # (..., A - 1, G)
    if state.num_seen < max(min_samples, 1):
        if warm_up == "raw":
            return on_turns(_columns(gain, joint), outcomes)
        state = HistoryState()
    logit = gate_steepness * state.gain.mean / (state.gain.deviation + EPSILON)
    gate = 1.0 / (1.0 + np.exp(-np.clip(logit, -MAX_LOGIT, MAX_LOGIT)))
    last = gate * state.joint.standardise(joint) + (1.0 - gate) * state.solo.standardise(solo)
    credit = _columns(np.tanh(steepness * state.gain.standardise(gain)), last)
    return on_turns(credit, outcomes)


def _columns(earlier: FloatArray, last: FloatArray) -> FloatArray:
    return np.swapaxes(np.concatenate([earlier, last], axis=-2), -1, -2)


def _scores(outcomes: Outcomes, pairing: Pairing) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return J, shape (..., 1, G), S, shape (..., A - 1, G), and its mean, shape (..., 1, G)."""
    removals = each_but_the_last(outcomes.agents)
    if not removals:
        raise ValueError(
            f"agents must be two or more for history credit, got {outcomes.agents!r}; "
            f"use the allocator 'shared'"
        )
    joint = _score(outcomes.team_rewards[..., None, :])
    means = mean_rewards_without(outcomes, removals)  # (..., A - 1, G)
    if pairing == "rollout":
        _pair(means, outcomes, removals)
    without = _score(means)
    return joint, without, np.add.reduce(without, axis=-2, keepdims=True) / len(removals)


def _pair(means: FloatArray, outcomes: Outcomes, removals: Sequence[frozenset[str]]) -> None:
    """Replace the mean of a removal measured for the task by its rewards, in order."""
    for index, removed in enumerate(removals):
        entry = (outcomes.removed_rewards or {})[removed]
        if entry.ndim == outcomes.team_rewards.ndim:
            num_pairs = min(entry.shape[-1], means.shape[-1])
            means[..., index, :num_pairs] = entry[..., :num_pairs]


def _score(rewards: npt.NDArray[np.float64]) -> FloatArray:
    """Return rewards from -1 to +1 as scores from 0 to 1, the scale of the paper."""
    score: FloatArray = (rewards + 1.0) / 2.0
    return score
