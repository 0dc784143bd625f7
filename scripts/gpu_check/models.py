"""Random Llamas of the check, with the embedded model's tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from baselines.policies.local.hf import HFPolicy
from baselines.policies.local.loading import quiet_transformers
from baselines.policies.registry import load_policy

Size = Literal["tiny", "125m", "1b"]

SHAPES: dict[Size, tuple[int, int, int, int, int, int]] = {
    "tiny": (64, 128, 2, 2, 1, 256),
    "125m": (768, 2048, 12, 12, 12, 26_000),
    "1b": (2048, 8192, 16, 32, 8, 32_000),
}
"""Hidden and intermediate size, layers, heads, key heads and vocabulary."""
LOGIT_SPREAD = 6.0
"""Standard deviation of the logits of the tokenizer's own tokens. The logits of all others are 0,
so that these have nearly all of the probability, and completions are texts."""


def config_of(size: Size) -> LlamaConfig:
    """Return the config of a model."""
    hidden, intermediate, layers, heads, key_heads, vocabulary = SHAPES[size]
    return LlamaConfig(
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=key_heads,
        vocab_size=vocabulary,
        max_position_embeddings=1024,
        tie_word_embeddings=False,  # else the most likely token is the last one, again and again
    )


def make_model(size: Size, folder: Path) -> Path:
    """Write a model and its tokenizer, unless the folder has them already.

    Args:
        size: A key of SHAPES.
        folder: Folder of all models; the model gets one in it.
    """
    path = folder / size
    if (path / "config.json").exists():
        return path
    tiny = load_policy("tiny")
    assert isinstance(tiny, HFPolicy)
    torch.manual_seed(0)
    config = config_of(size)
    config.eos_token_id = tiny.module.config.eos_token_id
    config.bos_token_id = tiny.module.config.bos_token_id
    config.pad_token_id = tiny.module.config.pad_token_id
    with quiet_transformers():
        model = LlamaForCausalLM(config)
        table = model.get_output_embeddings().weight
        with torch.no_grad():
            torch.nn.init.normal_(table, std=LOGIT_SPREAD / config.hidden_size**0.5)
            table[len(tiny.tokenizer) :] = 0.0
        tiny.tokenizer.save_pretrained(path)
        model.save_pretrained(path)
    return path
