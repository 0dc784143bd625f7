"""Batched sampling from a causal language model, on token ids.

Each distinct prompt is processed once and shared by its rows; finished rows leave the batch. All
random numbers are drawn before the first token, one uniform number per row and position, so a
completion depends neither on the other rows nor on the batching, up to rounding of the logits.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from baselines.policies.local.cache_decoder import CacheDecoder
from baselines.policies.local.llama import as_llama, as_plain_llama
from baselines.policies.local.llama_decoder import MAX_PARAMETERS, LlamaDecoder, LlamaWeights
from baselines.policies.local.module_decoder import ModuleDecoder

if TYPE_CHECKING:
    from transformers import PreTrainedModel

DEFAULT_MAX_ROWS = 512
COMPACT_RATE = 0.15
"""Share of finished rows above which compacting the batch is cheaper than computing them."""


@dataclass(frozen=True, slots=True)
class SampledTokens:
    """The sampled tokens of one row.

    Args:
        token_ids: Sampled tokens, including the end token if there is one; at least one token.
        logprobs: log-probability of each token, in nats.
    """

    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class StopRule:
    """A text that ends completions.

    Args:
        text: The text.
        decode: Decodes rows of token ids to texts.
    """

    text: str
    decode: Callable[[list[list[int]]], list[str]]

    @property
    def num_tokens(self) -> int:
        """Number of last tokens that can hold the text: each token has at least one byte."""
        return len(self.text.encode()) + 1

    def has_ended(self, rows: list[list[int]]) -> Tensor:
        """Return which rows contain the text, bool, shape (B,)."""
        return torch.tensor([self.text in decoded for decoded in self.decode(rows)])


class Decoder(Protocol):
    """Decodes a batch of rows, one token per row at a time."""

    @property
    def logits(self) -> Tensor:
        """Logits of the first token after the prompts, (B, V)."""
        ...

    def step(self, token_ids: Tensor) -> Tensor:
        """Process one token per row and return the logits of the next, (B, V)."""
        ...

    def keep(self, rows: Tensor) -> None:
        """Keep only these rows, in order."""
        ...


MakeDecoder = Callable[[Sequence[Sequence[int]], int], Decoder]
"""Makes a decoder from the prompts of a batch and the length limit of completions."""


def sample_tokens(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    *,
    max_tokens: int,
    end_ids: Collection[int],
    temperature: float = 1.0,
    generator: torch.Generator,
    max_rows: int = DEFAULT_MAX_ROWS,
    stop: StopRule | None = None,
) -> list[SampledTokens]:
    """Sample one completion per prompt, in order, until an end token, a stop or max_tokens.

    Args:
        model: A causal language model with a key-value cache, in eval mode.
        prompts: Token ids, at least one per prompt; equal prompts are processed once.
        max_tokens: Length limit of a completion, at least 1.
        end_ids: Tokens that end a completion. Empty: all completions have max_tokens.
        temperature: Divides the logits; 0 takes the most probable token.
        generator: CPU generator. Its state determines the completions for any max_rows.
        max_rows: Most rows in one batch; affects the memory, not the result.
        stop: Stop text, tested on the last tokens of each row. None: no stop text.

    Returns:
        One SampledTokens per prompt. At temperature 0 the log-probabilities are those of
        temperature 1, because those of greedy decoding are all 0.

    Raises:
        ValueError: If a prompt is empty, or max_tokens or max_rows is below 1.
    """
    for name, value in (("max_tokens", max_tokens), ("max_rows", max_rows)):
        if value < 1:
            raise ValueError(f"{name} must be >= 1, got {value}; pass e.g. 256")
    if not all(prompts):
        raise ValueError("a prompt must hold at least one token, got none; begin it with any text")
    uniforms = torch.rand(len(prompts), max_tokens, generator=generator, dtype=torch.float64)
    # Similar lengths need little padding, and equal prompts are adjacent.
    order = sorted(range(len(prompts)), key=lambda row: (len(prompts[row]), *prompts[row]))
    num_ids = max(model.config.get_text_config().vocab_size, max(end_ids, default=0) + 1)
    is_end = torch.tensor([i in end_ids for i in range(num_ids)], device=model.device)
    make_decoder = decoders_of(model)
    sampled: dict[int, SampledTokens] = {}
    for start in range(0, len(order), max_rows):
        rows = order[start : start + max_rows]
        with torch.inference_mode():
            decoder = make_decoder([prompts[row] for row in rows], max_tokens)
            completions = _run(decoder, uniforms[rows].to(model.device), is_end, temperature, stop)
        sampled.update(zip(rows, completions, strict=True))
    return [sampled[row] for row in range(len(prompts))]


def decoders_of(model: PreTrainedModel) -> MakeDecoder:
    """Return a factory of the fastest exact decoders for the model's current weights."""
    small = as_plain_llama(model)
    if small is not None and small.num_parameters() <= MAX_PARAMETERS:
        weights = LlamaWeights(small)
        return lambda prompts, max_tokens: LlamaDecoder(weights, prompts, max_tokens)
    llama = as_llama(model)
    if llama is not None:
        return lambda prompts, max_tokens: ModuleDecoder(llama, prompts, max_tokens)
    return lambda prompts, _: CacheDecoder(model, prompts)


def scaled_logprobs(logits: Tensor, temperature: float | Tensor) -> Tensor:
    """Return log-probabilities of all tokens, in nats, float32.

    Args:
        logits: Shape (N, V).
        temperature: Divides the logits; 0 counts as 1. Or one for each row, (N, 1), none 0.
    """
    logits = logits.float()
    if isinstance(temperature, Tensor) or temperature not in (0.0, 1.0):
        logits = logits / temperature
    return logits.log_softmax(dim=-1)


def _run(
    decoder: Decoder,
    uniforms: Tensor,
    is_end: Tensor,
    temperature: float,
    stop: StopRule | None,
) -> list[SampledTokens]:
    """Sample all rows of a decoder to the end, with uniform numbers of shape (B, T)."""
    num_rows, max_tokens = uniforms.shape
    sampled = _SampledRows(num_rows, max_tokens, uniforms.device)
    ended = torch.zeros(num_rows, dtype=torch.bool, device=uniforms.device)
    logits = decoder.logits
    for place in range(max_tokens):
        tokens, logprobs = _draw(logits, uniforms[:, place], temperature)
        sampled.add(tokens, logprobs)
        is_last = is_end[tokens]
        if stop is not None:
            is_last = is_last | stop.has_ended(sampled.last_tokens(stop.num_tokens)).to(
                tokens.device
            )
        sampled.end(is_last & ~ended, place + 1)
        ended |= is_last
        num_ended = int(ended.sum())
        if num_ended == len(ended) or place + 1 == max_tokens:
            break
        if num_ended >= COMPACT_RATE * len(ended):
            kept = (~ended).nonzero()[:, 0]
            decoder.keep(kept)
            sampled.keep(kept)
            ended, tokens, uniforms = ended[kept], tokens[kept], uniforms[kept]
        logits = decoder.step(tokens)
    return sampled.completions()


class _SampledRows:
    """The tokens of all rows, including those that have left the batch."""

    def __init__(self, num_rows: int, max_tokens: int, device: torch.device) -> None:
        self._token_ids = torch.zeros(num_rows, max_tokens, dtype=torch.long, device=device)
        self._logprobs = torch.zeros(num_rows, max_tokens, device=device)
        self._num_tokens = torch.full((num_rows,), max_tokens, device=device)
        self._alive = torch.arange(num_rows, device=device)  # rows still in the batch
        self._num_written = 0
        self._waiting: list[tuple[Tensor, Tensor]] = []  # not yet in the tables

    def add(self, tokens: Tensor, logprobs: Tensor) -> None:
        """Append a token of each row of the batch."""
        self._waiting.append((tokens, logprobs))

    def keep(self, rows: Tensor) -> None:
        """Keep only these rows in the batch."""
        self._write()
        self._alive = self._alive[rows]

    def end(self, rows: Tensor, num_tokens: int) -> None:
        """Record the length of finished rows of the batch, given as a mask."""
        self._num_tokens[self._alive[rows]] = num_tokens

    def last_tokens(self, num_tokens: int) -> list[list[int]]:
        """Return the last tokens of each row of the batch, or all if there are fewer."""
        self._write()
        places = slice(max(0, self._num_written - num_tokens), self._num_written)
        tokens: list[list[int]] = self._token_ids[self._alive, places].tolist()
        return tokens

    def completions(self) -> list[SampledTokens]:
        """Return all rows, each cut at its end."""
        self._write()
        rows = (self._token_ids.tolist(), self._logprobs.tolist(), self._num_tokens.tolist())
        return [
            SampledTokens(tuple(token_ids[:length]), tuple(logprobs[:length]))
            for token_ids, logprobs, length in zip(*rows, strict=True)
        ]

    def _write(self) -> None:
        if not self._waiting:
            return
        places = slice(self._num_written, self._num_written + len(self._waiting))
        for table, columns in zip(
            (self._token_ids, self._logprobs), zip(*self._waiting, strict=True), strict=True
        ):
            table[self._alive, places] = torch.stack(columns, dim=1)
        self._num_written = places.stop
        self._waiting = []


def _draw(logits: Tensor, uniforms: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Return one token per row and its log-probability, by inverse transform sampling."""
    logprobs = scaled_logprobs(logits, temperature)  # (B, V)
    if temperature == 0:
        tokens = logprobs.argmax(dim=-1, keepdim=True)
    else:
        cumulative = logprobs.exp().cumsum(dim=-1, dtype=torch.float64)
        # u < 1 has 53 bits, so u * total rounds to less than the total and a token is found.
        targets = uniforms[:, None] * cumulative[:, -1:]
        tokens = torch.searchsorted(cumulative, targets, right=True)
    return tokens[:, 0], logprobs.gather(1, tokens)[:, 0]
