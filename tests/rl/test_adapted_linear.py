"""Llamas with LoRA adapters: shared prefixes are computed once, with the results of peft."""

from __future__ import annotations

import pytest
import torch
from peft import LoraConfig, inject_adapter_in_model
from torch import nn
from transformers import PreTrainedModel

from baselines.policies.local import sampled_logprobs, sampler, scoring
from baselines.policies.local.adapted_linear import apply_linear
from baselines.policies.local.llama import as_llama, as_plain_llama
from baselines.policies.local.module_decoder import ModuleDecoder
from baselines.policies.local.sampler import decoders_of, sample_tokens, scaled_logprobs
from baselines.policies.local.scoring import completion_logprobs, completion_logprobs_and_entropy
from tests.rl.models import END, GPT2, GROUPED, LLAMA, build, plain_logprobs

PROMPTS = [[1, 2, 3], [4], [1, 2, 3], [1, 2, 6, 2], [1, 2, 3]]
COMPLETIONS = [[5, 5, 1], [6, 0], [5, 2], [3], [5, 5, 1]]
TEMPERATURES = [1.0, 0.7, 1.0, 1.3, 1.0]


def adapted(config=GROUPED, *, adapters=("a",), **settings) -> PreTrainedModel:
    """A random network with random adapters, the last of which is active."""
    model = build(config).requires_grad_(False)
    generator = torch.Generator().manual_seed(5)
    for name in adapters:
        lora = LoraConfig(r=3, lora_alpha=6, target_modules="all-linear", **settings)
        inject_adapter_in_model(lora, model, adapter_name=name)
    for name, weight in model.named_parameters():
        if "lora_" in name:
            weight.data = 0.3 * torch.randn(weight.shape, generator=generator)
    return model.eval()


def trained(model: nn.Module) -> list[nn.Parameter]:
    return [weight for weight in model.parameters() if weight.requires_grad]


def both_active(layer) -> None:
    layer.set_adapter(["a", "b"])


def disabled(layer) -> None:
    layer.enable_adapters(False)


def merged(layer) -> None:
    layer.merge()


def trained_base(layer) -> None:
    layer.get_base_layer().weight.requires_grad_(True)


def unchanged(_layer) -> None:
    pass


@pytest.mark.filterwarnings("ignore:Already found a `peft_config`")
@pytest.mark.parametrize("change", [unchanged, both_active, disabled, merged, trained_base])
def test_apply_linear_equals_peft_in_both_directions(change):
    model = adapted(adapters=("a", "b")).double()
    layer = model.model.layers[1].mlp.up_proj
    change(layer)
    inputs = torch.randn(5, 16, dtype=torch.float64, requires_grad=True)
    towards = torch.randn(5, 16, dtype=torch.float64)
    wanted = [inputs, *trained(layer)]
    ours, theirs = apply_linear(layer, inputs), layer(inputs)
    torch.testing.assert_close(ours, theirs)
    found, expected = (
        torch.autograd.grad((output * towards).sum(), wanted, allow_unused=True)
        for output in (ours, theirs)
    )
    for one, other in zip(found, expected, strict=True):
        assert (one is None) == (other is None)
        assert one is None or torch.allclose(one, other, rtol=1e-12, atol=1e-12)


def test_apply_linear_has_the_gradient_of_finite_differences():
    layer = adapted().double().model.layers[0].mlp.up_proj
    down, up = layer.lora_A["a"].weight, layer.lora_B["a"].weight

    def outputs(inputs, _down, _up):
        return apply_linear(layer, inputs)

    inputs = torch.randn(3, 16, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(outputs, (inputs, down, up))


@pytest.mark.parametrize("config", [LLAMA, GROUPED], ids=["llama", "grouped"])
def test_a_token_tree_with_adapters_equals_padded_rows(config, monkeypatch):
    model = adapted(config)
    assert as_llama(model) is model
    found = [_with_gradient(model, function) for function in (_logprobs, _entropy)]
    monkeypatch.setattr(scoring, "as_llama", lambda _: None)
    expected = [_with_gradient(model, function) for function in (_logprobs, _entropy)]
    for ours, theirs in zip(found, expected, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def _logprobs(model) -> torch.Tensor:
    return completion_logprobs(model, PROMPTS, COMPLETIONS, temperatures=TEMPERATURES)


def _entropy(model) -> torch.Tensor:
    return torch.stack(
        completion_logprobs_and_entropy(model, PROMPTS, COMPLETIONS, temperatures=TEMPERATURES)
    )


def _with_gradient(model, function) -> list[torch.Tensor]:
    values = function(model)
    weights = torch.linspace(-1, 1, values.numel()).reshape(values.shape)
    return [values.detach(), *torch.autograd.grad((values * weights).sum(), trained(model))]


@pytest.mark.filterwarnings("ignore:.*lora_bias")
@pytest.mark.parametrize(
    "settings", [{"use_dora": True}, {"lora_bias": True}], ids=["dora", "lora_bias"]
)
def test_other_adapters_are_computed_by_the_model(settings):
    model = adapted(LLAMA, **settings)
    assert as_llama(model) is None
    assert _logprobs(model).isfinite().all()


def test_only_what_reads_through_adapters_takes_them():
    model = adapted(LLAMA)
    assert as_llama(model) is model
    assert as_plain_llama(model) is None
    assert as_llama(build(LLAMA)) is not None
    assert as_llama(build(GPT2)) is None
    model.model.layers[0].mlp.up_proj.lora_A["a"].register_forward_hook(lambda *_: None)
    assert as_llama(model) is None


@pytest.mark.parametrize("make", [adapted, build])
@pytest.mark.parametrize("config", [LLAMA, GROUPED], ids=["llama", "grouped"])
def test_module_decoder_samples_what_the_model_does(make, config, monkeypatch):
    model = make(config)
    monkeypatch.setattr(sampler, "MAX_PARAMETERS", 0)
    with torch.inference_mode():
        assert type(decoders_of(model)(PROMPTS, 8)) is ModuleDecoder
    rows = _sampled(model)
    assert len({len(row.token_ids) for row in rows}) > 2  # rows that end leave the batch
    for prompt, row in zip(PROMPTS * 8, rows, strict=True):
        expected = plain_logprobs(model, prompt, row.token_ids, 1.0).detach()
        assert torch.tensor(row.logprobs) == pytest.approx(expected, abs=1e-5)
    monkeypatch.setattr(sampler, "as_llama", lambda _: None)
    assert [row.token_ids for row in rows] == [row.token_ids for row in _sampled(model)]


def _sampled(model) -> list[sampler.SampledTokens]:
    generator = torch.Generator().manual_seed(0)
    return sample_tokens(model, PROMPTS * 8, max_tokens=20, end_ids=(END,), generator=generator)


@pytest.mark.parametrize("temperature", [0.0, 0.7, torch.linspace(0.5, 2.0, 7)[:, None]])
def test_sampled_logprobs_are_those_of_the_whole_table(temperature, monkeypatch):
    monkeypatch.setattr(sampled_logprobs, "CHUNK_ROWS", 3)
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(7, 5, generator=generator, requires_grad=True)
    weight = torch.randn(11, 5, generator=generator)
    token_ids = torch.tensor([0, 10, 3, 3, 7, 1, 2])
    towards = torch.linspace(-1, 1, 7)
    table = scaled_logprobs(hidden @ weight.T, temperature)
    expected = table.gather(1, token_ids[:, None])[:, 0]
    found = sampled_logprobs.sampled_logprobs(hidden, weight, token_ids, temperature)
    torch.testing.assert_close(found, expected)
    gradients = [
        torch.autograd.grad((values * towards).sum(), hidden)[0] for values in (found, expected)
    ]
    torch.testing.assert_close(*gradients)
    with torch.no_grad():
        plain = sampled_logprobs.sampled_logprobs(hidden, weight, token_ids, temperature)
    torch.testing.assert_close(plain, expected.detach())
