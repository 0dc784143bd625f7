"""Sketches of per-completion gradients against automatic differentiation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import nn

from baselines.advise.pilot_data import SKETCH_SIZE
from baselines.advise.sketch import Projection, covers, sketches
from baselines.common.types import FloatArray
from baselines.policies.base import Completion, Prompt, Sampling, TrainablePolicy
from baselines.policies.local.lora import LoraSettings
from baselines.policies.registry import load_policy
from baselines.policies.team import load_team


def sampled(policy: TrainablePolicy, *, count: int = 4) -> list[Completion]:
    prompts = [Prompt(f"1+{digit}*2=") for digit in range(count)]
    sampling = Sampling(max_tokens=6, temperature=0.8)
    return policy.sample(prompts, sampling=sampling, rng=np.random.default_rng(0))


def gradients(
    policy: TrainablePolicy, completions: Sequence[Completion]
) -> tuple[list[nn.Parameter], list[list[torch.Tensor]]]:
    """Return the trained parameters and the gradient of each completion, one at a time."""
    trained = [own for own in policy.module.parameters() if own.requires_grad]
    found = []
    for one in completions:
        own = torch.autograd.grad(policy.logprobs([one]).sum(), trained)
        found.append([part.detach() for part in own])
    return trained, found


def projected(trained: list[nn.Parameter], found: list[list[torch.Tensor]]) -> FloatArray:
    """Return the sketches of gradients, element by element."""
    projection = Projection(trained)
    totals = np.zeros((len(found), SKETCH_SIZE))
    for total, own in zip(totals, found, strict=True):
        for parameter, gradient in zip(trained, own, strict=True):
            signed = (gradient.flatten() * projection.signs(parameter)).double().numpy()
            np.add.at(total, np.arange(len(signed)) % SKETCH_SIZE, signed)
    return totals


def test_sketches_of_a_batch_are_those_of_automatic_differentiation() -> None:
    policy = load_policy("tiny")
    completions = sampled(policy)
    completions.insert(1, Completion("", prompt_ids=(1, 2)))  # an empty one has no gradient
    found = sketches(policy, completions, micro_batch_tokens=64)  # several batches
    assert found.shape == (5, SKETCH_SIZE)
    trained, exact = gradients(policy, [completions[0], *completions[2:]])
    assert covers(policy.module, Projection(trained))
    assert not found[1].any()
    np.testing.assert_allclose(found[[0, 2, 3, 4]], projected(trained, exact), atol=2e-4)
    assert all(parameter.requires_grad for parameter in trained)
    assert all(parameter.grad is None for parameter in trained)


def test_sketches_keep_inner_products_of_gradients() -> None:
    policy = load_policy("tiny")
    completions = sampled(policy, count=6)
    found = sketches(policy, completions, micro_batch_tokens=4096).astype(np.float64)
    _, exact = gradients(policy, completions)
    flat = np.array([torch.cat([part.flatten() for part in own]).numpy() for own in exact])
    lengths = np.linalg.norm(flat, axis=1)
    errors = (found @ found.T - flat @ flat.T) / np.outer(lengths, lengths)
    assert np.abs(errors).max() < 6.0 / np.sqrt(SKETCH_SIZE)


@pytest.mark.parametrize("small", [True, False])
def test_sketches_of_adapters(small: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not small:  # as for a model that is too large for a copy with merged weights
        monkeypatch.setattr("baselines.policies.local.merged_copy.MAX_PARAMETERS", 0)
    team = load_team("tiny", ["thinker", "solver"], own_copies=False, lora=LoraSettings(rank=2))
    policy = team["solver"]
    completions = sampled(policy, count=3)
    found = sketches(policy, completions, micro_batch_tokens=4096)
    trained, exact = gradients(policy, completions)
    np.testing.assert_allclose(found, projected(trained, exact), atol=2e-4)
    assert found.any()


class Scaled(nn.Module):
    """A layer of a kind that has no rule."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([2.0]))


def test_parameters_of_unknown_layers_are_not_covered() -> None:
    known = nn.Sequential(nn.Embedding(3, 4), nn.Linear(4, 4), nn.LayerNorm(4))
    assert covers(known, Projection(list(known.parameters())))
    other = nn.Sequential(known, Scaled())
    assert not covers(other, Projection(list(other.parameters())))
