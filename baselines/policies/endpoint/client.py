"""Requests to an OpenAI-compatible server: rate limits, timeouts, retries, redacted keys."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ssl import SSLContext
from typing import TypeVar

import numpy as np

from baselines.policies.endpoint.address import EndpointConfig, read_key
from baselines.policies.endpoint.retry_after import retry_after_s
from baselines.policies.endpoint.usage import EndpointUsage
from baselines.policies.endpoint.wire import MAX_BODY_BYTES, JsonObject
from ccpo_env.text import valid_unicode

try:
    import anyio
    import httpx2
    from anyio.from_thread import start_blocking_portal
except ImportError as error:
    raise ImportError(
        "an endpoint must be reached with the package httpx2, got none installed; "
        "pip install 'ccpo-env[endpoint]'"
    ) from error

T = TypeVar("T")

MAX_ERROR_BYTES = 64 * 2**10
MAX_DETAIL_CHARS = 200
"""Longest excerpt of a server's message in an error, in characters."""
MAX_BACKOFF_S = 30.0
MAX_RETRY_AFTER_S = 120.0
"""Longest accepted Retry-After, in seconds; a longer one counts as a failure."""
RETRIED_STATUSES = frozenset({408, 425, 429})
"""Status codes to retry, besides all from 500."""
HIDDEN_KEY = "[key]"
MIN_SECRET_CHARS = 8
"""Shorter keys, such as EMPTY for local servers, are words and not secrets."""


class EndpointError(Exception):
    """A request failed; the message gives the reason and never contains the key."""


class _AttemptError(Exception):
    """One attempt failed.

    Args:
        reason: Reason of the failure.
        is_final: Whether a retry would fail in the same way.
        retry_after_s: Delay requested by the server, in seconds.
    """

    def __init__(self, reason: str, *, is_final: bool, retry_after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.is_final = is_final
        self.retry_after_s = retry_after_s


@dataclass(slots=True)
class RateLimiter:
    """Limits the rate at which requests are sent.

    Args:
        requests_per_minute: Maximum rate, evenly spaced; None: no limit.
    """

    requests_per_minute: float | None = None
    _next_s: float = 0.0

    async def wait(self) -> None:
        """Wait until the next request may be sent."""
        while (left_s := self._next_s - time.monotonic()) > 0:
            await anyio.sleep(left_s)
        if self.requests_per_minute is not None:
            self._next_s = time.monotonic() + 60.0 / self.requests_per_minute

    def pause(self, seconds: float) -> None:
        """Delay all requests by a time that the server requested, in seconds."""
        self._next_s = max(self._next_s, time.monotonic() + seconds)


class EndpointClient:
    """Sends requests, with retries, until they succeed or finally fail.

    Args:
        config: The server, with its limits of retries and time.
        key: API key, sent as a bearer token; None: none is sent.
        rate_limiter: Shared by all requests to the server.
        rng: Source of the jitter of delays; does not affect the requests.
        usage: Counts the requests.
    """

    def __init__(
        self,
        config: EndpointConfig,
        *,
        key: str | None,
        rate_limiter: RateLimiter,
        rng: np.random.Generator,
        usage: EndpointUsage,
    ) -> None:
        self._config = config
        self._key = key
        self._rate_limiter = rate_limiter
        self._rng = rng
        self._usage = usage
        self._http = httpx2.AsyncClient(
            headers={
                # An uncompressed response cannot expand beyond MAX_BODY_BYTES.
                "Accept-Encoding": "identity",
                # On a connection that is used again, what follows a response is taken for the
                # response to the next request.
                "Connection": "close",
                "Content-Type": "application/json",
                **({} if key is None else {"Authorization": f"Bearer {key}"}),
            },
            timeout=httpx2.Timeout(config.read_timeout_s, connect=config.connect_timeout_s),
            limits=httpx2.Limits(max_connections=config.concurrency, max_keepalive_connections=0),
            trust_env=not config.is_local,  # no proxy for local servers
            verify=_certificates(trust_env=not config.is_local),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),  # keeps none
        )

    async def __aenter__(self) -> EndpointClient:
        """Open the connections."""
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Close the connections."""
        await self._http.aclose()

    def redact(self, text: str) -> str:
        """Remove the key from a model's text, if the key is long enough to be a secret."""
        if self._key is None or len(self._key) < MIN_SECRET_CHARS:
            return text
        return text.replace(self._key, HIDDEN_KEY)

    async def send(
        self,
        method: str,
        path: str,
        body: JsonObject | None,
        read: Callable[[bytes], T],
        *,
        max_bytes: int = MAX_BODY_BYTES,
    ) -> T:
        """Send a request, with retries, and return the parsed response.

        Args:
            method: "GET" or "POST".
            path: Path relative to the base of the API.
            body: Request body, sent as JSON.
            read: Parses the response; raises BadAnswerError if it is invalid, which counts as a
                failed attempt.
            max_bytes: Largest accepted response.

        Raises:
            EndpointError: If all attempts failed, or a retry cannot succeed.
        """
        num_tries = self._config.retries + 1
        for number in range(num_tries):
            await self._rate_limiter.wait()
            self._usage.add_request(is_retry=number > 0)
            try:
                return await self._attempt(method, path, body, read, max_bytes)
            except _AttemptError as error:
                failure = error
            if failure.is_final or number + 1 == num_tries:
                break
            if failure.retry_after_s:
                self._rate_limiter.pause(failure.retry_after_s)
            await anyio.sleep(self._backoff(number))
        tries = "1 try" if number == 0 else f"{number + 1} tries"
        raise EndpointError(f"{failure} ({tries})")

    async def _attempt(
        self,
        method: str,
        path: str,
        body: JsonObject | None,
        read: Callable[[bytes], T],
        max_bytes: int,
    ) -> T:
        content = None
        if body is not None:  # lone surrogates become U+FFFD: UTF-8 cannot encode them
            content = valid_unicode(json.dumps(body, ensure_ascii=False)).encode()
        try:
            with anyio.fail_after(self._config.total_timeout_s):
                url = self._config.url + path
                async with self._http.stream(method, url, content=content) as response:
                    if response.status_code != 200:
                        raise await self._refusal(response)
                    answer = await _content(response, max_bytes)
            if answer is None:
                raise _AttemptError(f"an answer over {max_bytes} bytes", is_final=True)
            return read(answer)
        except _AttemptError:
            raise
        except TimeoutError:
            reason = f"no answer in {self._config.total_timeout_s:g} s"
        except Exception as error:  # whatever a server can make the libraries raise
            reason = f"{type(error).__name__}: {self._shown(str(error))}".removesuffix(": ")
        raise _AttemptError(reason, is_final=False)

    async def _refusal(self, response: httpx2.Response) -> _AttemptError:
        """Return the error for a status other than 200."""
        status = response.status_code
        detail = await _content(response, MAX_ERROR_BYTES) or b""
        reason = f"HTTP {status}: {self._shown(detail.decode(errors='replace'))}"
        wait_s = retry_after_s(response.headers.get("Retry-After"), now_s=time.time())
        if wait_s > MAX_RETRY_AFTER_S:
            reason = f"requested a delay of {wait_s:.0f} s, {reason}"
        is_retried = status in RETRIED_STATUSES or status >= 500
        return _AttemptError(
            reason,
            is_final=not is_retried or wait_s > MAX_RETRY_AFTER_S,
            retry_after_s=wait_s,
        )

    def _shown(self, text: str) -> str:
        """Return the start of a server's message on one line, without the key."""
        with contextlib.suppress(ValueError, RecursionError):
            text = json.dumps(json.loads(text), ensure_ascii=False)  # no \u002d hides a key
        if self._key is not None:
            for form in (self._key, json.dumps(self._key)[1:-1]):
                text = text.replace(form, HIDDEN_KEY)
        words = "".join(c if c.isprintable() else " " for c in text).split()
        return " ".join(words)[:MAX_DETAIL_CHARS]

    def _backoff(self, number: int) -> float:
        """Return the delay before a retry: exponential backoff with jitter."""
        longest = min(MAX_BACKOFF_S, self._config.backoff_s * 2.0**number)
        return longest * float(self._rng.uniform(0.5, 1.0))


def talk(
    config: EndpointConfig,
    jobs: Sequence[Callable[[EndpointClient], Awaitable[T]]],
    *,
    rate_limiter: RateLimiter,
    rng: np.random.Generator,
    usage: EndpointUsage,
) -> list[T]:
    """Run all jobs, at most config.concurrency of them at a time, and return their results.

    Blocks; can be called while an event loop is running, such as in a notebook. A job that
    raises cancels the others.

    Args:
        config: The server; its key is read from the environment.
        jobs: Coroutine functions, called with the client.
        rate_limiter: As for EndpointClient.
        rng: As for EndpointClient.
        usage: As for EndpointClient.
    """
    results: dict[int, T] = {}

    async def run() -> None:
        key = read_key(config)
        client = EndpointClient(config, key=key, rate_limiter=rate_limiter, rng=rng, usage=usage)
        slots = anyio.Semaphore(config.concurrency)

        async def run_job(place: int) -> None:
            async with slots:
                results[place] = await jobs[place](client)

        async with client, anyio.create_task_group() as tasks:
            for place in range(len(jobs)):
                tasks.start_soon(run_job, place)

    if jobs:
        try:
            with start_blocking_portal() as portal:  # Ctrl-C cancels the jobs
                portal.call(run)
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
    return [results[place] for place in range(len(jobs))]


def talk_once(config: EndpointConfig, job: Callable[[EndpointClient], Awaitable[T]]) -> T:
    """Run one job that is not sampling, such as listing models; it counts as no usage."""
    rng, usage = np.random.default_rng(0), EndpointUsage()
    (result,) = talk(config, [job], rate_limiter=RateLimiter(), rng=rng, usage=usage)
    return result


@cache
def _certificates(*, trust_env: bool) -> SSLContext:
    """Return the trusted certificates, which take longer to read than a local request."""
    return httpx2.create_ssl_context(trust_env=trust_env)


async def _content(response: httpx2.Response, max_bytes: int) -> bytes | None:
    """Return the raw body, or None if it is longer than max_bytes."""
    content = bytearray()
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) > max_bytes:
            return None
    return bytes(content)
