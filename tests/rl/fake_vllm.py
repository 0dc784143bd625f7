"""A server of a folder with vLLM's wire contract, which reads its weights again when told to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch

from baselines.policies.base import Completion
from baselines.policies.local.hf import HFPolicy
from baselines.policies.registry import load_policy
from tests.rl.fake_server import Asked, FakeServer, _Handler, served


class FakeVLLM(FakeServer):
    """Serves a folder, for as long as a with block.

    folder: read at the start, and again after /collective_rpc reload_weights.
    is_stale: whether a reload leaves every weight as it was, as if it had not come.
    dtype: of the weights it computes with.

    As vLLM 0.32 on CPU, it leaves a last layer that is tied in the folder it started from.
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

    def _sample(self, asked: Asked) -> Sequence[Completion]:
        return served(self._policy)(asked)


class _ControlHandler(_Handler):
    """Takes commands beside requests."""

    def do_POST(self) -> None:
        owner = self.server.owner
        if self.path.startswith("/v1/"):
            return super().do_POST()
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert isinstance(owner, FakeVLLM)
        owner.command(self.path, body)
        return self._reply(200, {"results": [None]})


def make_tied(policy: HFPolicy) -> HFPolicy:
    """The same network, whose last layer is its embedding."""
    policy.module.config.tie_word_embeddings = True
    policy.module.tie_weights()
    return policy
