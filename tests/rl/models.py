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


def servable(seed: int = 0) -> HFPolicy:
    """A random policy with the tokenizer of the embedded one, and heads as wide as vLLM needs."""
    tokenizer = load_policy("tiny").tokenizer
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        initializer_range=0.1,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return HFPolicy(AutoModelForCausalLM.from_config(config).eval(), tokenizer)
