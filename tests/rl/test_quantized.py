"""Models in few bits: what is refused everywhere, and what runs where bitsandbytes is installed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from baselines.policies.base import Prompt, Sampling
from baselines.policies.local.hf import HFPolicy
from baselines.policies.local.lora import LoraBase, LoraSettings
from baselines.policies.local.quantized import check_trainable
from tests.rl.policies import hand_made
from tests.rl.toy_policy import ToyPolicy


def quantised(policy, *, device: str):
    """The policy as it looks when its weights are stored in few bits."""
    model = policy.module
    model.is_quantized = True
    model.__class__ = type("Quantised", (type(model),), {"device": torch.device(device)})
    return policy


def test_plain_models_and_their_adapters_are_trained_anywhere():
    check_trainable(hand_made("llama"))
    check_trainable(LoraBase(hand_made("llama"), "toy").add("solver", LoraSettings(rank=2)))


def test_a_policy_without_a_model_of_transformers_is_let_through():
    check_trainable(ToyPolicy())


def test_quantised_weights_are_not_trained_themselves():
    with pytest.raises(ValueError, match=r"weights must be lora .*pass --weights lora"):
        check_trainable(quantised(hand_made("llama"), device="cuda"))


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_adapters_of_quantised_weights_are_trained_on_a_gpu_alone(device):
    policy = LoraBase(hand_made("gpt_neox"), "toy").add("solver", LoraSettings(rank=2))
    quantised(policy, device=device)
    if device == "cuda":
        check_trainable(policy)
    else:
        with pytest.raises(ValueError, match="must be on a GPU to be trained, got one on the CPU"):
            check_trainable(policy)


def test_quantised_folder_samples_with_the_logprobs_that_it_gives(tmp_path):
    pytest.importorskip("bitsandbytes", reason="pip install 'ccpo-env[quantized]'")
    from transformers import BitsAndBytesConfig

    toy = hand_made("llama")
    sizes = {"hidden_size": 64, "intermediate_size": 128, "head_dim": 32}  # blocks of 64 weights
    wide = LlamaForCausalLM(LlamaConfig(**{**toy.module.config.to_dict(), **sizes}))
    HFPolicy(wide, toy.tokenizer).save(tmp_path / "plain")
    in_few_bits = AutoModelForCausalLM.from_pretrained(
        tmp_path / "plain",
        quantization_config=BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32
        ),
    )
    HFPolicy(in_few_bits, toy.tokenizer).save(tmp_path / "quantised")

    policy = HFPolicy.load(tmp_path / "quantised", device="cpu")
    prompts = [Prompt("a"), Prompt("Problem: 3+4\n")] * 3
    sampling = Sampling(temperature=0.8, max_tokens=8)
    completions = policy.sample(prompts, sampling=sampling, rng=np.random.default_rng(0))
    with torch.no_grad():
        found = policy.logprobs(completions).tolist()
    for row, completion in zip(found, completions, strict=True):
        length = len(completion.logprobs)
        np.testing.assert_allclose(row[:length], completion.logprobs, rtol=0, atol=1e-3)
    with pytest.raises(ValueError, match="weights must be lora"):
        check_trainable(policy)
