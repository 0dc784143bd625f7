"""Encoding of requests to an OpenAI-compatible server, and parsing of its responses."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from baselines.policies.base import Completion, Prompt, Sampling
from baselines.policies.endpoint.address import EndpointConfig
from ccpo_env.content.control_text import spelled_out
from ccpo_env.strict_json import unique_keys

DEFAULT_MAX_TOKENS = 256
"""Default length limit of a completion; the defaults of servers differ widely."""
MAX_LOGPROB = 1e-3
"""Largest positive log-probability that rounding explains, in nats."""
MIN_LOGPROB = -1e38
"""Smallest log-probability, in nats: servers write minus infinity as a float32, or -9999."""
MAX_NUMBER = 2**53
"""Exclusive upper bound of token ids and counts; a larger one is invalid."""
MAX_BODY_BYTES = 64 * 2**20
"""Largest accepted response; 16 samples of 4,096 tokens with log-probabilities take 13 MB."""
BASE_BYTES, BYTES_PER_PROMPT_CHAR, BYTES_PER_TOKEN = 2**18, 16, 2**10
FINISHED = ("stop", "length")
"""Reasons why the model itself ended a completion. With others, such as "abort" and
"content_filter", the response is not the model's and has no measured reward."""

JsonObject = Mapping[str, Any]
_MISSING = object()


class BadAnswerError(ValueError):
    """A body that violates the API: truncated, not JSON, or of another structure."""


@dataclass(frozen=True, slots=True)
class Question:
    """A request without its number of samples and its seed.

    Args:
        path: Path relative to the base of the API.
        body: Request body without n and seed.
        max_tokens: Longest completion, in tokens.
        keeps_logprobs: Whether the returned log-probabilities are valid for a Completion.
    """

    path: str
    body: JsonObject
    max_tokens: int
    keeps_logprobs: bool


def max_answer_bytes(request: Question, num_samples: int) -> int:
    """Return the largest size of an answer, so that an endless one does not fill the memory.

    Token ids of the prompt, and each token with its log-probability and escapes, are bounded.
    """
    of_prompt = BYTES_PER_PROMPT_CHAR * len(json.dumps(request.body))
    of_tokens = BYTES_PER_TOKEN * request.max_tokens * num_samples
    return min(MAX_BODY_BYTES, BASE_BYTES + of_prompt + of_tokens)


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of a response, as reported by the server, else as returned."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Answer:
    """The samples of one prompt, at least one, and their token counts."""

    completions: tuple[Completion, ...]
    usage: Usage


def question(prompt: Prompt, *, sampling: Sampling, config: EndpointConfig, model: str) -> Question:
    """Return the request to complete a prompt.

    The server's tokenizer is unknown, so the control strings of all known families of models get a
    space in the contents of the prompt.
    """
    is_chat = config.api == "chat" and bool(prompt.messages)
    max_tokens = sampling.max_tokens or DEFAULT_MAX_TOKENS
    body: dict[str, object] = {
        "model": model,
        "temperature": sampling.temperature,
        "top_p": 1.0,
        **config.kind.fields,
    }
    if is_chat:
        body |= {"messages": [_as_content(message) for message in prompt.messages]}
        body |= {config.kind.max_tokens_field: max_tokens}
    else:
        body |= {"prompt": spelled_out(prompt.text), "max_tokens": max_tokens}
    if config.logprobs != "none":
        # llama.cpp's Python server returns none unless top_logprobs is at least 1.
        body |= {"logprobs": True, "top_logprobs": 1} if is_chat else {"logprobs": 1}
    if sampling.stop is not None:
        body["stop"] = sampling.stop
    plain_temperatures = (0.0, 1.0) if config.logprobs == "raw" else ()
    is_processed = config.logprobs == "processed" and sampling.temperature > 0
    return Question(
        "/chat/completions" if is_chat else "/completions",
        body,
        max_tokens,
        is_processed or sampling.temperature in plain_temperatures,
    )


def _as_content(message: Mapping[str, str]) -> dict[str, str]:
    return {**message, "content": spelled_out(message["content"])}


def read_answer(
    body: bytes, request: Question, *, num_samples: int, redact: Callable[[str], str]
) -> Answer:
    """Parse and check the completions of a response.

    Args:
        body: Body of the response.
        request: The request.
        num_samples: Number of requested completions; a server may return fewer.
        redact: Removes the key from a text.

    Raises:
        BadAnswerError: If the body is incomplete or inconsistent.
    """
    answer = as_object(parsed(body), "the answer")
    _expect_no_error(answer)
    choices = as_list(answer.get("choices"), "choices")
    if not 1 <= len(choices) <= num_samples:
        raise BadAnswerError(f"choices must be 1 to {num_samples}, got {len(choices)}")
    rows = [as_object(choice, "a choice") for choice in choices]
    indices = [_count(row.get("index", place), "index") for place, row in enumerate(rows)]
    if len(set(indices)) != len(rows):
        raise BadAnswerError(f"indices of choices must differ, got {indices}")
    in_order = [row for _, row in sorted(zip(indices, rows, strict=True), key=lambda p: p[0])]
    completions = tuple(_completion(row, answer, request, redact) for row in in_order)
    return Answer(completions, _usage(answer.get("usage"), completions))


def model_names(body: bytes) -> list[str]:
    """Parse the list of a server's models.

    Raises:
        BadAnswerError: If the body is not such a list.
    """
    listed = as_list(as_object(parsed(body), "the list of models").get("data"), "data")
    names = [as_object(model, "a model").get("id") for model in listed]
    if not all(isinstance(name, str) for name in names):
        raise BadAnswerError("the id of a model must be a text")
    return cast("list[str]", names)


def _completion(
    choice: JsonObject, answer: JsonObject, request: Question, redact: Callable[[str], str]
) -> Completion:
    is_chat = "messages" in request.body
    _expect_no_error(choice)
    reason = choice.get("finish_reason")
    if not isinstance(reason, str) or reason not in FINISHED:
        raise BadAnswerError(f"finish_reason must be one of {', '.join(FINISHED)}, got another")
    message = as_object(choice.get("message"), "message") if is_chat else choice
    text = message.get("content" if is_chat else "text", _MISSING)
    if text is None and is_chat and (reason == "length" or _has_reasoning(message)):
        text = ""  # all tokens were reasoning, which the server strips
    if not isinstance(text, str):
        raise BadAnswerError(f"the text of a completion must be a str, got {type(text).__name__}")
    token_ids = _token_ids(choice.get("token_ids"))
    if len(token_ids) > request.max_tokens:
        raise BadAnswerError(f"{request.max_tokens} tokens were allowed, got {len(token_ids)}")
    # A chat response has the prompt's ids once; a text response has them in every choice.
    prompt_ids = _token_ids((answer if is_chat else choice).get("prompt_token_ids"))
    logprobs = _logprobs(choice.get("logprobs"), is_chat=is_chat)
    if not token_ids or not request.keeps_logprobs:
        logprobs = ()
    if logprobs and len(logprobs) != len(token_ids):
        raise BadAnswerError(
            f"{len(token_ids)} tokens must have as many logprobs, got {len(logprobs)}"
        )
    return Completion(redact(text), prompt_ids, token_ids, logprobs)


def _expect_no_error(value: JsonObject) -> None:
    """Refuse a body that reports an error, whatever else it holds."""
    if value.get("error") is not None:
        raise BadAnswerError("an answer must hold no error, got one")


def _has_reasoning(message: JsonObject) -> bool:
    return any(message.get(name) for name in ("reasoning_content", "reasoning"))


def _logprobs(value: object, *, is_chat: bool) -> tuple[float, ...]:
    if value is None:
        return ()
    listed = as_object(value, "logprobs").get("content" if is_chat else "token_logprobs")
    if listed is None:
        return ()
    numbers = as_list(listed, "logprobs")
    if is_chat:
        numbers = [as_object(entry, "a logprob").get("logprob") for entry in numbers]
    return tuple(map(as_logprob, numbers))


def _usage(value: object, completions: Sequence[Completion]) -> Usage:
    listed = value if isinstance(value, dict) else {}
    num_sampled = sum(len(completion.token_ids) for completion in completions)
    return Usage(
        _count(listed.get("prompt_tokens", len(completions[0].prompt_ids)), "prompt_tokens"),
        _count(listed.get("completion_tokens", num_sampled), "completion_tokens"),
    )


def _token_ids(value: object) -> tuple[int, ...]:
    if value is None:
        return ()
    return tuple(_count(token, "a token id") for token in as_list(value, "token ids"))


def parsed(body: bytes) -> object:
    """Return the value of a JSON body; raise BadAnswerError if it is none."""

    def refuse(name: str) -> None:
        raise ValueError(name)

    try:
        return json.loads(body, parse_constant=refuse, object_pairs_hook=unique_keys)
    except (ValueError, RecursionError):
        raise BadAnswerError(f"the answer must be JSON, got {len(body)} other bytes") from None


def as_object(value: object, what: str) -> JsonObject:
    """Return a JSON object; raise BadAnswerError if it is none, naming what it is."""
    if not isinstance(value, dict):
        raise BadAnswerError(f"{what} must be an object, got {type(value).__name__}")
    return value


def as_list(value: object, what: str) -> list[Any]:
    """Return a JSON list; raise BadAnswerError if it is none, naming what it is."""
    if not isinstance(value, list):
        raise BadAnswerError(f"{what} must be a list, got {type(value).__name__}")
    return value


def as_logprob(value: object) -> float:
    """Return a log-probability, in nats; raise BadAnswerError if it is none."""
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not MIN_LOGPROB <= value <= MAX_LOGPROB
    ):
        raise BadAnswerError("a logprob must be a finite number <= 0, got something else")
    return float(value)


def _count(value: object, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < MAX_NUMBER:
        raise BadAnswerError(f"{what} must be a whole number >= 0, got something else")
    return value
