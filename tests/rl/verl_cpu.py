"""verl on CPUs: a platform, its FSDP engine and a sampler, through the registries of verl.

``VERL_PLATFORM=cpu VERL_USE_EXTERNAL_MODULES=tests.rl.verl_cpu`` imports it in every process.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import ray
import torch
from verl.plugin.platform.platform_base import PlatformBase
from verl.plugin.platform.platform_manager import PlatformRegistry
from verl.workers.rollout.base import _ROLLOUT_REGISTRY, BaseRollout
from verl.workers.rollout.replica import RolloutReplica, RolloutReplicaRegistry, TokenOutput

from baselines.rollouts.groups import Group
from baselines.train.credit_stage import CreditStage

NAME = "hf_cpu"
"""Name of the sampler: actor_rollout_ref.rollout.name."""
SYNC_LOG = "CCPO_SYNC_LOG"
"""Environment variable: the file for the versions of the weights that the sampler was given."""
GROUP_LOG = "CCPO_GROUP_LOG"
"""Environment variable: the file for what each group of rollouts was measured to be."""
MEMORY = 1 << 30


def _device_module() -> ModuleType:
    module = ModuleType("torch.cpu of verl")
    module.__dict__.update(vars(torch.cpu))
    module.__dict__.update(
        empty_cache=lambda: None,
        ipc_collect=lambda: None,
        get_device_name=lambda *_: "cpu",
        get_rng_state=torch.get_rng_state,
        set_rng_state=torch.set_rng_state,
        mem_get_info=lambda *_: (MEMORY, MEMORY),
        **dict.fromkeys(
            [
                "memory_allocated",
                "memory_reserved",
                "max_memory_allocated",
                "max_memory_reserved",
            ],
            lambda *_: 0,
        ),
    )
    return module


@PlatformRegistry.register(platform="cpu")
class CpuPlatform(PlatformBase):
    """A CPU that verl takes for an accelerator; Ray counts it as a GPU, which verl looks for."""

    device_name = "cpu"
    vendor_name = "cpu"
    device_module = _device_module()

    def is_available(self):
        return True

    def current_device(self):
        return "cpu"

    def device_count(self):
        return 1

    def set_device(self, device_index):
        pass

    def synchronize(self, device_index=None):
        pass

    def manual_seed(self, seed):
        torch.manual_seed(seed)

    def manual_seed_all(self, seed):
        torch.manual_seed(seed)

    def set_allocator_settings(self, settings):
        pass

    def empty_cache(self):
        pass

    def get_device_capability(self, device_index=0):
        return None, None

    def communication_backend_name(self):
        return "gloo"

    def visible_devices_envvar(self):
        return "CUDA_VISIBLE_DEVICES"

    @contextmanager
    def nvtx_range(self, msg):
        yield

    def profiler_start(self):
        pass

    def profiler_stop(self):
        pass

    def ray_resource_name(self):
        return "GPU"

    def ray_noset_envvars(self):
        return []

    def is_ipc_supported(self):
        return False

    def cudart(self):
        return None


def _init_process_group(backend: str | None = None, **given: Any) -> None:
    """Start a group; verl asks for "cpu:gloo" twice, once for its platform."""
    _given_init(backend="gloo" if backend and "cpu:" in backend else backend, **given)


_given_init = torch.distributed.init_process_group
torch.distributed.init_process_group = _init_process_group


def _log(variable: str, row: dict[str, Any]) -> None:
    with Path(os.environ[variable]).open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def _play(self, *given: Any, **named: Any) -> list[Group]:
    """Play groups, and log what their credit is computed from."""
    groups = _given_play(self, *given, **named)
    for group in groups:
        row = {
            "question": group.task.question,
            "rewards": group.rewards.tolist(),
            "branches": {turn: own.tolist() for turn, own in group.branches.items()},
            "num_tokens": [[len(c.token_ids) for c in r.sampled] for r in group.rollouts],
        }
        _log(GROUP_LOG, row)
    return groups


_given_play = CreditStage.play
CreditStage.play = _play


class Sampler:
    """Completes prompts of token ids with a model in this process."""

    def __init__(self, folder: str) -> None:
        from baselines.policies.registry import load_policy

        self.policy = load_policy(folder)
        self.generator = torch.Generator().manual_seed(0)
        self.version = None

    async def generate(self, *, prompt_ids, sampling_params, **_: Any) -> TokenOutput:
        from baselines.policies.local.sampler import sample_tokens

        tokenizer = self.policy.tokenizer
        (row,) = sample_tokens(
            self.policy.module,
            [prompt_ids],
            max_tokens=sampling_params["max_tokens"],
            end_ids={tokenizer.eos_token_id},
            temperature=sampling_params["temperature"],
            generator=self.generator,
        )
        return TokenOutput(
            token_ids=list(row.token_ids),
            log_probs=list(row.logprobs),
            stop_reason="completed",
            extra_fields={"global_steps": self.version},
        )

    async def load(self, weights: dict[str, np.ndarray], version: int) -> None:
        """Take the weights of a step; the log gets its number and how far they have moved."""
        own = self.policy.module.state_dict()
        new = {name: torch.from_numpy(array) for name, array in weights.items()}
        moved = max(float((own[name] - tensor).abs().max()) for name, tensor in new.items())
        self.policy.module.load_state_dict(new, strict=False)
        missing = set(own) - set(new) - {"lm_head.weight"}  # tied to the embedding
        assert not missing, missing
        self.version = version
        _log(SYNC_LOG, {"version": version, "moved": moved})

    async def ready(self) -> bool:
        return True

    async def sleep(self) -> None:
        pass

    wake_up = abort_all_requests = resume_generation = clear_kv_cache = sleep


class CpuReplica(RolloutReplica):
    """One sampler for all processes of the trainer."""

    async def launch_servers(self) -> None:
        name = f"{NAME}_server_{self.replica_rank}"
        actor = ray.remote(Sampler).options(name=name, num_cpus=0)
        self.servers = [actor.remote(self.model_config.path)]
        self._server_handle, self._server_address = self.servers[0], name
        await self._server_handle.ready.remote()


class CpuRollout(BaseRollout):
    """Sends the weights of the trainer's first process to the sampler."""

    async def resume(self, tags):
        pass

    async def release(self):
        pass

    async def update_weights(self, weights, wire_format="named_tensors", **given):
        # Every process takes part in gathering each tensor.
        full = {name: tensor.detach().float().numpy() for name, tensor in weights}
        if torch.distributed.get_rank() == 0:
            server = ray.get_actor(f"{NAME}_server_0")
            await server.load.remote(full, given["global_steps"])


def _register_engine() -> None:
    from verl.workers.engine import EngineRegistry
    from verl.workers.engine.fsdp.transformer_impl import FSDPEngineWithLMHead

    EngineRegistry.register(model_type="language_model", backend=["fsdp2"], device="cpu")(
        FSDPEngineWithLMHead
    )


_ROLLOUT_REGISTRY[(NAME, "async")] = f"{__name__}.CpuRollout"
RolloutReplicaRegistry.register(NAME, lambda: CpuReplica)
_register_engine()
