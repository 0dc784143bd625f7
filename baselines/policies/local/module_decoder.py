"""Decoder for Llamas of any size, plain or with LoRA adapters, that copies no weights.

Compared with the model's own forward pass, the keys and values of a prompt are stored once and read
once for all rows that share it, the cache of a row does not move when it grows, and each row's
numbers are a column, with which products of few rows are faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from baselines.policies.local.adapted_linear import low_rank_parts
from baselines.policies.local.decoding_cache import DecodingCache
from baselines.policies.local.llama import rotated

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM
    from transformers.models.llama.modeling_llama import LlamaRMSNorm


class ModuleDecoder:
    """Decodes a batch of rows with the layers of the model.

    Args:
        model: A model that `as_llama` accepts.
        prompts: Token ids of each row, at least one.
        max_tokens: Maximum number of tokens of a row after its prompt.
    """

    def __init__(
        self, model: LlamaForCausalLM, prompts: Sequence[Sequence[int]], max_tokens: int
    ) -> None:
        self._model = model
        self._cache = DecodingCache(model, prompts, max_tokens)
        inner = model.model
        places = torch.arange(self._cache.num_places)
        self._cos, self._sin = inner.rotary_emb(inner.embed_tokens.weight, places)

    @property
    def logits(self) -> Tensor:
        """Logits of the first token after the prompts, (B, V)."""
        return self._cache.logits

    def step(self, token_ids: Tensor) -> Tensor:
        """Process one token per row and return the logits of the next, (B, V)."""
        model, cache = self._model, self._cache
        places = torch.from_numpy(cache.places)
        cos, sin = self._cos[places], self._sin[places]
        hidden = model.model.embed_tokens(token_ids).T.contiguous()  # (D, B)
        for index, layer in enumerate(model.model.layers):
            attention, mlp = layer.self_attn, layer.mlp
            normed = _normed(layer.input_layernorm, hidden)
            queries, keys, values = (
                _projected(part, normed).T.reshape(len(token_ids), -1, attention.head_dim)
                for part in (attention.q_proj, attention.k_proj, attention.v_proj)
            )
            queries = rotated(queries, cos, sin).mul_(attention.scaling)
            keys = rotated(keys, cos, sin)
            mixed = cache.attend(index, queries.numpy(), keys.numpy(), values.numpy())
            hidden += _projected(attention.o_proj, torch.from_numpy(mixed).T)
            normed = _normed(layer.post_attention_layernorm, hidden)
            gated = mlp.act_fn(_projected(mlp.gate_proj, normed))
            gated *= _projected(mlp.up_proj, normed)
            hidden += _projected(mlp.down_proj, gated)
        cache.advance()
        logits: Tensor = model.lm_head(_normed(model.model.norm, hidden).T)
        return logits

    def keep(self, rows: Tensor) -> None:
        """Keep only these rows, in order."""
        self._cache.keep(rows)


def _projected(layer: nn.Module, columns: Tensor) -> Tensor:
    """Return the outputs (outputs, B) of a linear layer for inputs (inputs, B)."""
    weight, parts = low_rank_parts(layer)
    outputs = weight @ columns
    for part in parts:
        outputs.addmm_(part.up, part.down @ columns, alpha=part.scaling)
    return outputs


def _normed(norm: LlamaRMSNorm, columns: Tensor) -> Tensor:
    """Return columns (D, B) divided by their root mean square, with the gain of the norm."""
    scale = torch.rsqrt(columns.square().mean(dim=0) + norm.variance_epsilon)
    return (columns * scale).mul_(norm.weight[:, None])
