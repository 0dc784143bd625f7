"""Policies that are low-rank adapters of one base model: one set of weights for a whole team."""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from torch import Tensor

from baselines.policies.base import Completion, Prompt, Sampling
from baselines.policies.hf import HFPolicy
from baselines.policies.llama import as_plain_llama
from baselines.policies.llama_decoder import MAX_PARAMETERS
from baselines.policies.registry import POLICIES, load_policy
from baselines.types import FloatArray

if TYPE_CHECKING:
    from peft import LoraConfig, PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Result = TypeVar("Result")

ADAPTER_FILE = "adapter_config.json"
"""What a folder with an adapter holds, and one with a model does not."""
WEIGHTS_FILE = "adapter_model.safetensors"
ALPHA_PER_RANK = 2
"""Scale of the product of the two factors, lora_alpha / rank, whatever the rank is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraSettings:
    """What a new adapter is made of.

    Args:
        rank: Inner size of the two factors that are added to every linear layer but the last.
        seed: Seeds the first factor; the second is zero, so a new adapter changes nothing.
    """

    rank: int = 16
    seed: int = 0


class LoraBase:
    """A base model in memory, which no update changes, with the adapters that share it.

    Args:
        policy: The base model. It is changed in place: its linear layers take adapters.
        name: What `load_policy` took to load it; adapters are saved with this name.

    Raises:
        ImportError: If the package peft is missing.
    """

    def __init__(self, policy: HFPolicy, name: str) -> None:
        require_peft()
        self._policy = policy
        self._name = name
        self._plain = _plain_copy(policy)
        self._peft: PeftModel | None = None
        self._active: str | None = None

    @classmethod
    def load(cls, name: str) -> LoraBase:
        """Load a base model; see `load_policy` for names and errors."""
        require_peft()
        policy = load_policy(name)
        assert isinstance(policy, HFPolicy)
        return cls(policy, full_name(name))

    @property
    def adapters(self) -> tuple[str, ...]:
        """Names of the adapters, in the order in which they were added."""
        return () if self._peft is None else tuple(self._peft.peft_config)

    def add(self, adapter: str, settings: LoraSettings) -> LoraPolicy:
        """Add an adapter that changes nothing yet, and return its policy."""
        from peft import LoraConfig

        config = LoraConfig(
            r=settings.rank,
            lora_alpha=ALPHA_PER_RANK * settings.rank,
            lora_dropout=0.0,  # log-probabilities of an update must be those of the sampling
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        )
        return self._add(adapter, config, seed=settings.seed)

    def add_saved(
        self, adapter: str, folder: Path, *, settings: LoraSettings | None = None
    ) -> LoraPolicy:
        """Add an adapter that `LoraPolicy.save` or peft has written, and return its policy.

        Args:
            adapter: Its name here, which need not be the one it had.
            folder: Where it is.
            settings: If given, the adapter must have this rank.

        Raises:
            ValueError: If it is not plain LoRA, has another rank, or does not fit the base.
        """
        from peft import PeftConfig, set_peft_model_state_dict
        from safetensors.torch import load_file

        config = PeftConfig.from_pretrained(str(folder))
        _check_plain(config, folder)
        if settings is not None and config.r != settings.rank:
            raise ValueError(
                f"lora_rank must be that of the adapter, {config.r}, got {settings.rank} in "
                f"{folder}; pass --lora-rank {config.r}"
            )
        policy = self._add(adapter, config, seed=0)
        weights = load_file(folder / WEIGHTS_FILE)
        own = self.state(adapter)
        if {n: w.shape for n, w in weights.items()} != {n: w.shape for n, w in own.items()}:
            raise ValueError(
                f"an adapter must fit the layers of its base {self._name!r}, got other weights in "
                f"{folder}; pass the base that it was trained on"
            )
        set_peft_model_state_dict(self._peft, weights, adapter_name=adapter)
        return policy

    def activate(self, adapter: str) -> HFPolicy:
        """Return the base as this adapter changes it; only its weights require a gradient."""
        assert self._peft is not None
        if adapter != self._active:
            self._peft.set_adapter(adapter)
            self._active = adapter
        return self._policy

    def call(self, adapter: str, use: Callable[[HFPolicy], Result]) -> Result:
        """Return what a function makes of the base with this adapter, with gradient."""
        policy = self.activate(adapter)
        if self._plain is None:
            return use(policy)
        weights = _merged_weights(policy.module, adapter)
        result: Result = torch.func.functional_call(self._plain, weights, (use,))
        return result

    def state(self, adapter: str) -> dict[str, Tensor]:
        """Return the weights of an adapter by the names that peft gives them in a file."""
        from peft import get_peft_model_state_dict

        # Told to look for itself, peft would ask the hub whether the vocabulary has grown.
        state: dict[str, Tensor] = get_peft_model_state_dict(
            self._peft, adapter_name=adapter, save_embedding_layers=False
        )
        return state

    def save(self, adapter: str, folder: Path) -> None:
        """Write an adapter in the form of peft, with the name of its base."""
        from safetensors.torch import save_file

        assert self._peft is not None
        folder.mkdir(parents=True, exist_ok=True)
        state = {name: weight.contiguous() for name, weight in self.state(adapter).items()}
        save_file(state, folder / WEIGHTS_FILE, metadata={"format": "pt"})
        self._peft.peft_config[adapter].save_pretrained(str(folder))

    def merged(self, adapter: str) -> HFPolicy:
        """Return a plain model with this adapter in its weights; the base is used up."""
        self.activate(adapter)
        assert self._peft is not None
        model = self._peft.merge_and_unload()
        return HFPolicy(model.requires_grad_(True), self._policy.tokenizer)

    def _add(self, adapter: str, config: LoraConfig, *, seed: int) -> LoraPolicy:
        from peft import PeftModelForCausalLM

        config.base_model_name_or_path = self._name
        config.inference_mode = False
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            # It asks transformers by an old name, and says how GPT-2 stores its weights.
            warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)
            warnings.filterwarnings("ignore", "fan_in_fan_out", UserWarning)
            torch.manual_seed(seed)
            if self._peft is None:
                self._peft = PeftModelForCausalLM(self._policy.module, config, adapter)
            else:
                self._peft.add_adapter(adapter, config)
        self._peft.train(False)  # also while training, as in HFPolicy
        if not _only_linear(self._policy.module):
            self._plain = None
        self._active = None
        return LoraPolicy(self, adapter)


class LoraPolicy:
    """Completes prompts with an adapter of a base model, and can be trained.

    Several of them share a base: each call makes its own adapter the active one, which moves
    nothing.

    Args:
        base: The base model, with the adapter added.
        adapter: Its name.
    """

    def __init__(self, base: LoraBase, adapter: str) -> None:
        self._base = base
        self._adapter = adapter

    @property
    def module(self) -> PreTrainedModel:
        """The network with this adapter active: only its weights require a gradient."""
        return self._base.activate(self._adapter).module

    @property
    def base(self) -> LoraBase:
        """The base model that it changes."""
        return self._base

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer of the base model."""
        return self._base.activate(self._adapter).tokenizer

    def sample(
        self, prompts: Sequence[Prompt], *, sampling: Sampling, rng: np.random.Generator
    ) -> list[Completion]:
        """Return one completion per prompt, in order; the same rng state, the same result."""
        with torch.no_grad():
            return self._base.call(
                self._adapter, lambda policy: policy.sample(prompts, sampling=sampling, rng=rng)
            )

    def logprobs(self, completions: Sequence[Completion], *, temperature: float) -> Tensor:
        """Return log-probabilities of the sampled tokens, as `HFPolicy.logprobs`."""
        return self._base.call(
            self._adapter, lambda policy: policy.logprobs(completions, temperature=temperature)
        )

    def option_logprobs(
        self, prompts: Sequence[Prompt], options: Sequence[str]
    ) -> tuple[FloatArray, int]:
        """Return log-probabilities of options, as `HFPolicy.option_logprobs`."""
        with torch.no_grad():
            return self._base.call(
                self._adapter, lambda policy: policy.option_logprobs(prompts, options)
            )

    def save(self, folder: Path) -> None:
        """Write the adapter alone, in the form of peft, with the name of its base."""
        self._base.save(self._adapter, folder)


def is_adapter(folder: str | Path) -> bool:
    """Tell whether a folder holds an adapter, not a model."""
    return (Path(folder) / ADAPTER_FILE).is_file()


def full_name(name: str) -> str:
    """Return a name of a model with its path, if it is one, found from any folder."""
    is_path = name not in POLICIES and Path(name).exists()
    return str(Path(name).resolve()) if is_path else name


def base_name(folder: str | Path) -> str:
    """Return what `load_policy` takes to load the base of an adapter."""
    path = Path(folder) / ADAPTER_FILE
    name = json.loads(path.read_text(encoding="utf-8")).get("base_model_name_or_path")
    if not isinstance(name, str):
        raise ValueError(
            f"an adapter must name its base model, got {name!r} in {path}; write the name of the "
            f"model there as base_model_name_or_path"
        )
    return name


def require_peft() -> None:
    """Raise ImportError, with what to install, unless there is the package peft."""
    try:
        import peft  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "adapters must have the package peft installed, got none; pip install 'ccpo-env[lora]'"
        ) from error


def _check_plain(config: LoraConfig, folder: Path) -> None:
    """Raise ValueError unless an adapter only adds products of two factors to linear layers."""
    is_plain = (
        config.peft_type == "LORA"
        and config.bias == "none"
        and not (config.use_dora or config.lora_bias or config.modules_to_save)
    )
    if not is_plain:
        raise ValueError(
            f"an adapter must be plain LoRA (no bias, no DoRA, no modules_to_save), got "
            f"{config.peft_type!s} in {folder}; merge it into its base and pass that"
        )


class _PlainCopy(torch.nn.Module):
    """A copy of a small base without adapters, which other weights stand in for in a call.

    Plain layers are computed several times faster than those that take adapters. A copy of a
    large model would cost more memory than it saves time.
    """

    def __init__(self, policy: HFPolicy) -> None:
        super().__init__()
        self.model = copy.deepcopy(policy.module).requires_grad_(False)
        self._policy = HFPolicy(self.model, policy.tokenizer)

    def forward(self, use: Callable[[HFPolicy], Result]) -> Result:
        """Return what a function makes of the copy."""
        return use(self._policy)


def _plain_copy(policy: HFPolicy) -> _PlainCopy | None:
    llama = as_plain_llama(policy.module)
    if llama is None or llama.num_parameters() > MAX_PARAMETERS:
        return None
    return _PlainCopy(policy)


def _only_linear(model: PreTrainedModel) -> bool:
    """Tell whether adapters change linear layers alone, whose weights can be told."""
    from peft.tuners.lora import Linear, LoraLayer

    return all(isinstance(m, Linear) for m in model.modules() if isinstance(m, LoraLayer))


def _merged_weights(model: PreTrainedModel, adapter: str) -> dict[str, Tensor]:
    """Return the base weights plus what an adapter adds, by their names in a plain copy."""
    from peft.tuners.lora import Linear

    weights = {}
    for name, layer in model.named_modules():
        if isinstance(layer, Linear):
            plain = layer.get_base_layer()
            assert isinstance(plain, torch.nn.Linear)
            weights[f"model.{name}.weight"] = plain.weight + layer.get_delta_weight(adapter)
    return weights
