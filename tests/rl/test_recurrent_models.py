"""Models with recurrent states: sampled and trained exactly, or refused when they are loaded."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import BertConfig

from baselines.optimizers import OPTIMIZERS
from baselines.policies.base import Prompt, Sampling
from baselines.policies.local import self_check
from baselines.policies.local.hf import DEFAULT_MAX_TOKENS, HFPolicy
from baselines.policies.local.lora import LoraBase, LoraSettings
from baselines.policies.local.self_check import expect_exact
from baselines.policies.registry import load_policy
from baselines.train.update.batching import TrainingSample
from baselines.train.update.updater import Updater
from tests.rl.models import GPT2, LLAMA, build, plain_logprobs
from tests.rl.recurrent_models import EXACT, INEXACT

PROMPTS = [Prompt(text) for text in ("1+1", "(47+5)*2=", "1+1", "7", "7-5*3+1", "1+1")] * 3
ROUNDING = 1e-4  # a lost state or a token of padding is a thousand times more


@pytest.fixture(scope="module")
def tokenizer():
    return load_policy("tiny").tokenizer


def small(config, tokenizer):
    config.vocab_size = len(tokenizer)
    return build(config)


@pytest.mark.parametrize("name", EXACT)
def test_recurrent_model_is_sampled_and_trained_as_a_plain_forward_says(name, tokenizer):
    policy = HFPolicy(small(EXACT[name], tokenizer), tokenizer, max_rows=4)
    sampling = Sampling(temperature=0.7, max_tokens=10, stop="2")
    completions = policy.sample(PROMPTS, sampling=sampling, rng=np.random.default_rng(1))
    assert len({len(c.token_ids) for c in completions}) > 1  # rows have left the batch
    plain = [plain_logprobs(policy.module, c.prompt_ids, c.token_ids, 0.7) for c in completions]
    for completion, expected in zip(completions, plain, strict=True):
        assert completion.logprobs == pytest.approx(expected.tolist(), abs=ROUNDING)
    weights = np.random.default_rng(0).normal(size=len(completions))
    num_tokens = sum(len(c.token_ids) for c in completions)
    policy.module.zero_grad()
    (-sum(w * p.sum() for w, p in zip(weights, plain, strict=True)) / num_tokens).backward()
    parameters = [p for p in policy.module.parameters() if p.grad is not None]
    expected = torch.cat([p.grad.flatten() for p in parameters])
    updater = Updater(
        policy,
        OPTIMIZERS["grpo"],
        learning_rate=1e-4,
        warmup_steps=0,
        max_grad_norm=1e9,
        micro_batch_tokens=200,
    )
    samples = [TrainingSample(c, float(w)) for c, w in zip(completions, weights, strict=True)]
    metrics = updater.update(samples)
    found = torch.cat([p.grad.flatten() for p in parameters])
    assert metrics["mismatch_max"] <= ROUNDING
    assert (found - expected).norm() <= ROUNDING * expected.norm()


def test_a_model_without_a_limit_of_positions_has_a_default_length(tokenizer):
    policy = HFPolicy(small(EXACT["mamba"], tokenizer), tokenizer)
    assert not hasattr(policy.module.config, "max_position_embeddings")
    assert policy.max_tokens == DEFAULT_MAX_TOKENS


@pytest.mark.parametrize("name", EXACT)
def test_recurrent_model_passes_its_check_when_it_is_loaded(name, tokenizer):
    expect_exact(small(EXACT[name], tokenizer))


@pytest.mark.parametrize("name", INEXACT)
def test_a_model_that_cannot_be_computed_exactly_is_refused_when_it_is_loaded(
    name, tokenizer, tmp_path
):
    small(INEXACT[name], tokenizer).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(
        ValueError, match=f"a model must .* model type '{name}'; choose anoth"
    ) as no:
        load_policy(tmp_path)
    assert "\n" not in str(no.value)


def test_a_model_that_reads_what_comes_later_is_refused():
    bert = BertConfig(
        vocab_size=40,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        is_decoder=False,
    )
    with pytest.raises(ValueError, match=r"got .* nats between them from model type 'bert'; "):
        expect_exact(build(bert))


def test_a_plain_llama_is_not_checked_and_other_transformers_pass(monkeypatch):
    expect_exact(build(GPT2))
    monkeypatch.setattr(self_check, "_largest_gap", lambda _: float("nan"))
    expect_exact(build(LLAMA))
    with pytest.raises(ValueError, match="got nan nats between them from model type 'gpt2'"):
        expect_exact(build(GPT2))


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_the_largest_gap_decides(scale, monkeypatch):
    monkeypatch.setattr(self_check, "_largest_gap", lambda _: scale * self_check.LARGEST_GAP)
    if scale > 1:
        with pytest.raises(ValueError, match="a model must give a token the same log-probability"):
            expect_exact(build(GPT2))
    else:
        expect_exact(build(GPT2))


def test_adapters_of_a_recurrent_model_train_or_are_refused(tokenizer):
    pytest.importorskip("peft")
    base = LoraBase(HFPolicy(small(EXACT["lfm2"], tokenizer), tokenizer), "lfm2")
    policy = base.add("solver", LoraSettings(rank=2))
    sampling = Sampling(temperature=0.7, max_tokens=6)
    completions = policy.sample(PROMPTS, sampling=sampling, rng=np.random.default_rng(1))
    for values, completion in zip(policy.logprobs(completions), completions, strict=True):
        found = values[: len(completion.token_ids)].tolist()
        assert found == pytest.approx(completion.logprobs, abs=1e-4)
    base = LoraBase(HFPolicy(small(EXACT["mamba"], tokenizer), tokenizer), "mamba")
    with pytest.raises(ValueError, match=r"'mamba'; pass --weights separate or --weights shared"):
        base.add("solver", LoraSettings(rank=2))
