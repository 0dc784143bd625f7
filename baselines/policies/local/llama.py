"""Forward pass of a Llama over a tree of token ids: shared prefixes are computed once."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from baselines.policies.local.adapted_linear import adapter_types, apply_linear
from baselines.policies.local.token_tree import TokenTree
from baselines.policies.local.tree_attention import attend, attention_plan

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM
    from transformers.models.llama.modeling_llama import LlamaMLP


def as_plain_llama(model: nn.Module) -> LlamaForCausalLM | None:
    """Return the model if this module reproduces its forward pass exactly, else None.

    Supported are the modules of Llama without biases, in single precision on the CPU, in eval mode
    and with unscaled rotary positions. Models with anything else, such as an adapter, a hook, a
    quantised layer or autocast, must run their own forward pass.
    """
    return _as_llama(model, _plain_types())


def as_llama(model: nn.Module) -> LlamaForCausalLM | None:
    """Return the model if `read_tree` reproduces its forward pass: plain or with LoRA adapters.

    Other kinds of adapters, such as DoRA, must run the model's own forward pass.
    """
    return _as_llama(model, _plain_types() | adapter_types(model))


def _as_llama(model: nn.Module, types: frozenset[type]) -> LlamaForCausalLM | None:
    from transformers import LlamaForCausalLM

    if type(model) is not LlamaForCausalLM or torch.is_autocast_enabled("cpu"):
        return None
    for module in model.modules():
        is_own_code = (
            type(module) in types
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
    """Compute the hidden states of which the output layer makes logits, at some nodes of a tree.

    Args:
        model: A model that `as_llama` accepts.
        tree: Tree of token ids.
        wanted: Nodes whose hidden states are returned, strictly ascending, (N,).

    Returns:
        Hidden states (N, D), and per layer the rotated keys and the values of all nodes, each of
        shape (M, heads, head size).
    """
    inner = model.model
    hidden = inner.embed_tokens(tree.token_ids)  # (M, D)
    rotation = inner.rotary_emb(hidden, tree.places)
    asking, plan = rotation, attention_plan(tree, torch.arange(len(hidden)))
    cache: list[tuple[Tensor, Tensor]] = []
    for layer in inner.layers:
        attention = layer.self_attn
        normed = layer.input_layernorm(hidden)
        keys, values = (
            _heads(apply_linear(project, normed), attention.head_dim)
            for project in (attention.k_proj, attention.v_proj)
        )
        cache.append((rotated(keys, *rotation), values))
        if len(cache) == len(inner.layers):  # the last layer is needed at the wanted nodes only
            hidden, normed = hidden.index_select(0, wanted), normed.index_select(0, wanted)
            asking, plan = [part[wanted] for part in rotation], attention_plan(tree, wanted)
        queries = _heads(apply_linear(attention.q_proj, normed), attention.head_dim)
        mixed = attend(rotated(queries, *asking), *cache[-1], plan, scaling=attention.scaling)
        hidden = hidden + apply_linear(attention.o_proj, mixed)
        hidden = hidden + _gated_mlp(layer.mlp, layer.post_attention_layernorm(hidden))
    return inner.norm(hidden), cache


def _heads(projected: Tensor, size: int) -> Tensor:
    return projected.view(len(projected), -1, size)


def _gated_mlp(mlp: LlamaMLP, hidden: Tensor) -> Tensor:
    gated = mlp.act_fn(apply_linear(mlp.gate_proj, hidden)) * apply_linear(mlp.up_proj, hidden)
    return apply_linear(mlp.down_proj, gated)


def rotated(heads: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Return heads (N, heads, head size) rotated by their positions, given as (N, head size)."""
    first, second = heads.chunk(2, dim=-1)
    return heads * cos[:, None] + torch.cat([-second, first], dim=-1) * sin[:, None]
