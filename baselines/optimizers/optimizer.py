"""Policy-gradient methods: an advantage estimator, a loss and their hyperparameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias

import numpy as np

from baselines.common.hyperparameters import (
    Hyperparameter,
    Value,
    check_values,
    declared,
    read_hyperparameters,
)
from baselines.common.state import SavedState
from baselines.common.types import FloatArray, IntArray, LossOutput, TokenBatch
from baselines.optimizers import losses
from baselines.optimizers.advantages import on_tokens, token_returns, whiten, whiten_tokens
from baselines.optimizers.hyperparameters import COMMON, Hyperparameters, taken_by

if TYPE_CHECKING:
    from torch import Tensor

AdvantageFunction: TypeAlias = Callable[..., list[FloatArray]]
"""(credit of a step, *, hyperparameters, inputs) -> advantages, both lists of (G, A) arrays."""

INPUTS = ("agents", "roles", "state")
"""Keywords of an advantage function that are no hyperparameters: see `PolicyOptimizer`."""

PolicyLoss: TypeAlias = Callable[..., LossOutput]
"""(logprobs, TokenBatch, *, hyperparameters) -> LossOutput; imports torch for types only."""


class BaselineState(SavedState, Protocol):
    """State of an advantage function, such as running means."""

    def updated(
        self, credit: Sequence[FloatArray], *, roles: Sequence[str] | None, baseline_decay: float
    ) -> Self:
        """Return the state after a step with this credit; roles names its columns."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyOptimizer:
    """A policy-gradient method: an advantage estimator and a loss.

    Args:
        name: Key in OPTIMIZERS.
        baseline: Turns credit into advantages before whitening; numpy. Its keyword-only parameters
            that are fields of Hyperparameters are hyperparameters of this method.
        policy_loss: Turns log-probabilities and advantages into a loss; torch. Its parameters
            declare hyperparameters in the same way.
        hyperparameters: The published defaults, or the values set by `with_hyperparameters`.
        other_hyperparameters: Names of hyperparameters that neither function takes, besides COMMON.
        whitens: Whether advantages are whitened per agent over the tokens of the whole step.
        min_group_size: Minimum number of measured rollouts in a group.
        centres_on_group: Whether the advantage is invariant to a constant added to the credit of
            a group.
        agents: Agent of each column of credit. None: every column is an agent of its own.
        roles: Role of each column of credit. None: every column is a role of its own.
        state: State of the baseline before the step; None if it has none.
    """

    name: str
    baseline: AdvantageFunction
    policy_loss: PolicyLoss
    hyperparameters: Hyperparameters = field(default_factory=Hyperparameters)
    other_hyperparameters: tuple[str, ...] = ()
    whitens: bool = False
    min_group_size: int = 2
    centres_on_group: bool = True
    agents: tuple[str, ...] | None = None
    roles: tuple[str, ...] | None = None
    state: BaselineState | None = None

    @property
    def tunable(self) -> Mapping[str, Hyperparameter]:
        """Hyperparameters of this method by name; their defaults are its current values."""
        taken = (*taken_by(self.baseline), *taken_by(self.policy_loss))
        known = declared(Hyperparameters)
        return {
            name: replace(known[name], default=getattr(self.hyperparameters, name))
            for name in (*taken, *self.other_hyperparameters, *COMMON)
        }

    def with_hyperparameters(self, **values: Value) -> PolicyOptimizer:
        """Return this method with other hyperparameters.

        Args:
            **values: New values; others are unchanged.

        Raises:
            ValueError: If the method has no hyperparameter of that name, or a value is out of
                range.
        """
        check_values(f"optimizer {self.name!r}", self.tunable, values)
        changed = replace(self.hyperparameters, **dict[str, Any](values))
        return replace(self, hyperparameters=changed)

    def read_hyperparameters(self, texts: Mapping[str, str]) -> PolicyOptimizer:
        """Return this method with hyperparameters parsed from text, such as the command line."""
        values = read_hyperparameters(f"optimizer {self.name!r}", self.tunable, texts)
        return self.with_hyperparameters(**values)

    def for_team(self, agents: Sequence[str], roles: Sequence[str]) -> PolicyOptimizer:
        """Return this method for a team: the agent and the role of each column of credit."""
        return replace(self, agents=tuple(agents), roles=tuple(roles))

    def after(self, credit: Sequence[FloatArray]) -> PolicyOptimizer:
        """Return this method after a step with this credit: its state is updated, if it has one."""
        if self.state is None:
            return self
        values = self._hyperparameters_of(self.baseline)
        return replace(self, state=self.state.updated(credit, roles=self.roles, **values))

    def state_to_json(self) -> dict[str, object] | None:
        """Return the state as JSON values; None if there is none."""
        return None if self.state is None else self.state.to_json()

    def with_state(self, saved: Mapping[str, Any] | None) -> PolicyOptimizer:
        """Return this method with the state from the values of `state_to_json`."""
        if self.state is None or saved is None:
            return self
        return replace(self, state=type(self.state).from_json(saved))

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

        Note: Without discount and KL penalty; for these see `token_advantage`.
        """
        advantages = self.baseline(credit, **self._arguments_of_baseline)
        return whiten(advantages, num_tokens) if self.whitens else advantages

    @property
    def is_per_token(self) -> bool:
        """Whether the tokens of one completion differ in advantage."""
        return self.hyperparameters.gamma != 1.0 or self.needs_reward_kl

    @property
    def needs_reward_kl(self) -> bool:
        """Whether `token_advantage` needs kl."""
        return self.hyperparameters.reward_kl > 0.0

    @property
    def needs_reference(self) -> bool:
        """Whether the loss needs the log-probabilities of a reference policy."""
        return self.hyperparameters.kl_weight > 0.0

    @property
    def needs_entropy(self) -> bool:
        """Whether the loss needs the entropy of the policy at each token."""
        return self.hyperparameters.entropy_weight > 0.0

    @property
    def skips_zero_advantage(self) -> bool:
        """Whether completions with zero advantage have no gradient and can be skipped."""
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
            num_tokens: Completion tokens of each agent in each rollout, of the same shapes.
            kl: log policy - log reference of each token, each of shape (G, A, T). Required if
                needs_reward_kl.

        Returns:
            Each of shape (G, A, T), 0 beyond num_tokens. Unless is_per_token, the result of
            `advantage` repeated on every token of the completion.

        Raises:
            ValueError: If kl is missing or the shapes disagree.

        Note: The penalty on a token affects its return and those of the tokens before it.
        """
        if not self.is_per_token:
            return on_tokens(self.advantage(credit, num_tokens), num_tokens)
        if self.needs_reward_kl and kl is None:
            raise ValueError(
                "kl must be given if reward_kl is above 0, got None; score the completions with a "
                "reference policy, or set reward_kl to 0"
            )
        returns = token_returns(
            self.baseline(credit, **self._arguments_of_baseline),
            num_tokens,
            kl,
            gamma=self.hyperparameters.gamma,
            kl_weight=self.hyperparameters.reward_kl,
        )
        return whiten_tokens(returns, num_tokens) if self.whitens else returns

    def keeps(self, team_rewards: FloatArray) -> bool:
        """Return whether a group with these team rewards, shape (G,), is trained on.

        True, unless drop_equal_groups is set and all rewards are equal.
        """
        return not self.hyperparameters.drop_equal_groups or bool(np.ptp(team_rewards) > 0.0)

    def shape(self, credit: FloatArray, num_tokens: IntArray, max_tokens: int | None) -> FloatArray:
        """Return the credit of a group minus the penalty for overlong completions.

        penalty = overlong_weight * clamp((n - (max_tokens - b)) / b, 0, 1),
        b = overlong_rate * max_tokens

        Args:
            credit: Shape (G, A).
            num_tokens: Tokens n of each agent's longest completion, shape (G, A).
            max_tokens: Maximum completion length. None: no penalty.

        Source: DAPO, arXiv:2503.14476, eq. (13).
        """
        if self.hyperparameters.overlong_weight == 0.0 or max_tokens is None:
            return credit
        buffer = self.hyperparameters.overlong_rate * max_tokens
        excess = np.clip((num_tokens - (max_tokens - buffer)) / buffer, 0.0, 1.0)
        shaped: FloatArray = credit - self.hyperparameters.overlong_weight * excess
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
                row_weights are those of the hyperparameter aggregation.
            entropy: Entropy of the policy at each token, shape (B, T), nats, with gradient;
                required if needs_entropy.

        Returns:
            The loss and the metrics clip_rate and approx_kl; reference_kl and entropy, in nats
            per token, if the loss has these terms.

        Raises:
            ValueError: If the shapes disagree, or a required input is missing.
            FloatingPointError: If the loss is NaN or infinite.
        """
        output = self.policy_loss(logprobs, batch, **self._hyperparameters_of(self.policy_loss))
        if self.needs_reference:
            kl = losses.kl_loss(logprobs, batch, estimator=self.hyperparameters.kl_estimator)
            output = output.plus(kl, weight=self.hyperparameters.kl_weight)
        if self.needs_entropy:
            bonus = losses.entropy_loss(entropy, batch)
            output = output.plus(bonus, weight=self.hyperparameters.entropy_weight)
        return output

    def row_weight(self, num_tokens: int, max_tokens: int | None) -> float:
        """Return the weight of a completion's token losses; see `losses.row_weight`."""
        return losses.row_weight(self.hyperparameters.aggregation, num_tokens, max_tokens)

    def normalizer(
        self, num_tokens: Sequence[int], weights: Sequence[float] | None = None
    ) -> float:
        """Return the divisor of the loss; see `losses.normalizer`."""
        return losses.normalizer(self.hyperparameters.aggregation, num_tokens, weights)

    @property
    def _arguments_of_baseline(self) -> dict[str, Any]:
        """Hyperparameters and inputs that the advantage function takes."""
        taken = inspect.signature(self.baseline).parameters
        inputs = {name: getattr(self, name) for name in INPUTS if name in taken}
        return {**self._hyperparameters_of(self.baseline), **inputs}

    def _hyperparameters_of(self, function: Callable[..., object]) -> dict[str, Any]:
        return {name: getattr(self.hyperparameters, name) for name in taken_by(function)}
