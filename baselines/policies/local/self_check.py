"""Refuse a model whose architecture cannot be sampled and trained exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from baselines.policies.local.cache_decoder import CacheDecoder
from baselines.policies.local.llama import as_plain_llama
from baselines.policies.local.scoring import completion_logprobs

if TYPE_CHECKING:
    from transformers import PreTrainedModel

LARGEST_GAP = 0.01
"""Largest difference between two log-probabilities of a token, in nats: rounding is far below it,
and a lost state or a padding token that was read is far above."""
PROMPTS = ((5, 7, 6, 4), (8,), (5, 7, 6, 4))
COMPLETIONS = ((4, 5, 6), (6, 8, 7), (9, 9, 8))


def expect_exact(model: PreTrainedModel) -> None:
    """Check that a model gives a token one log-probability, however it is computed.

    Three short rows are decoded with the model's cache, scored as a padded batch, and read one by
    one without cache or padding.

    Raises:
        ValueError: If the three differ, or the model cannot compute one of them.

    Note: A plain Llama is not checked, since it is computed by code that does not pad.
    """
    if as_plain_llama(model) is not None:
        return
    name = model.config.get_text_config().model_type
    remedy = "choose another architecture, or serve it and evaluate it as an endpoint"
    try:
        gap = _largest_gap(model)
    except Exception as error:  # whatever the code of another architecture raises
        what = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        raise ValueError(
            f"a model must be able to sample with a cache and to read padded rows, got {what} from "
            f"model type {name!r}; {remedy}"
        ) from error
    if not gap <= LARGEST_GAP:
        raise ValueError(
            f"a model must give a token the same log-probability with a cache, with padding and "
            f"alone, got {gap:.2g} nats between them from model type {name!r}; {remedy}"
        )


def _largest_gap(model: PreTrainedModel) -> float:
    num_ids = model.config.get_text_config().vocab_size
    prompts = [[token_id % num_ids for token_id in row] for row in PROMPTS]
    completions = [[token_id % num_ids for token_id in row] for row in COMPLETIONS]
    with torch.no_grad():
        alone = torch.stack([_alone(model, *row) for row in zip(prompts, completions, strict=True)])
        cached = _cached(model, prompts, completions)
        padded = completion_logprobs(model, prompts, completions, temperatures=[1.0] * len(prompts))
    return float(torch.stack([cached - alone, padded - alone]).abs().max())


def _alone(model: PreTrainedModel, prompt: list[int], completion: list[int]) -> torch.Tensor:
    """Return the log-probability of each token of one row, (T,), from a plain forward pass."""
    token_ids = torch.tensor([[*prompt, *completion]], device=model.device)
    logits = model(input_ids=token_ids, use_cache=False).logits[0, len(prompt) - 1 : -1]
    chosen = torch.tensor(completion, device=model.device)[:, None]
    logprobs: torch.Tensor = logits.float().log_softmax(dim=-1)
    return logprobs.gather(1, chosen)[:, 0]


def _cached(
    model: PreTrainedModel, prompts: list[list[int]], completions: list[list[int]]
) -> torch.Tensor:
    """Return the log-probabilities of all rows, (B, T), as the sampler computes them."""
    decoder = CacheDecoder(model, prompts)
    # All rows are kept, in another order, as after rows that have ended.
    order = torch.arange(len(prompts) - 1, -1, -1, device=model.device)
    tokens = torch.tensor(completions, device=model.device)[order]
    logits = decoder.logits[order]
    decoder.keep(order)
    columns = []
    for column in range(tokens.shape[1]):
        chosen = tokens[:, column]
        columns.append(logits.float().log_softmax(dim=-1).gather(1, chosen[:, None])[:, 0])
        logits = decoder.step(chosen)
    return torch.stack(columns, dim=1)[order]
