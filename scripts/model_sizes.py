"""Sizes of language models: counted on the network itself, built without memory for its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import torch

from baselines.policies.local.lora import LoraSettings
from ccpo_env.errors import unknown_name

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

ARCHITECTURE = (
    *("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
    *("num_key_value_heads", "head_dim", "vocab_size", "tie_word_embeddings"),
)
MODELS: Mapping[str, tuple[str, tuple[int, ...]]] = {
    "Qwen/Qwen2.5-0.5B-Instruct": ("Qwen2", (896, 4864, 24, 14, 2, 64, 151_936, True)),
    "Qwen/Qwen2.5-1.5B-Instruct": ("Qwen2", (1536, 8960, 28, 12, 2, 128, 151_936, True)),
    "Qwen/Qwen3-4B-Base": ("Qwen3", (2560, 9728, 36, 32, 8, 128, 151_936, True)),
    "Qwen/Qwen2.5-7B-Instruct": ("Qwen2", (3584, 18_944, 28, 28, 4, 128, 152_064, False)),
    "allenai/Olmo-3-7B-Instruct": ("Olmo3", (4096, 11_008, 32, 32, 32, 128, 100_278, False)),
    "Qwen/Qwen2.5-14B-Instruct": ("Qwen2", (5120, 13_824, 48, 40, 8, 128, 152_064, False)),
}
"""Models by their name on the hub: their kind, and their values of ARCHITECTURE."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Numbers of a network that determine its memory.

    Args:
        parameters: All parameters; tied ones count once.
        adapter: Parameters of a LoRA adapter of all its linear layers but the last.
        layer: Parameters of its largest layer.
        ends: Parameters outside of layers: embedding, last norm and output layer.
        layers: Number of layers.
        width: Numbers in the hidden state of a token.
        vocabulary: Number of logits of a token.
    """

    parameters: int
    adapter: int
    layer: int
    ends: int
    layers: int
    width: int
    vocabulary: int


@cache
def sizes_of(model: str) -> Sizes:
    """Return the sizes of one of MODELS.

    Raises:
        ValueError: If the model is unknown.
    """
    import transformers

    if model not in MODELS:
        raise unknown_name("model", model, MODELS)
    kind, values = MODELS[model]
    config = getattr(transformers, f"{kind}Config")
    return counted(config(**dict(zip(ARCHITECTURE, values, strict=True))))


def counted(config: PreTrainedConfig, *, rank: int = LoraSettings().rank) -> Sizes:
    """Count the parameters of the network of a config.

    Args:
        config: Config of a causal language model.
        rank: Rank of the adapter.
    """
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    layers = [part for part in model.modules() if type(part).__name__.endswith("DecoderLayer")]
    output = model.get_output_embeddings()
    linear = [
        part for part in model.modules() if isinstance(part, torch.nn.Linear) and part is not output
    ]
    parameters = sum(p.numel() for p in model.parameters())
    of_layers = [sum(p.numel() for p in layer.parameters()) for layer in layers]
    return Sizes(
        parameters=parameters,
        adapter=sum(rank * (part.in_features + part.out_features) for part in linear),
        layer=max(of_layers),
        ends=parameters - sum(of_layers),
        layers=len(layers),
        width=config.hidden_size,
        vocabulary=config.vocab_size,
    )
