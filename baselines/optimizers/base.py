"""What a policy-gradient method is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from baselines.common.types import FloatArray, LossOutput, TokenBatch
from baselines.optimizers import losses
from baselines.optimizers.advantages import (
    IntArray,
    on_tokens,
    token_returns,
    whiten,
    whiten_tokens,
)
from baselines.optimizers.hyperparameters import Knob, Knobs, read_knob
from ccpo_env.errors import unknown_name

if TYPE_CHECKING:
    from torch import Tensor

AdvantageFunction: TypeAlias = Callable[..., list[FloatArray]]
"""(credit of a whole step, *, knobs) -> advantages: one (G, A) array per group in and out."""

PolicyLoss: TypeAlias = Callable[..., LossOutput]
"""(logprobs, TokenBatch, *, knobs) -> LossOutput, without importing torch when it is defined."""

COMMON = ("aggregation", "kl_weight", "kl_estimator", "entropy_weight")
"""Knobs that every method has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyOptimizer:
    """A policy-gradient method: relative to what, and how far to step.

    Args:
        name: Its key in OPTIMIZERS.
        baseline: Turns credit into advantages before whitening; numpy.
        policy_loss: Turns log-probabilities and advantages into a loss; torch.
        knobs: The published defaults, or what `with_knobs` made of them.
        baseline_knobs: Names of the knobs that baseline takes.
        loss_knobs: Names of the knobs that policy_loss takes.
        other_knobs: Names of further knobs of this method, beside those and COMMON.
        whitens: Whether advantages are whitened per agent over the tokens of the whole step.
        min_group_size: Fewest measured rollouts of a group that has an advantage.
        centres_on_group: Whether a constant added to the credit of a group changes nothing.
    """

    name: str
    baseline: AdvantageFunction
    policy_loss: PolicyLoss
    knobs: Knobs = field(default_factory=Knobs)
    baseline_knobs: tuple[str, ...] = ()
    loss_knobs: tuple[str, ...] = ()
    other_knobs: tuple[str, ...] = ()
    whitens: bool = False
    min_group_size: int = 2
    centres_on_group: bool = True

    @property
    def tunable(self) -> tuple[str, ...]:
        """Names of the knobs that this method has."""
        return (*self.baseline_knobs, *self.loss_knobs, *self.other_knobs, *COMMON)

    def with_knobs(self, **knobs: Knob) -> PolicyOptimizer:
        """Return this method with other knobs.

        Args:
            **knobs: New values; those left out stay.

        Raises:
            ValueError: If the method has no knob of that name, or a value is out of range.
        """
        self._expect_known(knobs)
        return replace(self, knobs=replace(self.knobs, **dict[str, Any](knobs)))

    def read_knobs(self, texts: Mapping[str, str]) -> PolicyOptimizer:
        """Return this method with knobs that were given as text, such as on a command line."""
        self._expect_known(texts)
        return self.with_knobs(**{name: read_knob(name, text) for name, text in texts.items()})

    def advantage(
        self, credit: Sequence[FloatArray], num_tokens: Sequence[IntArray] | None = None
    ) -> list[FloatArray]:
        """Return the advantage of each completion.

        Args:
            credit: The groups of one step, each of shape (G, A) with G >= min_group_size.
            num_tokens: Completion tokens of each agent in each rollout, of the same shapes: the
                weights of whitening. None: each completion counts once.

        Returns:
            Advantages, a list of the same shapes.

        Raises:
            ValueError: If a group is too small or the shapes disagree.

        Note: It leaves discount and KL penalty out; with them see `token_advantage`.
        """
        advantages = self.baseline(credit, **self._named(self.baseline_knobs))
        return whiten(advantages, num_tokens) if self.whitens else advantages

    @property
    def is_per_token(self) -> bool:
        """Whether the tokens of one completion differ in advantage."""
        return self.knobs.gamma != 1.0 or self.needs_reward_kl

    @property
    def needs_reward_kl(self) -> bool:
        """Whether `token_advantage` needs kl."""
        return self.knobs.reward_kl > 0.0

    @property
    def needs_reference(self) -> bool:
        """Whether the loss needs the log-probabilities of a reference policy."""
        return self.knobs.kl_weight > 0.0

    @property
    def needs_entropy(self) -> bool:
        """Whether the loss needs the entropy of the policy at each token."""
        return self.knobs.entropy_weight > 0.0

    @property
    def skips_zero_advantage(self) -> bool:
        """Whether a completion without advantage has no gradient, so it need not be computed."""
        return not (self.needs_reference or self.needs_entropy)

    def token_advantage(
        self,
        credit: Sequence[FloatArray],
        num_tokens: Sequence[IntArray],
        kl: Sequence[FloatArray] | None = None,
    ) -> list[FloatArray]:
        """Return the advantage of each token.

        Args:
            credit: The groups of one step, each of shape (G, A).
            num_tokens: Completion tokens of each agent in each rollout, of the same shapes; the
                tokens of an agent that spoke more than once stand in a row.
            kl: log policy - log reference of each token, each of shape (G, A, T). Needed if
                needs_reward_kl.

        Returns:
            Each of shape (G, A, T), 0 beyond num_tokens. Unless is_per_token, what `advantage`
            returns on every token of the completion.

        Raises:
            ValueError: If kl is missing or the shapes disagree.

        Note: The penalty on a token is charged to it and to the tokens before it.
        """
        if not self.is_per_token:
            return on_tokens(self.advantage(credit, num_tokens), num_tokens)
        if self.needs_reward_kl and kl is None:
            raise ValueError(
                "kl must be given if reward_kl is above 0, got None; score the completions with a "
                "reference policy, or set reward_kl to 0"
            )
        returns = token_returns(
            self.baseline(credit, **self._named(self.baseline_knobs)),
            num_tokens,
            kl,
            gamma=self.knobs.gamma,
            kl_weight=self.knobs.reward_kl,
        )
        return whiten_tokens(returns, num_tokens) if self.whitens else returns

    def keeps(self, team_rewards: FloatArray) -> bool:
        """Return whether a group of these team rewards, shape (G,), is trained on.

        All are, unless drop_equal_groups is set: then those whose rewards are not all equal.
        """
        return not self.knobs.drop_equal_groups or bool(np.ptp(team_rewards) > 0.0)

    def shape(self, credit: FloatArray, num_tokens: IntArray, max_tokens: int | None) -> FloatArray:
        """Return the credit of a group with the penalty for long completions taken off.

        penalty = overlong_weight * clamp((n - (max_tokens - b)) / b, 0, 1),
        b = overlong_rate * max_tokens

        Args:
            credit: Shape (G, A).
            num_tokens: Tokens n of each agent's longest completion, shape (G, A).
            max_tokens: Longest completion that could have been sampled. None: nothing is too
                long, so nothing is taken off.

        Source: DAPO, arXiv:2503.14476, eq. (13).
        """
        if self.knobs.overlong_weight == 0.0 or max_tokens is None:
            return credit
        buffer = self.knobs.overlong_rate * max_tokens
        excess = np.clip((num_tokens - (max_tokens - buffer)) / buffer, 0.0, 1.0)
        shaped: FloatArray = credit - self.knobs.overlong_weight * excess
        return shaped

    def loss(
        self, logprobs: Tensor, batch: TokenBatch, *, entropy: Tensor | None = None
    ) -> LossOutput:
        """Return the policy loss plus the KL and entropy terms.

        loss = policy loss + kl_weight * KL - entropy_weight * entropy

        Args:
            logprobs: Log-probability of each token under the policy in training, shape (B, T),
                nats, with gradient.
            batch: The tokens; with reference_logprobs if needs_reference. Its normalizer and
                row_weights are those of the knob aggregation.
            entropy: Of the policy at each token, shape (B, T), nats, with gradient; needed if
                needs_entropy.

        Returns:
            The loss and the metrics clip_rate and approx_kl; with the terms also reference_kl
            and entropy, in nats per token.

        Raises:
            ValueError: If the shapes disagree, or something needed is missing.
            FloatingPointError: If the loss is NaN or infinite.
        """
        output = self.policy_loss(logprobs, batch, **self._named(self.loss_knobs))
        if self.needs_reference:
            kl = losses.kl_loss(logprobs, batch, estimator=self.knobs.kl_estimator)
            output = output.plus(kl, weight=self.knobs.kl_weight)
        if self.needs_entropy:
            bonus = losses.entropy_loss(entropy, batch)
            output = output.plus(bonus, weight=self.knobs.entropy_weight)
        return output

    def row_weight(self, num_tokens: int) -> float:
        """Return the weight of a completion's token losses; see `losses.row_weight`."""
        return losses.row_weight(self.knobs.aggregation, num_tokens)

    def normalizer(self, num_tokens: Sequence[int], *, max_tokens: int | None = None) -> float:
        """Return what the loss is divided by; see `losses.normalizer`."""
        return losses.normalizer(self.knobs.aggregation, num_tokens, max_tokens=max_tokens)

    def _expect_known(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self.tunable:
                raise unknown_name(f"a knob of {self.name!r}", name, self.tunable)

    def _named(self, names: tuple[str, ...]) -> dict[str, Any]:
        return {name: getattr(self.knobs, name) for name in names}
