"""Small random networks of several architectures, and a reference forward pass."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    PreTrainedConfig,
    PreTrainedModel,
)

from baselines.policies.local.hf import HFPolicy
from baselines.policies.registry import load_policy

NUM_TOKENS = 7
END = 0


def llama_config(**settings) -> LlamaConfig:
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2}
    return LlamaConfig(**{"vocab_size": NUM_TOKENS, "num_attention_heads": 2, **sizes, **settings})


LLAMA = llama_config()
# Two query heads per key head, wider heads than hidden_size gives, one embedding for both ends.
GROUPED = llama_config(
    num_attention_heads=4, num_key_value_heads=2, head_dim=8, tie_word_embeddings=True
)
GPT2 = GPT2Config(
    vocab_size=NUM_TOKENS, n_embd=16, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
)
WINDOWED = MistralConfig(
    vocab_size=NUM_TOKENS,
    hidden_size=16,
    intermediate_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=1,
    sliding_window=3,
)
CONFIGS = {"llama": LLAMA, "grouped": GROUPED, "gpt2": GPT2, "windowed": WINDOWED}


def build(config: PreTrainedConfig) -> PreTrainedModel:
    """A random network with non-uniform next-token distributions."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = AutoModelForCausalLM.from_config(config).eval()
        for parameter in model.parameters():
            parameter.data += 0.3 * torch.randn_like(parameter)
    return model


def plain_logprobs(
    model: PreTrainedModel, prompt: Sequence[int], completion: Sequence[int], temperature: float
) -> torch.Tensor:
    """Log-probabilities of one row, without padding or cache."""
    logits = model(torch.tensor([[*prompt, *completion]])).logits[0]
    before = (logits[len(prompt) - 1 : -1] / temperature).log_softmax(-1)
    return before[range(len(completion)), list(completion)]


def servable() -> HFPolicy:
    """The embedded policy with heads of 32 numbers, as vLLM needs, half of them without effect.

    With twice as many rotations of a head, every second one has a frequency of the narrow head.
    """
    policy = load_policy("tiny")
    settings = policy.module.config.to_dict()
    width = settings["head_dim"]
    config = LlamaConfig(**{**settings, "head_dim": 2 * width})
    kept = [2 * number + half * width for half in (0, 1) for number in range(width // 2)]
    model, state = AutoModelForCausalLM.from_config(config).eval(), policy.module.state_dict()
    for name, weight in model.state_dict().items():
        if weight.shape == state[name].shape:
            weight.copy_(state[name])
            continue
        is_read = name.endswith(("q_proj.weight", "k_proj.weight", "v_proj.weight"))
        narrow = state[name] if is_read else state[name].T
        wide = torch.zeros(config.num_attention_heads, 2 * width, config.hidden_size)
        wide[:, kept] = narrow.unflatten(0, (config.num_attention_heads, width))
        if name.endswith("q_proj.weight"):
            wide *= 2**0.5  # scores are divided by the root of the size of a head
        weight.copy_(wide.flatten(0, 1) if is_read else wide.flatten(0, 1).T)
    return HFPolicy(model, policy.tokenizer)
