"""Update one policy from rollouts and their advantages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from baselines.collate import TrainingRow, micro_batches, token_batch
from baselines.optimizers import PolicyOptimizer
from baselines.policies.base import TrainablePolicy

ADAM_BETAS = (0.9, 0.99)
"""Second moments of 100 updates: runs here are short; 0.999 would remember the first of them."""


class Updater:
    """Holds the torch optimizer of one policy and takes its steps.

    Args:
        policy: What is trained.
        optimizer: Supplies the loss.
        learning_rate: Of AdamW, after warm-up.
        warmup_steps: Updates over which the learning rate rises linearly to that value.
        max_grad_norm: Gradients with a larger Euclidean norm are scaled down to it.
        temperature: At which the completions were sampled.
        micro_batch_tokens: Padded tokens of one forward and backward pass.
    """

    def __init__(
        self,
        policy: TrainablePolicy,
        optimizer: PolicyOptimizer,
        *,
        learning_rate: float,
        warmup_steps: int,
        max_grad_norm: float,
        temperature: float,
        micro_batch_tokens: int,
    ) -> None:
        self._policy = policy
        self._optimizer = optimizer
        self._learning_rate = learning_rate
        self._warmup_steps = warmup_steps
        self._max_grad_norm = max_grad_norm
        self._temperature = temperature
        self._micro_batch_tokens = micro_batch_tokens
        self._num_updates = 0
        self._torch_optimizer = torch.optim.AdamW(
            policy.module.parameters(), lr=learning_rate, betas=ADAM_BETAS, weight_decay=0.0
        )

    def update(self, rows: Sequence[TrainingRow]) -> dict[str, float]:
        """Take one step on the completions of one role.

        Args:
            rows: The completions with their advantages, from the policy as it is now.

        Returns:
            loss, grad_norm, clip_rate, approx_kl and learning_rate, by these names.

        Raises:
            FloatingPointError: If the loss or the gradient is not finite; the policy is then as
                it was before.

        Note: A row without advantage has no gradient and is not computed, but its tokens count
            in the mean. Without any advantage at all there is no step.
        """
        num_tokens = sum(len(row.completion.token_ids) for row in rows)
        rows = [row for row in rows if row.advantage != 0.0 and row.completion.token_ids]
        metrics = {"loss": 0.0, "clip_rate": 0.0, "approx_kl": 0.0}
        self._torch_optimizer.zero_grad(set_to_none=True)
        for batch in micro_batches(rows, self._micro_batch_tokens):
            for name, value in self._backward(batch, num_tokens).items():
                metrics[name] += value
        learning_rate = self._step_learning_rate()
        grad_norm = self._clip_gradient()
        if rows:
            self._torch_optimizer.step()
        self._num_updates += 1
        return {**metrics, "grad_norm": grad_norm, "learning_rate": learning_rate}

    def state_dict(self) -> dict[str, Any]:
        """Return all that a resumed run needs besides the weights."""
        return {
            "torch_optimizer": self._torch_optimizer.state_dict(),
            "num_updates": self._num_updates,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state that `state_dict` returned."""
        self._torch_optimizer.load_state_dict(state["torch_optimizer"])
        self._num_updates = state["num_updates"]

    def _backward(self, rows: Sequence[TrainingRow], num_tokens: int) -> dict[str, float]:
        device = next(self._policy.module.parameters()).device
        batch = token_batch(rows, normalizer=num_tokens, device=device)
        logprobs = self._policy.logprobs(
            [row.completion for row in rows], temperature=self._temperature
        )
        output = self._optimizer.loss(logprobs, batch)
        output.loss.backward()  # type: ignore[no-untyped-call]
        share = batch.completion_mask.sum().item() / num_tokens
        averages = {name: value * share for name, value in output.metrics.items()}
        return {"loss": output.loss.item(), **averages}

    def _step_learning_rate(self) -> float:
        progress = min(1.0, (self._num_updates + 1) / (self._warmup_steps + 1))
        for group in self._torch_optimizer.param_groups:
            group["lr"] = self._learning_rate * progress
        return self._learning_rate * progress

    def _clip_gradient(self) -> float:
        norm = torch.nn.utils.clip_grad_norm_(self._policy.module.parameters(), self._max_grad_norm)
        if not norm.isfinite():
            raise FloatingPointError(
                f"the gradient must be finite, got norm {norm.item()}; lower --learning-rate"
            )
        return norm.item()
