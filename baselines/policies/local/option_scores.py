"""Log-probabilities of given continuations: a model's choice without sampling."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product, takewhile
from typing import TYPE_CHECKING

import torch

from baselines.common.types import FloatArray
from baselines.policies.local.padding import pad_left, positions
from baselines.policies.local.sampler import scaled_logprobs
from baselines.policies.local.scoring import TokenIds, completion_logprobs

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@torch.inference_mode()
def option_logprobs(
    model: PreTrainedModel,
    prompts: Sequence[TokenIds],
    options: Sequence[TokenIds],
    *,
    max_rows: int,
    temperature: float = 1.0,
) -> FloatArray:
    """Return log-probabilities of each option after each prompt.

    Args:
        model: A causal language model.
        prompts: N rows of token ids, none empty.
        options: K continuations, none empty. If they differ in their last token only, as letters
            after the same words do, one forward pass per batch of prompts scores all of them.
        max_rows: Most rows of one forward pass.
        temperature: Divides the logits, > 0.

    Returns:
        Shape (N, K), nats. Probabilities need not sum to 1: the model may prefer other text.
    """
    parts = [prompts[start : start + max_rows] for start in range(0, len(prompts), max_rows)]
    shared = common_start(options)
    if all(len(option) == len(shared) + 1 for option in options):
        last = [option[-1] for option in options]
        scored = [_last_token(model, part, shared, last, temperature) for part in parts]
    else:
        scored = [_spelled_out(model, part, options, temperature) for part in parts]
    table: FloatArray = torch.cat(scored).double().cpu().numpy()
    return table


def common_start(options: Sequence[TokenIds]) -> tuple[int, ...]:
    """Return the first tokens that all options have in common, at most all but the last of each."""
    most = min(map(len, options)) - 1
    columns = zip(*(option[:most] for option in options), strict=True)
    return tuple(column[0] for column in takewhile(lambda own: len(set(own)) == 1, columns))


def _last_token(
    model: PreTrainedModel,
    prompts: Sequence[TokenIds],
    shared: Sequence[int],
    last: Sequence[int],
    temperature: float,
) -> torch.Tensor:
    rows = [(*prompt, *shared) for prompt in prompts]
    token_ids, is_token = pad_left(rows, model.device)
    output = model(
        input_ids=token_ids,
        attention_mask=is_token.long(),
        position_ids=positions(is_token),
        use_cache=False,
        logits_to_keep=len(shared) + 1,
    )
    kept = output.logits[:, -len(shared) - 1 :]  # (N, S + 1, V)
    logprobs = scaled_logprobs(kept, temperature)
    before = logprobs[:, torch.arange(len(shared)), list(shared)].sum(dim=1, keepdim=True)
    return before + logprobs[:, -1, list(last)]


def _spelled_out(
    model: PreTrainedModel,
    prompts: Sequence[TokenIds],
    options: Sequence[TokenIds],
    temperature: float,
) -> torch.Tensor:
    pairs = list(product(prompts, options))
    logprobs = completion_logprobs(
        model,
        [prompt for prompt, _ in pairs],
        [option for _, option in pairs],
        temperatures=[temperature] * len(pairs),
    )
    return logprobs.sum(dim=1).reshape(len(prompts), len(options))
