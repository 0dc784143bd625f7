"""Log-probabilities of the next token after a text, from a server with the completions API."""

from __future__ import annotations

from collections.abc import Sequence

from baselines.policies.endpoint.wire import (
    BadAnswerError,
    JsonObject,
    as_list,
    as_logprob,
    as_object,
    parsed,
)

MOST_LISTED = 20
"""How many of the most probable tokens are requested: the maximum of vLLM."""


def next_token_body(text: str, *, model: str) -> JsonObject:
    """Return the request body for the most probable tokens after a text."""
    return {
        "model": model,
        "prompt": text,
        "max_tokens": 1,
        "temperature": 1.0,
        "logprobs": MOST_LISTED,
    }


def token_body(
    token_ids: Sequence[int], wanted: Sequence[int], *, model: str, temperature: float
) -> JsonObject:
    """Return the request body for given tokens after a row of tokens; of vLLM from 0.32 on.

    Args:
        token_ids: The row, not empty.
        wanted: At most MOST_LISTED tokens.
        model: Name of the served model.
        temperature: Divides the logits, if the server processes log-probabilities.
    """
    return {
        "model": model,
        "prompt": list(token_ids),
        "max_tokens": 1,
        "temperature": temperature,
        "logprobs": 1,
        "logprob_token_ids": list(wanted),
        "return_tokens_as_token_ids": True,
    }


def read_tokens(body: bytes, wanted: Sequence[int]) -> dict[int, float]:
    """Return the log-probability of each wanted token, in nats.

    Raises:
        BadAnswerError: If one is missing, or a log-probability is invalid.
    """
    listed = read_next_token(body)
    missing = [token for token in wanted if f"token_id:{token}" not in listed]
    if missing:
        raise BadAnswerError(
            f"the answer must list all {len(wanted)} tokens of logprob_token_ids, as vLLM does "
            f"from 0.32 on, got none of {missing[0]}"
        )
    return {token: listed[f"token_id:{token}"] for token in wanted}


def read_next_token(body: bytes) -> dict[str, float]:
    """Return the log-probability of each listed token, in nats.

    Args:
        body: Body of the response, with the tokens by text as in OpenAI's API reference, or as a
            list of objects with "token" and "logprob", as of llama.cpp.

    Raises:
        BadAnswerError: If it lists none, or a log-probability is invalid.
    """
    choice = _first(as_object(parsed(body), "the answer").get("choices"), "choices")
    listed = as_object(choice.get("logprobs"), "logprobs")
    if "content" not in listed:
        by_text = _first(listed.get("top_logprobs"), "top_logprobs")
        return {token: as_logprob(logprob) for token, logprob in by_text.items()}
    tokens = as_list(_first(listed["content"], "content").get("top_logprobs"), "top_logprobs")
    objects = [as_object(token, "a token") for token in tokens]
    return {str(own.get("token")): as_logprob(own.get("logprob")) for own in objects}


def _first(value: object, what: str) -> JsonObject:
    listed = as_list(value, what)
    return as_object(listed[0] if listed else None, f"the first of {what}")
