"""A policy with given replies: for tests, examples and human players."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from baselines.policies.base import Completion, Prompt, Sampling


class ScriptedPolicy:
    """Replies to prompts with a function of the prompt, or with a list of texts in turn.

    Args:
        replies: A callable from the prompt's text to the reply, or texts that are used in
            order, repeatedly.

    Raises:
        ValueError: If replies is an empty sequence.
    """

    def __init__(self, replies: Callable[[str], str] | Sequence[str]) -> None:
        if not callable(replies) and not replies:
            raise ValueError("replies must hold at least one text, got none; pass ['a reply']")
        self._replies = replies
        self._num_given = 0

    def sample(
        self, prompts: Sequence[Prompt], *, sampling: Sampling, rng: np.random.Generator
    ) -> list[Completion]:
        """Return one scripted reply per prompt; sampling and rng have no effect."""
        return [Completion(self._reply(prompt.text)) for prompt in prompts]

    def _reply(self, text: str) -> str:
        if callable(self._replies):
            return self._replies(text)
        reply = self._replies[self._num_given % len(self._replies)]
        self._num_given += 1
        return reply
