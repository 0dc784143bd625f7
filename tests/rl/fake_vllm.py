"""A local server with vLLM's wire format, its transfer of weights and adapters, and its traps."""

from __future__ import annotations

import json
import stat
import threading
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from baselines.policies.base import Completion
from baselines.policies.local.hf import HFPolicy
from baselines.policies.local.lora import LoraBase, LoraPolicy
from baselines.policies.registry import load_policy
from tests.rl.fake_server import FakeServer, Fault, Request, _Handler, served

PATHS = (
    *("/collective_rpc", "/reset_prefix_cache", "/server_info", "/weight_checker"),
    *("/v1/load_lora_adapter", "/v1/unload_lora_adapter"),
)
_ONE_AT_A_TIME = threading.Lock()
"""Of all servers: two threads that read models leave transformers without tied weights, and a
policy samples in one thread at a time."""


class FakeVLLM(FakeServer):
    """Serves a folder, and adapters of its model, inside a with block.

    Args:
        folder: Model folder; read at the start, and after /collective_rpc reload_weights.
        is_stale: Whether new weights are ignored, and reported as loaded.
        dtype: Data type of the weights.
        paths: Paths of its control requests.
        settings: Reported settings, in the parts of vLLM's config.
        max_lora_rank: Largest rank of an adapter; None: it was started without --enable-lora.
        held_resets: Number of resets of the prefix cache that fail, because blocks are in use.

    Note: As vLLM 0.32 on CPU, it does not reload a tied last layer. As vLLM, it reads an adapter by
        (name, folder) from its prefix cache until that is reset, and ends without its folder.
    """

    def __init__(
        self,
        folder: Path,
        *,
        is_stale: bool = False,
        dtype: torch.dtype = torch.float32,
        paths: Sequence[str] = PATHS,
        settings: dict[str, dict[str, object]] | None = None,
        max_lora_rank: int | None = 16,
        held_resets: int = 0,
    ) -> None:
        self.folder = folder
        self.is_stale = is_stale
        self.dtype = dtype
        self.paths = paths
        self.settings = settings or {}
        self.max_lora_rank = max_lora_rank
        self.held_resets = held_resets
        self.commands: list[str] = []
        self.num_reloads = 0
        self.adapters: dict[str, Path] = {}
        self.answered_by: dict[str, str] = {}
        """Roles whose adapters are mixed up: the one that answers, by the requested one."""
        self._cached: dict[tuple[str, Path], LoraPolicy] = {}
        self._policy = self._read()
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self._is_tied = bool(config["tie_word_embeddings"])
        super().__init__(self._sample)

    def __enter__(self) -> FakeVLLM:
        super().__enter__()
        self._http.RequestHandlerClass = _ControlHandler
        return self

    def get(self, path: str) -> object:
        path = path.partition("?")[0]
        if path == "/openapi.json":
            return {"paths": {path: {} for path in self.paths}}
        if path == "/server_info" and path in self.paths:
            lora = {"max_lora_rank": self.max_lora_rank} if self.max_lora_rank else None
            model = {"dtype": str(self.dtype)}
            return {"vllm_config": {"model_config": model, "lora_config": lora, **self.settings}}
        if path != "/v1/models":
            return None
        cards = [{"id": name, "root": str(self.folder), "parent": None} for name in self.models]
        cards += [
            {"id": name, "root": str(folder), "parent": self.models[0]}
            for name, folder in self.adapters.items()
        ]
        return {"object": "list", "data": cards}

    def command(self, path: str, body: dict[str, Any]) -> tuple[int, object]:
        self.commands.append(path)
        if path == "/collective_rpc":
            self._reload(body)
        elif path == "/reset_prefix_cache":
            self.held_resets -= 1
            if self.held_resets >= 0:
                return 200, {"success": False}
            self._cached.clear()
            return 200, {"success": True}
        elif path == "/weight_checker":
            return 200, {"checksums": self._digests()}
        elif path == "/v1/unload_lora_adapter":
            return (200, {}) if self.adapters.pop(body["lora_name"], None) else (404, {})
        else:
            return self._load(body["lora_name"], Path(body["lora_path"]), **body)
        return 200, {"results": [None]}

    def fault_of(self, request: Request) -> Fault | None:
        if request.body["model"] not in {*self.models, *self.adapters}:
            return "404"
        return super().fault_of(request) if "n" in request.body else None

    def reply(self, request: Request) -> dict[str, Any]:
        wanted = request.body.get("logprob_token_ids")
        if wanted is None:
            return super().reply(request)
        assert len(wanted) <= 20  # the default of --max-logprobs
        with _ONE_AT_A_TIME, torch.no_grad():
            policy = self._answering(request)
            logits = policy.module(torch.tensor([request.body["prompt"]])).logits[0, -1].float()
        logprobs = (logits / request.body["temperature"]).log_softmax(0)
        listed = {f"token_id:{token}": float(logprobs[token]) for token in wanted}
        return {"choices": [{"text": "", "logprobs": {"top_logprobs": [listed]}}]}

    def _reload(self, body: dict[str, Any]) -> None:
        if body["method"] != "reload_weights" or self.is_stale:
            return
        self.num_reloads += 1
        with _ONE_AT_A_TIME:
            fresh = self._read()
        if self._is_tied:
            head = self._policy.module.get_output_embeddings().weight.detach().clone()
            fresh.module.get_output_embeddings().weight = torch.nn.Parameter(head)
        self._policy = fresh

    def _load(self, name: str, folder: Path, *, load_inplace: bool = False, **_: str) -> Any:
        assert not load_inplace  # it sticks to the name, and a deleted folder ends the engine
        weights = folder / "adapter_model.safetensors"
        if not folder.is_absolute() or not weights.exists():
            return 404, {"error": {"message": f"No adapter found for {folder}"}}
        if not weights.stat().st_mode & folder.stat().st_mode & stat.S_IROTH:
            return 500, {"error": {"message": "Permission denied"}}
        if name in self.models or name in self.adapters:
            return 400, {"error": {"message": f"{name} has already been loaded"}}
        rank = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))["r"]
        if rank > (self.max_lora_rank or 0):
            return 500, {"error": {"message": f"LoRA rank {rank} is greater than max_lora_rank"}}
        if not self.is_stale:
            self.adapters[name] = folder
        return 200, "Success"

    def _answering(self, request: Request) -> HFPolicy | LoraPolicy:
        role, dash, version = str(request.body["model"]).partition("-")
        name = self.answered_by.get(role, role) + dash + version
        if name in self.models:
            return self._policy
        folder = self.adapters[name]
        assert folder.is_dir(), "the engine ends when it reads an adapter again"
        key = (name, folder)
        if key not in self._cached:
            self._cached[key] = LoraBase(self._read(), str(self.folder)).add_saved(name, folder)
        return self._cached[key]

    def _digests(self) -> dict[str, str]:
        return {
            f"dp0:pp0:pcp0:tp0:{name}": sha256(
                tensor.detach().contiguous().view(-1).view(torch.uint8).numpy()
            ).hexdigest()
            for name, tensor in self._policy.module.named_parameters()
        }

    def _read(self) -> HFPolicy:
        policy = load_policy(self.folder)
        assert isinstance(policy, HFPolicy)
        policy.module.to(self.dtype)
        return policy

    def _sample(self, request: Request) -> Sequence[Completion]:
        with _ONE_AT_A_TIME:
            return served(self._answering(request))(request)


class _ControlHandler(_Handler):
    """Handles control requests as well."""

    def do_POST(self) -> None:
        owner = self.server.owner
        assert isinstance(owner, FakeVLLM)
        if self.path.startswith("/v1/") and not self.path.endswith("lora_adapter"):
            return super().do_POST()
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, content = (404, None)
        if self.path in owner.paths:
            status, content = owner.command(self.path, body)
        return self._reply(status, content)


def make_tied(policy: HFPolicy) -> HFPolicy:
    """The same network with its last layer tied to the embedding."""
    policy.module.config.tie_word_embeddings = True
    policy.module.tie_weights()
    return policy
