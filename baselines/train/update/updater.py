"""Update one policy from rollouts and their advantages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from baselines.common.processes import SINGLE_PROCESS, ProcessGroup
from baselines.common.types import FloatArray
from baselines.optimizers import PolicyOptimizer
from baselines.policies.base import TrainablePolicy
from baselines.policies.local.sharding import sharded_like, whole
from baselines.train.update.batching import TrainingSample
from baselines.train.update.failures import NonFiniteBatch, save_samples
from baselines.train.update.forward import enable_checkpointing, score
from baselines.train.update.gradient import EntropyPolicy, GradientPass, Metrics
from baselines.train.update.gradient_noise import GradientNoise
from baselines.train.update.options import UpdateOptions

SUMMED = ("skipped_updates",)
"""Metrics that are summed over the updates of a step; others are averaged."""


class Updater:
    """Holds the torch optimizer of one policy and takes its steps.

    Args:
        policy: The policy to train.
        optimizer: Defines the loss.
        learning_rate: Learning rate of AdamW, after warm-up.
        warmup_steps: Updates over which the learning rate rises linearly to that value.
        max_grad_norm: Gradients with a larger Euclidean norm are scaled down to it.
        micro_batch_tokens: Tokens of one forward and backward pass: padded tokens, or distinct
            ones if shared prefixes are computed once.
        options: All other options.
        reference: The frozen policy of the KL term; needed if the optimizer has one.
        parameters: Parameters to train. None: those of the policy that require a gradient.
        failure_dir: Folder for batches with a non-finite loss or gradient. None: not saved.
        processes: Data-parallel processes, each with a copy or its shard of the policy and with its
            own samples; the step equals that of one process with all samples.

    Raises:
        ValueError: If the optimizer needs a reference or entropies that are not available, or
            autocast is enabled for weights that are not float32.
    """

    def __init__(
        self,
        policy: TrainablePolicy,
        optimizer: PolicyOptimizer,
        *,
        learning_rate: float,
        warmup_steps: int,
        max_grad_norm: float,
        micro_batch_tokens: int,
        options: UpdateOptions | None = None,
        reference: TrainablePolicy | None = None,
        parameters: Iterable[torch.nn.Parameter] | None = None,
        failure_dir: Path | None = None,
        processes: ProcessGroup = SINGLE_PROCESS,
    ) -> None:
        self._policy = policy
        self._optimizer = optimizer
        self._learning_rate = learning_rate
        self._warmup_steps = warmup_steps
        self._max_grad_norm = max_grad_norm
        self._options = options or UpdateOptions()
        self._reference = reference
        self._failure_dir = failure_dir
        self._processes = processes
        self._num_updates = 0
        chosen = parameters or (p for p in policy.module.parameters() if p.requires_grad)
        self._parameters = list(chosen)
        self._gradient = GradientPass(
            policy,
            optimizer,
            self._parameters,
            micro_batch_tokens=micro_batch_tokens,
            options=self._options,
            processes=processes,
        )
        self._noise = GradientNoise(self._parameters, processes)
        self._check()
        processes.broadcast_parameters(self._parameters)
        if self._options.gradient_checkpointing:
            enable_checkpointing(policy.module)
        self._torch_optimizer = torch.optim.AdamW(
            self._parameters,
            lr=learning_rate,
            betas=self._options.adam_betas,
            weight_decay=self._options.weight_decay,
        )

    def update(self, samples: Sequence[TrainingSample], *, is_repeated: bool = False) -> Metrics:
        """Take one step, of one or several updates, on the samples of its roles.

        Args:
            samples: Samples from the current policy; with several processes, those of this one.
            is_repeated: Whether they are those of an earlier step, with the log-probabilities of
                their sampler, for one more update: a single one, without grad_snr.

        Returns:
            loss, grad_norm, clip_rate, approx_kl, averaged over the updates of the step;
            grad_snr, the signal-to-noise ratio of the gradient of the first, if there is one of an
            earlier step to compare it with; learning_rate of the last; skipped_updates; mismatch
            and mismatch_max, the mean and the largest absolute difference in nats between the
            log-probability of a token under its sampler and under the policy before the step;
            reference_kl and entropy if the loss has these terms.

        Raises:
            FloatingPointError: If the loss or the gradient is not finite; that update is then not
                applied.
            MemoryError: If neither a micro-batch nor its halves fit into memory; likewise. With
                sharded weights the halves are not tried.

        Note: Samples without advantage have no gradient and are not computed, unless the loss has a
            KL or entropy term, but count in the mean. Without any advantage there is no step.
        """
        samples, gaps = self._scored([sample for sample in samples if sample.completion.token_ids])
        results: list[Metrics] = []
        for part in [samples] if is_repeated else self._parts(samples):
            is_first = not results and not is_repeated
            result, differences = self._take_update(part, is_first=is_first)
            if not results and self._options.old_logprobs == "sampler":
                gaps = differences  # in later updates the policy has changed
            results.append(result)
        gap = np.concatenate(gaps) if gaps else np.zeros(1)
        logprob_gap = {"mismatch": float(gap.mean()), "mismatch_max": float(gap.max())}
        return {**_combined(results), **logprob_gap}

    def state_dict(self) -> dict[str, Any]:
        """Return the state needed to resume, besides the weights.

        Note: The tensors are those in use: write or copy them before the next update.
        """
        return {
            "torch_optimizer": self._torch_optimizer.state_dict(),
            "num_updates": self._num_updates,
            "micro_batch_tokens": self._gradient.micro_batch_tokens,
            "last_gradient": self._noise.before,
            "shapes": [list(parameter.shape) for parameter in self._parameters],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state from `state_dict`.

        Raises:
            ValueError: If it has another format, or is of a policy with other parameters.
        """
        own = self.state_dict()
        if set(state) != set(own):
            raise ValueError(
                f"an updater's state must hold {', '.join(sorted(own))}, got "
                f"{', '.join(sorted(state))}; resume from a checkpoint of this version"
            )
        if state["shapes"] != own["shapes"]:
            raise ValueError(
                f"an updater's state must fit the {len(own['shapes'])} trained parameters of the "
                f"policy, got one of {len(state['shapes'])} parameters with other shapes; resume "
                f"with the policy that was trained"
            )
        self._torch_optimizer.load_state_dict(self._own_part(state["torch_optimizer"]))
        self._num_updates = state["num_updates"]
        self._noise.before = state["last_gradient"]
        budget = min(self._gradient.micro_batch_tokens, state["micro_batch_tokens"])
        self._gradient.micro_batch_tokens = budget

    @property
    def parameters(self) -> Sequence[torch.nn.Parameter]:
        """The trained parameters, by whose index the state of the torch optimizer is stored."""
        return self._parameters

    def _own_part(self, state: dict[str, Any]) -> dict[str, Any]:
        """Return a state of the torch optimizer, of whole tensors or shards, as it is held here."""
        held = {
            index: {
                name: sharded_like(value, self._parameters[index])
                if isinstance(value, torch.Tensor)
                else value
                for name, value in own.items()
            }
            for index, own in state["state"].items()
        }
        return {**state, "state": held}

    def _check(self) -> None:
        if self._optimizer.needs_reference and self._reference is None:
            raise ValueError(
                "a reference policy must be given if kl_weight is above 0, got None; pass one, or "
                "set kl_weight to 0"
            )
        if self._optimizer.needs_entropy and not isinstance(self._policy, EntropyPolicy):
            raise ValueError(
                f"entropy_weight must be 0 for a policy without entropies, got "
                f"{type(self._policy).__name__}; leave it out"
            )
        found = {parameter.dtype for parameter in self._parameters}
        if self._options.autocast and found - {torch.float32}:
            raise ValueError(
                f"weights must be float32 for autocast, got {sorted(map(str, found))}; load the "
                f"policy in float32, or leave the flag out"
            )

    def _scored(
        self, samples: Sequence[TrainingSample]
    ) -> tuple[list[TrainingSample], list[FloatArray]]:
        """Compute log-probabilities before the step, and their gap to those of the sampler.

        Samples that have them already keep them.
        """
        samples, gaps = list(samples), list[FloatArray]()
        is_given = any(sample.old_logprobs is not None for sample in samples)
        if self._options.old_logprobs == "recompute" and not is_given:
            scores = self._score(self._policy, samples)
            gaps = self._processes.all_gather(
                [np.abs(s - r.completion.logprobs) for s, r in zip(scores, samples, strict=True)]
            )
            samples = [
                replace(sample, old_logprobs=tuple(values.tolist()))
                for sample, values in zip(samples, scores, strict=True)
            ]
        if self._optimizer.needs_reference and self._reference is not None:
            samples = [
                replace(sample, reference_logprobs=tuple(values.tolist()))
                for sample, values in zip(
                    samples, self._score(self._reference, samples), strict=True
                )
            ]
        return samples, gaps

    def _score(
        self, policy: TrainablePolicy, samples: Sequence[TrainingSample]
    ) -> list[FloatArray]:
        return score(
            policy,
            [sample.completion for sample in samples],
            micro_batch_tokens=self._gradient.micro_batch_tokens,
            autocast=self._options.autocast,
            processes=self._processes,
        )

    def _parts(self, samples: list[TrainingSample]) -> Iterator[list[TrainingSample]]:
        """Yield the samples of each update of this step; at least one update."""
        if self._options.num_minibatches == 1:
            yield from [samples] * self._options.num_epochs
            return
        sizes = self._processes.all_gather([len(samples)])
        start = sum(
            sizes[: self._processes.rank]
        )  # indices of the local samples, among those of all processes
        for _ in range(self._options.num_epochs):
            # From counters, not from a generator's state, so that a resumed run shuffles equally.
            rng = np.random.default_rng([self._options.shuffle_seed, self._num_updates])
            dealt = np.array_split(rng.permutation(sum(sizes)), self._options.num_minibatches)
            parts = [
                [samples[index - start] for index in part if 0 <= index - start < len(samples)]
                for part in dealt
                if len(part)
            ]
            yield from parts or [[]]

    def _take_update(
        self, samples: Sequence[TrainingSample], *, is_first: bool
    ) -> tuple[Metrics, list[FloatArray]]:
        learning_rate = self._set_learning_rate()
        snr: float | None = None
        try:
            metrics, gaps = self._gradient.run(samples)
            if is_first and gaps:  # later updates of a step use the same samples or another policy
                snr = self._noise.measure()
            metrics["grad_norm"] = self._clip_gradient(samples)
        except NonFiniteBatch as error:
            self._gradient.clear()
            message = self._report(error)
            if self._options.on_nonfinite == "raise":
                raise FloatingPointError(message) from error
            return {"skipped_updates": 1.0, "learning_rate": learning_rate}, []
        if gaps:
            self._torch_optimizer.step()
        self._num_updates += 1
        metrics |= {} if snr is None else {"grad_snr": snr}
        return {**metrics, "skipped_updates": 0.0, "learning_rate": learning_rate}, gaps

    def _set_learning_rate(self) -> float:
        progress = min(1.0, (self._num_updates + 1) / (self._warmup_steps + 1))
        for group in self._torch_optimizer.param_groups:
            group["lr"] = self._learning_rate * progress
        return self._learning_rate * progress

    def _clip_gradient(self, samples: Sequence[TrainingSample]) -> float:
        norm = whole(torch.nn.utils.clip_grad_norm_(self._parameters, self._max_grad_norm))
        if not norm.isfinite():
            message = f"the gradient must be finite, got norm {norm.item()}; lower --learning-rate"
            raise NonFiniteBatch(message, samples)
        return norm.item()

    def _report(self, error: NonFiniteBatch) -> str:
        """Save the batch in the run's folder, and return a message for the user."""
        if self._failure_dir is None:
            return str(error)
        here = f"_process_{self._processes.rank}" if self._processes.world_size > 1 else ""
        path = self._failure_dir / f"nonfinite_update_{self._num_updates + 1}{here}.json"
        return f"{error}; {save_samples(path, error.samples, error.logprobs)}"


def _combined(results: Sequence[Metrics]) -> Metrics:
    """Combine the metrics of the updates of a step."""
    combined: Metrics = {"loss": 0.0, "grad_norm": 0.0, "clip_rate": 0.0, "approx_kl": 0.0}
    for name in {name: None for result in results for name in result}:
        values = [result[name] for result in results if name in result]
        combined[name] = sum(values) / (1 if name in SUMMED else len(values))
    combined["learning_rate"] = results[-1]["learning_rate"]
    return combined
