"""When the fast forward pass stands in for the model's own, and that nobody can tell."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from transformers import LlamaConfig, PreTrainedModel

from baselines.policies.local import sampler
from baselines.policies.local.cache_decoder import CacheDecoder
from baselines.policies.local.llama import as_plain_llama
from baselines.policies.local.llama_decoder import LlamaDecoder
from baselines.policies.local.module_decoder import ModuleDecoder
from baselines.policies.local.sampler import decoders_of, sample_tokens
from tests.rl.models import END, GPT2, GROUPED, LLAMA, WINDOWED, build, llama_config, plain_logprobs

PROMPTS = [[1, 2, 3], [4], [1, 2, 3], [5, 5, 1, 6, 2, 3, 1], [4], [2, 6]] * 3


def sample(model: PreTrainedModel) -> list[sampler.SampledTokens]:
    generator = torch.Generator().manual_seed(0)
    return sample_tokens(model, PROMPTS, max_tokens=8, end_ids=(END,), generator=generator)


def assert_exact(model: PreTrainedModel) -> None:
    for prompt, row in zip(PROMPTS, sample(model), strict=True):
        expected = plain_logprobs(model, prompt, row.token_ids, 1.0).detach()
        assert torch.tensor(row.logprobs) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("config", "decoder"),
    [
        (LLAMA, LlamaDecoder),
        (GROUPED, LlamaDecoder),
        (GPT2, CacheDecoder),
        (WINDOWED, CacheDecoder),
    ],
)
def test_decoders_of_chooses_by_architecture(config, decoder):
    with torch.inference_mode():
        assert type(decoders_of(build(config))(PROMPTS, 8)) is decoder


@pytest.mark.parametrize("config", [LLAMA, GROUPED], ids=["llama", "grouped"])
def test_both_decoders_sample_the_same(config, monkeypatch):
    model = build(config)
    fast = sample(model)
    monkeypatch.setattr(sampler, "as_plain_llama", lambda _: None)
    monkeypatch.setattr(sampler, "as_llama", lambda _: None)
    for one, other in zip(fast, sample(model), strict=True):
        assert one.token_ids == other.token_ids
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-5)


class Adapted(nn.Linear):
    """Stands for any layer that adds something to a linear one."""

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return super().forward(hidden) + 0.5 * hidden


def adapt(model: PreTrainedModel) -> None:
    attention = model.model.layers[1].self_attn
    adapted = Adapted(16, 16, bias=False)
    adapted.load_state_dict(attention.q_proj.state_dict())
    attention.q_proj = adapted


def hook(model: PreTrainedModel) -> None:
    norm = model.model.layers[0].input_layernorm
    norm.register_forward_hook(lambda _module, _inputs, output: 2 * output)


def override(model: PreTrainedModel) -> None:
    mlp = model.model.layers[0].mlp
    plain = mlp.forward
    mlp.forward = lambda hidden: -plain(hidden)


@pytest.mark.parametrize("change", [adapt, hook, override])
def test_a_changed_module_is_computed_by_the_model(change: Callable[[PreTrainedModel], None]):
    model = build(LLAMA)
    before = sample(model)
    change(model)
    assert as_plain_llama(model) is None
    assert_exact(model)
    assert sample(model) != before


@pytest.mark.parametrize(
    "config",
    [
        llama_config(attention_bias=True),
        llama_config(mlp_bias=True),
        llama_config(hidden_act="gelu"),
        llama_config(
            rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 10_000.0}
        ),
    ],
    ids=["attention_bias", "mlp_bias", "gelu", "scaled_positions"],
)
def test_an_unusual_llama_is_computed_by_the_model(config: LlamaConfig):
    model = build(config)
    assert as_plain_llama(model) is None
    assert_exact(model)


@pytest.mark.parametrize(
    "change", [lambda model: model.to(torch.bfloat16), lambda model: model.train()]
)
def test_as_plain_llama_refuses_half_precision_and_training_mode(change):
    model = build(LLAMA)
    assert as_plain_llama(model) is model
    change(model)
    assert as_plain_llama(model) is None


def test_as_plain_llama_refuses_autocast():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert as_plain_llama(build(LLAMA)) is None


def test_the_weights_of_a_large_model_are_not_copied(monkeypatch):
    model = build(LLAMA)
    monkeypatch.setattr(sampler, "MAX_PARAMETERS", model.num_parameters() - 1)
    with torch.inference_mode():
        assert type(decoders_of(model)(PROMPTS, 8)) is ModuleDecoder


def step_of_a_torch_optimizer(model: PreTrainedModel) -> None:
    torch_optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    model(torch.tensor([[1, 2, 3]])).logits.square().sum().backward()
    torch_optimizer.step()


def load_other_weights(model: PreTrainedModel) -> None:
    model.load_state_dict({name: 1.1 * value for name, value in model.state_dict().items()})


def write_behind_the_back_of_autograd(model: PreTrainedModel) -> None:
    model.model.layers[0].mlp.up_proj.weight.data += 0.5


@pytest.mark.parametrize(
    "change",
    [step_of_a_torch_optimizer, load_other_weights, write_behind_the_back_of_autograd],
)
def test_sample_tokens_reads_the_weights_as_they_are_now(change):
    model = build(LLAMA)
    before = sample(model)
    change(model)
    assert as_plain_llama(model) is model
    assert_exact(model)
    assert sample(model) != before


@pytest.mark.parametrize("num_heads", [1, 2, 8])  # heads of two numbers have nothing to reorder
def test_sampling_leaves_the_weights_alone(num_heads):
    model = build(llama_config(num_attention_heads=num_heads, num_key_value_heads=1))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert_exact(model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_llama_decoder_reads_each_prompt_once_and_drops_ended_rows(monkeypatch):
    model = build(LLAMA)
    num_prompts, num_rows = [], []

    class Recording(LlamaDecoder):
        def step(self, token_ids: torch.Tensor) -> torch.Tensor:
            num_prompts.append(len(self._cache._prompts._keys[0]))
            num_rows.append(len(token_ids))
            return super().step(token_ids)

    monkeypatch.setattr(sampler, "LlamaDecoder", Recording)
    generator = torch.Generator().manual_seed(0)
    rows = sample_tokens(model, PROMPTS, max_tokens=50, end_ids=(END,), generator=generator)
    assert num_prompts[0] == 4
    assert num_prompts[-1] < 4
    assert num_rows[0] <= len(PROMPTS)
    assert num_rows[-1] < len(PROMPTS) / 2
    assert len(num_rows) == max(len(row.token_ids) for row in rows) - 1  # the last is not read
