"""Log-probabilities of the next token after a text, from a server with the completions API."""

from __future__ import annotations

from baselines.policies.endpoint.wire import JsonObject, as_list, as_logprob, as_object, parsed

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
