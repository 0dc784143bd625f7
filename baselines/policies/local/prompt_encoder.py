"""From prompts to token ids that leave room for a completion in the context of a model."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from baselines.policies.base import Prompt
from baselines.policies.local.prompt_reader import PromptReader

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class PromptEncoder:
    """Tokenizes prompts, and cuts those that are too long.

    Prompts are read as by `PromptReader`. One that leaves no room for max_tokens in the context of
    the model loses its middle, because its start holds the role and the question, and its end the
    latest message and the cue to speak. The first cut emits a warning.

    Args:
        tokenizer: Tokenizer of the model.
        context: Number of positions of the model. None: no limit.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, context: int | None) -> None:
        self._tokenizer = tokenizer
        self._context = context
        self._has_warned = False
        self._reader: PromptReader | None = None

    def encode(self, prompts: Sequence[Prompt], max_tokens: int) -> list[tuple[int, ...]]:
        """Return token ids of each prompt, cut to leave room for max_tokens.

        Raises:
            ValueError: If max_tokens alone fill the context.
        """
        keys = [_key(prompt) for prompt in prompts]
        distinct = dict(zip(keys, prompts, strict=True))
        encoded = dict(zip(distinct, self.reader.read(list(distinct.values())), strict=True))
        if self._context is not None:
            for key, ids in encoded.items():
                if len(ids) + max_tokens > self._context:
                    encoded[key] = self._cut_middle(ids, max_tokens, self._context)
        return [encoded[key] for key in keys]

    @property
    def reader(self) -> PromptReader:
        """What reads prompts with the tokenizer's chat template of now."""
        if self._reader is None or self._reader.template != self._tokenizer.chat_template:
            self._reader = PromptReader(self._tokenizer)
        return self._reader

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
