"""Transfer of weights to a vLLM server: all of them, or an adapter under a name per version."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Protocol

from safetensors import SafetensorError

from baselines.common.files import storing
from baselines.policies.base import TrainablePolicy
from baselines.policies.endpoint.vllm_control import (
    DIGESTS_PATH,
    LOAD_PATH,
    RELOAD_PATH,
    RESET_PATH,
    ServerSettings,
    VLLMControl,
)
from baselines.policies.local.lora import LoraPolicy
from baselines.train.engines import server_weights
from baselines.train.engines.sync_guard import StaleServerError

WEIGHTS = "weights for a rollout server"
CPU_CHUNK_TOKENS = 16384
"""Fewest tokens of a scheduler step on CPU, unless prompts are never split: vLLM 0.32 ends when it
splits the prompt of a request with a seed."""


class WeightTransfer(Protocol):
    """Gives a server the weights of one policy."""

    def model(self, version: int) -> str | None:
        """Return the name of the served model of a version; None: the name is always the same."""
        ...

    def expect_fit(self, settings: ServerSettings) -> None:
        """Raise ValueError if the server cannot serve the policy."""
        ...

    def write(self, version: int) -> None:
        """Write the weights, while the server samples from those before."""
        ...

    def load(self, version: int) -> None:
        """Make the server load the weights that were written last.

        Raises:
            EndpointError: If the server refuses.
        """
        ...

    def verify(self, version: int) -> None:
        """Raise StaleServerError if the server reports another version."""
        ...


class FullWeights:
    """Transfers all weights of a policy to a server of its own, started from a folder.

    The digests that the server reports are compared with those of the written tensors, as far as it
    holds them as they are: those that agreed after the first transfer must agree after all others.

    Args:
        control: The server.
        policy: The policy.
        folder: Folder that the server was started from.
    """

    def __init__(self, control: VLLMControl, policy: TrainablePolicy, folder: Path) -> None:
        self._control = control
        self._policy = policy
        self._folder = folder
        self._dtype: str | None = None
        self._compared: frozenset[str] | None = None
        self._verified: int | None = None

    def model(self, version: int) -> str | None:
        """Return None: weights are replaced under the same name."""
        return None

    def expect_fit(self, settings: ServerSettings) -> None:
        """Raise ValueError if the server cannot serve the policy."""
        _expect_fit(settings, self._control.url, self._policy, (RELOAD_PATH, RESET_PATH))
        self._dtype = settings.dtype if settings.has(DIGESTS_PATH) else None

    def write(self, version: int) -> None:
        """Replace the files of the folder."""
        with storing(WEIGHTS, self._folder, also=(SafetensorError,)):
            server_weights.save_untied(self._policy, self._folder)

    def load(self, version: int) -> None:
        """Make the server reload the folder."""
        self._control.reload()

    def verify(self, version: int) -> None:
        """Raise StaleServerError if the server reports other weights than the written ones."""
        if self._dtype is None or self._compared == frozenset() or self._verified == version:
            return
        self._verified = version
        held = self._control.digests()
        written = server_weights.digests(self._folder, self._dtype, names=self._compared or held)
        equal = frozenset(name for name, digest in written.items() if held.get(name) == digest)
        if self._compared is None:
            self._compared = equal
        elif missing := sorted(self._compared - equal):
            raise StaleServerError(
                f"a rollout server must hold the weights of sync {version}, got others in "
                f"{len(missing)} of {len(self._compared)} tensors from {self._control.url}, such "
                f"as {missing[0]}; start it from {self._folder}, for this run alone"
            )


class AdapterWeights:
    """Transfers an adapter to a server of the base model, under a name and folder per version.

    Args:
        control: The server.
        policy: The policy of the role.
        folder: Folder of the role; absolute, on a disk that the server reads.
        role: Name of the role.

    Note: The prefix cache is keyed by name and folder of an adapter, so a version that is loaded in
        place would be read with cached values of the version before.
    """

    def __init__(
        self, control: VLLMControl, policy: TrainablePolicy, folder: Path, role: str
    ) -> None:
        self._control = control
        self._policy = policy
        self._folder = folder.resolve()
        self._role = role

    def model(self, version: int) -> str:
        """Return the name of a version of the adapter."""
        return f"{self._role}-v{version}"

    def expect_fit(self, settings: ServerSettings) -> None:
        """Raise ValueError if the server cannot serve the policy."""
        url = self._control.url
        if not settings.has(LOAD_PATH):
            raise _unfit(url, "VLLM_ALLOW_RUNTIME_LORA_UPDATING=True to load adapters")
        if taken := [name for name in self._control.bases() if self._is_own(name)]:
            raise _unfit(url, "a --served-model-name other than ROLE-vN", taken[0])
        if settings.max_lora_rank == 0:
            raise _unfit(url, "--enable-lora for adapters")
        rank = max(
            w.shape[0] for name, w in self._policy.module.named_parameters() if ".lora_A." in name
        )
        if settings.max_lora_rank is not None and rank > settings.max_lora_rank:
            raise _unfit(
                url, f"--max-lora-rank {rank} for adapters of this rank", settings.max_lora_rank
            )
        _expect_fit(settings, url, self._policy, (RESET_PATH,))

    def write(self, version: int) -> None:
        """Write the adapter to a new folder."""
        with storing(WEIGHTS, self._folder, also=(SafetensorError,)):
            server_weights.save_adapter(self._policy, self._folder / self.model(version))

    def load(self, version: int) -> None:
        """Load the adapter in place of the earlier versions."""
        name = self.model(version)
        for loaded in filter(self._is_own, self._control.adapters()):
            self._control.unload_adapter(loaded)
        self._control.load_adapter(name, self._folder / name)
        for folder in self._folder.iterdir():  # the server may read the current one again
            if folder.name != name and self._is_own(folder.name):
                with storing(WEIGHTS, folder):
                    shutil.rmtree(folder)

    def verify(self, version: int) -> None:
        """Raise StaleServerError if the server does not list the version with its folder."""
        name = self.model(version)
        found = self._control.adapters().get(name)
        if found != str(self._folder / name):
            raise StaleServerError(
                f"a rollout server must serve {name} from {self._folder / name}, got "
                f"{found or 'no such adapter'} from {self._control.url}; use the server for this "
                f"run alone"
            )

    def _is_own(self, name: str) -> bool:
        return re.fullmatch(rf"{re.escape(self._role)}-v\d+", name) is not None


def transfer_of(
    control: VLLMControl, policy: TrainablePolicy, folder: Path, name: str
) -> WeightTransfer:
    """Return the transfer of a policy: of an adapter, or of all weights."""
    if isinstance(policy, LoraPolicy):
        return AdapterWeights(control, policy, folder, name)
    return FullWeights(control, policy, folder)


def _expect_fit(
    settings: ServerSettings, url: str, policy: TrainablePolicy, paths: tuple[str, ...]
) -> None:
    if not all(map(settings.has, paths)):
        raise _unfit(url, "VLLM_SERVER_DEV_MODE=1 (in private networks only) to take weights")
    if settings.device != "cpu":
        return
    server_weights.expect_servable(policy)
    if settings.chunk_tokens is not None and 0 < settings.chunk_tokens < CPU_CHUNK_TOKENS:
        raise _unfit(
            url,
            f"--no-enable-chunked-prefill or --max-num-batched-tokens {CPU_CHUNK_TOKENS} on CPU, "
            f"where vLLM ends when it splits a prompt that has a seed",
            settings.chunk_tokens,
        )


def _unfit(url: str, setting: str, value: object = "none") -> ValueError:
    return ValueError(
        f"a rollout server must be started with {setting}, got {value} at {url}; start it again"
    )
