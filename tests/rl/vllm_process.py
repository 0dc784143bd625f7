"""A real vLLM server in a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

PYTHON = "CCPO_VLLM"
"""Environment variable with the interpreter of an environment that has vLLM."""
START_S = 900.0
"""Longest start: 50 to 100 s on an idle machine of two cores."""
VARIABLES = {
    "VLLM_SERVER_DEV_MODE": "1",
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # else all servers of a machine share its first core
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
}
FLAGS = (
    *("--served-model-name", "policy", "--host", "127.0.0.1", "--enforce-eager"),
    *("--dtype", "float32", "--max-model-len", "1024", "--no-enable-chunked-prefill"),
    *("--enable-lora", "--max-loras", "2", "--max-cpu-loras", "4"),
)


@dataclass
class VLLMProcess:
    """A server that has been started.

    Args:
        process: Its process, the leader of a group.
        port: Its port on this machine.
        log: File of its output.
    """

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def spec(self) -> str:
        """The endpoint of its only model, which has no chat template."""
        return f"endpoint:http://127.0.0.1:{self.port}/v1?api=completions&retries=2"

    @property
    def chat_spec(self) -> str:
        """The endpoint of its only model, which has a chat template."""
        return self.spec.replace("api=completions", "api=chat")

    def kill(self) -> None:
        """End the server and its workers at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def wait(self) -> None:
        """Wait until it answers."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5):
                    return
            except (URLError, OSError):
                time.sleep(1)
        raise AssertionError(self.log.read_text(encoding="utf-8", errors="replace")[-5000:])


@contextmanager
def serving(model: Path, log: Path, *flags: str, port: int | None = None) -> Iterator[VLLMProcess]:
    """Start a server of a model folder, without waiting for it, and end it with the block."""
    if port is None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [
                *(os.environ[PYTHON], "-m", "vllm.entrypoints.openai.api_server"),
                *("--model", str(model), "--port", str(port), *FLAGS, *flags),
            ],
            env={**os.environ, **VARIABLES, "PYTHONPATH": ""},
            cwd=log.parent,  # where no folder shadows a package
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    server = VLLMProcess(process, port, log)
    try:
        yield server
    finally:
        if process.poll() is None:
            server.kill()
