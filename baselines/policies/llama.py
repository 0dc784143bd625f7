"""Read a tree of token ids with a Llama: every shared beginning is computed once, with gradient."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.policies.token_tree import TokenTree

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedModel


def as_plain_llama(model: PreTrainedModel) -> LlamaForCausalLM | None:
    """Return the model if its forward pass is known down to the last module, else None.

    Known are the modules of Llama without biases, in single precision on the CPU, in eval mode
    and with unscaled rotary positions. Anything else, such as an adapter, a hook, a quantised
    layer or autocast, must be computed by the model itself.
    """
    from transformers import LlamaForCausalLM

    if type(model) is not LlamaForCausalLM or torch.is_autocast_enabled("cpu"):
        return None
    for module in model.modules():
        is_own_code = (
            type(module) in _plain_types()
            and "forward" not in vars(module)
            and not (module._forward_hooks or module._forward_pre_hooks)
        )
        if not is_own_code or module.training:
            return None
        if isinstance(module, nn.Linear) and module.bias is not None:
            return None
    rope = model.config.rope_parameters
    if rope is None or rope["rope_type"] != "default":
        return None
    if any(p.dtype != torch.float32 or p.device.type != "cpu" for p in model.parameters()):
        return None
    return model


@functools.cache
def _plain_types() -> frozenset[type]:
    from transformers.activations import SiLUActivation
    from transformers.models.llama import modeling_llama as llama

    return frozenset(
        {
            llama.LlamaForCausalLM,
            llama.LlamaModel,
            llama.LlamaDecoderLayer,
            llama.LlamaAttention,
            llama.LlamaMLP,
            llama.LlamaRMSNorm,
            llama.LlamaRotaryEmbedding,
            nn.Embedding,
            nn.Linear,
            nn.ModuleList,
            nn.SiLU,
            SiLUActivation,
        }
    )


def read_tree(
    model: LlamaForCausalLM, tree: TokenTree, wanted: Tensor
) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """Compute what may follow some nodes of a tree.

    Args:
        model: One that `as_plain_llama` knows.
        tree: What is read.
        wanted: Nodes whose next token is asked for, (N,).

    Returns:
        Logits (N, V), and per layer the rotated keys and the values of all nodes, each of shape
        (M, heads, head size).
    """
    from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

    inner = model.model
    hidden = inner.embed_tokens(tree.token_ids)  # (M, D)
    cos, sin = inner.rotary_emb(hidden, tree.places)
    cache: list[tuple[Tensor, Tensor]] = []
    for layer in inner.layers:
        attention = layer.self_attn
        normed = layer.input_layernorm(hidden)
        queries, keys, values = (
            project(normed).unflatten(1, (-1, attention.head_dim))
            for project in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        queries, keys = apply_rotary_pos_emb(queries, keys, cos, sin)
        cache.append((keys, values))
        mixed = torch.cat(
            [_attend(queries, keys, values, block, attention.scaling) for block in tree.blocks]
        )
        source = tree.first_seen
        if len(cache) == len(inner.layers):  # the last layer only matters where it is asked for
            hidden, source = hidden.index_select(0, wanted), source[wanted]
        hidden = hidden + attention.o_proj(mixed.index_select(0, source))
        hidden = hidden + layer.mlp(layer.post_attention_layernorm(hidden))
    return model.lm_head(inner.norm(hidden)), cache


def _attend(queries: Tensor, keys: Tensor, values: Tensor, block: Tensor, scaling: float) -> Tensor:
    """Return what each place of a block takes from the places up to it, (B * W, D)."""
    num_shared = queries.shape[1] // keys.shape[1]  # query heads per key head
    queries, keys, values = (
        part.index_select(0, block.flatten()).view(*block.shape, *part.shape[1:]).transpose(1, 2)
        for part in (queries, keys, values)
    )  # (B, heads, W, head size)
    if num_shared > 1:
        keys, values = (part.repeat_interleave(num_shared, dim=1) for part in (keys, values))
    # Rows are filled up at their end, so that nothing real can see the filling.
    mixed = functional.scaled_dot_product_attention(
        queries, keys, values, is_causal=True, scale=scaling
    )
    return mixed.transpose(1, 2).flatten(2).flatten(0, 1)
