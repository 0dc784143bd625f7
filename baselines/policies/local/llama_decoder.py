"""Decoder for small Llama models in NumPy, one token of all rows at a time.

In a network of a few 100,000 parameters, the arithmetic of a token takes less time than the
overhead of the PyTorch modules. Here a layer is about 20 array operations. The keys and values of
a prompt are stored once, regardless of the number of rows that share it.
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

from baselines.policies.local.llama import read_tree
from baselines.policies.local.prompt_cache import Floats, PromptCache
from baselines.policies.local.token_tree import token_tree

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
        lengths, prompt_of = self._read(prompts)
        num_rows = len(prompts)
        self._places = lengths[prompt_of]  # of the next token of each row
        self._rotations = weights.rotations(int(lengths.max()) + max_tokens)
        shape = (num_rows, weights.num_key_heads, max_tokens, weights.head_size)
        self._keys, self._values = (
            [np.empty(shape, np.float32) for _ in weights.layers] for _ in range(2)
        )
        self._num_read = 0  # tokens after the prompt

    @property
    def logits(self) -> Tensor:
        """Logits of the first token after the prompts, (B, V)."""
        return self._logits

    def step(self, token_ids: Tensor) -> Tensor:
        """Process one token per row and return the logits of the next, (B, V)."""
        weights = self._weights
        hidden = weights.embedding[token_ids.numpy()]  # (B, D)
        rotations = self._rotations[self._places][:, None]
        for index, layer in enumerate(weights.layers):
            projected = _normed(hidden, weights.epsilon) @ layer.attention_in
            hidden += self._attend(index, projected, rotations) @ layer.attention_out
            gate_and_up = _normed(hidden, weights.epsilon) @ layer.gate_and_up
            num_gates = gate_and_up.shape[1] // 2
            gated = functional.silu(torch.from_numpy(gate_and_up[:, :num_gates])).numpy()
            gated *= gate_and_up[:, num_gates:]
            hidden += gated @ layer.down
        self._places = self._places + 1
        self._num_read += 1
        return torch.from_numpy(_normed(hidden, weights.epsilon) @ weights.head)

    def keep(self, rows: Tensor) -> None:
        """Keep only these rows, in order."""
        kept, num_read = rows.numpy(), self._num_read
        for caches in (self._keys, self._values):
            for index, cache in enumerate(caches):
                cache[: len(kept), :, :num_read] = cache[kept, :, :num_read]
                caches[index] = cache[: len(kept)]
        self._places = self._places[kept]
        self._prompts.keep(kept)

    def _read(
        self, prompts: Sequence[Sequence[int]]
    ) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], ...]:
        """Process the distinct prompts; return their lengths, and the prompt of each row."""
        index_of = {
            prompt: index for index, prompt in enumerate(dict.fromkeys(map(tuple, prompts)))
        }
        lengths = np.array([len(prompt) for prompt in index_of])
        prompt_of = np.array([index_of[tuple(prompt)] for prompt in prompts])
        tree = token_tree(list(index_of))
        last = tree.nodes[torch.arange(len(lengths)), torch.from_numpy(lengths - 1)]
        nodes = tree.nodes.numpy()
        wanted, source = torch.unique(last, return_inverse=True)
        logits, cache = read_tree(self._weights.model, tree, wanted)
        self._logits = logits[source[torch.from_numpy(prompt_of)]]
        self._prompts = PromptCache(
            [self._weights.interleaved(_array(keys))[nodes] for keys, _ in cache],
            [_array(values)[nodes] for _, values in cache],
            lengths,
            prompt_of,
        )
        return lengths, prompt_of

    def _attend(self, index: int, projected: Floats, rotations: Rotations) -> Floats:
        """Return the attention output of each row, (B, D)."""
        weights, num_read = self._weights, self._num_read + 1
        num_rows, size = len(projected), weights.head_size
        num_rotated = weights.num_heads + weights.num_key_heads
        heads = projected.reshape(num_rows, -1, size)
        rotated = heads[:, :num_rotated].view(np.complex64)
        rotated *= rotations
        queries = heads[:, : weights.num_heads].reshape(num_rows, weights.num_key_heads, -1, size)
        keys, values = (part[index][:, :, :num_read] for part in (self._keys, self._values))
        keys[:, :, -1] = heads[:, weights.num_heads : num_rotated]
        values[:, :, -1] = heads[:, num_rotated:]

        width = self._prompts.width
        scores = np.empty((*queries.shape[:-1], width + num_read), np.float32)
        scores[..., :width] = self._prompts.scores(index, queries)
        np.matmul(queries, keys.swapaxes(-1, -2), out=scores[..., width:])
        shares = torch.from_numpy(scores)
        torch.softmax(shares, dim=-1, out=shares)
        mixed = scores[..., width:] @ values
        mixed += self._prompts.mixed(index, scores[..., :width])
        return mixed.reshape(num_rows, -1)


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
