"""Policies that are LoRA adapters of one base model, which the whole team shares."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from torch import Tensor

from baselines.common.types import FloatArray
from baselines.policies.base import Completion, Prompt, Sampling
from baselines.policies.local.adapter_files import (
    WEIGHTS_FILE,
    check_plain,
    full_name,
    require_peft,
)
from baselines.policies.local.damage import expect_finite, reading
from baselines.policies.local.hf import HFPolicy
from baselines.policies.local.merged_copy import are_all_linear, merged_weights, plain_copy
from baselines.policies.local.sharding import whole, writes_files
from baselines.policies.registry import load_policy

if TYPE_CHECKING:
    from peft import LoraConfig, PeftModel
    from torch.distributed.device_mesh import DeviceMesh
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Result = TypeVar("Result")

ALPHA_PER_RANK = 2
"""Scale of an adapter, lora_alpha / rank, for every rank."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraSettings:
    """Settings of a new adapter.

    Args:
        rank: Rank of the update of every linear layer but the last.
        seed: Seeds the first factor; the second is zero, so a new adapter changes nothing.
    """

    rank: int = 16
    seed: int = 0


class LoraBase:
    """A frozen base model in memory, with the adapters that share it.

    Args:
        policy: The base model. Modified in place: adapters are added to its linear layers.
        name: The spec from which `load_policy` loaded it; saved with each adapter.

    Raises:
        ImportError: If the package peft is missing.
    """

    def __init__(self, policy: HFPolicy, name: str) -> None:
        require_peft()
        self._policy = policy
        self._name = name
        self._plain = plain_copy(policy)
        self._peft: PeftModel | None = None
        self._active: str | None = None

    @classmethod
    def load(cls, name: str, *, device: str | None = None) -> LoraBase:
        """Load a base model; see `load_policy` for names, devices and errors."""
        require_peft()
        policy = load_policy(name, device=device)
        assert isinstance(policy, HFPolicy)
        return cls(policy, full_name(name))

    @property
    def adapters(self) -> tuple[str, ...]:
        """Names of the adapters, in order of addition."""
        return () if self._peft is None else tuple(self._peft.peft_config)

    def add(self, adapter: str, settings: LoraSettings) -> LoraPolicy:
        """Add a new adapter, initially without effect, and return its policy."""
        from peft import LoraConfig

        config = LoraConfig(
            r=settings.rank,
            lora_alpha=ALPHA_PER_RANK * settings.rank,
            lora_dropout=0.0,  # an update must compute the same log-probabilities as sampling
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        )
        return self._add(adapter, config, seed=settings.seed)

    def add_saved(
        self, adapter: str, folder: Path, *, settings: LoraSettings | None = None
    ) -> LoraPolicy:
        """Add an adapter saved by `LoraPolicy.save` or peft, and return its policy.

        Args:
            adapter: Its new name.
            folder: Folder of the adapter.
            settings: If given, the adapter must have this rank.

        Raises:
            ValueError: If it is not plain LoRA, has a different rank, or does not fit the base.
        """
        from peft import PeftConfig, set_peft_model_state_dict
        from safetensors.torch import load_file

        with reading("an adapter", folder):
            config = PeftConfig.from_pretrained(str(folder))
        check_plain(config, folder)
        if settings is not None and config.r != settings.rank:
            raise ValueError(
                f"lora_rank must be that of the adapter, {config.r}, got {settings.rank} in "
                f"{folder}; pass --lora-rank {config.r}"
            )
        with reading("an adapter", folder):
            weights = load_file(folder / WEIGHTS_FILE)
        expect_finite(weights, folder)
        policy = self._add(adapter, config, seed=0)
        own = self.state(adapter)
        if {n: w.shape for n, w in weights.items()} != {n: w.shape for n, w in own.items()}:
            raise ValueError(
                f"an adapter must fit the layers of its base {self._name!r}, got other weights in "
                f"{folder}; pass the base that it was trained on"
            )
        set_peft_model_state_dict(self._peft, weights, adapter_name=adapter)
        return policy

    def activate(self, adapter: str | None) -> HFPolicy:
        """Return the base with this adapter active; only its weights require a gradient.

        None returns the base with the adapter that is active already.
        """
        assert self._peft is not None
        if adapter is not None and adapter != self._active:
            self._peft.set_adapter(adapter)
            self._active = adapter
        return self._policy

    def shard(self, mesh: DeviceMesh) -> None:
        """Keep only the shard of this process, once all adapters are added."""
        self._plain = None  # a whole copy
        self._policy.shard(mesh)

    def forget_active(self) -> None:
        """Activate the adapter of the next call again, after its parameters were replaced."""
        self._active = None

    def call(self, adapter: str | None, use: Callable[[HFPolicy], Result]) -> Result:
        """Call a function with the base with this adapter, or without any."""
        policy = self.activate(adapter)
        if self._plain is not None:
            weights = {} if adapter is None else merged_weights(policy.module, adapter)
            result: Result = torch.func.functional_call(self._plain, weights, (use,))
            return result
        if adapter is not None:
            return use(policy)
        assert self._peft is not None
        with self._peft.disable_adapter():
            return use(policy)

    def state(self, adapter: str) -> dict[str, Tensor]:
        """Return the weights of an adapter, by their names in peft's file format."""
        from peft import get_peft_model_state_dict

        # By default, peft would query the hub to check whether the vocabulary has grown.
        state: dict[str, Tensor] = get_peft_model_state_dict(
            self._peft, adapter_name=adapter, save_embedding_layers=False
        )
        return state

    def save(self, adapter: str, folder: Path) -> None:
        """Write an adapter in peft's format, with the name of its base.

        Note: To be called by all processes if the weights are sharded; rank 0 writes.
        """
        from safetensors.torch import save_file

        assert self._peft is not None
        state = {name: whole(weight).contiguous() for name, weight in self.state(adapter).items()}
        if not writes_files(self._peft):
            return
        folder.mkdir(parents=True, exist_ok=True)
        save_file(state, folder / WEIGHTS_FILE, metadata={"format": "pt"})
        config = copy.copy(self._peft.peft_config[adapter])
        for name, value in vars(config).items():
            if isinstance(value, set):  # whose order differs from process to process
                setattr(config, name, sorted(value))
        config.save_pretrained(str(folder))

    def merged(self, adapter: str) -> HFPolicy:
        """Merge this adapter into a plain model and return it; the base is consumed."""
        self.activate(adapter)
        assert self._peft is not None
        model = self._peft.merge_and_unload()
        return HFPolicy(model.requires_grad_(True), self._policy.tokenizer)

    def _add(self, adapter: str, config: LoraConfig, *, seed: int) -> LoraPolicy:
        from peft import PeftModelForCausalLM

        config.base_model_name_or_path = self._name
        config.inference_mode = False
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            # peft uses a deprecated name of transformers, and warns about the layout of GPT-2.
            warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)
            warnings.filterwarnings("ignore", "fan_in_fan_out", UserWarning)
            torch.manual_seed(seed)
            try:
                if self._peft is None:
                    self._peft = PeftModelForCausalLM(self._policy.module, config, adapter)
                else:
                    self._peft.add_adapter(adapter, config)
            except ValueError as error:  # such as for Mamba, whose kernels would skip an adapter
                name = self._policy.module.config.model_type
                raise ValueError(
                    f"the base of an adapter must be a model that peft can adapt, got model type "
                    f"{name!r}; pass --weights separate or --weights shared"
                ) from error
        self._peft.train(False)  # also while training, as in HFPolicy
        if not are_all_linear(self._policy.module):
            self._plain = None
        self._active = None
        return LoraPolicy(self, adapter)


class LoraPolicy:
    """Completes prompts with an adapter of a base model, and can be trained.

    Several policies share a base: each use of the network activates its own adapter, without a
    copy. Reading text activates none, so a thread can do it while another adapter is trained.

    Args:
        base: The base model, with the adapter added.
        adapter: Name of the adapter. None: the base alone, as a frozen reference.
    """

    def __init__(self, base: LoraBase, adapter: str | None) -> None:
        self._base = base
        self._adapter = adapter

    @property
    def module(self) -> PreTrainedModel:
        """The network with this adapter active: only its weights require a gradient."""
        return self._base.activate(self._adapter).module

    @property
    def base(self) -> LoraBase:
        """The base model of the adapter."""
        return self._base

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer of the base model."""
        return self._base.activate(None).tokenizer

    @property
    def max_tokens(self) -> int:
        """Default length limit of a completion, in tokens."""
        return self._base.activate(None).max_tokens

    def sample(
        self, prompts: Sequence[Prompt], *, sampling: Sampling, rng: np.random.Generator
    ) -> list[Completion]:
        """Return one completion per prompt, in order; deterministic given the state of rng."""
        with torch.no_grad():
            return self._base.call(
                self._adapter, lambda policy: policy.sample(prompts, sampling=sampling, rng=rng)
            )

    def completions_of(
        self, prompts: Sequence[Prompt], texts: Sequence[str], *, sampling: Sampling
    ) -> list[Completion]:
        """Return given texts as completions of prompts, as `HFPolicy.completions_of`."""
        return self._base.activate(None).completions_of(prompts, texts, sampling=sampling)

    def logprobs(self, completions: Sequence[Completion]) -> Tensor:
        """Return log-probabilities of the sampled tokens, as `HFPolicy.logprobs`."""
        return self._base.call(self._adapter, lambda policy: policy.logprobs(completions))

    def logprobs_and_entropy(self, completions: Sequence[Completion]) -> tuple[Tensor, Tensor]:
        """Return log-probabilities and entropies, as `HFPolicy.logprobs_and_entropy`."""
        return self._base.call(
            self._adapter, lambda policy: policy.logprobs_and_entropy(completions)
        )

    def option_logprobs(
        self, prompts: Sequence[Prompt], options: Sequence[str], *, temperature: float = 1.0
    ) -> tuple[FloatArray, int]:
        """Return log-probabilities of options, as `HFPolicy.option_logprobs`."""
        with torch.no_grad():
            return self._base.call(
                self._adapter,
                lambda policy: policy.option_logprobs(prompts, options, temperature=temperature),
            )

    def option_tokens(self, options: Sequence[str]) -> list[tuple[int, ...]]:
        """Return token ids of options, as `HFPolicy.option_tokens`."""
        return self._base.activate(None).option_tokens(options)

    def encode(self, prompts: Sequence[Prompt], max_tokens: int) -> list[tuple[int, ...]]:
        """Return token ids of each prompt, as `HFPolicy.encode`."""
        return self._base.activate(None).encode(prompts, max_tokens)

    def hidden_states(self, prompts: Sequence[tuple[int, ...]]) -> FloatArray:
        """Return hidden states after prompts, as `HFPolicy.hidden_states`."""
        with torch.no_grad():
            return self._base.call(self._adapter, lambda policy: policy.hidden_states(prompts))

    def save(self, folder: Path) -> None:
        """Write only the adapter in peft's format, with the name of its base."""
        assert self._adapter is not None, "a reference policy must not be saved"
        self._base.save(self._adapter, folder)
