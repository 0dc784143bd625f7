"""Verify the last messages of many episodes: equal answers once, slow ones in parallel."""

from __future__ import annotations

import os
from collections.abc import Collection, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import FunctionType

from ccpo_env.conversation import NO_OUTCOME, Conversation, Outcome
from ccpo_env.types import Verifier
from ccpo_env.verifiers.registry import VERIFIERS
from ccpo_env.verifiers.worker.many import THREADS_PER_CPU
from ccpo_env.verifiers.worker.waiting import WouldWait, without_waiting


def is_built_in(verifier: Verifier) -> bool:
    """Return whether a verifier is one of VERIFIERS, with these or other settings.

    Those may run in threads, and what they say of an answer may be used for equal answers.
    """
    return any(
        verifier is own or (type(verifier) is type(own) and not isinstance(own, FunctionType))
        for own in VERIFIERS.values()
    )


def is_last(conversation: Conversation) -> bool:
    """Return whether the next message ends the episode."""
    return len(conversation.messages) == len(conversation.opening.turns) - 1


def answer_key(conversation: Conversation, text: str) -> Hashable:
    """Return a key that is equal for episodes of one task that end with the same answers."""
    opening = conversation.opening
    earlier = conversation.messages if opening.rules.is_vote else ()
    return id(opening.task), tuple([message.text for message in earlier]), text


def verify_messages(conversations: Collection[Conversation], texts: Sequence[str]) -> list[Outcome]:
    """Return the outcome of each episode if the next message is the given text.

    Args:
        conversations: Running episodes of one environment.
        texts: One message for each.

    Returns:
        What `Conversation.verify` returns, in order.

    Note: A built-in verifier compares equal answers to a task once. A function of the user's own
        is called for each answer in this thread, because it may count its calls, toss a coin or
        not be safe in threads.
    """
    if not any([is_last(conversation) for conversation in dict.fromkeys(conversations)]):
        return [NO_OUTCOME] * len(texts)
    pairs = list(zip(conversations, texts, strict=True))
    if not is_built_in(pairs[0][0].opening.rules.verifier):
        return [conversation.verify(text) for conversation, text in pairs]
    keys = [answer_key(*pair) if is_last(pair[0]) else None for pair in pairs]
    first: dict[Hashable, tuple[Conversation, str]] = {}
    for key, pair in zip(keys, pairs, strict=True):
        if key is not None:
            first.setdefault(key, pair)
    outcome_of = {None: NO_OUTCOME, **dict(zip(first, _verify_each(first.values()), strict=True))}
    return [outcome_of[key] for key in keys]


def _verify_each(pairs: Collection[tuple[Conversation, str]]) -> list[Outcome]:
    """Verify in this thread what needs no other process, and then the rest in parallel."""
    outcomes: list[Outcome | None] = []
    waiting: list[tuple[Conversation, str]] = []
    with without_waiting():
        for conversation, text in pairs:
            try:
                outcomes.append(conversation.verify(text))
            except WouldWait:
                outcomes.append(None)
                waiting.append((conversation, text))
    if not waiting:
        return [outcome for outcome in outcomes if outcome is not None]
    num_threads = min(len(waiting), THREADS_PER_CPU * (os.cpu_count() or 1))
    with ThreadPoolExecutor(num_threads) as threads:
        late = threads.map(lambda pair: pair[0].verify(pair[1]), waiting)
        return [next(late) if outcome is None else outcome for outcome in outcomes]
