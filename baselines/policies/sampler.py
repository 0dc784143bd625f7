"""Sample completions of token ids from a causal language model, many rows at once.

Every distinct prompt is read once and its key-value cache is shared out to the rows that start
with it; rows that have ended leave the batch. All randomness is drawn before the first token, one
uniform number per row and place, so what a row says depends neither on the other rows nor on
how they are batched, up to rounding of the logits.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import DynamicCache, PreTrainedModel

DEFAULT_MAX_ROWS = 512
COMPACT_RATE = 0.25
"""Share of ended rows at which copying the cache without them is cheaper than keeping them."""


@dataclass(frozen=True, slots=True)
class SampledTokens:
    """The tokens of one row.

    Args:
        token_ids: What was sampled, the end token included if there is one; at least one token.
        logprobs: log-probability of each token, in nats.
    """

    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]


def sample_tokens(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    *,
    max_tokens: int,
    end_ids: Collection[int],
    temperature: float = 1.0,
    generator: torch.Generator,
    max_rows: int = DEFAULT_MAX_ROWS,
) -> list[SampledTokens]:
    """Sample one completion per prompt, in order, until an end token or max_tokens.

    Args:
        model: A causal language model with a key-value cache, in eval mode.
        prompts: Token ids, each with at least one; equal prompts are read only once.
        max_tokens: Longest completion, at least 1.
        end_ids: Tokens that end a completion. Empty: all have max_tokens.
        temperature: Divides the logits; 0 takes the most probable token.
        generator: On the CPU. Its state alone decides the completions, whatever max_rows is.
        max_rows: Most rows in one batch; bounds the memory and not the result.

    Returns:
        One SampledTokens per prompt. At temperature 0 the log-probabilities are those of
        temperature 1, since a certain token says nothing.

    Raises:
        ValueError: If a prompt is empty, or max_tokens or max_rows is below 1.
    """
    for name, value in (("max_tokens", max_tokens), ("max_rows", max_rows)):
        if value < 1:
            raise ValueError(f"{name} must be >= 1, got {value}; pass e.g. 256")
    uniforms = torch.rand(len(prompts), max_tokens, generator=generator, dtype=torch.float64)
    # Similar lengths need little padding, and equal prompts stand together.
    order = sorted(range(len(prompts)), key=lambda row: (len(prompts[row]), *prompts[row]))
    end_tokens = torch.tensor(sorted(end_ids), dtype=torch.long, device=model.device)
    sampled: dict[int, SampledTokens] = {}
    for start in range(0, len(order), max_rows):
        rows = order[start : start + max_rows]
        batch = _Batch(model, [prompts[row] for row in rows], max_tokens)
        completions = batch.run(uniforms[rows].to(model.device), end_tokens, temperature)
        sampled.update(zip(rows, completions, strict=True))
    return [sampled[row] for row in range(len(prompts))]


def scaled_logprobs(logits: Tensor, temperature: float) -> Tensor:
    """Return log-probabilities of all tokens, in nats, float32; temperature 0 counts as 1."""
    return (logits.float() / (temperature or 1.0)).log_softmax(dim=-1)


def pad_left(rows: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return token ids and where they are real, both of shape (B, longest row).

    Raises:
        ValueError: If a row is empty.
    """
    if not all(rows):
        raise ValueError("a prompt must hold at least one token, got none; begin it with any text")
    width = max(len(row) for row in rows)
    padded = [[0] * (width - len(row)) + list(row) for row in rows]
    lengths = torch.tensor([len(row) for row in rows], device=device)
    is_token = torch.arange(width, device=device) >= width - lengths[:, None]
    return torch.tensor(padded, device=device), is_token


def positions(is_token: Tensor) -> Tensor:
    """Return the position of each real token in its row, counted from 0; padding has 0."""
    return (is_token.long().cumsum(dim=1) - 1).clamp(min=0)


class _Batch:
    """Rows that are sampled together: their cache, and what they have said so far."""

    def __init__(
        self, model: PreTrainedModel, prompts: Sequence[Sequence[int]], max_tokens: int
    ) -> None:
        self._model = model
        self._prompts = [tuple(prompt) for prompt in prompts]
        num_rows = len(self._prompts)
        self._token_ids = torch.zeros(num_rows, max_tokens, dtype=torch.long, device=model.device)
        self._logprobs = torch.zeros(num_rows, max_tokens, device=model.device)
        self._num_tokens = torch.full((num_rows,), max_tokens, device=model.device)

    @torch.inference_mode()
    def run(
        self, uniforms: Tensor, end_tokens: Tensor, temperature: float
    ) -> Iterator[SampledTokens]:
        """Sample all rows to their end."""
        max_tokens = self._token_ids.shape[1]
        logits, cache, is_token = self._read_prompts()
        next_position = is_token.sum(dim=1)  # (B,)
        alive = torch.arange(len(self._prompts), device=logits.device)  # rows still in the batch
        ended = torch.zeros_like(alive, dtype=torch.bool)
        for place in range(max_tokens):
            tokens, logprobs = _draw(logits, uniforms[alive, place], temperature)
            self._token_ids[alive, place] = tokens
            self._logprobs[alive, place] = logprobs
            ends_here = torch.isin(tokens, end_tokens) & ~ended
            self._num_tokens[alive[ends_here]] = place + 1
            ended |= ends_here
            num_ended = int(ended.sum())
            if num_ended == len(alive) or place + 1 == max_tokens:
                break
            if num_ended >= COMPACT_RATE * len(alive):
                kept = (~ended).nonzero()[:, 0]
                cache.batch_select_indices(kept)
                alive, ended, tokens = alive[kept], ended[kept], tokens[kept]
                is_token, next_position = is_token[kept], next_position[kept]
            is_token = torch.cat([is_token, torch.ones_like(is_token[:, :1])], dim=1)
            logits = self._forward(tokens[:, None], is_token, next_position[:, None], cache)
            next_position = next_position + 1
        return self._completions()

    def _read_prompts(self) -> tuple[Tensor, DynamicCache, Tensor]:
        """Read each distinct prompt once.

        Returns:
            Logits of the first new token (B, V), the cache, and where the prompts have tokens.
        """
        from transformers import DynamicCache

        place_of = {prompt: place for place, prompt in enumerate(dict.fromkeys(self._prompts))}
        token_ids, is_token = pad_left(list(place_of), self._model.device)
        cache = DynamicCache(config=self._model.config)
        logits = self._forward(token_ids, is_token, positions(is_token), cache)
        if len(place_of) == len(self._prompts):
            return logits, cache, is_token
        source = torch.tensor([place_of[p] for p in self._prompts], device=self._model.device)
        cache.batch_select_indices(source)
        return logits[source], cache, is_token[source]

    def _forward(
        self, token_ids: Tensor, is_token: Tensor, position_ids: Tensor, cache: DynamicCache
    ) -> Tensor:
        output = self._model(
            input_ids=token_ids,
            attention_mask=is_token.long(),
            position_ids=position_ids,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits: Tensor = output.logits[:, -1]
        return logits

    def _completions(self) -> Iterator[SampledTokens]:
        rows = (self._token_ids.tolist(), self._logprobs.tolist(), self._num_tokens.tolist())
        for token_ids, logprobs, num_tokens in zip(*rows, strict=True):
            yield SampledTokens(tuple(token_ids[:num_tokens]), tuple(logprobs[:num_tokens]))


def _draw(logits: Tensor, uniforms: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Return one token per row and its log-probability: the inverse of the distribution at u."""
    logprobs = scaled_logprobs(logits, temperature)  # (B, V)
    if temperature == 0:
        tokens = logprobs.argmax(dim=-1)
    else:
        cumulative = logprobs.double().exp_().cumsum(dim=-1)
        # u < 1 has 53 bits, so u * total rounds to less than the total and a token is found.
        targets = uniforms[:, None] * cumulative[:, -1:]
        tokens = torch.searchsorted(cumulative, targets, right=True)[:, 0]
    return tokens, logprobs.gather(1, tokens[:, None])[:, 0]
