"""Log-probabilities of given continuations: a model's choice without sampling."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
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
) -> FloatArray:
    """Return log-probabilities of each option after each prompt.

    Args:
        model: A causal language model.
        prompts: N rows of token ids, none empty.
        options: K continuations, none empty. If each is one token, one forward pass per batch
            of prompts scores all of them.
        max_rows: Most rows of one forward pass.

    Returns:
        Shape (N, K), nats, at temperature 1. Probabilities need not sum to 1: the model may
        prefer other text.
    """
    parts = [prompts[start : start + max_rows] for start in range(0, len(prompts), max_rows)]
    if all(len(option) == 1 for option in options):
        scored = [_next_token(model, part)[:, [option[0] for option in options]] for part in parts]
    else:
        scored = [_spelled_out(model, part, options) for part in parts]
    table: FloatArray = torch.cat(scored).double().cpu().numpy()
    return table


def _next_token(model: PreTrainedModel, prompts: Sequence[TokenIds]) -> torch.Tensor:
    token_ids, is_token = pad_left(prompts, model.device)
    output = model(
        input_ids=token_ids,
        attention_mask=is_token.long(),
        position_ids=positions(is_token),
        use_cache=False,
        logits_to_keep=1,
    )
    return scaled_logprobs(output.logits[:, -1], 1.0)  # (N, V)


def _spelled_out(
    model: PreTrainedModel, prompts: Sequence[TokenIds], options: Sequence[TokenIds]
) -> torch.Tensor:
    pairs = list(product(prompts, options))
    logprobs = completion_logprobs(
        model,
        [prompt for prompt, _ in pairs],
        [option for _, option in pairs],
        temperatures=[1.0] * len(pairs),
    )
    return logprobs.sum(dim=1).reshape(len(prompts), len(options))
