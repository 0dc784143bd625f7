"""Keys and values of a batch of rows that is decoded: each distinct prompt once, then each row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor

from baselines.policies.local.llama import read_tree
from baselines.policies.local.prompt_cache import Floats, Indices, PromptCache
from baselines.policies.local.token_tree import token_tree

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM


class DecodingCache:
    """Attention of the rows of a Llama to their prompts and to their tokens after it.

    Shapes: B rows, H key heads, S query heads per key head, D head size.

    Args:
        model: A model that `as_llama` accepts, which reads the prompts.
        prompts: Token ids of each row, at least one. Equal ones are read and stored once.
        max_tokens: Maximum number of tokens of a row after its prompt.
        arrange_keys: Changes the order of the numbers of the prompts' keys (..., D) to that of the
            keys given to `attend`. None: unchanged.

    Attributes:
        logits: Logits of the first token after the prompts, (B, V).
        places: Position of the next token of each row, (B,).
        num_places: Number of positions that a row can reach.
    """

    def __init__(
        self,
        model: LlamaForCausalLM,
        prompts: Sequence[Sequence[int]],
        max_tokens: int,
        *,
        arrange_keys: Callable[[Floats], Floats] | None = None,
    ) -> None:
        lengths, prompt_of = self._read(model, prompts, arrange_keys)
        self.places: Indices = lengths[prompt_of]
        self.num_places = int(lengths.max()) + max_tokens
        config, layers = model.config, model.model.layers
        # The configuration fills in the defaults.
        self._num_key_heads = cast("int", config.num_key_value_heads)
        shape = (len(prompts), self._num_key_heads, max_tokens, layers[0].self_attn.head_dim)
        self._keys, self._values = ([np.empty(shape, np.float32) for _ in layers] for _ in range(2))
        self._num_read = 0  # tokens after the prompt

    def attend(self, layer: int, queries: Floats, keys: Floats, values: Floats) -> Floats:
        """Add the keys and values of one token per row, and return its attention output.

        Args:
            layer: Index of the layer.
            queries: Rotated queries with the scaling of the scores multiplied in, (B, H * S, D).
            keys: Rotated keys, (B, H, D).
            values: Values, of the same shape.

        Returns:
            Shape (B, H * S * D).
        """
        num_rows, num_read = len(queries), self._num_read + 1
        grouped = queries.reshape(num_rows, self._num_key_heads, -1, queries.shape[-1])
        own_keys, own_values = (part[layer][:, :, :num_read] for part in (self._keys, self._values))
        own_keys[:, :, -1] = keys
        own_values[:, :, -1] = values

        width = self._prompts.width
        scores = np.empty((*grouped.shape[:-1], width + num_read), np.float32)
        scores[..., :width] = self._prompts.scores(layer, grouped)
        np.matmul(grouped, own_keys.swapaxes(-1, -2), out=scores[..., width:])
        shares = torch.from_numpy(scores)
        torch.softmax(shares, dim=-1, out=shares)
        mixed = scores[..., width:] @ own_values
        mixed += self._prompts.mixed(layer, scores[..., :width])
        output: Floats = mixed.reshape(num_rows, -1)
        return output

    def advance(self) -> None:
        """Count the token that every layer has attended to."""
        self.places = self.places + 1
        self._num_read += 1

    def keep(self, rows: Tensor) -> None:
        """Keep only these rows, in order."""
        kept, num_read = rows.numpy(), self._num_read
        for caches in (self._keys, self._values):
            for index, cache in enumerate(caches):
                cache[: len(kept), :, :num_read] = cache[kept, :, :num_read]
                caches[index] = cache[: len(kept)]
        self.places = self.places[kept]
        self._prompts.keep(kept)

    def _read(
        self,
        model: LlamaForCausalLM,
        prompts: Sequence[Sequence[int]],
        arrange_keys: Callable[[Floats], Floats] | None,
    ) -> tuple[Indices, Indices]:
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
        hidden, cache = read_tree(model, tree, wanted)
        self.logits: Tensor = model.lm_head(hidden)[source[torch.from_numpy(prompt_of)]]
        arrange = arrange_keys or (lambda keys: keys)
        self._prompts = PromptCache(
            [arrange(keys.detach().numpy())[nodes] for keys, _ in cache],
            [values.detach().numpy()[nodes] for _, values in cache],
            lengths,
            prompt_of,
        )
        return lengths, prompt_of
