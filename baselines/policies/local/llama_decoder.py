"""Decoder for small Llama models in NumPy, one token of all rows at a time.

In a network of a few 100,000 parameters, the arithmetic of a token takes less time than the
overhead of the PyTorch modules. Here a layer is about 20 array operations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.policies.local.decoding_cache import DecodingCache
from baselines.policies.local.prompt_cache import Floats

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM
    from transformers.models.llama.modeling_llama import LlamaDecoderLayer

Rotations = npt.NDArray[np.complex64]

MAX_PARAMETERS = 10_000_000
"""Larger models are dominated by arithmetic, and copying their weights is expensive."""


@dataclass(frozen=True, slots=True)
class _Layer:
    """Transposed weights of one layer, with the gain of the preceding norm multiplied in.

    Args:
        attention_in: Projection to queries, keys and values, in this order.
        attention_out: Output projection of the attention.
        gate_and_up: Projection to the two halves of the gated MLP.
        down: Output projection of the gated MLP.
    """

    attention_in: Floats
    attention_out: Floats
    gate_and_up: Floats
    down: Floats


class LlamaWeights:
    """A copy of the current weights of a Llama, laid out for few and large products.

    The two halves of a rotated head are interleaved, so that a rotation is one product of complex
    numbers. The scaling of the attention scores is part of the query weights.

    Args:
        model: A model that `as_plain_llama` accepts.
    """

    def __init__(self, model: LlamaForCausalLM) -> None:
        inner, config = model.model, model.config
        self.model = model
        self.head_size: int = inner.layers[0].self_attn.head_dim
        # The configuration fills in the defaults.
        self.num_key_heads = cast("int", config.num_key_value_heads)
        self.num_heads: int = config.num_attention_heads
        self.epsilon: float = config.rms_norm_eps
        self.embedding = _array(inner.embed_tokens.weight)
        self.layers = [self._layer(layer) for layer in inner.layers]
        self.head = _fused([_array(model.lm_head.weight)], inner.norm)

    def interleaved(self, heads: Floats) -> Floats:
        """Return heads (..., head size) with their first half at the even positions."""
        halves = heads.reshape(*heads.shape[:-1], 2, self.head_size // 2)
        return halves.swapaxes(-1, -2).reshape(heads.shape)

    def rotations(self, num_places: int) -> Rotations:
        """Return the complex factor of each pair of a head's numbers at each position."""
        cos, sin = self.model.model.rotary_emb(self.model.lm_head.weight, torch.arange(num_places))
        half = self.head_size // 2
        return _array(cos[:, :half]) + 1j * _array(sin[:, :half])

    def _interleaved_rows(self, weight: Floats) -> Floats:
        halves = weight.reshape(-1, 2, self.head_size // 2, weight.shape[1])
        return halves.swapaxes(1, 2).reshape(weight.shape)

    def _layer(self, layer: LlamaDecoderLayer) -> _Layer:
        attention, mlp = layer.self_attn, layer.mlp
        queries, keys, values = (
            _array(part.weight) for part in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        queries = self._interleaved_rows(queries) * np.float32(attention.scaling)
        keys = self._interleaved_rows(keys)
        gate_and_up = [_array(mlp.gate_proj.weight), _array(mlp.up_proj.weight)]
        return _Layer(
            _fused([queries, keys, values], layer.input_layernorm),
            _transposed(_array(attention.o_proj.weight)),
            _fused(gate_and_up, layer.post_attention_layernorm),
            _transposed(_array(mlp.down_proj.weight)),
        )


class LlamaDecoder:
    """Decodes a batch of rows, with the keys and values of the tokens so far.

    Args:
        weights: Weights of the model.
        prompts: Token ids of each row, at least one.
        max_tokens: Maximum number of tokens of a row after its prompt.
    """

    def __init__(
        self, weights: LlamaWeights, prompts: Sequence[Sequence[int]], max_tokens: int
    ) -> None:
        self._weights = weights
        self._cache = DecodingCache(
            weights.model, prompts, max_tokens, arrange_keys=weights.interleaved
        )
        self._rotations = weights.rotations(self._cache.num_places)

    @property
    def logits(self) -> Tensor:
        """Logits of the first token after the prompts, (B, V)."""
        return self._cache.logits

    def step(self, token_ids: Tensor) -> Tensor:
        """Process one token per row and return the logits of the next, (B, V)."""
        weights = self._weights
        hidden = weights.embedding[token_ids.numpy()]  # (B, D)
        rotations = self._rotations[self._cache.places][:, None]
        for index, layer in enumerate(weights.layers):
            projected = _normed(hidden, weights.epsilon) @ layer.attention_in
            hidden += self._attend(index, projected, rotations) @ layer.attention_out
            gate_and_up = _normed(hidden, weights.epsilon) @ layer.gate_and_up
            num_gates = gate_and_up.shape[1] // 2
            gated = functional.silu(torch.from_numpy(gate_and_up[:, :num_gates])).numpy()
            gated *= gate_and_up[:, num_gates:]
            hidden += gated @ layer.down
        self._cache.advance()
        return torch.from_numpy(_normed(hidden, weights.epsilon) @ weights.head)

    def keep(self, rows: Tensor) -> None:
        """Keep only these rows, in order."""
        self._cache.keep(rows)

    def _attend(self, index: int, projected: Floats, rotations: Rotations) -> Floats:
        """Return the attention output of each row, (B, D)."""
        weights = self._weights
        num_rotated = weights.num_heads + weights.num_key_heads
        heads = projected.reshape(len(projected), -1, weights.head_size)
        rotated = heads[:, :num_rotated].view(np.complex64)
        rotated *= rotations
        return self._cache.attend(
            index,
            heads[:, : weights.num_heads],
            heads[:, weights.num_heads : num_rotated],
            heads[:, num_rotated:],
        )


def _normed(hidden: Floats, epsilon: float) -> Floats:
    """Return rows divided by their root mean square; the gain is part of the weights."""
    scale = np.einsum("bd,bd->b", hidden, hidden)
    scale /= hidden.shape[1]
    scale += epsilon
    np.sqrt(scale, out=scale)
    normed: Floats = hidden / scale[:, None]
    return normed


def _fused(weights: Sequence[Floats], norm: nn.Module) -> Floats:
    return _transposed(np.concatenate(weights) * _array(norm.get_parameter("weight")))


def _transposed(weight: Floats) -> Floats:
    array: Floats = np.ascontiguousarray(weight.T)
    return array


def _array(tensor: Tensor) -> Floats:
    array: Floats = tensor.detach().numpy()
    return array
