"""Configuration of an OpenAI-compatible server, parsed from an endpoint spec."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from ccpo_env.errors import unknown_name

ENDPOINT_PREFIX = "endpoint:"
"""Prefix of the spec of an endpoint."""
DEFAULT_KEY_ENV = "OPENAI_API_KEY"
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerKind:
    """Request parameters that are specific to one kind of server.

    Args:
        fields: Fields of every request. They disable the truncation and the penalties that the
            server would otherwise take from the model's generation config or its own defaults,
            so that completions are sampled from the model's distribution.
        max_samples: Maximum number of samples per request.
        max_tokens_field: Name of the length limit in a chat request.
    """

    fields: Mapping[str, object]
    max_samples: int
    max_tokens_field: str = "max_tokens"


_UNTRUNCATED = {"min_p": 0.0, "repetition_penalty": 1.0}
SERVERS: Mapping[str, ServerKind] = {
    "vllm": ServerKind(
        fields={"top_k": -1, **_UNTRUNCATED, "return_token_ids": True}, max_samples=16
    ),
    "sglang": ServerKind(fields={"top_k": -1, **_UNTRUNCATED}, max_samples=16),
    # With a seed, n samples may be n copies. top_k does not accept -1.
    "llama.cpp": ServerKind(
        fields={"top_k": 0, "min_p": 0.0, "repeat_penalty": 1.0}, max_samples=1
    ),
    "openai": ServerKind(fields={}, max_samples=8, max_tokens_field="max_completion_tokens"),
}
"""Kinds of servers by name. "openai" gets only the fields of OpenAI's API reference."""

_CHOICES = {
    "server": tuple(SERVERS),
    "api": ("chat", "completions"),
    "logprobs": ("raw", "processed", "none"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointConfig:
    """Address and settings of an OpenAI-compatible server; holds no key.

    Args:
        url: Base of the API, such as ``http://localhost:8000/v1``.
        model: Name of the served model; None: the only model of the server.
        server: Kind of server, a name from SERVERS.
        api: "chat" sends chat messages, which the server formats with its chat template;
            "completions" sends plain text.
        logprobs: Which log-probabilities the server returns. "raw": before the temperature, as
            vLLM does by default; kept at temperature 0 and 1, discarded at others.
            "processed": of the distribution sampled from (vLLM's
            ``--logprobs-mode processed_logprobs``); discarded at temperature 0. "none":
            not requested.
        concurrency: Maximum number of concurrent requests.
        max_samples: Most samples of a prompt per request; None: the server's maximum.
        requests_per_minute: Rate limit; None: no limit.
        retries: Number of retries of a failed request.
        backoff_s: Delay before the first retry, in seconds; doubles with each retry, up to 30.
        connect_timeout_s: Time limit for connecting, in seconds.
        read_timeout_s: Time limit between bytes, in seconds; includes the generation.
        total_timeout_s: Time limit of a request and its response, in seconds.
        prompt_price: Price of a million prompt tokens, in dollars.
        completion_price: Price of a million completion tokens, in dollars.
        journal: File of finished answers, which are not requested again; None: no file.
        key_env: Environment variable that holds the key. None: OPENAI_API_KEY if it is set, and
            only over https or to this machine.
    """

    url: str
    model: str | None = None
    server: str = "vllm"
    api: str = "chat"
    logprobs: str = "raw"
    concurrency: int = 32
    max_samples: int | None = None
    requests_per_minute: float | None = None
    retries: int = 6
    backoff_s: float = 0.5
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 300.0
    total_timeout_s: float = 600.0
    prompt_price: float = 0.0
    completion_price: float = 0.0
    journal: Path | None = None
    key_env: str | None = None

    def __post_init__(self) -> None:
        """Check names and ranges."""
        _check_url(self.url)
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise unknown_name(name, getattr(self, name), known)
        for name in ("concurrency", "max_samples"):
            _require(name, getattr(self, name), lambda value: value >= 1, ">= 1", "8")
        for name in ("retries", "backoff_s", "prompt_price", "completion_price"):
            _require(name, getattr(self, name), lambda value: value >= 0, ">= 0", "1")
        for name in (
            *("connect_timeout_s", "read_timeout_s", "total_timeout_s"),
            "requests_per_minute",
        ):
            _require(name, getattr(self, name), lambda value: value > 0, "> 0", "60")
        # The value is not shown: it may be the key, put there by mistake.
        if self.key_env is not None and not re.fullmatch(r"[A-Z_][A-Z0-9_]*", self.key_env):
            raise ValueError(
                "key_env must be the name of an environment variable in capitals, got something "
                "else; export the key and pass the name of its variable"
            )

    @property
    def kind(self) -> ServerKind:
        """Request parameters of this kind of server."""
        return SERVERS[self.server]

    @property
    def samples_per_request(self) -> int:
        """Maximum number of samples of one prompt per request."""
        return self.max_samples or self.kind.max_samples

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine."""
        return urlsplit(self.url).hostname in LOOPBACK


def is_endpoint(spec: object) -> bool:
    """Return whether a policy's spec names an endpoint."""
    return isinstance(spec, str) and spec.startswith(ENDPOINT_PREFIX)


def parse_endpoint(spec: str) -> EndpointConfig:
    """Parse ``endpoint:URL[?option=value&...][#model]``.

    Args:
        spec: The URL of the API (without a path, ``/v1`` is added), fields of EndpointConfig in
            the query, the model as fragment, such as
            ``endpoint:http://localhost:8000/v1?api=completions#Qwen/Qwen2.5-1.5B-Instruct``.

    Raises:
        ValueError: If the URL holds a password, or an option is unknown or out of range.
    """
    address, _, model = spec.removeprefix(ENDPOINT_PREFIX).partition("#")
    base, _, query = address.partition("?")
    _check_url(base)
    options: dict[str, object] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name not in _READERS:
            raise unknown_name("option", name, _READERS, of="the endpoint")
        try:
            options[name] = _READERS[name](text)
        except ValueError:
            raise ValueError(
                f"{name} must be a number, got {text!r} in the endpoint; pass e.g. {name}=8"
            ) from None
    url = base.rstrip("/")
    if not urlsplit(url).path:
        url += "/v1"
    return EndpointConfig(url=url, model=unquote(model) or None, **options)  # type: ignore[arg-type]


_READERS: Mapping[str, Callable[[str], object]] = {
    **dict.fromkeys(("server", "api", "logprobs", "key_env"), str),
    **dict.fromkeys(("concurrency", "max_samples", "retries"), int),
    **dict.fromkeys(("requests_per_minute", "backoff_s", "connect_timeout_s"), float),
    **dict.fromkeys(("read_timeout_s", "total_timeout_s"), float),
    **dict.fromkeys(("prompt_price", "completion_price"), float),
    "journal": Path,
}
"""Options of a spec, each with the parser of its value."""


def read_key(config: EndpointConfig) -> str | None:
    """Return the API key of an endpoint from the environment, None if it needs none.

    Raises:
        ValueError: If the named variable is not set, or its value is not valid in a header. The
            value is not part of the message.
    """
    name = config.key_env or DEFAULT_KEY_ENV
    if config.key_env is None and not (config.is_local or config.url.startswith("https:")):
        return None
    key = os.environ.get(name, "").strip()
    if not key and config.key_env is not None:
        raise ValueError(
            f"key_env must name a variable that holds a key, got {name}, which is not set; "
            f"export {name}"
        )
    if not all("!" <= character <= "~" for character in key):
        raise ValueError(
            f"a key must be printable ASCII without spaces, got something else in {name}; "
            f"export it again"
        )
    return key or None


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if "@" in url:
        raise ValueError(
            "an endpoint must be a URL without a name and password, got one with '@'; put the key "
            "into an environment variable and pass key_env"
        )
    if not is_url:
        raise ValueError(
            f"an endpoint must be an http or https URL, got {url!r}; "
            f"pass e.g. endpoint:http://localhost:8000/v1#model"
        )


def _require(
    name: str, value: float | None, is_legal: Callable[[float], bool], rule: str, example: str
) -> None:
    if value is not None and not (math.isfinite(value) and is_legal(value)):
        raise ValueError(f"{name} must be {rule}, got {value}; pass e.g. {name}={example}")
