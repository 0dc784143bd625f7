"""Small random models of several families, and their next-token logits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from baselines.policies.local.hf import HFPolicy

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PROMPT = "Problem: 3+4\n"
END = "<end>"


def hand_made(family: Literal["gpt_neox", "llama"], *, seed: int = 0) -> HFPolicy:
    """A random model whose tokens are bytes: about 20,000 weights."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate([END, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    shared: dict[str, Any] = {
        "vocab_size": len(vocabulary),
        "bos_token_id": 0,
        "eos_token_id": 0,
        "pad_token_id": 0,
    }
    sizes: dict[str, Any] = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": 512,
    }
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model: PreTrainedModel
        if family == "gpt_neox":
            model = GPTNeoXForCausalLM(GPTNeoXConfig(**sizes, **shared))
        else:
            model = LlamaForCausalLM(LlamaConfig(**sizes, **shared))
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, pad_token=END)
    return HFPolicy(model, fast)


def first_logits(policy: Any, text: str = PROMPT) -> torch.Tensor:
    """Next-token logits of a text from the network, shape (V,)."""
    ids = torch.tensor([policy.tokenizer.encode(text)])
    with torch.no_grad():
        logits: torch.Tensor = policy.module(input_ids=ids).logits[0, -1]
    return logits
