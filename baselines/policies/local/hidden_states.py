"""Hidden states of a language model after a prompt, without gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from baselines.common.types import FloatArray
from baselines.policies.local.padding import pad_left, positions

if TYPE_CHECKING:
    from transformers import PreTrainedModel

TokenIds = tuple[int, ...]


def last_hidden_states(
    model: PreTrainedModel, prompts: Sequence[TokenIds], *, max_rows: int
) -> FloatArray:
    """Return the hidden state of the last layer at the last token of each prompt.

    Args:
        model: A causal language model.
        prompts: B rows of token ids, none empty.
        max_rows: Most rows of one forward pass.

    Returns:
        Shape (B, D), float64; D is the width of the model.

    Note: Equal prompts are read once. Prompts of similar length share a pass, so that there is
        little padding.
    """
    distinct = sorted(set(prompts), key=lambda row: (len(row), row))
    parts = [
        _states(model, distinct[start : start + max_rows])
        for start in range(0, len(distinct), max_rows)
    ]
    states = np.concatenate(parts)
    place_of = {row: place for place, row in enumerate(distinct)}
    return states[[place_of[row] for row in prompts]]


def _states(model: PreTrainedModel, rows: Sequence[TokenIds]) -> FloatArray:
    token_ids, is_token = pad_left(rows, model.device)
    read: list[Tensor] = []

    def keep(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        read.append(inputs[0])

    # Asked for hidden states, transformers would leave its own hooks on every layer for good, with
    # which no faster forward pass may take the place of the model's.
    head: nn.Module = cast("Any", model).get_output_embeddings()
    hook = head.register_forward_pre_hook(keep)
    try:
        with torch.no_grad():
            model(
                input_ids=token_ids,
                attention_mask=is_token.long(),
                position_ids=positions(is_token),
                use_cache=False,
                logits_to_keep=1,
            )
    finally:
        hook.remove()
    states: FloatArray = read[0][:, -1].double().cpu().numpy()  # (B, D)
    return states
