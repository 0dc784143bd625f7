"""A local server of a model folder with vLLM's wire format and its weight reloading."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch

from baselines.policies.base import Completion
from baselines.policies.local.hf import HFPolicy
from baselines.policies.registry import load_policy
from tests.rl.fake_server import FakeServer, Request, _Handler, served


class FakeVLLM(FakeServer):
    """Serves a folder inside a with block.

    Args:
        folder: Model folder; read at the start, and after /collective_rpc reload_weights.
        is_stale: Whether reload requests are ignored.
        dtype: Data type of the weights.

    Note: As vLLM 0.32 on CPU, it does not reload a tied last layer.
    """

    def __init__(
        self, folder: Path, *, is_stale: bool = False, dtype: torch.dtype = torch.float32
    ) -> None:
        self.folder = folder
        self.is_stale = is_stale
        self.dtype = dtype
        self.commands: list[str] = []
        self.num_reloads = 0
        self._policy = self._read()
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self._is_tied = bool(config["tie_word_embeddings"])
        super().__init__(self._sample)

    def __enter__(self) -> FakeVLLM:
        super().__enter__()
        self._http.RequestHandlerClass = _ControlHandler
        return self

    def command(self, path: str, body: dict[str, object]) -> None:
        self.commands.append(path)
        if path == "/collective_rpc" and body["method"] == "reload_weights" and not self.is_stale:
            self.num_reloads += 1
            fresh = self._read()
            if self._is_tied:
                head = self._policy.module.get_output_embeddings().weight.detach().clone()
                fresh.module.get_output_embeddings().weight = torch.nn.Parameter(head)
            self._policy = fresh

    def _read(self) -> HFPolicy:
        policy = load_policy(self.folder)
        assert isinstance(policy, HFPolicy)
        policy.module.to(self.dtype)
        return policy

    def _sample(self, request: Request) -> Sequence[Completion]:
        return served(self._policy)(request)


class _ControlHandler(_Handler):
    """Handles control requests as well."""

    def do_POST(self) -> None:
        owner = self.server.owner
        if self.path.startswith("/v1/"):
            return super().do_POST()
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert isinstance(owner, FakeVLLM)
        owner.command(self.path, body)
        return self._reply(200, {"results": [None]})


def make_tied(policy: HFPolicy) -> HFPolicy:
    """The same network with its last layer tied to the embedding."""
    policy.module.config.tie_word_embeddings = True
    policy.module.tie_weights()
    return policy
