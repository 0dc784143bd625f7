"""A server that answers with whatever HTTP and JSON allow, and with much that they do not.

The last word of a prompt names the case. "good" is answered with the prompt itself.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

Write = Callable[[bytes], Awaitable[None]]
Case = bytes | Callable[[Write], Awaitable[None]]

MODELS = json.dumps({"data": [{"id": "policy"}]}).encode()


def head(length: int | None, status: str = "200 OK", *more: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", *more]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def reply(body: bytes, status: str = "200 OK", *more: str) -> bytes:
    return head(len(body), status, *more) + body


def choice(**fields: Any) -> dict[str, Any]:
    return {"index": 0, "text": "\\boxed{5}", "finish_reason": "stop", **fields}


def answer(*choices: object, **fields: Any) -> bytes:
    return json.dumps({"choices": list(choices), **fields}).encode()


def chunked(*parts: bytes) -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    return head(None, "200 OK", "Transfer-Encoding: chunked") + body


GOOD = answer(choice())
TEXT = b'{"choices": [{"index": 0, "finish_reason": "stop", "text": %s}]}'
LOGPROB = (
    b'{"choices": [{"index": 0, "finish_reason": "stop", "text": "5", "token_ids": [1], '
    b'"logprobs": {"token_logprobs": [%s]}}]}'
)


async def endless_body(write: Write) -> None:
    await write(head(None, "200 OK", "Transfer-Encoding: chunked"))
    while True:
        await write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")


async def endless_header(write: Write) -> None:
    await write(b"HTTP/1.1 200 OK\r\n")
    while True:
        await write(b"X-Filler: " + b"a" * 4096 + b"\r\n")


async def endless_information(write: Write) -> None:
    while True:
        await write(b"HTTP/1.1 102 Processing\r\n\r\n" * 100)
        await asyncio.sleep(0.001)


async def endless_trailer(write: Write) -> None:
    await write(chunked(GOOD) + b"0\r\n")
    while True:
        await write(b"X-Filler: " + b"a" * 4096 + b"\r\n")


async def slow_loris(write: Write) -> None:
    for place in range(len(GOOD)):
        await write(head(len(GOOD)) * (place == 0) + GOOD[place : place + 1])
        await asyncio.sleep(0.1)


async def silence(_write: Write) -> None:
    await asyncio.sleep(60)


async def half_then_silence(write: Write) -> None:
    await write(reply(GOOD)[:-9])
    await asyncio.sleep(60)


BODIES: dict[str, bytes] = {
    **{f"text_{n}": TEXT % value for n, value in enumerate([b"7", b"null", b"[]", b"{}", b"true"])},
    **{
        f"logprob_{n}": LOGPROB % value
        for n, value in enumerate(
            [b"-1" + b"0" * 400, b"-1e999", b"NaN", b"-Infinity", b'"-1"', b"null", b"true", b"1"]
        )
    },
    "logprob_digits": LOGPROB % (b"-1" + b"0" * 5000),
    "logprobs_nested": LOGPROB % b"[-1]",
    "empty": b"",
    "null": b"null",
    "list": b"[]",
    "text": b'"\\boxed{5}"',
    "html": b"<html>502</html>",
    "events": b"data: " + GOOD + b"\n\ndata: [DONE]\n\n",
    "two_objects": GOOD + GOOD,
    "torn": GOOD[:-2],
    "deep": b'{"choices": ' + b"[" * 200_000,
    "deep_objects": b'{"a":' * 100_000,
    "nul": b"\0" * 100,
    "bad_utf8": GOOD.replace(b"5", b"\xff"),
    "bad_utf16": b"\xff\xfe" + GOOD,
    "bad_escape": GOOD.replace(b"5", b"\\ud8"),
    "twice": GOOD.replace(b'"text"', b'"text": "6", "text"'),
    "choices_twice": GOOD.replace(b'"choices"', b'"choices": [], "choices"'),
    "error": answer(choice(), error={"message": "overloaded"}),
    "error_in_choice": answer(choice(error={"code": 500})),
    "no_choices": answer(),
    "too_many": answer(choice(), choice(index=1)),
    "choices_null": b'{"choices": null}',
    "choices_object": b'{"choices": {"0": {}}}',
    "choice_null": answer(None),
    "choice_text": answer("5"),
    "index_text": answer(choice(index="0")),
    "index_negative": answer(choice(index=-1)),
    "index_huge": answer(choice(index=10**30)),
    "index_float": answer(choice(index=0.5)),
    "no_reason": answer({"index": 0, "text": "5"}),
    **{
        f"reason_{n}": answer(choice(finish_reason=value))
        for n, value in enumerate([None, "", "abort", "content_filter", "tool_calls", 0, ["stop"]])
    },
    "ids_text": answer(choice(token_ids=["1"])),
    "ids_negative": answer(choice(token_ids=[-1])),
    "ids_huge": answer(choice(token_ids=[2**63])),
    "ids_float": answer(choice(token_ids=[1.0])),
    "ids_object": answer(choice(token_ids={"0": 1})),
    "ids_too_many": answer(choice(token_ids=[1] * 500)),
    "prompt_ids_text": answer(choice(prompt_token_ids="1")),
    "usage_huge": answer(choice(), usage={"prompt_tokens": 10**400}),
    "usage_negative": answer(choice(), usage={"completion_tokens": -5}),
    "usage_text": answer(choice(), usage={"completion_tokens": "5"}),
}
"""Bodies that are no answer, sent as HTTP demands."""

CASES: dict[str, Case] = {
    **{name: reply(body) for name, body in BODIES.items()},
    **{
        f"status_{status[:3]}": reply(GOOD, status)
        for status in ("201 Created", "204 No Content", "206 Partial Content", "400 Bad Request")
    },
    **{f"status_{n}": reply(GOOD, f"{n} Refused") for n in (401, 404, 418, 429, 500, 503, 999)},
    **{
        f"redirect_{n}": reply(GOOD, f"{n} Moved", f"Location: {where}")
        for n, where in (
            (301, "/v1/models"),
            (302, "http://127.0.0.1:9/"),
            (307, "\x01"),
            (308, ""),
        )
    },
    "retry_after_nan": reply(GOOD, "429 Slow", "Retry-After: nan"),
    "retry_after_date": reply(GOOD, "429 Slow", "Retry-After: Mon, 99 Xxx 99999 99:99:99 +9999"),
    "retry_after_long": reply(GOOD, "503 Down", "Retry-After: 99999999999999999999"),
    "gzip": reply(gzip.compress(GOOD), "200 OK", "Content-Encoding: gzip"),
    "gzip_bomb": reply(gzip.compress(b" " * 10**7), "200 OK", "Content-Encoding: gzip"),
    "deflate_garbage": reply(zlib.compress(GOOD)[:-4], "200 OK", "Content-Encoding: deflate"),
    "unknown_encoding": reply(gzip.compress(GOOD), "200 OK", "Content-Encoding: zz, br, \xff"),
    "length_short": head(20) + GOOD,
    "length_long": head(10**6) + GOOD,
    "length_huge": head(None, "200 OK", "Content-Length: 99999999999999999999999") + GOOD,
    "length_negative": head(None, "200 OK", "Content-Length: -5") + GOOD,
    "length_text": head(None, "200 OK", "Content-Length: five") + GOOD,
    "two_lengths": head(5, "200 OK", "Content-Length: 900") + GOOD,
    "chunks_cut": chunked(GOOD),
    "chunk_sizes": head(None, "200 OK", "Transfer-Encoding: chunked") + b"zz\r\n" + GOOD,
    "chunk_huge": head(None, "200 OK", "Transfer-Encoding: chunked") + b"f" * 40 + b"\r\n" + GOOD,
    "unknown_transfer": head(None, "200 OK", "Transfer-Encoding: gzip") + GOOD,
    "no_http": GOOD,
    "header_control": head(len(GOOD), "200 OK", "X: a\x00b") + GOOD,
    "header_no_colon": head(len(GOOD), "200 OK", "no colon here") + GOOD,
    "closed": b"",
    "endless_body": endless_body,
    "endless_header": endless_header,
    "endless_information": endless_information,
    "endless_trailer": endless_trailer,
    "slow_loris": slow_loris,
    "silence": silence,
    "half_then_silence": half_then_silence,
}
"""By name: the bytes of a response, or a coroutine that writes them. None of them is an answer."""


class HostileServer:
    """Answers in a thread of its own, inside a with block."""

    def __init__(self) -> None:
        self.header_sizes: list[int] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> HostileServer:
        self._thread.start()
        start = asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(start, self._loop).result()
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *exc_info: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def spec(self, **options: object) -> str:
        query = "&".join(f"{name}={value}" for name, value in options.items())
        return f"endpoint:http://127.0.0.1:{self.port}/v1?{query}#policy"

    async def _close(self) -> None:
        self._server.close()
        others = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def write(data: bytes) -> None:
            writer.write(data)
            await writer.drain()

        try:
            while await self._answer(reader, write):
                pass
        except (OSError, EOFError, asyncio.CancelledError):
            pass  # the client, or the test, has ended
        finally:
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, write: Write) -> bool:
        """Answer one request; return whether the connection stays open."""
        sent = await reader.readuntil(b"\r\n\r\n")
        self.header_sizes.append(len(sent))
        if sent.startswith(b"GET"):
            await write(reply(MODELS))
            return True
        lines = dict(line.split(b": ", 1) for line in sent.lower().split(b"\r\n")[1:-2])
        body = json.loads(await reader.readexactly(int(lines[b"content-length"])))
        *_, name = body["prompt"].split()
        cookies = [f"Set-Cookie: c{len(self.header_sizes)}_{n}={'x' * 500}" for n in range(3)]
        if name == "good":
            await write(reply(answer(choice(text=body["prompt"])), "200 OK", *cookies))
            return True
        if name == "split":  # what follows the response looks like the one to the next request
            await write(
                reply(answer(choice(text=body["prompt"]))) + reply(answer(choice(text="?")))
            )
            return True
        case = CASES[name]
        await (write(case) if isinstance(case, bytes) else case(write))
        return False
