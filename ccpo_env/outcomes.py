"""Verify the last messages of many episodes: equal answers once, slow ones in parallel."""

from __future__ import annotations

import os
import time
from collections.abc import Hashable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import FunctionType

from ccpo_env.conversation import NO_OUTCOME, Conversation, Outcome
from ccpo_env.types import Verifier
from ccpo_env.verifiers.registry import VERIFIERS
from ccpo_env.verifiers.worker.many import THREADS_PER_CPU

SLOW_S = 0.002
"""Seconds after which a verification counts as slow, so that those after it run in parallel:
below, threads cost more than they save."""


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


def verify_messages(conversations: Sequence[Conversation], texts: Sequence[str]) -> list[Outcome]:
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
    outcomes = [NO_OUTCOME] * len(texts)
    last = [place for place, own in enumerate(conversations) if is_last(own)]
    if not last:
        return outcomes
    if not is_built_in(conversations[0].opening.rules.verifier):
        for place in last:
            outcomes[place] = conversations[place].verify(texts[place])
        return outcomes
    places_of: dict[Hashable, list[int]] = {}
    for place in last:
        key = answer_key(conversations[place], texts[place])
        places_of.setdefault(key, []).append(place)
    first = [places[0] for places in places_of.values()]
    found = _verify_each([conversations[place] for place in first], [texts[p] for p in first])
    for places, outcome in zip(places_of.values(), found, strict=True):
        for place in places:
            outcomes[place] = outcome
    return outcomes


def _verify_each(conversations: Sequence[Conversation], texts: Iterable[str]) -> list[Outcome]:
    """Verify one after the other until one is slow, and the rest in parallel."""
    pairs = list(zip(conversations, texts, strict=True))
    outcomes: list[Outcome] = []
    for conversation, text in pairs:
        started = time.perf_counter()
        outcomes.append(conversation.verify(text))
        if time.perf_counter() - started > SLOW_S:
            break
    rest = pairs[len(outcomes) :]
    if rest:
        with ThreadPoolExecutor(THREADS_PER_CPU * (os.cpu_count() or 1)) as threads:
            outcomes += threads.map(lambda pair: pair[0].verify(pair[1]), rest)
    return outcomes
