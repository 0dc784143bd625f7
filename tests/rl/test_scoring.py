"""Scoring, bfloat16 and gradient checkpointing, on the embedded model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from baselines.optimizers import OPTIMIZERS
from baselines.policies.base import Completion, Prompt, Sampling
from baselines.policies.local.hf import HFPolicy
from baselines.policies.registry import load_policy
from baselines.train.update.batching import DISTINCT, PADDED, TrainingSample
from baselines.train.update.forward import counting_of, enable_checkpointing, score
from baselines.train.update.options import UpdateOptions
from baselines.train.update.updater import Updater
from tests.rl.toy_policy import ToyPolicy, toy_rows


@pytest.fixture
def policy() -> HFPolicy:
    return load_policy("tiny")


@pytest.fixture
def samples(policy) -> list[TrainingSample]:
    prompts = [Prompt(text) for text in ["1+1", "a longer prompt 2*3", "7-5"] * 3]
    sampling = Sampling(max_tokens=9)
    completions = policy.sample(prompts, sampling=sampling, rng=np.random.default_rng(0))
    return [TrainingSample(c, (-1.0) ** i) for i, c in enumerate(completions)]


def updated(
    policy: HFPolicy, samples: list[TrainingSample], *, micro_batch_tokens: int = 10**6, **options
) -> tuple[dict, torch.Tensor]:
    updater = Updater(
        policy,
        OPTIMIZERS["grpo"],
        learning_rate=1e-3,
        warmup_steps=0,
        max_grad_norm=1e6,
        micro_batch_tokens=micro_batch_tokens,
        options=UpdateOptions(**options),
    )
    metrics = updater.update(samples)
    return metrics, torch.cat([p.grad.flatten() for p in policy.module.parameters()])


@pytest.mark.parametrize("budget", [1, 20, 1000])
def test_score_keeps_the_order_and_needs_no_gradient(budget: int) -> None:
    policy = ToyPolicy()
    completions = [sample.completion for sample in toy_rows(9)]
    completions = [replace(c, temperature=0.5 + 0.1 * i) for i, c in enumerate(completions)]
    completions.insert(3, Completion("", (1, 2)))
    found = score(policy, completions, micro_batch_tokens=budget)
    assert [values.shape for values in found] == [(len(c.token_ids),) for c in completions]
    for values, completion in zip(found, completions, strict=True):
        if completion.token_ids:
            alone = policy.logprobs([completion])[0].detach().numpy()
            np.testing.assert_allclose(values, alone, rtol=0, atol=1e-12)


def test_score_of_what_a_policy_sampled_is_what_it_reported(policy, samples) -> None:
    completions = [sample.completion for sample in samples]
    found = score(policy, completions, micro_batch_tokens=64)
    for values, completion in zip(found, completions, strict=True):
        np.testing.assert_allclose(values, completion.logprobs, rtol=0, atol=1e-4)


def test_a_batch_counts_a_shared_beginning_once_where_it_is_computed_once(policy) -> None:
    assert counting_of(policy, is_changed=False) is DISTINCT
    assert counting_of(policy, is_changed=True) is PADDED
    assert counting_of(ToyPolicy(), is_changed=False) is PADDED


@pytest.mark.parametrize(("settings", "in_one"), [({}, True), ({"autocast": True}, False)])
def test_an_update_computes_as_many_rows_at_once_as_its_tokens_allow(
    policy, samples, settings, in_one, monkeypatch
) -> None:
    budget = DISTINCT.size(samples)
    assert PADDED.size(samples) > budget
    passes: list[int] = []
    logprobs = HFPolicy.logprobs

    def counted(self, completions):
        passes.append(len(completions))
        return logprobs(self, completions)

    monkeypatch.setattr(HFPolicy, "logprobs", counted)
    updated(policy, samples, micro_batch_tokens=budget, **settings)
    assert (len(passes) == 1) == in_one
    assert sum(passes) == len(samples)


def test_gradient_checkpointing_computes_layers_again_and_changes_nothing(policy, samples) -> None:
    plain, checkpointed = load_policy("tiny"), policy
    calls: list[int] = []
    layer = checkpointed.module.get_decoder().layers[0].input_layernorm
    layer.register_forward_hook(lambda *_: calls.append(1))
    expected, plain_gradient = updated(plain, samples)
    found, gradient = updated(checkpointed, samples, gradient_checkpointing=True)
    assert len(calls) == 2  # once forward, once again backward
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-5)  # float32
    assert (gradient - plain_gradient).norm() < 1e-4 * plain_gradient.norm()
    modes = {module.training for module in checkpointed.module.modules()}
    assert modes == {module.training for module in plain.module.modules()}


def test_gradient_checkpointing_refuses_a_network_that_has_none() -> None:
    with pytest.raises(ValueError, match=r"gradient_checkpointing must be off .* got Linear; "):
        enable_checkpointing(torch.nn.Linear(2, 2))


def test_gradient_checkpointing_knows_the_older_name_inside_a_wrapper() -> None:
    class Old(torch.nn.Module):
        def gradient_checkpointing_enable(self, gradient_checkpointing_kwargs=None) -> None:
            self.kwargs = gradient_checkpointing_kwargs

    inner = Old()
    enable_checkpointing(torch.nn.Sequential(inner))
    assert inner.kwargs == {"use_reentrant": False}


def test_autocast_computes_in_bfloat16_and_keeps_float32_weights(policy, samples) -> None:
    plain = load_policy("tiny")
    seen: list[torch.dtype] = []
    policy.module.get_decoder().layers[0].mlp.register_forward_hook(
        lambda _module, _inputs, output: seen.append(output.dtype)
    )
    expected, plain_gradient = updated(plain, samples)
    found, gradient = updated(policy, samples, autocast=True)
    assert seen == [torch.bfloat16]
    assert {p.dtype for p in policy.module.parameters()} == {torch.float32}
    assert gradient.dtype == torch.float32
    error = (gradient - plain_gradient).norm() / plain_gradient.norm()
    assert 0.0 < error < 0.1
    assert found["mismatch"] > expected["mismatch"]  # the sampler computed in float32


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_entropy_of_a_policy_is_that_of_its_distributions(temperature):
    policy = load_policy("tiny")
    prompts = [Prompt("47+5="), Prompt("2*3=6;6-9=")]
    sampling = Sampling(max_tokens=5, temperature=temperature)
    said = policy.sample(prompts, sampling=sampling, rng=np.random.default_rng(0))
    logprobs, entropy = policy.logprobs_and_entropy(said)
    torch.testing.assert_close(logprobs, policy.logprobs(said))
    for sample, completion in enumerate(said):
        read = torch.tensor([[*completion.prompt_ids, *completion.token_ids]])
        with torch.no_grad():
            logits = policy.module(read).logits[0] / temperature
        start, num_tokens = len(completion.prompt_ids), len(completion.token_ids)
        every = torch.distributions.Categorical(logits=logits[start - 1 : -1]).entropy()
        torch.testing.assert_close(entropy[sample, :num_tokens].detach(), every, atol=1e-5, rtol=0)
        assert (entropy[sample, num_tokens:] == 0.0).all()
