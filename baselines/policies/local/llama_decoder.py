"""The forward pass of a small Llama, one token of all rows at a time, in NumPy.

In a network of a few 100,000 parameters the arithmetic of a token takes less time than the
bookkeeping of the modules around it. Here a layer is some 20 operations on arrays. The keys and
values of a prompt exist once, whatever the number of rows that begin with it.
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
"""Above it arithmetic prevails, and a copy of the weights in each call would be a burden."""


@dataclass(frozen=True, slots=True)
class _Layer:
    """Weights of one layer, transposed, the gain of the norm before them multiplied in.

    Args:
        attention_in: To queries, keys and values, in this order.
        attention_out: From the mixed values.
        gate_and_up: To the two halves of the gated layer.
        down: From it.
    """

    attention_in: Floats
    attention_out: Floats
    gate_and_up: Floats
    down: Floats


class LlamaWeights:
    """The weights of a Llama as they are now, laid out for few and large products.

    The two halves of a rotated head are interleaved, so that a rotation is one product of complex
    numbers. The scaling of the scores is part of the weights of the queries.

    Args:
        model: One that `as_plain_llama` knows.
    """

    def __init__(self, model: LlamaForCausalLM) -> None:
        inner, config = model.model, model.config
        self.model = model
        self.head_size: int = inner.layers[0].self_attn.head_dim
        # The configuration fills in what was not given.
        self.num_key_heads = cast("int", config.num_key_value_heads)
        self.num_heads: int = config.num_attention_heads
        self.epsilon: float = config.rms_norm_eps
        self.embedding = _array(inner.embed_tokens.weight)
        self.layers = [self._layer(layer) for layer in inner.layers]
        self.head = _fused([_array(model.lm_head.weight)], inner.norm)

    def interleaved(self, heads: Floats) -> Floats:
        """Return heads (..., head size) with their first half in the even places."""
        halves = heads.reshape(*heads.shape[:-1], 2, self.head_size // 2)
        return halves.swapaxes(-1, -2).reshape(heads.shape)

    def rotations(self, num_places: int) -> Rotations:
        """Return the factor of each pair of numbers of a head in each place."""
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
    """Rows that are sampled together: what they have read, and how they go on.

    Args:
        weights: Of the model.
        prompts: Token ids of each row, at least one.
        max_tokens: Most tokens that a row reads after its prompt.
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
        """What may follow the prompts, (B, V)."""
        return self._logits

    def step(self, token_ids: Tensor) -> Tensor:
        """Read one more token of each row and return what may follow, (B, V)."""
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
        """Forget all rows but these, which stay in order."""
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
        """Read the distinct prompts; return their lengths, and which of them each row has."""
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
        """Return what each row takes from all it has read, (B, D)."""
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
