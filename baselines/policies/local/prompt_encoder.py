"""From prompts to token ids that leave room for a completion in the context of a model."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from baselines.policies.base import Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class PromptEncoder:
    """Tokenizes prompts, and cuts those that are too long.

    A prompt is read as chat messages if the tokenizer has a chat template, else as plain text. A
    prompt that leaves no room for max_tokens in the model's context loses its middle, because its
    start holds the role and the question, and its end the latest message and the cue to speak. The
    first cut emits a warning.

    Args:
        tokenizer: Tokenizer of the model.
        context: Number of positions of the model. None: no limit.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, context: int | None) -> None:
        self._tokenizer = tokenizer
        self._context = context
        self._has_warned = False

    def encode(self, prompts: Sequence[Prompt], max_tokens: int) -> list[tuple[int, ...]]:
        """Return token ids of each prompt, cut to leave room for max_tokens.

        Raises:
            ValueError: If max_tokens alone fill the context.
        """
        keys = [_key(prompt) for prompt in prompts]
        distinct = dict(zip(keys, prompts, strict=True))
        encoded = dict(zip(distinct, self._tokenize(list(distinct.values())), strict=True))
        if self._context is not None:
            for key, ids in encoded.items():
                if len(ids) + max_tokens > self._context:
                    encoded[key] = self._cut_middle(ids, max_tokens, self._context)
        return [encoded[key] for key in keys]

    def _tokenize(self, prompts: Sequence[Prompt]) -> list[tuple[int, ...]]:
        """Return token ids of uncut prompts; a batch costs a third of single calls."""
        is_chat = [bool(prompt.messages and self._tokenizer.chat_template) for prompt in prompts]
        chats = [list(p.messages) for p, chats in zip(prompts, is_chat, strict=True) if chats]
        texts = [p.text for p, chats in zip(prompts, is_chat, strict=True) if not chats]
        of_chats: list[list[int]] = []
        of_texts: list[list[int]] = []
        if chats:
            encoded = self._tokenizer.apply_chat_template(
                chats, add_generation_prompt=True, return_dict=False
            )
            of_chats = cast("list[list[int]]", encoded)
        if texts:
            of_texts = self._tokenizer(texts, return_attention_mask=False)["input_ids"]
        rest = {True: iter(of_chats), False: iter(of_texts)}
        return [tuple(next(rest[kind])) for kind in is_chat]

    def _cut_middle(
        self, token_ids: tuple[int, ...], max_tokens: int, context: int
    ) -> tuple[int, ...]:
        room = context - max_tokens
        if room < 2:
            raise ValueError(
                f"max_tokens must leave room for a prompt, got {max_tokens} in a context of "
                f"{context} tokens; pass a smaller max_tokens"
            )
        if not self._has_warned:
            self._has_warned = True
            warnings.warn(
                f"a prompt of {len(token_ids)} tokens leaves no room for {max_tokens} new ones in "
                f"a context of {context}, so its middle is cut; lower max_tokens, or use a model "
                f"with a longer context (further cuts are not reported)",
                stacklevel=5,
            )
        return token_ids[: room - room // 2] + token_ids[-(room // 2) :]


def _key(prompt: Prompt) -> tuple[str, ...]:
    """Return a hashable key of a prompt; Prompt holds dicts, which are not hashable."""
    return prompt.text, *(text for message in prompt.messages for text in message.values())
