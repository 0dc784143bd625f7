"""A fast float64 policy for exact comparisons of gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from baselines.policies.base import Completion
from baselines.train.update.batching import TrainingSample

NUM_TOKENS = 7


class ToyPolicy:
    """A bigram policy; every forward pass calls on_forward."""

    def __init__(self, seed: int = 0, on_forward: Callable[[int], None] | None = None) -> None:
        self.module = torch.nn.Linear(NUM_TOKENS, NUM_TOKENS, dtype=torch.float64)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in self.module.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator))
        self.num_forwards = 0
        self._on_forward = on_forward

    def logprobs(self, completions: Sequence[Completion]) -> torch.Tensor:
        return self._distributions(completions)[1]

    def logprobs_and_entropy(
        self, completions: Sequence[Completion]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        every, chosen = self._distributions(completions)
        return chosen, -(every.exp() * every).sum(dim=2)

    def _distributions(
        self, completions: Sequence[Completion]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        self.num_forwards += 1
        if self._on_forward:
            self._on_forward(len(completions))
        longest = max(len(c.token_ids) for c in completions)
        said = torch.tensor(
            [[*c.token_ids, *[0] * (longest - len(c.token_ids))] for c in completions]
        )
        before = torch.tensor([[c.prompt_ids[-1]] for c in completions])
        before = torch.cat([before, said[:, :-1]], dim=1)
        inputs = torch.nn.functional.one_hot(before, NUM_TOKENS).double()
        temperatures = torch.tensor([c.temperature for c in completions])[:, None, None]
        every = (self.module(inputs) / temperatures).log_softmax(dim=2)
        chosen = every.gather(2, said[:, :, None])[:, :, 0]
        lengths = torch.tensor([len(c.token_ids) for c in completions])
        return every, chosen.masked_fill(torch.arange(longest) >= lengths[:, None], 0.0)


class WithoutEntropy:
    """The same policy with the interface of `TrainablePolicy` only."""

    def __init__(self) -> None:
        self._policy = ToyPolicy()
        self.module = self._policy.module
        self.logprobs = self._policy.logprobs


def toy_rows(count: int, *, seed: int = 0, shift: float = 0.3) -> list[TrainingSample]:
    """Completions of 1 to 6 tokens, with advantages, from a policy about shift nats away."""
    rng = np.random.default_rng(seed)
    policy = ToyPolicy()
    rows = []
    for _ in range(count):
        prompt = tuple(rng.integers(0, NUM_TOKENS, rng.integers(1, 4)).tolist())
        said = tuple(rng.integers(0, NUM_TOKENS, rng.integers(1, 7)).tolist())
        found = policy.logprobs([Completion("", prompt, said)])[0].tolist()
        logprobs = tuple((np.array(found) + shift * rng.normal(size=len(said))).tolist())
        completion = Completion("", prompt, said, logprobs, max_tokens=8)
        rows.append(TrainingSample(completion, float(rng.normal())))
    return rows
