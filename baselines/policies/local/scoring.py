"""Log-probabilities of sampled tokens, with gradient, for policy updates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from baselines.policies.local.llama import as_llama, read_tree
from baselines.policies.local.padding import pad_left, positions
from baselines.policies.local.sampled_logprobs import sampled_logprobs
from baselines.policies.local.sampler import scaled_logprobs
from baselines.policies.local.token_tree import token_tree

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedModel

TokenIds = Sequence[int]


def shares_beginnings(module: nn.Module) -> bool:
    """Return whether shared prefixes are computed once, without any padding."""
    return as_llama(module) is not None


def completion_logprobs(
    model: PreTrainedModel,
    prompts: Sequence[TokenIds],
    completions: Sequence[TokenIds],
    *,
    temperatures: Sequence[float],
) -> Tensor:
    """Return the log-probability of each token of the completions, with gradient.

    Args:
        model: A causal language model.
        prompts: B rows of token ids, none empty.
        completions: Token ids of the completions, none empty.
        temperatures: B numbers, by which the logits of each row are divided; 0 counts as 1, as in
            sampling.

    Returns:
        Shape (B, T), nats, float32, T the longest completion; positions after the end of a row
        are 0.

    Note: With a Llama, plain or with LoRA adapters, shared prefixes are computed once, without any
        padding.
    """
    llama = as_llama(model)
    if llama is not None and not llama.lm_head.weight.requires_grad:
        is_token = _is_token(model, completions)
        hidden, source = _tree_states(llama, prompts, completions, is_token)
        values = sampled_logprobs(
            hidden.index_select(0, source),
            llama.lm_head.weight,
            _token_ids(completions, model.device),
            _of_tokens(temperatures, is_token),
        )
        return _on_rows(values, is_token)
    logits, is_token = _logits(model, prompts, completions)
    logprobs = scaled_logprobs(logits, _of_tokens(temperatures, is_token))
    return _on_rows(_sampled(logprobs, completions), is_token)


def completion_logprobs_and_entropy(
    model: PreTrainedModel,
    prompts: Sequence[TokenIds],
    completions: Sequence[TokenIds],
    *,
    temperatures: Sequence[float],
) -> tuple[Tensor, Tensor]:
    """Return `completion_logprobs` and the entropy of the policy at the same positions.

    Returns:
        Two tensors of shape (B, T), nats, with gradient; positions after the end of a row are 0.
    """
    logits, is_token = _logits(model, prompts, completions)
    logprobs = scaled_logprobs(logits, _of_tokens(temperatures, is_token))  # (N, V)
    entropy = -(logprobs.exp() * logprobs).sum(dim=-1)
    return _on_rows(_sampled(logprobs, completions), is_token), _on_rows(entropy, is_token)


def _logits(
    model: PreTrainedModel, prompts: Sequence[TokenIds], completions: Sequence[TokenIds]
) -> tuple[Tensor, Tensor]:
    """Return the logits of the N completion tokens, (N, V), and their mask, (B, T)."""
    is_token = _is_token(model, completions)
    llama = as_llama(model)
    if llama is None:
        return _padded_logits(model, prompts, completions, is_token), is_token
    hidden, source = _tree_states(llama, prompts, completions, is_token)
    return llama.lm_head(hidden).index_select(0, source), is_token


def _is_token(model: PreTrainedModel, completions: Sequence[TokenIds]) -> Tensor:
    """Return where completions have tokens, (B, T)."""
    lengths = torch.tensor([len(row) for row in completions], device=model.device)
    return torch.arange(int(lengths.max()), device=model.device) < lengths[:, None]


def _of_tokens(temperatures: Sequence[float], is_token: Tensor) -> float | Tensor:
    """Return the temperature of each of the N completion tokens, (N, 1), or of all of them."""
    if len(set(temperatures)) == 1:
        return temperatures[0]
    divisors = torch.tensor([temperature or 1.0 for temperature in temperatures])
    return divisors.to(is_token.device).repeat_interleave(is_token.sum(dim=1))[:, None]


def _sampled(logprobs: Tensor, completions: Sequence[TokenIds]) -> Tensor:
    return logprobs.gather(1, _token_ids(completions, logprobs.device)[:, None])[:, 0]


def _token_ids(completions: Sequence[TokenIds], device: torch.device) -> Tensor:
    return torch.tensor([i for row in completions for i in row], device=device)


def _on_rows(values: Tensor, is_token: Tensor) -> Tensor:
    """Return N values as rows, (B, T), 0 at padding."""
    return torch.zeros_like(is_token, dtype=torch.float32).masked_scatter(is_token, values)


def _tree_states(
    model: LlamaForCausalLM,
    prompts: Sequence[TokenIds],
    completions: Sequence[TokenIds],
    is_token: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return the hidden states before distinct completion tokens, and which each of the N has."""
    # The last token predicts nothing, so it is not an input.
    tree = token_tree(
        [
            (*prompt, *completion[:-1])
            for prompt, completion in zip(prompts, completions, strict=True)
        ]
    )
    starts = torch.tensor([len(prompt) - 1 for prompt in prompts])
    places = starts[:, None] + torch.arange(is_token.shape[1])  # (B, T)
    rows = torch.arange(len(prompts))[:, None].expand_as(places)
    wanted, source = torch.unique(tree.nodes[rows[is_token], places[is_token]], return_inverse=True)
    hidden, _ = read_tree(model, tree, wanted)
    return hidden, source


def _padded_logits(
    model: PreTrainedModel,
    prompts: Sequence[TokenIds],
    completions: Sequence[TokenIds],
    is_token: Tensor,
) -> Tensor:
    """Return the same from one padded batch of all rows."""
    width = is_token.shape[1]
    # Completions start in the same column, so that logits are needed for the right part only.
    prompt_ids, in_prompt = pad_left(prompts, model.device)
    filled = [[*row, *[0] * (width - len(row))] for row in completions]
    is_read = torch.cat([in_prompt, is_token], dim=1)
    output = model(
        input_ids=torch.cat([prompt_ids, torch.tensor(filled, device=model.device)], dim=1),
        attention_mask=is_read.long(),
        position_ids=positions(is_read),
        use_cache=False,
        logits_to_keep=width + 1,
    )
    logits: Tensor = output.logits[:, :-1][is_token]
    return logits
