"""A local server with vLLM's wire format, and with the faults of real servers."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

import numpy as np

from baselines.policies.base import Completion, Policy, Prompt, Sampling

Fault = Literal[
    "429",
    "500",
    "401",
    "400",
    "404",
    "302",
    "reset",
    "truncated",
    "slow",
    "not_json",
    "wrong_shape",
]
FAULTS_THAT_PASS: tuple[Fault, ...] = ("429", "500", "reset", "truncated", "slow", "not_json")
"""Faults after which a client retries."""
CUT_SHORT = ("truncated", "slow")
SLOW_S = 3.0
"""Longer than the read timeout of the tests' clients."""
PATIENCE_S = 1.0
"""Read timeout of a client in tests of "slow": long enough for other answers on busy cores."""


@dataclass(frozen=True)
class Request:
    """A request received by the server."""

    number: int
    path: str
    body: dict[str, Any]
    headers: dict[str, str]

    @property
    def prompt(self) -> Prompt:
        return Prompt(self.body.get("prompt", ""), tuple(self.body.get("messages", ())))


Answerer = Callable[[Request], Sequence[Completion]]


def served(policy: Policy) -> Answerer:
    """Answer with a policy; sample i has the seed of the request plus i, as in vLLM."""
    lock = threading.Lock()

    def answer(request: Request) -> list[Completion]:
        body = request.body
        sampling = Sampling(temperature=body["temperature"], max_tokens=body["max_tokens"])
        with lock:
            return [
                policy.sample(
                    [request.prompt],
                    sampling=sampling,
                    rng=np.random.default_rng(body["seed"] + number),
                )[0]
                for number in range(body["n"])
            ]

    return answer


class FakeServer:
    """Serves one model on a local port inside a with block.

    Args:
        answer: Returns the samples of a request.
        fault: Fault of every request, or a function that returns it; None: no fault.
        models: Names of the listed models.
        has_token_ids: Whether it supports return_token_ids, as vLLM does.
        retry_after_s: Retry-After header of a 429.
        next_tokens: Returns the log-probabilities of the next token after a text; None: the server
            lists none.
    """

    def __init__(
        self,
        answer: Answerer,
        *,
        fault: Fault | Callable[[Request], Fault | None] | None = None,
        models: Sequence[str] = ("policy",),
        has_token_ids: bool = True,
        retry_after_s: object = 0.02,
        next_tokens: Callable[[str], Mapping[str, float]] | None = None,
    ) -> None:
        self.answer = answer
        self.fault = fault
        self.models = models
        self.has_token_ids = has_token_ids
        self.retry_after_s = retry_after_s
        self.next_tokens = next_tokens
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        self._closing = threading.Event()

    def __enter__(self) -> FakeServer:
        self._http = _Server(self)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._closing.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    def spec(self, **options: object) -> str:
        """The endpoint for --policy, with short timeouts.

        Tests of "slow" set read_timeout_s below SLOW_S; others allow for a busy machine.
        """
        quick = {"backoff_s": 0.01, "read_timeout_s": 60, **options}
        query = "&".join(f"{name}={value}" for name, value in quick.items())
        return f"endpoint:{self.url}?{query}#{self.models[0]}"

    def enter(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> Request:
        with self._lock:
            request = Request(len(self.requests), path, body, headers)
            self.requests.append(request)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            return request

    def fault_of(self, request: Request) -> Fault | None:
        with self._lock:
            fault = self.fault(request) if callable(self.fault) else self.fault
            if request.body["temperature"] == 0 and request.body["n"] > 1:
                fault = "400"  # vLLM: n must be 1 when using greedy sampling
            if fault is not None:
                self.faults.append(fault)
            return fault

    def reply(self, request: Request) -> dict[str, Any]:
        return answer_json(self, request)

    def get(self, path: str) -> object:
        assert path == "/v1/models"
        models = [{"id": name, "object": "model"} for name in self.models]
        return {"object": "list", "data": models}

    def leave(self) -> None:
        with self._lock:
            self._at_once -= 1

    def wait_slowly(self) -> None:
        self._closing.wait(SLOW_S)


class _Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True
    block_on_close = False

    def __init__(self, owner: FakeServer) -> None:
        self.owner = owner
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 5
    wbufsize = -1  # send head and body of a response in one packet
    server: _Server

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        content = self.server.owner.get(self.path)
        self._reply(404 if content is None else 200, content)

    def do_POST(self) -> None:
        owner = self.server.owner
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        request = owner.enter(self.path, body, dict(self.headers))
        fault = owner.fault_of(request)
        is_refused = fault is not None and fault.isdigit()
        try:
            answer = None if is_refused else owner.reply(request)
        finally:
            owner.leave()  # before the client can send its next request
        with suppress(ConnectionError):  # the client has given up
            if fault is None:
                self._reply(200, answer)
            elif answer is None:
                self._refuse(fault, request)
            else:
                self._break(fault, json.dumps(answer).encode())

    def finish(self) -> None:
        with suppress(OSError, ValueError):  # a connection that was reset
            super().finish()

    def _reply(self, status: int, value: object, **headers: str) -> None:
        content = json.dumps(value).encode()
        self._head(status, len(content), **headers)
        self.wfile.write(content)
        self.wfile.flush()

    def _head(self, status: int, num_bytes: int, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(num_bytes))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def _refuse(self, fault: Fault, request: Request) -> None:
        # As gateways do that echo a rejected header.
        echo = {"error": {"message": f"refused {request.headers.get('Authorization')}"}}
        headers = {
            "429": {"Retry_After": str(self.server.owner.retry_after_s)},
            "302": {"Location": "/v1/elsewhere"},
        }
        self._reply(int(fault), echo, **headers.get(fault, {}))

    def _break(self, fault: Fault, content: bytes) -> None:
        self.close_connection = True
        if fault == "reset":
            now = struct.pack("ii", 1, 0)  # closing sends a reset
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)
            self.connection.close()
            return
        broken = {
            "not_json": b"<html>" + content,
            "wrong_shape": b'{"choices": [{"text": 7, "finish_reason": "stop"}]}',
        }
        content = broken.get(fault, content)
        self._head(200, len(content))
        self.wfile.write(content[: len(content) // 2] if fault in CUT_SHORT else content)
        self.wfile.flush()
        if fault == "slow":
            self.server.owner.wait_slowly()


def answer_json(server: FakeServer, request: Request) -> dict[str, Any]:
    """An answer in vLLM's form, for chat or for plain text."""
    completions = server.answer(request)
    is_chat = request.path.endswith("/chat/completions")
    with_ids = server.has_token_ids and bool(request.body.get("return_token_ids"))
    choices = [
        _choice(c, number, is_chat, with_ids, request) for number, c in enumerate(completions)
    ]
    num_tokens = sum(len(c.token_ids) for c in completions)
    num_read = len(completions[0].prompt_ids)
    usage = {"prompt_tokens": num_read, "completion_tokens": num_tokens}
    answer: dict[str, Any] = {"choices": choices, "usage": usage, "model": request.body["model"]}
    if with_ids and is_chat:
        answer["prompt_token_ids"] = list(completions[0].prompt_ids)
    if server.next_tokens is not None and not is_chat:
        listed = dict(server.next_tokens(request.body["prompt"]))
        choices[0]["logprobs"] = {**(choices[0]["logprobs"] or {}), "top_logprobs": [listed]}
    return answer


def _choice(
    completion: Completion, number: int, is_chat: bool, with_ids: bool, request: Request
) -> dict[str, Any]:
    is_full = len(completion.token_ids) == request.body.get("max_tokens")
    choice: dict[str, Any] = {
        "index": number,
        "finish_reason": "length" if is_full else "stop",
        "logprobs": None,
    }
    if is_chat:
        choice["message"] = {"role": "assistant", "content": completion.text}
    else:
        choice["text"] = completion.text
    if request.body.get("logprobs"):
        tokens = [f"token {token}" for token in completion.token_ids]
        pairs = list(zip(tokens, completion.logprobs, strict=False))
        choice["logprobs"] = (
            {"content": [{"token": token, "logprob": value} for token, value in pairs]}
            if is_chat
            else {"tokens": tokens, "token_logprobs": list(completion.logprobs)}
        )
    if with_ids:
        choice["token_ids"] = list(completion.token_ids)
        if not is_chat:
            choice["prompt_token_ids"] = list(completion.prompt_ids)
    return choice
