"""Decoder for any architecture: the model's own forward pass with its cache."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from baselines.policies.local.padding import pad_left, positions

if TYPE_CHECKING:
    from transformers import PreTrainedModel


RECURRENT = "cache_params"
"""Name of the cache in models without any attention, such as Mamba."""


class CacheDecoder:
    """Decodes a batch of rows with the model's cache of keys and values, or of recurrent states.

    Each distinct prompt is processed once, then its cache is copied to its rows.

    Args:
        model: A causal language model that takes the cache of transformers, in eval mode.
        prompts: Token ids of each row, at least one.
    """

    def __init__(self, model: PreTrainedModel, prompts: Sequence[Sequence[int]]) -> None:
        from transformers import DynamicCache

        self._model = model
        rows = [tuple(prompt) for prompt in prompts]
        index_of = {prompt: index for index, prompt in enumerate(dict.fromkeys(rows))}
        token_ids, self._is_token = pad_left(list(index_of), model.device)
        self._cache = DynamicCache(config=model.config)
        self._is_recurrent = RECURRENT in inspect.signature(model.forward).parameters
        self._next_position = self._is_token.sum(dim=1)  # (B,)
        self._logits = self._forward(token_ids, positions(self._is_token))
        if len(index_of) < len(rows):
            source = torch.tensor([index_of[row] for row in rows], device=model.device)
            self._logits = self._logits[source]
            self.keep(source)

    @property
    def logits(self) -> Tensor:
        """Logits of the first token after the prompts, (B, V)."""
        return self._logits

    def step(self, token_ids: Tensor) -> Tensor:
        """Process one token per row and return the logits of the next, (B, V)."""
        is_read = torch.ones_like(self._is_token[:, :1])
        self._is_token = torch.cat([self._is_token, is_read], dim=1)
        logits = self._forward(token_ids[:, None], self._next_position[:, None])
        self._next_position = self._next_position + 1
        return logits

    def keep(self, rows: Tensor) -> None:
        """Keep only these rows, in this order."""
        self._cache.reorder_cache(rows)  # type: ignore[arg-type]  # annotated as a subclass
        self._is_token = self._is_token[rows]
        self._next_position = self._next_position[rows]

    def _forward(self, token_ids: Tensor, position_ids: Tensor) -> Tensor:
        # A recurrent state has read the tokens before, so that it takes the mask of the new ones.
        is_read = self._is_token[:, -token_ids.shape[1] :] if self._is_recurrent else self._is_token
        output = self._model(
            input_ids=token_ids,
            attention_mask=is_read.long(),
            position_ids=position_ids,
            use_cache=True,
            logits_to_keep=1,
            **{RECURRENT if self._is_recurrent else "past_key_values": self._cache},
        )
        logits: Tensor = output.logits[:, -1]
        return logits
