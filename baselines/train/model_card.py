"""Export trained models in Hugging Face format with model cards, and upload them."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baselines.common.errors import StorageError
from baselines.common.files import storing, write_text
from baselines.common.stats import proportion
from baselines.policies.base import TrainablePolicy
from baselines.policies.local.adapter_files import base_name, is_adapter
from baselines.policies.registry import POLICIES
from baselines.policies.team import TEAM

MODEL_FOLDER = "model"
"""Subfolder of a run with the models after its last step."""
CARD_FILE = "README.md"
"""File name of a model card."""
HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w.-]+")
"""Pattern of a hub name: an owner and a model."""


class HubError(RuntimeError):
    """An upload to the hub failed; the message gives the reason and a remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """Contents of the model card of trained models.

    Args:
        config: The result of `TrainConfig.to_json`.
        summary: Contents of summary.json: steps_done, initial, final and audit.
        folders: Names of the policies' folders: their roles, or TEAM for a shared policy.
        base: Base model of the adapters; None if the models are whole.
    """

    config: Mapping[str, Any]
    summary: Mapping[str, Any]
    folders: Sequence[str]
    base: str | None = None

    def render(self) -> str:
        """Return the card as Markdown with a YAML header."""
        parts = [self._header(), self._what(), self._settings(), self._accuracy(), self._audit()]
        return "\n\n".join([*(part for part in parts if part), self._use()]) + "\n"

    def _header(self) -> str:
        names = ("allocator", "optimizer")
        tags = ["ccpo", "multi-agent", "credit-assignment", *(self.config[n] for n in names)]
        origin = self.base or self.config["policy"]
        fields = {
            "library_name": "transformers" if self.base is None else "peft",
            "pipeline_tag": "text-generation",
            # The hub links to it, so it must be a hub name.
            **({"base_model": origin} if _is_of_the_hub(origin) else {}),
            "tags": tags,
        }
        # JSON is YAML in which nothing needs to be quoted by hand.
        return "\n".join(
            ["---", *(f"{name}: {json.dumps(value)}" for name, value in fields.items()), "---"]
        )

    def _what(self) -> str:
        kind = "models" if self.base is None else "low-rank adapters"
        folders = ", ".join(f"`{folder}`" for folder in self.folders)
        speaker = " (shared by all roles)" if tuple(self.folders) == (TEAM,) else ""
        return (
            f"# A team of language models: {self.config['topology']}\n\n"
            f"The {kind} in {folders}{speaker} answer questions as a team and were trained "
            f"together by reinforcement learning. Credit is the part of the team reward that is "
            f"assigned to an agent."
        )

    def _settings(self) -> str:
        config = self.config
        rows = {
            "credit": _with_args(config["allocator"], config["allocator_args"]),
            "optimizer": _with_args(config["optimizer"], config["optimizer_args"]),
            "started from": _plain_name(config["policy"]),
            **{f"{r} started from": _plain_name(p) for r, p in config["role_policies"].items()},
            "weights": config["weights"],
            **({"rank of the adapters": config["lora_rank"]} if self.base is not None else {}),
            "tasks": Path(config["tasks"]).name,
            "steps": self.summary["steps_done"],
            "rollouts per step": f"{config['tasks_per_step']} tasks of {config['group_size']} each",
            "learning rate": config["learning_rate"],
            "seed": config["seed"],
        }
        return _table("Training", ("setting", "value"), [(n, v) for n, v in rows.items()])

    def _accuracy(self) -> str:
        """Return held-out accuracy before and after training, with its interval."""
        rows = []
        for when, name in (("before training", "initial"), ("after training", "final")):
            evaluation = self.summary[name]
            if evaluation is not None:
                rows.append((f"whole team, {when}", *_rate(evaluation["joint"])))
                for removed, counts in evaluation["without"].items():
                    rows.append((f"without {removed}, {when}", *_rate(counts)))
        heads = ("team", "accuracy", "95 % interval", "tasks")
        return _table("Accuracy on held-out tasks", heads, rows) if rows else ""

    def _audit(self) -> str:
        rows = []
        for agent, audit in self.summary["audit"].items():
            relation = "is a multiple of" if audit["degenerate"] else "differs from"
            numbers = (_number(audit["correlation"]), _number(audit["slope"]))
            rows.append((agent, f"{relation} that of shared credit", *numbers))
        heads = ("agent", "its advantage in the run", "mean correlation", "mean slope")
        return _table("Does the credit differ from shared credit?", heads, rows) if rows else ""

    def _use(self) -> str:
        folder = f"{MODEL_FOLDER}/{self.folders[-1]}"
        lines = ["from transformers import AutoModelForCausalLM, AutoTokenizer", ""]
        if self.base is None:
            lines += [
                f'model = AutoModelForCausalLM.from_pretrained("{folder}")',
                f'tokenizer = AutoTokenizer.from_pretrained("{folder}")',
            ]
        else:
            lines = ["from peft import PeftModel", *self._load_base()]
            lines += [f'model = PeftModel.from_pretrained(base, "{folder}")']
        return "\n".join(
            [
                "## Use",
                "",
                "Paths are those of the folder of the run; of the hub, pass the name of the",
                f'repository and `subfolder="{self.folders[-1]}"`.',
                "",
                "```python",
                *lines,
                "```",
                "",
                "The whole team, with ccpo-env:",
                "",
                "```sh",
                f"python -m baselines.evaluate --policy {MODEL_FOLDER} "
                f"--tasks {shlex.quote(Path(self.config['tasks']).name)}",
                "```",
            ]
        )

    def _load_base(self) -> list[str]:
        if self.base in POLICIES:
            return [
                "from baselines.policies.registry import load_policy",
                "",
                f'base = load_policy("{self.base}").module',
            ]
        return [
            "from transformers import AutoModelForCausalLM",
            "",
            f'base = AutoModelForCausalLM.from_pretrained("{_plain_name(str(self.base))}")',
        ]


def save_model(
    run_dir: Path,
    policies: Mapping[str, TrainablePolicy],
    *,
    config: Mapping[str, Any],
    summary: Mapping[str, Any],
) -> Path:
    """Write the folder MODEL_FOLDER of a run: all policies, each with a card, and a team card.

    Args:
        run_dir: Folder of the run.
        policies: Policies by folder name: their roles, or TEAM.
        config: The result of `TrainConfig.to_json`.
        summary: Contents of summary.json.

    Returns:
        The folder, which `load_team` accepts.

    Raises:
        StorageError: If it cannot be written; an earlier folder is untouched.
    """
    from safetensors import SafetensorError

    folder, part = run_dir / MODEL_FOLDER, run_dir / f"{MODEL_FOLDER}.part"
    try:
        with storing("the trained models", folder, also=(SafetensorError,)):
            shutil.rmtree(part, ignore_errors=True)
            bases = {}
            for name, policy in policies.items():
                policy.save(part / name)
                bases[name] = base_name(part / name) if is_adapter(part / name) else None
                card = ModelCard(config=config, summary=summary, folders=[name], base=bases[name])
                write_text(part / name / CARD_FILE, card.render())
            first = next(iter(bases.values()))
            card = ModelCard(config=config, summary=summary, folders=[*bases], base=first)
            write_text(part / CARD_FILE, card.render())
            shutil.rmtree(folder, ignore_errors=True)
            part.rename(folder)
    except StorageError:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return folder


def push_to_hub(folder: Path, name: str) -> str:
    """Upload a folder of models to a private repository on the Hugging Face hub.

    Args:
        folder: Folder from `save_model`.
        name: Name of the repository, such as owner/team; created if it does not exist.

    Returns:
        URL of the repository.

    Raises:
        HubError: If the hub cannot be reached or rejects the upload.
        ImportError: If the package huggingface_hub is missing.
    """
    try:
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError
    except ImportError as error:
        raise ImportError(
            "--push-to-hub must have the package huggingface_hub installed, got none; "
            "pip install huggingface_hub"
        ) from error
    # The base classes of its errors depend on its HTTP library, which may change.
    failures: tuple[type[Exception], ...] = (*HfHubHTTPError.__bases__, OSError, ValueError)
    try:
        api = HfApi()
        api.create_repo(name, private=True, exist_ok=True)
        address = api.upload_folder(repo_id=name, folder_path=folder)
    except failures as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".")
        raise HubError(
            f"the hub must take the models as {name!r}, got {reason}; they are in {folder}: check "
            f"network, name and token (hf auth login), then hf upload {name} {folder}"
        ) from error
    return str(address)


def _is_of_the_hub(name: str) -> bool:
    is_path = name.endswith(".gguf") or Path(name).exists()
    return HUB_NAME.fullmatch(name) is not None and not is_path


def _plain_name(name: str) -> str:
    """Return a name without its folders, which are private."""
    return name if name in POLICIES or _is_of_the_hub(name) else Path(name).name


def _with_args(name: str, args: Mapping[str, str]) -> str:
    return " ".join([name, *(f"{key}={value}" for key, value in sorted(args.items()))])


def _rate(counts: Mapping[str, int]) -> tuple[str, str, str]:
    if not counts["total"]:
        return "not measured", "", "0"
    share = proportion(counts["successes"], counts["total"])
    interval = f"[{share.low:.3f}, {share.high:.3f}]"
    return f"{share.value:.3f}", interval, str(share.num_units)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    cells = [[" ".join(str(cell).split()).replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join([f"## {title}", "", *(f"| {' | '.join(line)} |" for line in cells)])
