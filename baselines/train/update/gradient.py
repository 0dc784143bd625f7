"""The gradient of one update, computed micro-batch by micro-batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch

from baselines.common.errors import is_out_of_memory
from baselines.common.processes import SINGLE_PROCESS, ProcessGroup
from baselines.common.types import FloatArray
from baselines.optimizers import PolicyOptimizer
from baselines.policies.base import Completion, TrainablePolicy
from baselines.train.update.batching import TrainingSample, token_batch
from baselines.train.update.failures import NonFiniteBatch, OutOfMemoryInBatch
from baselines.train.update.forward import bfloat16_products, checkpointed, counting_of
from baselines.train.update.lock_step import FILLER, in_lock_step
from baselines.train.update.options import UpdateOptions

Metrics = dict[str, float]


@runtime_checkable
class EntropyPolicy(Protocol):
    """A policy that can also compute the entropy of its next-token distributions."""

    def logprobs_and_entropy(
        self, completions: Sequence[Completion]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return `logprobs` and the entropy at the same positions, (B, T), nats."""
        ...


class GradientPass:
    """Computes the gradient of an update into the parameters of a policy.

    Args:
        policy: The policy to train.
        optimizer: Defines the loss.
        parameters: Parameters whose gradients are cleared before.
        micro_batch_tokens: Tokens of one forward and backward pass, counted as by
            `counting_of`. Reduced when a micro-batch does not fit into memory.
        options: Options of the updater.
        processes: Processes that contribute samples to the same updates.
    """

    def __init__(
        self,
        policy: TrainablePolicy,
        optimizer: PolicyOptimizer,
        parameters: Sequence[torch.nn.Parameter],
        *,
        micro_batch_tokens: int,
        options: UpdateOptions,
        processes: ProcessGroup = SINGLE_PROCESS,
    ) -> None:
        self.micro_batch_tokens = micro_batch_tokens
        self._policy = policy
        self._optimizer = optimizer
        self._parameters = parameters
        self._options = options
        self._processes = processes

    def run(self, samples: Sequence[TrainingSample]) -> tuple[Metrics, list[FloatArray]]:
        """Compute the gradient of the loss of one update.

        Args:
            samples: All samples of the update in this process, including those without advantage.

        Returns:
            loss and the metrics of the loss, averaged over the tokens of the update; and per
            micro-batch the absolute differences between new and old log-probabilities, nats.
            All, like the gradient, are over all processes.

        Raises:
            NonFiniteBatch: If the loss is not finite, in any process.
            OutOfMemoryInBatch: If a micro-batch does not fit into memory, nor its halves, which
                are not tried with sharded weights.
        """
        sizes = self._processes.all_gather([(s.num_completion_tokens, s.weight) for s in samples])
        counts, weights = [count for count, _ in sizes], [weight for _, weight in sizes]
        metrics, gaps, failure = dict[str, float](), list[FloatArray](), None
        try:
            metrics, gaps = self._run_in_memory(samples, counts, weights)
        except NonFiniteBatch as error:
            failure = error
        found = self._processes.all_gather([(metrics, gaps, failure and str(failure))])
        if failure is not None:
            raise failure
        for rank, (_, _, message) in enumerate(found):
            if message is not None:
                raise NonFiniteBatch(f"{message}, in process {rank}", samples)
        self._processes.all_reduce_gradients(self._parameters)
        names = {name: None for own, _, _ in found for name in own}
        summed = {name: sum(own.get(name, 0.0) for own, _, _ in found) for name in names}
        return summed, [gap for _, own, _ in found for gap in own]

    def _run_in_memory(
        self, samples: Sequence[TrainingSample], counts: Sequence[int], weights: Sequence[float]
    ) -> tuple[Metrics, list[FloatArray]]:
        """Run, and retry with smaller micro-batches if one does not fit into memory."""
        try:
            return self._run(samples, counts, weights)
        except OutOfMemoryInBatch as error:
            if error.num_samples == 1 or self._is_sharded:
                raise
            # Half of the failed batch, not of the budget, which it may not have filled. It is
            # kept, because the next update would fail in the same way.
            self.micro_batch_tokens = error.num_tokens // 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return self._run(samples, counts, weights)

    @property
    def _is_sharded(self) -> bool:
        return self._processes.mesh is not None

    def clear(self) -> None:
        """Clear the gradient."""
        for parameter in self._parameters:
            parameter.grad = None

    def _run(
        self, samples: Sequence[TrainingSample], counts: Sequence[int], weights: Sequence[float]
    ) -> tuple[Metrics, list[FloatArray]]:
        normalizer = self._optimizer.normalizer(counts, weights)
        if self._optimizer.skips_zero_advantage:
            samples = [sample for sample in samples if sample.has_advantage]
        metrics: Metrics = {"loss": 0.0, "clip_rate": 0.0, "approx_kl": 0.0}
        gaps: list[FloatArray] = []
        failure: NonFiniteBatch | None = None
        self.clear()
        counting = counting_of(
            self._policy, is_changed=self._options.autocast or self._options.gradient_checkpointing
        )
        batches = counting.batches(samples, self.micro_batch_tokens)
        for batch in in_lock_step(batches, self._processes):
            try:
                if batch is None:
                    self._backward_filler()
                    continue
                loss, averages, gap = self._backward(batch, normalizer)
            except NonFiniteBatch as error:
                if not self._is_sharded:
                    raise
                failure = failure or error  # raised when no process needs this one any more
                continue
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                self.clear()
                rows = batch or [FILLER]
                raise OutOfMemoryInBatch(
                    len(rows), counting.size(rows), is_sharded=self._is_sharded
                ) from error
            gaps.append(gap)
            metrics["loss"] += loss
            for name, value in averages.items():
                metrics[name] = metrics.get(name, 0.0) + value * gap.size / sum(counts)
        if failure is not None:
            raise failure
        return metrics, gaps

    def _backward(
        self, samples: Sequence[TrainingSample], normalizer: float
    ) -> tuple[float, Metrics, FloatArray]:
        parameter = self._parameters[0]
        batch = token_batch(
            samples,
            normalizer=normalizer,
            device=parameter.device,
            dtype=torch.promote_types(parameter.dtype, torch.float32),
            row_weight=self._optimizer.row_weight,
            tis_cap=self._options.tis_cap,
        )
        with checkpointed(self._policy.module, enabled=self._options.gradient_checkpointing):
            logprobs, entropy = self._forward(samples)
            try:
                output = self._optimizer.loss(logprobs, batch, entropy=entropy)
            except FloatingPointError as error:
                if self._is_sharded:
                    _backward_nothing(logprobs)  # the other processes wait in this pass
                raise NonFiniteBatch(str(error), samples, logprobs) from error
            output.loss.backward()  # type: ignore[no-untyped-call]
        gap = (logprobs.detach() - batch.old_logprobs)[batch.completion_mask].abs()
        return output.loss.item(), output.metrics, gap.double().cpu().numpy()

    def _backward_filler(self) -> None:
        """Take part in a forward and backward pass of other processes, without a gradient."""
        with checkpointed(self._policy.module, enabled=self._options.gradient_checkpointing):
            logprobs, _ = self._forward([FILLER])
            _backward_nothing(logprobs)

    def _forward(
        self, samples: Sequence[TrainingSample]
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        completions = [sample.completion for sample in samples]
        with bfloat16_products(self._policy.module, enabled=self._options.autocast):
            if self._optimizer.needs_entropy and isinstance(self._policy, EntropyPolicy):
                return self._policy.logprobs_and_entropy(completions)
            return self._policy.logprobs(completions), None


def _backward_nothing(logprobs: torch.Tensor) -> None:
    """Back-propagate a gradient of 0."""
    (logprobs.sum() * 0.0).backward()  # type: ignore[no-untyped-call]
