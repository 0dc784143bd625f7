"""A policy served by an OpenAI-compatible server: vLLM, SGLang, llama.cpp, OpenAI."""

from __future__ import annotations

import difflib
import hashlib
import json
import warnings
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from baselines.policies.base import Completion, Prompt, Sampling
from baselines.policies.endpoint.address import EndpointConfig, parse_endpoint, read_key
from baselines.policies.endpoint.answer_journal import Journal, SampleKey
from baselines.policies.endpoint.client import (
    EndpointClient,
    EndpointError,
    RateLimiter,
    talk,
    talk_once,
)
from baselines.policies.endpoint.next_token import next_token_body, read_next_token
from baselines.policies.endpoint.usage import EndpointUsage
from baselines.policies.endpoint.wire import (
    DEFAULT_MAX_TOKENS,
    Answer,
    JsonObject,
    Question,
    max_answer_bytes,
    model_names,
    question,
    read_answer,
)

T = TypeVar("T")

LIST_RETRIES = 2
"""Retries of the first request: few, because the user is waiting."""
MAX_NAMES, MAX_NAME_CHARS = 10, 100
"""Number of a server's models that an error lists."""
SEED_BYTES = 4
SEED_BITS = 31
"""All servers accept seeds below 2^31; vLLM adds the index of the sample."""


@dataclass(frozen=True, slots=True)
class _Pending:
    """Outstanding samples of one question.

    Args:
        question: The request without number of samples and seed.
        first: Index of the first outstanding sample.
        rows: Indices of the samples in the list of prompts.
    """

    question: Question
    first: SampleKey
    rows: tuple[int, ...]

    def without(self, num_samples: int) -> _Pending:
        """Return the remaining samples after the first ones have been answered."""
        first = replace(self.first, index=self.first.index + num_samples)
        return _Pending(self.question, first, self.rows[num_samples:])

    def body(self) -> JsonObject:
        """Return the request body; the seed depends only on the question and the sample."""
        digest = hashlib.sha256(f"{self.first.question}:{self.first.index}".encode()).digest()
        seed = int.from_bytes(digest[:SEED_BYTES], "big") % 2**SEED_BITS
        return {**self.question.body, "n": len(self.rows), "seed": seed}


class EndpointPolicy:
    """Completes prompts with requests to a server; has no local weights.

    Equal prompts of a call become one request with several samples. A request that fails after
    all retries yields completions with a `failure`; the others are unaffected.

    Args:
        config: The server and its settings. The key is read from the environment for each call
            and not stored.
        model: Name of the served model.

    Raises:
        ValueError: If the key is missing or the journal cannot be used.

    Note: The same rng state sends the same seeds; whether the completions are the same depends
        on the server. The journal identifies a model by its name: use another name or journal
        for other weights.
    """

    def __init__(self, config: EndpointConfig, *, model: str) -> None:
        read_key(config)
        self._config = config
        self._model = model
        self._rate_limiter = RateLimiter(config.requests_per_minute)
        self._journal = None if config.journal is None else Journal(config.journal)
        self._has_warned = False
        self._usage = EndpointUsage(config.prompt_price, config.completion_price)
        if self._journal is not None:
            self._usage.add_earlier(self._journal.usage)

    @classmethod
    def connect(cls, config: EndpointConfig) -> EndpointPolicy:
        """Look up the models of a server and return the policy of one of them.

        Raises:
            ValueError: If the server returns no list, does not serve the config's model, or the
                config names no model and the server has several.
        """
        names = _served_models(config)
        if config.model in names:
            return cls(config, model=config.model or "")
        if config.model is None and len(names) == 1:
            return cls(config, model=names[0])
        close = difflib.get_close_matches(config.model or "", names, n=1)
        remedy = f"did you mean {close[0]!r}?" if close else "pass one of them after a '#'"
        shown = [name[:MAX_NAME_CHARS] for name in names[:MAX_NAMES]]
        shown += [f"and {len(names) - MAX_NAMES} more"] if len(names) > MAX_NAMES else []
        raise ValueError(
            f"an endpoint's model must be served by {config.url}, which has "
            f"{', '.join(shown) or 'none'}, got {config.model}; {remedy}"
        )

    def __repr__(self) -> str:
        """Return the model and the server."""
        return f"EndpointPolicy({self._model!r} at {self._config.url})"

    @property
    def config(self) -> EndpointConfig:
        """The server and its settings."""
        return self._config

    @property
    def model(self) -> str:
        """Name of the served model."""
        return self._model

    def rename(self, model: str) -> None:
        """Request another of the server's models from now on."""
        self._model = model

    @property
    def usage(self) -> EndpointUsage:
        """Cost of all requests so far."""
        return self._usage

    def sample(
        self, prompts: Sequence[Prompt], *, sampling: Sampling, rng: np.random.Generator
    ) -> list[Completion]:
        """Return one completion per prompt, in order; failed requests yield one with `failure`."""
        stream = int(rng.integers(2**63))
        rows: dict[int, Completion] = {}
        pending = list(self._pending_samples(prompts, sampling, stream, rows))
        self._usage.num_reused += len(rows)
        answers = self.talk([partial(self._answer, samples) for samples in pending], stream)
        for samples, answer in zip(pending, answers, strict=True):
            rows.update(zip(samples.rows, answer, strict=True))
        failures = [c.failure for c in rows.values() if c.failure is not None]
        if failures and not self._has_warned:
            self._has_warned = True
            warnings.warn(
                f"the endpoint {self._config.url} left {len(failures)} of {len(prompts)} prompts "
                f"unanswered, and their episodes measure nothing: {failures[0]} (further failures "
                f"are not reported)",
                stacklevel=2,
            )
        max_tokens = sampling.max_tokens or DEFAULT_MAX_TOKENS
        return [
            replace(rows[row], temperature=sampling.temperature, max_tokens=max_tokens)
            for row in range(len(prompts))
        ]

    def talk(
        self, jobs: Sequence[Callable[[EndpointClient], Awaitable[T]]], seed: int = 0
    ) -> list[T]:
        """Run jobs within the limits of the server, and count their requests; see `client.talk`."""
        return talk(
            self._config,
            jobs,
            rate_limiter=self._rate_limiter,
            rng=np.random.default_rng(seed),
            usage=self._usage,
        )

    def next_token_logprobs(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Return log-probabilities of the most probable tokens after each text, in nats.

        Args:
            texts: Texts that the server completes as they are, without a chat template.

        Raises:
            ValueError: If the API is not "completions", or a request fails after all retries.
        """
        config = self._config
        if config.api != "completions" or config.logprobs == "none":
            raise ValueError(
                f"an endpoint must complete plain text with log-probabilities to score letters, "
                f"got api={config.api} and logprobs={config.logprobs}; pass api=completions"
            )

        async def ask(text: str, client: EndpointClient) -> dict[str, float]:
            body = next_token_body(text, model=self._model)
            return await client.send("POST", "/completions", body, read_next_token)

        try:
            return self.talk([partial(ask, text) for text in texts])
        except EndpointError as error:
            raise ValueError(
                f"an endpoint must return the log-probabilities of the next token, got {error} "
                f"from {config.url}; leave out the likelihood of options, or use a local model"
            ) from None

    def _pending_samples(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        stream: int,
        rows: dict[int, Completion],
    ) -> Iterator[_Pending]:
        """Yield the samples to request; samples in the journal are put into rows."""
        questions: dict[str, Question] = {}
        rows_of: defaultdict[str, list[int]] = defaultdict(list)
        for row, prompt in enumerate(prompts):
            request = question(prompt, sampling=sampling, config=self._config, model=self._model)
            content = json.dumps([stream, request.path, request.body], sort_keys=True)
            digest = hashlib.sha256(content.encode()).hexdigest()
            questions[digest] = request
            rows_of[digest].append(row)
        # vLLM rejects n > 1 with greedy decoding.
        size = self._config.samples_per_request if sampling.temperature > 0 else 1
        for digest, own in rows_of.items():
            missing = []
            for index, row in enumerate(own):
                known = None
                if self._journal is not None:
                    known = self._journal.find(SampleKey(digest, index))
                if known is None:
                    missing.append(index)
                else:
                    rows[row] = known
            for indices in _consecutive(missing, size):
                first = SampleKey(digest, indices[0])
                yield _Pending(questions[digest], first, tuple(own[index] for index in indices))

    async def _answer(self, pending: _Pending, client: EndpointClient) -> list[Completion]:
        """Return the outstanding samples, which may take several requests."""

        def read(body: bytes) -> Answer:
            num_samples = len(pending.rows)
            return read_answer(
                body, pending.question, num_samples=num_samples, redact=client.redact
            )

        completions: list[Completion] = []
        while pending.rows:
            try:
                answer = await client.send(
                    *("POST", pending.question.path, pending.body(), read),
                    max_bytes=max_answer_bytes(pending.question, len(pending.rows)),
                )
            except EndpointError as error:
                self._usage.num_failed += len(pending.rows)
                return completions + [Completion("", failure=str(error))] * len(pending.rows)
            self._usage.add_answer(answer)
            if self._journal is not None:
                self._journal.append(pending.first, answer)
            completions += answer.completions
            pending = pending.without(len(answer.completions))
        return completions


def load_endpoint(spec: str, *, journal: Path | None = None) -> EndpointPolicy:
    """Return the policy of ``endpoint:URL[?option=value&...][#model]``.

    Args:
        spec: See `parse_endpoint`.
        journal: File of finished answers if the spec names none; None: no file.

    Raises:
        ValueError: If the spec is invalid, or the server does not respond or serve the model.
    """
    config = parse_endpoint(spec)
    return EndpointPolicy.connect(replace(config, journal=config.journal or journal))


def _served_models(config: EndpointConfig) -> list[str]:
    """Return the names of a server's models."""

    async def list_models(client: EndpointClient) -> list[str]:
        names = await client.send("GET", "/models", None, model_names)
        return [client.redact(name) for name in names]

    brief = replace(config, retries=min(config.retries, LIST_RETRIES))
    try:
        return talk_once(brief, list_models)
    except EndpointError as error:
        raise ValueError(
            f"an endpoint must list its models, got {error} from {config.url}/models; "
            f"check the URL, the key and whether the server runs"
        ) from None


def _consecutive(indices: Sequence[int], longest: int) -> Iterator[list[int]]:
    """Split indices into consecutive runs of at most longest."""
    run: list[int] = []
    for index in indices:
        if run and (index != run[-1] + 1 or len(run) == longest):
            yield run
            run = []
        run.append(index)
    if run:
        yield run
