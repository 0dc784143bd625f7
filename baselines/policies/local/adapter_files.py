"""Adapter folders: how to distinguish them from models, and their base models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from baselines.common.files import read_object
from baselines.policies.registry import POLICIES

if TYPE_CHECKING:
    from peft import LoraConfig

ADAPTER_FILE = "adapter_config.json"
"""File that identifies the folder of an adapter."""
WEIGHTS_FILE = "adapter_model.safetensors"


def is_adapter(folder: str | Path) -> bool:
    """Return whether a folder holds an adapter instead of a model."""
    return (Path(folder) / ADAPTER_FILE).is_file()


def full_name(name: str) -> str:
    """Return the absolute path of a local model folder; other names are unchanged."""
    is_path = name not in POLICIES and Path(name).exists()
    return str(Path(name).resolve()) if is_path else name


def base_name(folder: str | Path) -> str:
    """Return the spec with which `load_policy` loads the base of an adapter."""
    path = Path(folder) / ADAPTER_FILE
    name = read_object(path).get("base_model_name_or_path")
    if not isinstance(name, str):
        raise ValueError(
            f"an adapter must name its base model, got {name!r} in {path}; write the name of the "
            f"model there as base_model_name_or_path"
        )
    return name


def require_peft() -> None:
    """Raise ImportError, with the install command, unless the package peft is installed."""
    try:
        import peft  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "adapters must have the package peft installed, got none; pip install 'ccpo-env[lora]'"
        ) from error


def check_plain(config: LoraConfig, folder: Path) -> None:
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
